//! Who gets in, and from where.

use super::super::permission::{Access, TABLE};
use super::*;

/// An address of a route with something in every hole.
fn address(route: &str) -> String {
    route.replace("{id}", "1").replace("{point}", "P1")
}

#[tokio::test]
async fn every_route_admits_exactly_who_the_table_says() {
    let story = Story::new().await;
    for (method, route, access) in TABLE {
        // The streams have no end; their doors are looked at in `listening`.
        if ["/events", "/watch", "/record"]
            .iter()
            .any(|end| route.ends_with(end))
        {
            continue;
        }
        let method: Method = method.parse().unwrap();
        let far = |token: Option<&String>| {
            let asking = story
                .ask(method.clone(), &address(route))
                .from("192.168.1.9:4000");
            token.map_or(
                story
                    .ask(method.clone(), &address(route))
                    .from("192.168.1.9:4000"),
                |token| asking.token(token),
            )
        };
        let anonymous = far(None).send().await;
        let staff = far(Some(&story.staff)).send().await;
        let refused = [
            anonymous.status == StatusCode::UNAUTHORIZED,
            staff.status == StatusCode::FORBIDDEN,
        ];
        let expected = match access {
            Access::Open => [false, false],
            Access::Local | Access::Token(auth::Role::Staff) => [true, false],
            Access::Token(auth::Role::Manager) => [true, true],
        };
        assert_eq!(refused, expected, "{method} {route}: {anonymous:?} {staff:?}");
        let manager = far(Some(&story.manager)).send().await;
        let shut = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&manager.status);
        assert!(!shut, "{method} {route}: {manager:?}");
    }
}

#[tokio::test]
async fn the_table_and_the_description_list_the_same_routes() {
    let document = serde_json::to_value(super::super::openapi()).unwrap();
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.push((method.to_uppercase(), path.clone()));
        }
    }
    let undescribed = ["/", "/assets/status.css", "/api/v1/openapi.json"];
    let mut listed: Vec<(String, String)> = TABLE
        .iter()
        .filter(|(_, route, _)| !undescribed.contains(route))
        .map(|(method, route, _)| ((*method).to_owned(), (*route).to_owned()))
        .collect();
    described.sort();
    listed.sort();
    assert_eq!(described, listed);
}

#[tokio::test]
async fn metrics_and_status_are_open_on_this_machine_only() {
    let story = Story::new().await;
    for path in ["/metrics", "/status"] {
        let near = story.ask(Method::GET, path).send().await;
        assert_eq!(near.status, 200, "{path}");
        let mapped = story
            .ask(Method::GET, path)
            .from("[::ffff:127.0.0.1]:4000")
            .send()
            .await;
        assert_eq!(mapped.status, 200, "{path}");
        let far = story.ask(Method::GET, path).from("10.0.0.9:4000").send().await;
        assert_eq!(far.problem(), "unauthenticated");
        let proxied = story
            .ask(Method::GET, path)
            .with("x-forwarded-for", "10.0.0.9")
            .send()
            .await;
        assert_eq!(
            proxied.problem(),
            "unauthenticated",
            "a proxy on this machine is not this machine"
        );
        let wrong = story.ask(Method::GET, path).token("linli_0_x").send().await;
        assert_eq!(wrong.problem(), "unauthenticated", "a wrong token is not ignored");
        let shown = story
            .ask(Method::GET, path)
            .from("10.0.0.9:4000")
            .token(&story.staff)
            .send()
            .await;
        assert_eq!(shown.status, 200);
    }
    let text = story.ask(Method::GET, "/metrics").send().await.text;
    assert!(text.contains("linli_http_requests_total{"), "{text}");
}

#[tokio::test]
async fn a_foreign_host_is_turned_away_whoever_asks() {
    let story = Story::new().await;
    for (host, status) in [
        ("localhost", 200),
        ("[::1]:8080", 200),
        ("linli.example", 200),
        ("evil.example", 421),
        ("192.168.1.77", 421),
    ] {
        let answer = story.ask(Method::GET, "/healthz").with("host", host).send().await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
        if status != 200 {
            assert_eq!(answer.problem(), "misdirected");
        }
    }
    assert_eq!(story.http.metrics.http_refused_host.get(), 2);
}

#[tokio::test]
async fn health_needs_nothing() {
    let story = Story::new().await;
    for path in ["/healthz", "/readyz"] {
        let answer = story.ask(Method::GET, path).from("10.0.0.9:4000").send().await;
        assert_eq!(answer.status, 200, "{path} {answer:?}");
    }
    story.door.stop().await;
    let stopping = async {
        loop {
            let answer = story.ask(Method::GET, "/readyz").send().await;
            if answer.status == 503 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, stopping).await;
    assert_eq!(answer.expect("ready without a pipeline").problem(), "stopping");
}
