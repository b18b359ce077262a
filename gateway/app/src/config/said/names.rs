//! Problems with names and versions.

use super::{Said, both};
use linli_domain::text::Text;

/// A file for a version of the format this program does not speak.
pub fn unknown_version(version: i64) -> Said {
    Said::new(
        "unknown-version",
        both!(
            "不支持 config_version = {version}",
            "config_version = {version} is not supported"
        ),
    )
    .hint(both!(
        "本程序支持 config_version = 1",
        "this program reads config_version = 1"
    ))
}

/// Two things with one name.
pub fn duplicate(what: &Text, name: &str, first_line: usize) -> Said {
    let (zh, en) = (&what.zh, &what.en);
    Said::new(
        "duplicate",
        both!(
            "{zh} \"{name}\" 与第 {first_line} 行重复",
            "{en} \"{name}\" was already used on line {first_line}"
        ),
    )
    .hint(both!("改用另一个", "choose another"))
}

/// A reference to a name that is not defined.
pub fn unknown_name(what: &Text, name: &str, near: Option<&str>, known: &str) -> Said {
    let (zh, en) = (&what.zh, &what.en);
    Said::new(
        "unknown-name",
        both!("没有名为 \"{name}\" 的{zh}", "there is no {en} \"{name}\""),
    )
    .hint(match near {
        Some(near) => both!("是否想写 \"{near}\"？", "did you mean \"{near}\"?"),
        None if known.is_empty() => both!("配置中还没有{zh}", "none is configured yet"),
        None => both!("已配置：{known}", "configured: {known}"),
    })
}
