//! What the configuration check says, in both languages: one function per kind of problem.
//!
//! A kind has a stable code (for `--json` and for searching), a message, and a hint that tells what to do next.
//! Values of secrets never reach this module.

mod names;
mod secret;

pub use names::{duplicate, unknown_name, unknown_version};
pub use secret::{inline_secret, inline_secret_allowed, secret_exposed, secret_missing};

use linli_domain::text::Text;

/// Both languages of one text, formatted with the same arguments.
macro_rules! both {
    ($zh:literal, $en:literal $(,)?) => {
        linli_domain::text::Text {
            zh: format!($zh),
            en: format!($en),
        }
    };
}
pub(crate) use both;

/// One kind of problem with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong.
    pub message: Text,
    /// What to do.
    pub hint: Option<Text>,
}

impl Said {
    /// A kind with a message and no hint yet.
    pub fn new(code: &'static str, message: Text) -> Self {
        Self {
            code,
            message,
            hint: None,
        }
    }
    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: Text) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// The file cannot be read.
pub fn unreadable(error: &std::io::Error) -> Said {
    Said::new(
        "unreadable",
        both!("无法读取文件：{error}", "cannot read the file: {error}"),
    )
    .hint(both!(
        "检查路径和读取权限",
        "check the path and that this user may read it"
    ))
}

/// The file is larger than anything a person writes.
pub fn too_large(limit_bytes: u64) -> Said {
    Said::new(
        "too-large",
        both!(
            "文件超过 {limit_bytes} 字节的上限",
            "the file is larger than the limit of {limit_bytes} bytes"
        ),
    )
    .hint(both!(
        "确认指定的是正确的文件",
        "check that this is the file you meant"
    ))
}

/// Not TOML.
pub fn syntax(message: &str) -> Said {
    let message = message.trim();
    Said::new(
        "syntax",
        both!("TOML 语法错误：{message}", "not valid TOML: {message}"),
    )
}

/// A key nobody asks for.
pub fn unknown_key(key: &str, table: &str, near: Option<&str>, known: &[&str]) -> Said {
    let known = known.join(", ");
    let zh_place = if table.is_empty() {
        "文件顶层".to_owned()
    } else {
        format!("[{table}]")
    };
    let en_place = if table.is_empty() {
        "at the top of the file".to_owned()
    } else {
        format!("in [{table}]")
    };
    Said::new(
        "unknown-key",
        both!(
            "{zh_place} 中没有键 \"{key}\"",
            "there is no key \"{key}\" {en_place}"
        ),
    )
    .hint(match near {
        Some(near) => both!("是否想写 \"{near}\"？", "did you mean \"{near}\"?"),
        None => both!("这里可用的键：{known}", "the keys here are: {known}"),
    })
}

/// A key that has a new name.
pub fn renamed_key(old: &str, new: &str) -> Said {
    Said::new(
        "renamed-key",
        both!(
            "键 \"{old}\" 已改名为 \"{new}\"",
            "the key \"{old}\" is now called \"{new}\""
        ),
    )
    .hint(both!("改写为 \"{new}\"", "write \"{new}\" instead"))
}

/// A key that has to be there.
pub fn missing_key(key: &str, table: &str, example: &str) -> Said {
    let zh_place = if table.is_empty() {
        "文件顶层".to_owned()
    } else {
        format!("[{table}]")
    };
    let en_place = if table.is_empty() {
        "the file".to_owned()
    } else {
        format!("[{table}]")
    };
    Said::new(
        "missing-key",
        both!(
            "{zh_place} 缺少键 \"{key}\"",
            "{en_place} lacks the key \"{key}\""
        ),
    )
    .hint(both!("例如：{key} = {example}", "for example: {key} = {example}"))
}

/// A value of another type.
pub fn wrong_type(key: &str, expected: &str, found: &str, example: &str) -> Said {
    Said::new(
        "wrong-type",
        both!(
            "\"{key}\" 应为 {expected}，实为 {found}",
            "\"{key}\" must be of type {expected}, not {found}"
        ),
    )
    .hint(both!("例如：{key} = {example}", "for example: {key} = {example}"))
}

/// A number or duration outside its range.
pub fn out_of_range(key: &str, value: &str, low: &str, high: &str) -> Said {
    Said::new(
        "out-of-range",
        both!(
            "\"{key}\" 的值 {value} 超出范围",
            "\"{key}\" = {value} is out of range"
        ),
    )
    .hint(both!("取值范围 {low} 到 {high}", "use {low} to {high}"))
}

/// A value that is not one of a closed list.
pub fn not_one_of(key: &str, value: &str, near: Option<&str>, known: &[&str]) -> Said {
    let list = known.join(", ");
    Said::new(
        "bad-value",
        both!("\"{key}\" 不接受 \"{value}\"", "\"{key}\" cannot be \"{value}\""),
    )
    .hint(match near {
        Some(near) => both!(
            "是否想写 \"{near}\"？可选：{list}",
            "did you mean \"{near}\"? The choices: {list}"
        ),
        None => both!("可选：{list}", "the choices: {list}"),
    })
}

/// A value refused for a reason given by its parser.
pub fn bad_value(key: &str, value: &str, reason: &Text, example: &str) -> Said {
    let (zh, en) = (&reason.zh, &reason.en);
    Said::new(
        "bad-value",
        both!(
            "\"{key}\" 不接受 \"{value}\"：{zh}",
            "\"{key}\" cannot be \"{value}\": {en}"
        ),
    )
    .hint(both!("例如：{key} = {example}", "for example: {key} = {example}"))
}

/// Why a text is not a duration.
pub fn not_a_duration() -> Text {
    both!(
        "不是时长，写法如 500ms、10s、5m、2h、7d、1h30m",
        "not a duration, which is written 500ms, 10s, 5m, 2h, 7d or 1h30m"
    )
}

/// Why a text is not an id.
pub fn not_an_id() -> Text {
    both!(
        "名称须以字母或数字开头，只含 a-z A-Z 0-9 - _ . : /，最长 96 个字符",
        "a name starts with a letter or digit and has at most 96 of a-z A-Z 0-9 - _ . : /"
    )
}

/// Keys that do not belong together.
pub fn conflict(message: Text, hint: Text) -> Said {
    Said::new("conflict", message).hint(hint)
}

/// Something legal that deserves a second look.
pub fn caution(message: Text, hint: Text) -> Said {
    Said::new("caution", message).hint(hint)
}
