//! The part of Home Assistant's templates that sensors use: one member of the JSON payload, or the payload itself.
//!
//! `{{ value_json.a.b }}`, `{{ value_json['a'][0] }}`, `{{ value }}`, and the filters that only change the type or
//! the digits. Anything else computes, and is refused: a template engine has no place in a decoder.

/// Longest template read, in bytes.
const MAX_TEMPLATE_BYTES: usize = 512;

/// What a template takes out of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// The whole payload as text.
    Whole,
    /// A member of the JSON payload, as a JSON pointer.
    Member(String),
}

/// Reads a template; the error says which part is not supported.
pub(super) fn read(template: &str) -> Result<Taken, String> {
    if template.len() > MAX_TEMPLATE_BYTES {
        return Err("a template of more than 512 bytes".to_owned());
    }
    let inside = template
        .trim()
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .ok_or_else(|| format!("the template {template:?}, which is not a single expression"))?;
    let mut parts = inside.split('|');
    let expression = parts.next().unwrap_or_default().trim();
    for filter in parts {
        let name = filter.trim().split('(').next().unwrap_or_default().trim();
        if !matches!(
            name,
            "float" | "int" | "round" | "default" | "is_defined" | "string" | "lower" | "upper"
        ) {
            return Err(format!("the filter {name:?}"));
        }
    }
    if expression == "value" {
        return Ok(Taken::Whole);
    }
    let unsupported = || format!("the expression {expression:?}");
    let path = expression.strip_prefix("value_json").ok_or_else(unsupported)?;
    match pointer(path) {
        Some(pointer) if !pointer.is_empty() => Ok(Taken::Member(pointer)),
        _ => Err(unsupported()),
    }
}

/// `.a.b`, `['a']["b"]` and `[0]` as a JSON pointer.
fn pointer(mut path: &str) -> Option<String> {
    let mut pointer = String::new();
    while !path.is_empty() {
        let name;
        (name, path) = if let Some(rest) = path.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            (is_name.then_some(name)?, rest)
        } else {
            let rest = path.strip_prefix('[')?;
            let (name, rest) = rest.split_once(']')?;
            let quoted = ['\'', '"']
                .iter()
                .find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote));
            let name = quoted.or_else(|| name.chars().all(|c| c.is_ascii_digit()).then_some(name));
            (name.filter(|name| !name.is_empty())?, rest)
        };
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    Some(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_of_sensors_are_read() {
        let member = |pointer: &str| Ok(Taken::Member(pointer.to_owned()));
        for (template, want) in [
            ("{{ value_json.d }}", member("/d")),
            ("{{value_json.a.b}}", member("/a/b")),
            (
                "{{ value_json['BME280']['Temperature'] }}",
                member("/BME280/Temperature"),
            ),
            (
                "{{ value_json.list[0].x | float | round(1) }}",
                member("/list/0/x"),
            ),
            ("{{ value_json[\"a/b\"] }}", member("/a~1b")),
            ("{{ value }}", Ok(Taken::Whole)),
            ("{{ value | int }}", Ok(Taken::Whole)),
        ] {
            assert_eq!(read(template), want, "{template}");
        }
    }

    #[test]
    fn what_computes_is_refused_by_name() {
        for (template, part) in [
            ("{{ value_json.a * 10 }}", "expression"),
            ("{% if value %}ON{% endif %}", "single expression"),
            ("{{ value_json.a | timestamp_local }}", "timestamp_local"),
            ("{{ states('sensor.x') }}", "expression"),
            ("{{ value_json }}", "expression"),
            ("{{ value_json.a[b] }}", "expression"),
            ("", "single expression"),
            (&"x".repeat(600), "512"),
        ] {
            let refused = read(template).unwrap_err();
            assert!(refused.contains(part), "{template}: {refused}");
        }
    }
}
