//! The stores readings are copied to: whether each would take lines, asked by writing none to it.
//!
//! An empty write is looked at like any other: who writes, into what, and whether that one may. It needs no right a
//! forwarder does not have, which a list of buckets would, and leaves nothing behind. What a store says is not repeated:
//! some repeat the credentials they were given.

use super::Report;
use crate::clock::Clock;
use crate::config::said::both;
use crate::config::{Forwarder, ForwarderKind};
use crate::outbox::series::{self, verdict::Verdict};
use linli_domain::text::Text;

const AREA: &str = "forwarder";

/// Asks all of them at once; each has ten seconds to answer.
pub(super) fn look(targets: &[Forwarder], clock: &dyn Clock, report: &mut Report) {
    if targets.is_empty() {
        return;
    }
    let now = clock.now().wall;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answers = runtime.map(|runtime| {
        let all = targets.iter().map(|target| series::try_out(target, now));
        runtime.block_on(futures_util::future::join_all(all))
    });
    match answers {
        Ok(answers) => {
            for (target, answer) in targets.iter().zip(answers) {
                tell(target, answer, report);
            }
        }
        Err(error) => report.wrong(
            AREA,
            both!(
                "无法询问转存目标：{error}",
                "the forwarders cannot be asked: {error}"
            ),
            both!("稍后再试", "try again later"),
        ),
    }
}

fn tell(target: &Forwarder, answer: Result<Verdict, String>, report: &mut Report) {
    let (name, address) = (&target.name, address(target));
    match answer {
        Err(said) => report.wrong(
            AREA,
            both!(
                "转存 {name} 无法使用：{said}",
                "the forwarder {name} cannot be used: {said}"
            ),
            both!(
                "检查 [[forwarders]] 中的 url、ca 和令牌",
                "check url, ca and token in [[forwarders]]"
            ),
        ),
        // What is refused is that there are no lines: InfluxDB 2 says so after it has looked at everything else.
        Ok(Verdict::Taken | Verdict::Refused { .. } | Verdict::TooOld { .. }) => report.fine(
            AREA,
            both!(
                "转存 {name}（{address}）可写入",
                "the forwarder {name} ({address}) can write"
            ),
        ),
        Ok(Verdict::Stop {
            code: "unauthorized", ..
        }) => report.wrong(
            AREA,
            both!(
                "转存 {name}（{address}）可以连接，但拒绝了网关的身份",
                "the forwarder {name} ({address}) can be reached, but refuses who the gateway says it is"
            ),
            credentials(&target.kind),
        ),
        Ok(Verdict::Stop {
            code: "not_found", ..
        }) => report.wrong(
            AREA,
            both!(
                "转存 {name}（{address}）可以连接，但没有写入的地方",
                "the forwarder {name} ({address}) can be reached, but what is to be written to is not there"
            ),
            place(&target.kind),
        ),
        Ok(Verdict::Stop { code, .. }) => report.wrong(
            AREA,
            both!(
                "转存 {name}（{address}）的应答不像所配置的数据库（{code}）",
                "the forwarder {name} ({address}) is not answered as by such a store ({code})"
            ),
            both!("检查 url：协议、端口和路径", "check url: scheme, port and path"),
        ),
        Ok(Verdict::Later {
            code: code @ ("busy" | "server_error"),
            ..
        }) => report.warn(
            AREA,
            both!(
                "转存 {name}（{address}）可以连接，但此刻不接收（{code}）",
                "the forwarder {name} ({address}) can be reached, but takes nothing just now ({code})"
            ),
            both!(
                "网关会自动重试并补传；若持续，查看该数据库的日志",
                "the gateway tries again and catches up; if it stays so, see the log of that store"
            ),
        ),
        Ok(Verdict::Later { code, .. }) => report.wrong(
            AREA,
            both!(
                "转存 {name}（{address}）无法连接（{code}）",
                "the forwarder {name} ({address}) cannot be reached ({code})"
            ),
            both!(
                "检查地址、网络、证书和对方是否在运行",
                "check the address, the network, the certificate, and whether it is running"
            ),
        ),
    }
}

/// Host and port, without what an address may hold besides.
fn address(target: &Forwarder) -> String {
    let url = reqwest::Url::parse(&target.url).ok();
    url.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)))
        .unwrap_or_default()
}

fn credentials(kind: &ForwarderKind) -> Text {
    match kind {
        ForwarderKind::Influx2 { org, bucket, .. } => both!(
            "检查 token：换一个对组织 {org} 的存储桶 {bucket} 有写权限的令牌",
            "check token: it must be one that may write the bucket {bucket} of the organisation {org}"
        ),
        ForwarderKind::Influx1 { database, .. } => both!(
            "检查 username 和 password：该用户须能写入数据库 {database}",
            "check username and password: that user must be allowed to write the database {database}"
        ),
        ForwarderKind::VictoriaMetrics => both!(
            "前面的代理要求身份验证；邻里写入 VictoriaMetrics 时不带身份，请为网关的地址放行 /write",
            "a proxy before it asks who writes; nothing of the kind is sent to VictoriaMetrics: let the gateway's address reach /write"
        ),
    }
}

fn place(kind: &ForwarderKind) -> Text {
    match kind {
        ForwarderKind::Influx2 { org, bucket, .. } => both!(
            "在组织 {org} 中建立存储桶 {bucket}，或改正 org、bucket、url 的路径",
            "make the bucket {bucket} in the organisation {org}, or put org, bucket or the path of url right"
        ),
        ForwarderKind::Influx1 { database, .. } => both!(
            "建立数据库（CREATE DATABASE {database}），或改正 database、url 的路径",
            "make it (CREATE DATABASE {database}), or put database or the path of url right"
        ),
        ForwarderKind::VictoriaMetrics => both!("改正 url 的路径", "put the path of url right"),
    }
}
