//! Sparkplug B: `spBv1.0/<group>/<type>/<node>[/<device>]`.
//!
//! ```text
//!            NBIRTH                     DBIRTH
//!  unknown ─────────▶ node online ─────────────▶ device online ◀── DDATA: numbers explained by the births
//!     ▲                   │  NDEATH of the same bdSeq: the node and every device of it are offline
//!     └── data that no birth explains, or a gap in `seq`: the node is asked for its births, at most twice a minute
//! ```
//! A node is addressed as `<group>/<node>`, a device as `<group>/<node>/<device>`.
//! Source: Eclipse Sparkplug Specification 3.0, chapters 4 to 6.

pub(crate) mod node;
pub(crate) mod proto;

use crate::frame::{Body, Event, Frame, Given, NamedValue, Opened, Request};
use crate::memory::{Journal, Scope};
use crate::refusal::Rejection;
use linli_domain::reading::Reason;
use linli_domain::time::Timestamp;
use node::{MAX_DEVICES, Metrics, Node, NodeDevice};
use proto::{Metric, Payload};
use std::borrow::Cow;
use std::sync::Arc;

/// Most edge nodes remembered.
const MAX_NODES: usize = 1024;
/// Most metrics of all certificates together.
const MAX_METRICS_IN_ALL: usize = 200_000;
/// Quality codes of the property `Quality`.
const BAD: u64 = 0;
const STALE: u64 = 500;

/// Who a topic is about.
#[derive(Clone, Copy)]
struct Topic<'a> {
    group: &'a str,
    kind: &'a str,
    node: &'a str,
    device: Option<&'a str>,
}

impl<'a> Topic<'a> {
    /// `rest` is the topic behind the namespace.
    fn of(rest: &'a str) -> Option<Self> {
        let mut levels = rest.splitn(4, '/');
        let (group, kind, node) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let fits = !group.is_empty() && !node.is_empty() && device != Some("");
        fits.then_some(Self {
            group,
            kind,
            node,
            device,
        })
    }

    fn node_name(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    fn address(&self) -> Cow<'static, str> {
        Cow::Owned(match self.device {
            Some(device) => format!("{}/{device}", self.node_name()),
            None => self.node_name(),
        })
    }
}

/// Opens a message; `rest` is the topic behind `spBv1.0/`.
pub(super) fn open<'a>(
    scope: &Scope<'_>,
    nodes: &mut Journal<Node>,
    rest: &'a str,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let ignored = |address| Ok(Opened::of(address, Event::Ignored, frame));
    let Some(topic) = Topic::of(rest) else {
        // STATE messages of host applications stand at another depth.
        return ignored(Cow::Borrowed(rest));
    };
    let key = scope.key(&topic.node_name());
    match (topic.kind, topic.device) {
        ("NBIRTH", None) => birth(&key, nodes, topic, frame),
        ("DBIRTH", Some(device)) => device_birth(&key, nodes, topic, device, frame),
        ("NDATA", None) | ("DDATA", Some(_)) => data(&key, nodes, topic, frame),
        ("NDEATH", None) => death(&key, nodes, topic, frame),
        ("DDEATH", Some(device)) => {
            let payload = proto::payload(frame.payload)?;
            if let Some(node) = nodes.get_mut(&key) {
                node.follows(payload.seq);
                if let Some(device) = Arc::make_mut(&mut node.devices).get_mut(device) {
                    device.online = false;
                }
            }
            Ok(Opened::of(topic.address(), Event::Availability(false), frame))
        }
        _ => ignored(topic.address()),
    }
}

fn birth<'a>(
    key: &str,
    nodes: &mut Journal<Node>,
    topic: Topic<'a>,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let payload = proto::payload(frame.payload)?;
    let metrics = Metrics::of(&payload);
    let others = nodes.values().map(Node::metric_count).sum::<usize>();
    room(key, nodes)?;
    if others + metrics.len() > MAX_METRICS_IN_ALL {
        return Err(too_many_metrics());
    }
    let bd_seq = payload.metrics.iter().find(|metric| metric.name == Some("bdSeq"));
    let mut node = Node {
        bd_seq: bd_seq.and_then(|metric| number(metric)),
        online: true,
        metrics: Arc::new(metrics),
        ..Node::default()
    };
    node.follows(payload.seq);
    let metrics = Arc::clone(&node.metrics);
    // Its devices say who they are in births of their own, which follow.
    nodes.insert(key.to_owned(), node);
    let mut opened = Opened::of(topic.address(), Event::Uplink, frame);
    opened.online = Some(true);
    opened.observed = payload.timestamp.map(time);
    opened.body = Body::Named(values(&payload, &metrics, &mut opened.fault, &topic));
    Ok(opened)
}

fn device_birth<'a>(
    key: &str,
    nodes: &mut Journal<Node>,
    topic: Topic<'a>,
    device: &'a str,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let payload = proto::payload(frame.payload)?;
    let metrics = Arc::new(Metrics::of(&payload));
    let in_all = nodes.values().map(Node::metric_count).sum::<usize>() + metrics.len();
    let mut opened = Opened::of(topic.address(), Event::Uplink, frame);
    room(key, nodes)?;
    if in_all > MAX_METRICS_IN_ALL {
        return Err(too_many_metrics());
    }
    let node = node_of(key, nodes);
    if !node.devices.contains_key(device) && node.devices.len() >= MAX_DEVICES {
        return Err(Rejection::TooMany {
            what: "devices of one Sparkplug node",
            limit: MAX_DEVICES,
        });
    }
    let in_order = node.follows(payload.seq);
    let known = NodeDevice {
        online: true,
        metrics: Arc::clone(&metrics),
    };
    Arc::make_mut(&mut node.devices).insert(device.to_owned(), known);
    if !in_order || !node.online {
        ask(node, topic, frame, &mut opened);
    }
    opened.online = Some(true);
    opened.observed = payload.timestamp.map(time);
    opened.body = Body::Named(values(&payload, &metrics, &mut opened.fault, &topic));
    Ok(opened)
}

fn data<'a>(
    key: &str,
    nodes: &mut Journal<Node>,
    topic: Topic<'a>,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let payload = proto::payload(frame.payload)?;
    let mut opened = Opened::of(topic.address(), Event::Uplink, frame);
    opened.observed = payload.timestamp.map(time);
    room(key, nodes)?;
    let node = node_of(key, nodes);
    let in_order = node.follows(payload.seq);
    let metrics = match topic.device {
        None => Some(&node.metrics),
        Some(device) => node.devices.get(device).map(|device| &device.metrics),
    };
    let announced = metrics.is_some() && node.online;
    let metrics = metrics.map(Arc::clone).unwrap_or_default();
    opened.body = Body::Named(values(&payload, &metrics, &mut opened.fault, &topic));
    if !announced || opened.fault.is_some() || !in_order {
        ask(node, topic, frame, &mut opened);
    }
    Ok(opened)
}

fn death<'a>(
    key: &str,
    nodes: &mut Journal<Node>,
    topic: Topic<'a>,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let payload = proto::payload(frame.payload)?;
    let ended = payload.metrics.iter().find(|metric| metric.name == Some("bdSeq"));
    let ended = ended.and_then(|metric| number(metric));
    let Some(node) = nodes.get_mut(key) else {
        return Ok(Opened::of(topic.address(), Event::Availability(false), frame));
    };
    // The will of an older connection may come after the birth on a newer one.
    if node.bd_seq.is_some() && node.bd_seq != ended {
        return Ok(Opened::of(topic.address(), Event::Ignored, frame));
    }
    node.online = false;
    node.next_seq = None;
    let mut opened = Opened::of(topic.address(), Event::Availability(false), frame);
    let address = topic.node_name();
    let devices = Arc::make_mut(&mut node.devices).iter_mut();
    for (name, device) in devices.filter(|(_, device)| device.online) {
        device.online = false;
        let address = Cow::Owned(format!("{address}/{name}"));
        opened
            .others
            .push(Opened::of(address, Event::Availability(false), frame));
    }
    Ok(opened)
}

/// The values of a message; a number that no certificate explains is a fault, and the rest is read all the same.
fn values<'a>(
    payload: &Payload<'a>,
    metrics: &Metrics,
    fault: &mut Option<Rejection>,
    topic: &Topic<'_>,
) -> Vec<NamedValue<'a>> {
    let mut values = Vec::with_capacity(payload.metrics.len());
    for metric in &payload.metrics {
        let (name, datatype) = match (metric.name, metric.alias) {
            (Some(name), _) => (Cow::Borrowed(name), metrics.datatype(name)),
            (None, Some(alias)) => match metrics.by_alias(alias) {
                Some((name, datatype)) => (Cow::Owned(name.to_owned()), datatype),
                None => {
                    fault.get_or_insert_with(|| Rejection::UnknownAlias {
                        node: topic.address().into_owned(),
                        alias,
                    });
                    continue;
                }
            },
            (None, None) => continue,
        };
        let bad = metric.quality == Some(BAD);
        values.push(NamedValue {
            name,
            value: if bad {
                Given::Null
            } else {
                metric.given(metric.datatype.or(datatype))
            },
            unit: None,
            time: metric.timestamp.or(payload.timestamp).map(time),
            historical: metric.is_historical,
            doubt: (metric.quality == Some(STALE)).then_some(Reason::Stale),
        });
    }
    values
}

fn ask(node: &mut Node, topic: Topic<'_>, frame: &Frame<'_>, opened: &mut Opened<'_>) {
    if node.may_ask(frame.received) {
        opened.requests.push(Request::Rebirth {
            group: topic.group.into(),
            node: topic.node.into(),
        });
    }
}

fn number(metric: &Metric<'_>) -> Option<u64> {
    match metric.given(metric.datatype) {
        Given::Int(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn room(key: &str, nodes: &Journal<Node>) -> Result<(), Rejection> {
    if nodes.get(key).is_some() || nodes.len() < MAX_NODES {
        return Ok(());
    }
    Err(Rejection::TooMany {
        what: "Sparkplug edge nodes",
        limit: MAX_NODES,
    })
}

/// A node whose birth was missed is remembered all the same, so that it is not asked for it at every message.
fn node_of<'n>(key: &str, nodes: &'n mut Journal<Node>) -> &'n mut Node {
    nodes.get_or_insert(key)
}

fn too_many_metrics() -> Rejection {
    Rejection::TooMany {
        what: "metrics of all Sparkplug births",
        limit: MAX_METRICS_IN_ALL,
    }
}

#[cfg(test)]
mod tests;
