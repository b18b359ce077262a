//! One walk over a JSON text that hands out the wanted members as they pass. No tree of values is built.
//!
//! Wanted members are given as JSON pointers (RFC 6901). What a member means is the [`Sink`]'s business.

use crate::refusal::JsonFault;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Deepest nesting read. serde_json stops at 128 on its own; devices need less than ten.
pub(crate) const MAX_JSON_DEPTH: usize = 64;

/// Receives the wanted members in the order of the text.
pub(crate) trait Sink {
    fn member(&mut self, slot: u16, value: Scalar<'_>);
}

/// A member's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
    /// An object or array where a value was expected.
    Composite,
}

/// The wanted members, as a tree of keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointers {
    root: Branch,
}

#[derive(Debug, Clone, Default)]
struct Branch {
    slots: Vec<u16>,
    children: Vec<Child>,
}

#[derive(Debug, Clone)]
struct Child {
    key: Box<str>,
    /// The key as an array index, when it is one.
    index: Option<usize>,
    branch: Branch,
}

impl Pointers {
    /// Most levels in a pointer.
    const MAX_LEVELS: usize = 16;

    /// Adds `pointer` under `slot`; the error says what is wrong with it.
    pub(crate) fn insert(&mut self, pointer: &str, slot: u16) -> Result<(), &'static str> {
        let mut branch = &mut self.root;
        let mut levels = pointer.split('/');
        if levels.next() != Some("") || pointer.is_empty() {
            return Err("a JSON pointer starts with `/`, for example \"/battery/level\"");
        }
        for (depth, level) in levels.enumerate() {
            if depth >= Self::MAX_LEVELS {
                return Err("a JSON pointer has at most 16 levels");
            }
            let key =
                unescape(level).ok_or("`~` in a JSON pointer is written `~0`, and `/` inside a name `~1`")?;
            let at = match branch.children.iter().position(|child| *child.key == *key) {
                Some(at) => at,
                None => {
                    branch.children.push(Child {
                        index: key.parse().ok(),
                        key: key.into(),
                        branch: Branch::default(),
                    });
                    branch.children.len() - 1
                }
            };
            branch = &mut branch.children[at].branch;
        }
        branch.slots.push(slot);
        Ok(())
    }

    /// Adds `pointer` under the next slot and returns it.
    pub(crate) fn insert_next(&mut self, pointer: &str, next: &mut u16) -> Result<u16, &'static str> {
        let slot = *next;
        self.insert(pointer, slot)?;
        *next = slot.checked_add(1).ok_or("too many members")?;
        Ok(slot)
    }

    /// Walks `text` once. Every wanted member that is present reaches `sink`, even when a later part is faulty.
    pub(crate) fn walk(&self, text: &[u8], sink: &mut impl Sink) -> Result<(), JsonFault> {
        let text = std::str::from_utf8(text).map_err(|e| JsonFault::NotUtf8 {
            offset: e.valid_up_to(),
        })?;
        let mut walk = Walk {
            sink,
            too_deep: false,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let step = Step {
            walk: &mut walk,
            branch: Some(&self.root),
            depth: 0,
        };
        match step.deserialize(&mut json).and_then(|()| json.end()) {
            Ok(()) => Ok(()),
            Err(_) if walk.too_deep => Err(JsonFault::TooDeep {
                limit: MAX_JSON_DEPTH,
            }),
            Err(error) => Err(JsonFault::NotJson {
                detail: error.to_string(),
            }),
        }
    }
}

/// Text of `bytes` that is nested at most [`MAX_JSON_DEPTH`] deep; for readers that do not count on their own.
pub(crate) fn shallow_text(bytes: &[u8]) -> Result<&str, JsonFault> {
    let text = std::str::from_utf8(bytes).map_err(|e| JsonFault::NotUtf8 {
        offset: e.valid_up_to(),
    })?;
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return Err(JsonFault::TooDeep {
                limit: MAX_JSON_DEPTH,
            });
        }
    }
    Ok(text)
}

fn unescape(level: &str) -> Option<String> {
    let mut key = String::with_capacity(level.len());
    let mut chars = level.chars();
    while let Some(c) = chars.next() {
        key.push(match (c, c == '~') {
            (_, false) => c,
            _ => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
        });
    }
    Some(key)
}

struct Walk<'s, S> {
    sink: &'s mut S,
    too_deep: bool,
}

/// One value of the text: wanted when `branch` is there, otherwise only checked.
struct Step<'w, 's, 'p, S> {
    walk: &'w mut Walk<'s, S>,
    branch: Option<&'p Branch>,
    depth: usize,
}

impl<S: Sink> Step<'_, '_, '_, S> {
    fn hand_out(self, value: Scalar<'_>) {
        for slot in self.branch.map_or(&[][..], |b| &b.slots) {
            self.walk.sink.member(*slot, value);
        }
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        for slot in self.branch.map_or(&[][..], |b| &b.slots) {
            self.walk.sink.member(*slot, Scalar::Composite);
        }
        self.walk.too_deep |= self.depth >= MAX_JSON_DEPTH;
        if self.walk.too_deep {
            return Err(E::custom("nested too deep"));
        }
        Ok(())
    }
}

impl<'de, S: Sink> DeserializeSeed<'de> for Step<'_, '_, '_, S> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Step<'_, '_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.hand_out(Scalar::Null);
        Ok(())
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.hand_out(Scalar::Bool(value));
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.hand_out(Scalar::Int(value.into()));
        Ok(())
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.hand_out(Scalar::Int(value.into()));
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.hand_out(Scalar::Float(value));
        Ok(())
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.hand_out(Scalar::Text(value));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.enter()?;
        loop {
            let branch = match self.branch {
                Some(branch) if !branch.children.is_empty() => match map.next_key_seed(Key(branch))? {
                    Some(branch) => branch,
                    None => return Ok(()),
                },
                _ => match map.next_key::<IgnoredAny>()? {
                    Some(IgnoredAny) => None,
                    None => return Ok(()),
                },
            };
            map.next_value_seed(Step {
                walk: &mut *self.walk,
                branch,
                depth: self.depth + 1,
            })?;
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.enter()?;
        for index in 0usize.. {
            let child = self
                .branch
                .and_then(|b| b.children.iter().find(|c| c.index == Some(index)));
            let step = Step {
                walk: &mut *self.walk,
                branch: child.map(|c| &c.branch),
                depth: self.depth + 1,
            };
            if seq.next_element_seed(step)?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Finds the branch below a key without copying the key.
struct Key<'p>(&'p Branch);

impl<'de, 'p> DeserializeSeed<'de> for Key<'p> {
    type Value = Option<&'p Branch>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for Key<'p> {
    type Value = Option<&'p Branch>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.iter().find(|c| *c.key == *key).map(|c| &c.branch))
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
