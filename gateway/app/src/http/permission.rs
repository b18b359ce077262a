//! Who may do what: one table, looked up by method and route for every request before its handler runs.
//!
//! A route that is not in the table is refused, so a forgotten line is a closed door. A test walks the OpenAPI
//! document against the table in both directions.

use super::auth::Role;
use axum::http::Method;

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// A connection from this machine, or a token of any role.
    Local,
    /// A token of at least this role.
    Token(Role),
}

use Access::{Local, Open, Token};
use Role::{Manager, Staff};

/// Every route of the gateway.
pub const TABLE: &[(&str, &str, Access)] = &[
    ("GET", "/healthz", Open),
    ("GET", "/readyz", Open),
    ("GET", "/assets/status.css", Open),
    ("GET", "/", Local),
    ("GET", "/status", Local),
    ("GET", "/metrics", Local),
    ("GET", "/api/v1/openapi.json", Open),
    ("GET", "/api/v1/version", Open),
    ("POST", "/api/v1/clock/believe", Token(Manager)),
    ("GET", "/api/v1/estate", Token(Staff)),
    ("PUT", "/api/v1/estate", Token(Manager)),
    ("GET", "/api/v1/estate/document", Token(Staff)),
    ("POST", "/api/v1/estate/diff", Token(Staff)),
    ("GET", "/api/v1/devices", Token(Staff)),
    ("GET", "/api/v1/devices/{device}", Token(Staff)),
    ("GET", "/api/v1/points", Token(Staff)),
    ("GET", "/api/v1/points/{point}", Token(Staff)),
    ("GET", "/api/v1/points/{point}/readings", Token(Staff)),
    ("GET", "/api/v1/points/{point}/buckets", Token(Staff)),
    ("GET", "/api/v1/points/{point}/changes", Token(Staff)),
    ("GET", "/api/v1/readings/export", Token(Staff)),
    ("GET", "/api/v1/forwarders", Token(Staff)),
    ("GET", "/api/v1/forwarders/{id}/parked", Token(Staff)),
    ("GET", "/prom/api/v1/query", Token(Staff)),
    ("POST", "/prom/api/v1/query", Token(Staff)),
    ("GET", "/prom/api/v1/query_range", Token(Staff)),
    ("POST", "/prom/api/v1/query_range", Token(Staff)),
    ("GET", "/prom/api/v1/series", Token(Staff)),
    ("POST", "/prom/api/v1/series", Token(Staff)),
    ("GET", "/prom/api/v1/labels", Token(Staff)),
    ("POST", "/prom/api/v1/labels", Token(Staff)),
    ("GET", "/prom/api/v1/label/{name}/values", Token(Staff)),
    ("GET", "/prom/api/v1/metadata", Token(Staff)),
    ("GET", "/prom/api/v1/status/buildinfo", Token(Staff)),
    ("GET", "/prom/api/v1/rules", Token(Staff)),
    ("GET", "/prom/api/v1/query_exemplars", Token(Staff)),
    ("POST", "/prom/api/v1/query_exemplars", Token(Staff)),
    ("GET", "/api/v1/alarms", Token(Staff)),
    ("GET", "/api/v1/alarms/quality", Token(Staff)),
    ("GET", "/api/v1/alarms/{id}", Token(Staff)),
    ("GET", "/api/v1/alarms/{id}/transitions", Token(Staff)),
    ("POST", "/api/v1/alarms/{id}/ack", Token(Staff)),
    ("POST", "/api/v1/alarms/{id}/reset", Token(Manager)),
    ("POST", "/api/v1/alarms/{id}/shelve", Token(Staff)),
    ("POST", "/api/v1/alarms/{id}/unshelve", Token(Staff)),
    ("POST", "/api/v1/alarms/{id}/suppress", Token(Staff)),
    ("POST", "/api/v1/alarms/{id}/unsuppress", Token(Staff)),
    ("POST", "/api/v1/alarms/bulk", Token(Staff)),
    ("GET", "/api/v1/out-of-service", Token(Staff)),
    ("POST", "/api/v1/out-of-service", Token(Staff)),
    ("POST", "/api/v1/out-of-service/back", Token(Staff)),
    ("GET", "/api/v1/rules", Token(Staff)),
    ("POST", "/api/v1/rules", Token(Manager)),
    ("POST", "/api/v1/rules/check", Token(Staff)),
    ("GET", "/api/v1/rules/{id}", Token(Staff)),
    ("PUT", "/api/v1/rules/{id}", Token(Manager)),
    ("DELETE", "/api/v1/rules/{id}", Token(Manager)),
    ("GET", "/api/v1/rules/{id}/history", Token(Staff)),
    ("GET", "/api/v1/orders", Token(Staff)),
    ("GET", "/api/v1/orders/{id}", Token(Staff)),
    ("GET", "/api/v1/orders/{id}/transitions", Token(Staff)),
    ("POST", "/api/v1/orders/{id}/accept", Token(Staff)),
    ("POST", "/api/v1/orders/{id}/start", Token(Staff)),
    ("POST", "/api/v1/orders/{id}/complete", Token(Staff)),
    ("POST", "/api/v1/orders/{id}/override", Token(Manager)),
    ("POST", "/api/v1/orders/{id}/cancel", Token(Manager)),
    ("GET", "/api/v1/events", Token(Staff)),
    ("GET", "/api/v1/onboarding", Token(Staff)),
    ("GET", "/api/v1/onboarding/{id}", Token(Staff)),
    ("DELETE", "/api/v1/onboarding/{id}", Token(Manager)),
    ("POST", "/api/v1/onboarding/{id}/accept", Token(Manager)),
    ("POST", "/api/v1/onboarding/{id}/ignore", Token(Manager)),
    ("GET", "/api/v1/profiles", Token(Staff)),
    ("POST", "/api/v1/profiles/reload", Token(Manager)),
    ("GET", "/api/v1/watch", Token(Staff)),
    ("GET", "/api/v1/record", Token(Staff)),
    ("GET", "/api/v1/rejects", Token(Staff)),
    ("GET", "/api/v1/rejects/counts", Token(Staff)),
    ("GET", "/api/v1/rejects/{id}", Token(Staff)),
    ("GET", "/api/v1/deliveries", Token(Staff)),
    ("POST", "/api/v1/deliveries/{id}/retry", Token(Manager)),
    ("POST", "/api/v1/notify/test", Token(Manager)),
    ("GET", "/api/v1/tokens", Token(Manager)),
    ("POST", "/api/v1/tokens", Token(Manager)),
    ("POST", "/api/v1/tokens/{id}/rotate", Token(Manager)),
    ("POST", "/api/v1/tokens/{id}/revoke", Token(Manager)),
    ("POST", "/api/v1/scans", Token(Manager)),
    ("GET", "/api/v1/scans/{id}", Token(Staff)),
    ("POST", "/api/v1/scans/{id}/cancel", Token(Manager)),
    ("POST", "/api/v1/devices/{id}/writes", Token(Manager)),
    ("POST", "/api/v1/devices/{id}/updates", Token(Manager)),
    ("GET", "/api/v1/updates/{id}", Token(Staff)),
    ("POST", "/api/v1/updates/{id}/cancel", Token(Manager)),
    ("GET", "/api/v1/engine/dump", Token(Manager)),
];

/// What a request to a known address asks for; the methods the address takes when not this one.
pub fn access(method: &Method, route: &str) -> Result<Access, Vec<&'static str>> {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let here = || TABLE.iter().filter(|(_, known, _)| *known == route);
    here()
        .find(|(known, _, _)| *known == method)
        .map(|(_, _, access)| *access)
        .ok_or_else(|| here().map(|(known, _, _)| *known).collect())
}

/// Whether `role` is enough for `needed`.
pub fn suffices(role: Role, needed: Role) -> bool {
    role >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_stands_in_the_table_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (method, route, _) in TABLE {
            assert!(seen.insert((method, route)), "{method} {route} twice");
        }
    }

    #[test]
    fn an_unknown_route_or_method_is_closed() {
        assert_eq!(access(&Method::HEAD, "/api/v1/orders"), Ok(Token(Staff)));
        assert_eq!(
            access(&Method::PATCH, "/api/v1/estate").unwrap_err(),
            ["GET", "PUT"]
        );
        assert!(access(&Method::GET, "/api/v1/secret").unwrap_err().is_empty());
        assert!(suffices(Manager, Staff) && !suffices(Staff, Manager));
    }
}
