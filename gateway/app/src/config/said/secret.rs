//! Problems with secrets; never the secret itself.

use super::{Said, both};
use linli_domain::text::Text;

/// A secret written into the file.
pub fn inline_secret(key: &str) -> Said {
    Said::new(
        "inline-secret",
        both!("\"{key}\" 是密钥，不应直接写在文件中", "\"{key}\" is a secret and does not belong in the file"),
    )
    .hint(both!(
        "写成 {{ file = \"…\" }}、{{ credential = \"…\" }} 或 {{ env = \"…\" }}；仅试用时可设 allow_inline_secrets = true",
        "write {{ file = \"…\" }}, {{ credential = \"…\" }} or {{ env = \"…\" }}; for a trial only, allow_inline_secrets = true"
    ))
}

/// A secret written into the file, allowed by the operator.
pub fn inline_secret_allowed(key: &str) -> Said {
    Said::new(
        "inline-secret",
        both!(
            "\"{key}\" 的密钥直接写在文件中",
            "the secret \"{key}\" stands in the file in the clear"
        ),
    )
    .hint(both!("仅用于试用", "keep this to trials"))
}

/// A secret that cannot be had.
pub fn secret_missing(key: &str, origin: &str, reason: &Text) -> Said {
    let (zh, en) = (&reason.zh, &reason.en);
    Said::new(
        "secret-missing",
        both!(
            "无法从 {origin} 取得密钥 \"{key}\"：{zh}",
            "cannot get the secret \"{key}\" from {origin}: {en}"
        ),
    )
}

/// A secret file that others can read.
pub fn secret_exposed(path: &str) -> Said {
    Said::new(
        "secret-exposed",
        both!(
            "其他用户可读取密钥文件 {path}",
            "other users can read the secret file {path}"
        ),
    )
    .hint(both!("运行 chmod 600 {path}", "run chmod 600 {path}"))
}
