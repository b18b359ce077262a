//! Fetches secrets from where the file says they are. What goes wrong is said without the secret.

use crate::config::problem::Sink;
use crate::config::raw::secret::{Origin, RawSecret};
use crate::config::said::{self, both};
use linli_domain::text::Text;
use secrecy::SecretString;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Longest secret in bytes: certificates and keys of people fit, a disk image does not.
const MAX_SECRET_BYTES: u64 = 64 << 10;
/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Asks for an environment variable; tests hand in their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where secrets of one file are fetched.
pub struct Vault<'a> {
    /// Folder of the configuration file.
    pub folder: &'a Path,
    /// The environment.
    pub environment: Environment<'a>,
    /// Whether secrets may stand in the file.
    pub allow_inline: bool,
    /// Where problems go.
    pub sink: &'a Sink,
}

impl Vault<'_> {
    /// The secret, or `None` with the problem noted.
    pub fn fetch(&self, secret: &RawSecret) -> Option<SecretString> {
        let span = secret.origin.span.clone();
        let (origin, result) = match &secret.origin.value {
            Origin::Inline(text) => {
                if !self.allow_inline {
                    self.sink.error(span, said::inline_secret(secret.key));
                    return None;
                }
                self.sink.warn(span, said::inline_secret_allowed(secret.key));
                return Some(text.clone());
            }
            Origin::File(path) => {
                let path = self.folder.join(path);
                self.warn_if_exposed(&path, secret);
                (path.display().to_string(), read(&path))
            }
            Origin::Credential(name) => {
                let path = (self.environment)(CREDENTIALS).map(|folder| PathBuf::from(folder).join(name));
                let missing = || both!("没有设置 ${CREDENTIALS}", "${CREDENTIALS} is not set");
                (
                    format!("credential {name}"),
                    path.ok_or_else(missing).and_then(|path| read(&path)),
                )
            }
            Origin::Env(name) => {
                let missing = || both!("没有设置该环境变量", "the environment variable is not set");
                (format!("${name}"), (self.environment)(name).ok_or_else(missing))
            }
        };
        let result = result.and_then(|text| match text.trim_end_matches(['\r', '\n']) {
            "" => Err(both!("内容为空", "it is empty")),
            text => Ok(SecretString::from(text)),
        });
        let reason = match result {
            Ok(secret) => return Some(secret),
            Err(reason) => reason,
        };
        let mut said = said::secret_missing(secret.key, &origin, &reason);
        said = match &secret.origin.value {
            Origin::Credential(name) => said.hint(both!(
                "在 systemd 单元中加 LoadCredential={name}:/etc/linli/credentials/{name}",
                "add LoadCredential={name}:/etc/linli/credentials/{name} to the systemd unit"
            )),
            Origin::File(_) => said.hint(both!(
                "把密钥写入该文件（权限 0600），不带引号",
                "write the secret into that file (mode 0600), without quotes"
            )),
            Origin::Env(name) => said.hint(both!("启动前设置 {name}", "set {name} before the start")),
            Origin::Inline(_) => said,
        };
        self.sink.error(span, said);
        None
    }

    fn warn_if_exposed(&self, path: &Path, secret: &RawSecret) {
        let exposed = std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
        if exposed {
            let said = said::secret_exposed(&path.display().to_string());
            self.sink.warn(secret.origin.span.clone(), said);
        }
    }
}

/// Reads a secret file, never more than the limit.
fn read(path: &Path) -> Result<String, Text> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| both!("{error}", "{error}"))?;
    file.take(MAX_SECRET_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| both!("{error}", "{error}"))?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(both!(
            "超过 {MAX_SECRET_BYTES} 字节",
            "it is longer than {MAX_SECRET_BYTES} bytes"
        ));
    }
    Ok(text)
}
