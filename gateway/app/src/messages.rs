//! The catalogue of texts people read, in Chinese and English with equal keys.
//!
//! The texts are data: `messages/zh-CN.toml` and `messages/en.toml`. The program names them by [`Key`]; codes that
//! another crate owns (a refusal, a state, a reject reason) are found by [`word`]. Texts hold named placeholders
//! such as `{asset}`. What stands in them is decided elsewhere; this module only finds and fills texts, and never
//! fails: a missing text shows as its key, a missing value as its placeholder.

mod sentences;

pub use sentences::translated;

use linli_domain::text::Language;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const ZH: &str = include_str!("messages/zh-CN.toml");
const EN: &str = include_str!("messages/en.toml");

macro_rules! keys {
    ($($name:ident = $key:literal,)*) => {
        /// A text the program asks for by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the texts themselves say what they are")]
        pub enum Key { $($name,)* }

        impl Key {
            /// Every key.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The key as it stands in the files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }
        }
    };
}

keys! {
    CardTitle = "card.title",
    CardBold = "card.bold",
    CardPlace = "card.place",
    CardOrder = "card.order",
    CardAlarm = "card.alarm",
    CardResponse = "card.response",
    CardSeveral = "card.several",
    CardMember = "card.member",
    CardStorm = "card.storm",
    StormBegan = "storm.began",
    StormEnded = "storm.ended",
    CardReason = "card.reason",
    CardUntil = "card.until",
    CardTime = "card.time",
    DigestTitle = "digest.title",
    DigestLine = "digest.line",
    DigestMore = "digest.more",
    DigestOutlived = "digest.outlived",
    TestTitle = "test.title",
    TestBody = "test.body",
    DemoLeak = "demo.leak",
    DemoSurge = "demo.surge",
    DemoBlock = "demo.block",
    DemoOrder = "demo.order",
}

type Texts = BTreeMap<String, String>;

static CATALOGUE: LazyLock<[Texts; 2]> = LazyLock::new(|| [flatten(ZH), flatten(EN)]);

/// The two-level table of the file as `section.name` → text. An unreadable file yields an empty catalogue, which
/// a test rules out.
fn flatten(file: &str) -> Texts {
    let sections: BTreeMap<String, Texts> = toml::from_str(file).unwrap_or_default();
    let flat = |(section, texts): (String, Texts)| {
        texts
            .into_iter()
            .map(move |(name, text)| (format!("{section}.{name}"), text))
    };
    sections.into_iter().flat_map(flat).collect()
}

fn texts(language: Language) -> &'static Texts {
    match language {
        Language::Zh => &CATALOGUE[0],
        Language::En => &CATALOGUE[1],
    }
}

/// The text of a key, placeholders unfilled.
pub fn text(language: Language, key: Key) -> &'static str {
    texts(language)
        .get(key.as_str())
        .map_or(key.as_str(), String::as_str)
}

/// The text of a key with its placeholders filled. A value is never read for placeholders of its own.
pub fn format(language: Language, key: Key, values: &[(&str, &str)]) -> String {
    fill(text(language, key), values)
}

/// The word for a code of a closed list, such as `("refusal", "unknown_order")` or
/// `("order_state", "accepted")`.
pub fn find(language: Language, section: &str, code: &str) -> Option<&'static str> {
    texts(language)
        .get(&format!("{section}.{code}"))
        .map(String::as_str)
}

/// The word for a code; the code itself when the catalogue has none.
pub fn word<'a>(language: Language, section: &str, code: &'a str) -> &'a str {
    find(language, section, code).unwrap_or(code)
}

/// The names of a text's placeholders.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// Fills `{name}` placeholders; what has no value stays as it is.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let (mut filled, mut rest) = (String::with_capacity(template.len() + 64), template);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let value = after.split_once('}').and_then(|(name, tail)| {
            let value = values.iter().find(|(n, _)| *n == name)?.1;
            Some((value, tail))
        });
        match value {
            Some((value, tail)) => {
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn both_languages_have_the_same_keys_and_placeholders() {
        let (zh, en) = (texts(Language::Zh), texts(Language::En));
        assert!(!zh.is_empty(), "the catalogue cannot be read");
        let keys = |t: &'static Texts| t.keys().collect::<BTreeSet<_>>();
        assert_eq!(keys(zh), keys(en));
        for (key, text) in zh {
            let named = |text| placeholders(text).collect::<BTreeSet<_>>();
            assert_eq!(named(text), named(&en[key]), "{key}");
        }
    }

    #[test]
    fn no_text_is_empty_and_chinese_is_chinese() {
        for texts in [texts(Language::Zh), texts(Language::En)] {
            for (key, text) in texts {
                assert!(!text.trim().is_empty(), "{key} is empty");
            }
        }
        for (key, text) in texts(Language::En) {
            assert!(
                !text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)),
                "{key}"
            );
        }
    }

    #[test]
    fn every_measure_has_a_name() {
        for measure in linli_domain::measure::Measure::all() {
            for language in [Language::Zh, Language::En] {
                assert!(
                    find(language, "measure", measure.name()).is_some(),
                    "{measure} in {language:?}"
                );
            }
        }
    }

    #[test]
    fn every_key_of_the_program_has_a_text() {
        for key in Key::ALL {
            assert!(texts(Language::Zh).contains_key(key.as_str()), "{}", key.as_str());
        }
    }

    #[test]
    fn every_code_of_the_core_has_a_word() {
        use linli_domain::engine::NoticeKind as Kind;
        for kind in Kind::ALL {
            assert!(find(Language::Zh, "notice", kind.name()).is_some(), "{kind:?}");
        }
        for state in linli_domain::alarm::AlarmState::CODES {
            assert!(find(Language::Zh, "alarm_state", state).is_some(), "{state}");
        }
        for kind in linli_domain::health::FlagKind::ALL {
            assert!(find(Language::Zh, "flag", kind.name()).is_some(), "{kind}");
        }
        for state in linli_domain::health::availability::Availability::ALL {
            assert!(
                find(Language::Zh, "availability", state.name()).is_some(),
                "{state:?}"
            );
        }
        for code in crate::http::problem::Code::ALL {
            assert!(
                find(Language::Zh, "refusal", code.as_str()).is_some(),
                "{}",
                code.as_str()
            );
        }
        let decoding = linli_decode::RejectReason::ALL.map(linli_decode::RejectReason::label);
        for reason in decoding.iter().chain(crate::pipeline::Refused::REASONS) {
            for section in ["reject", "reject_hint", "reject_detail"] {
                assert!(
                    find(Language::Zh, section, reason).is_some(),
                    "{section}.{reason}"
                );
            }
        }
        for reason in crate::field::modbus::update::Reason::every() {
            assert!(
                find(Language::Zh, "update", reason.word()).is_some(),
                "{reason:?}"
            );
        }
        for because in linli_decode::Because::ALL {
            assert!(
                find(Language::Zh, "guess", because.label()).is_some(),
                "{because:?}"
            );
        }
        for reason in linli_domain::reading::Reason::ALL {
            let code = serde_json::to_value(reason).unwrap();
            assert!(
                find(Language::Zh, "quality", code.as_str().unwrap()).is_some(),
                "{code}"
            );
        }
    }

    #[test]
    fn filling_never_fails_and_never_reads_values_twice() {
        assert_eq!(fill("{a} und {b}", &[("a", "{b}"), ("b", "1")]), "{b} und 1");
        assert_eq!(fill("{unknown} {", &[]), "{unknown} {");
        assert_eq!(fill("a}b{", &[("a", "x")]), "a}b{");
        assert_eq!(fill("{{a}}", &[("a", "x")]), "{x}");
    }

    #[test]
    fn an_unknown_code_shows_itself() {
        assert_eq!(word(Language::Zh, "state", "no-such"), "no-such");
        assert_eq!(word(Language::Zh, "role", "repair"), "维修");
        assert_eq!(word(Language::Zh, "priority", "P1"), "特急");
        assert_eq!(word(Language::En, "priority", "P4"), "low");
    }
}
