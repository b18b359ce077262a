//! `[[forwarders]]`: copies of the readings in other stores.

use crate::config::raw::secret::RawSecret;
use crate::config::raw::{connection_name, path};
use crate::config::read::{At, Table};
use std::ops::Range;
use std::path::PathBuf;

/// `[[forwarders]]`.
#[derive(Debug)]
pub struct Forwarder {
    /// Where it stands.
    pub place: Range<usize>,
    /// Name in metrics and in the ledger.
    pub name: Option<At<String>>,
    /// What it speaks to.
    pub kind: Option<At<Kind>>,
    /// Address of the store.
    pub url: Option<At<String>>,
    /// InfluxDB 2: organisation.
    pub org: Option<At<String>>,
    /// InfluxDB 2: bucket.
    pub bucket: Option<At<String>>,
    /// InfluxDB 2: token.
    pub token: Option<RawSecret>,
    /// InfluxDB 1: database.
    pub database: Option<At<String>>,
    /// InfluxDB 1: user.
    pub username: Option<At<String>>,
    /// InfluxDB 1: password.
    pub password: Option<RawSecret>,
    /// A new target begins with the history.
    pub history: Option<At<bool>>,
    /// Authorities to trust besides the system's.
    pub ca: Option<At<PathBuf>>,
}

/// Kinds of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// InfluxDB 2 and later.
    Influx2,
    /// InfluxDB 1.
    Influx1,
    /// VictoriaMetrics.
    VictoriaMetrics,
}

impl Forwarder {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[
            ("type", "kind"),
            ("address", "url"),
            ("db", "database"),
            ("user", "username"),
        ]);
        let kinds = [
            ("influxdb2", Kind::Influx2),
            ("influxdb1", Kind::Influx1),
            ("victoriametrics", Kind::VictoriaMetrics),
        ];
        let (name, kind) = (connection_name(&table), table.choice("kind", &kinds));
        let url = table.text("url", "\"http://127.0.0.1:8086\"");
        let forwarder = Self {
            place: table.span.clone(),
            name: table.need("name", "\"influx\"", name),
            kind: table.need("kind", "\"influxdb2\"", kind),
            url: table.need("url", "\"http://127.0.0.1:8086\"", url),
            org: table.text("org", "\"estate\""),
            bucket: table.text("bucket", "\"readings\""),
            token: RawSecret::read(&table, "token"),
            database: table.text("database", "\"readings\""),
            username: table.text("username", "\"linli\""),
            password: RawSecret::read(&table, "password"),
            history: table.choice("start", &[("now", false), ("history", true)]),
            ca: path(&table, "ca", "\"tls/ca.pem\""),
        };
        table.finish();
        forwarder
    }
}
