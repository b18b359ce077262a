//! What only a check looks at around the embedded broker: the files behind it as they are now, and whether the estate
//! is too large for it.

use super::spans;
use crate::certificates::{self, FileError};
use crate::config::problem::{Problem, Sink};
use crate::config::said::{self, Said, both};
use crate::config::{BrokerTls, EmbeddedBroker};
use crate::field::broker::users_file;
use linli_decode::Family;
use linli_domain::estate::EstateDoc;
use linli_domain::text::Text;
use linli_domain::time::Now;
use rustls::pki_types::CertificateDer;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use toml::de::DeTable;

/// Devices behind network servers and bridges from which on the embedded broker is told to be the wrong one: each of
/// their connections gets one message per commit, and a slow card commits fifty times a second.
const MANY_BEHIND_BRIDGES: usize = 300;
/// A certificate that expires within this is told.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Where in the configuration a problem stands.
struct Place<'a> {
    table: &'a DeTable<'a>,
    sink: &'a Sink,
}

impl Place<'_> {
    fn at(&self, path: &str) -> Option<Range<usize>> {
        spans::find(self.table, path)
    }
}

/// Checks the files of the broker. `path` and `text` are the configuration's.
pub(super) fn check(
    broker: &EmbeddedBroker,
    estate: Option<&EstateDoc>,
    path: &Path,
    text: String,
    now: &Now,
) -> Vec<Problem> {
    let sink = Sink::new(path, text);
    let source = sink.source().clone();
    let (table, _) = DeTable::parse_recoverable(&source.text);
    let place = Place {
        table: table.get_ref(),
        sink: &sink,
    };
    if let Some(tls) = &broker.tls {
        certificates(tls, &place, now);
    }
    let users = users(broker, &place);
    if let Some(estate) = estate {
        size(broker, estate, &place);
    }
    let mut problems = sink.into_problems();
    problems.extend(users);
    problems
}

/// What outlives a restart of the gateway at an embedded broker and what does not, for everybody who checks.
pub(super) fn outlives(broker: &EmbeddedBroker) -> Text {
    let name = &broker.name;
    both!(
        "内置消息服务器 {name}：重启后保留读数、告警、工单和保留消息（含有效期）；不保留会话及其订阅和排队消息、未完成的 QoS 2。需要时改用 mosquitto 或 EMQX（docs/embedded-broker.md）",
        "the embedded broker {name} keeps readings, alarms, orders and retained messages with their expiry over a restart, but not sessions with their subscriptions and queues, nor unfinished QoS 2; where these matter use mosquitto or EMQX (docs/embedded-broker.md)"
    )
}

fn certificates(tls: &BrokerTls, place: &Place<'_>, now: &Now) {
    let chain = read(
        certificates::chain(&tls.certificate),
        "broker.tls.certificate",
        place,
    );
    let key = read(certificates::key(&tls.key), "broker.tls.key", place);
    if let Some(chain) = &chain {
        dates(chain, "broker.tls.certificate", place, now);
    }
    if let (Some(chain), Some(key)) = (chain, key) {
        let provider = rustls::crypto::ring::default_provider();
        if rustls::sign::CertifiedKey::from_der(chain, key, &provider).is_err() {
            let message = both!("证书与私钥不匹配", "the key does not belong to the certificate");
            let hint = both!(
                "证书文件中本机证书须在最前，私钥须与之配对",
                "the broker's own certificate comes first in its file, and the key is the one it was made with"
            );
            place
                .sink
                .error(place.at("broker.tls.key"), said::conflict(message, hint));
        }
    }
    exposed(&tls.key, "broker.tls.key", place);
    if let Some(clients) = &tls.clients
        && let Some(chain) = read(
            certificates::chain(&clients.authority),
            "broker.tls.client_ca",
            place,
        )
    {
        for authority in &chain {
            dates(
                std::slice::from_ref(authority),
                "broker.tls.client_ca",
                place,
                now,
            );
        }
    }
}

fn read<T>(result: Result<T, FileError>, key: &str, place: &Place<'_>) -> Option<T> {
    match result {
        Ok(found) => Some(found),
        Err(error) => {
            let said = match &error {
                FileError::Read { path, source, .. } => {
                    let path = path.display();
                    both!("无法读取 {path}：{source}", "cannot read {path}: {source}")
                }
                FileError::Empty { what, path } => {
                    let path = path.display();
                    both!(
                        "{path} 不是 PEM，或其中没有证书或私钥",
                        "cannot find {what} in {path}; it must be PEM"
                    )
                }
            };
            place.sink.error(place.at(key), Said::new("unreadable", said));
            None
        }
    }
}

/// Whether the first certificate is valid now and for a while.
fn dates(chain: &[CertificateDer<'_>], key: &str, place: &Place<'_>, now: &Now) {
    let at = place.at(key);
    let Some((from, until)) = chain
        .first()
        .and_then(|certificate| certificates::validity(certificate))
    else {
        let message = both!("不是 X.509 证书", "it is no X.509 certificate");
        return place.sink.error(at, Said::new("unreadable", message));
    };
    let renew = both!(
        "更换证书文件即可，无需重启",
        "put a renewed certificate in its place; it is read without a restart"
    );
    // A machine that does not know the time yet cannot say.
    if !now.trusted {
        return;
    }
    if until <= now.wall {
        let message = both!("证书已于 {until} 过期", "the certificate expired at {until}");
        place.sink.error(at, said::conflict(message, renew));
    } else if from > now.wall {
        let message = both!(
            "证书自 {from} 起才有效",
            "the certificate is not valid before {from}"
        );
        place.sink.error(at, said::conflict(message, renew));
    } else if until.since(now.wall) < SOON {
        let message = both!("证书将于 {until} 过期", "the certificate expires at {until}");
        place.sink.warn(at, said::caution(message, renew));
    }
}

fn exposed(path: &Path, key: &str, place: &Place<'_>) {
    if std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        let said = said::secret_exposed(&path.display().to_string());
        place.sink.warn(place.at(key), said);
    }
}

/// The users file at its own lines, and users who are in neither place.
fn users(broker: &EmbeddedBroker, place: &Place<'_>) -> Vec<Problem> {
    let Some(path) = &broker.users_file else {
        return Vec::new();
    };
    exposed(path, "broker.users_file", place);
    let text = match crate::config::read_limited(path, users_file::MAX_BYTES) {
        Ok(text) => text,
        Err(said) => {
            place.sink.error(place.at("broker.users_file"), said);
            return Vec::new();
        }
    };
    let sink = Sink::new(path, text);
    // What stands behind a colon is nobody's to read.
    let text = sink.source().text.clone();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let secret = line.rfind(':').map_or(0, |colon| colon + 1);
        if !line.starts_with('#') {
            sink.mask(start + secret..start + line.trim_end().len());
        }
        start += line.len();
    }
    match users_file::read(&text) {
        Ok(entries) => {
            for (n, user) in broker.users.iter().enumerate() {
                let known = entries.iter().any(|entry| entry.name == user.username);
                let (name, at) = (&user.username, place.at(&format!("broker.users[{n}].username")));
                if user.password.is_some() && known {
                    let message = both!(
                        "用户 \"{name}\" 在用户文件中还有一个密码，不会使用",
                        "the user \"{name}\" has a second password in the users file, which is not used"
                    );
                    let hint = both!("删去其中一个", "remove one of them");
                    place.sink.warn(at, said::caution(message, hint));
                } else if user.password.is_none() && !user.certificate && !known {
                    let message = both!(
                        "用户 \"{name}\" 没有密码，用户文件中也没有",
                        "the user \"{name}\" has no password, in the users file neither"
                    );
                    let hint = both!(
                        "运行 linli broker user add {name}",
                        "run linli broker user add {name}"
                    );
                    place.sink.error(at, said::conflict(message, hint));
                }
            }
        }
        Err(problems) => {
            for problem in problems {
                let hint = both!(
                    "用 linli broker user add 写入用户",
                    "let linli broker user add write the line"
                );
                sink.error(
                    problem.span,
                    Said::new("users-file", problem.what.said()).hint(hint),
                );
            }
        }
    }
    sink.into_problems()
}

fn size(broker: &EmbeddedBroker, estate: &EstateDoc, place: &Place<'_>) {
    let bridges = broker.subscriptions.iter().any(|one| one.family != Family::Json);
    let here = |name: &Option<String>| name.as_deref() == Some(&*broker.name);
    let devices = estate.devices.iter().filter_map(|device| device.address.as_ref());
    let count = devices.filter(|address| here(&address.mqtt)).count();
    if bridges && count >= MANY_BEHIND_BRIDGES {
        let message = both!(
            "{count} 台设备经网关或网络服务器的少数连接进入内置消息服务器，每个连接每次提交只处理一条消息",
            "{count} devices come through the few connections of bridges or network servers, and each connection of the embedded broker gets one message per commit"
        );
        let hint = both!(
            "改用 mosquitto 或 EMQX，以 [[mqtt]] 连接",
            "use mosquitto or EMQX, connected with [[mqtt]]"
        );
        place.sink.warn(place.at("broker"), said::caution(message, hint));
    }
}
