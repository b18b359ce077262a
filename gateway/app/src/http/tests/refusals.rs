//! Whatever is wrong with a request, the answer is a whole problem.

use super::*;
use axum::routing::get;

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let story = Story::new().await;
    let order = story.leak().await;
    let accept = format!("/api/v1/orders/{}/accept", order["id"].as_str().unwrap());
    let big = "x".repeat(super::super::extract::MAX_BODY + 1);
    let cursor = "?cursor=AAAAAAAAAAAAAA";
    for (asking, status, code) in [
        (story.get("/api/v1/nothing"), 404, "unknown_route"),
        (story.get("/nothing"), 404, "unknown_route"),
        (
            story.ask(Method::DELETE, "/api/v1/orders").token(&story.staff),
            405,
            "method_not_allowed",
        ),
        (story.ask(Method::POST, "/healthz"), 405, "method_not_allowed"),
        (story.get("/api/v1/orders/WO-999"), 404, "not_found"),
        (story.get("/api/v1/orders/nonsense"), 404, "not_found"),
        (story.get("/api/v1/orders/%FF"), 404, "not_found"),
        (story.get("/api/v1/alarms/AL-999"), 404, "not_found"),
        (story.get("/api/v1/alarms/AL-999/transitions"), 404, "not_found"),
        (story.get("/api/v1/points/none"), 404, "not_found"),
        (story.get("/api/v1/points/none/readings"), 404, "not_found"),
        (story.get("/api/v1/orders?limit=0"), 400, "bad_query"),
        (story.get("/api/v1/orders?limit=501"), 400, "bad_query"),
        (story.get("/api/v1/orders?limit=x"), 400, "bad_query"),
        (story.get("/api/v1/orders?colour=red"), 400, "bad_query"),
        (
            story.get(&format!("/api/v1/orders{cursor}")),
            400,
            "cursor_mismatch",
        ),
        (story.get("/api/v1/rejects?nope=1"), 400, "bad_query"),
        (
            story.get("/api/v1/points/P1/readings?from=yesterday"),
            400,
            "bad_query",
        ),
        (
            story.get("/api/v1/points/P1/readings?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"),
            400,
            "bad_query",
        ),
        (story.get("/api/v1/events?topics=weather"), 400, "bad_query"),
        (story.post(&accept), 428, "precondition_required"),
        (
            story.post(&accept).with("if-match", "W/\"1\""),
            400,
            "bad_precondition",
        ),
        (story.post(&accept).with("if-match", "*"), 400, "bad_precondition"),
        (
            story.post(&accept).version(1).with("idempotency-key", ""),
            400,
            "bad_idempotency_key",
        ),
        (
            story.post(&accept).version(1).body("{}"),
            415,
            "unsupported_media_type",
        ),
        (
            story
                .post(&accept)
                .version(1)
                .with("content-type", "text/plain")
                .body("{}"),
            415,
            "unsupported_media_type",
        ),
        (
            story
                .post(&accept)
                .version(1)
                .with("content-type", "application/json")
                .body("{"),
            400,
            "bad_json",
        ),
        (
            story.post(&accept).version(1).json(&json!({ "colour": "red" })),
            422,
            "invalid_body",
        ),
        (
            story.post(&accept).version(1).json(&json!([])),
            422,
            "invalid_body",
        ),
        (
            story
                .post(&accept)
                .version(1)
                .with("content-type", "application/json")
                .body(big),
            413,
            "body_too_large",
        ),
        (
            story
                .manage("/api/v1/tokens")
                .json(&json!({ "name": "x", "role": "god" })),
            422,
            "invalid_body",
        ),
        (
            story
                .manage("/api/v1/tokens")
                .json(&json!({ "name": " ", "role": "staff" })),
            422,
            "invalid_body",
        ),
        (story.manage("/api/v1/deliveries/7/retry"), 404, "not_found"),
        (
            story
                .manage("/api/v1/tokens")
                .with("idempotency-key", "k")
                .json(&json!({ "name": "x", "role": "staff" })),
            400,
            "bad_idempotency_key",
        ),
        (
            story
                .manage("/api/v1/notify/test")
                .json(&json!({ "channel": "none" })),
            404,
            "not_found",
        ),
    ] {
        let answer = asking.send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (status, code),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_method_says_which_would_do() {
    let story = Story::new().await;
    let answer = story
        .ask(Method::PATCH, "/api/v1/estate")
        .token(&story.manager)
        .send()
        .await;
    assert_eq!(answer.header("allow"), "GET, PUT");
}

#[tokio::test]
async fn a_panic_is_a_problem_that_keeps_its_message_inside() {
    let mut story = Story::new().await;
    let broken = Router::new().route(
        "/healthz",
        get(|| async {
            if true {
                panic!("secret words")
            }
        }),
    );
    story.router = super::super::routes::shell(broken, Arc::clone(&story.http));
    let answer = story.ask(Method::GET, "/healthz").send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem().as_str()),
        (500, "internal")
    );
    assert!(!answer.text.contains("secret words"));
}

#[tokio::test]
async fn a_flood_is_told_to_come_back() {
    let story = Story::new().await;
    let all = u32::try_from(super::super::layers::MAX_INFLIGHT).unwrap();
    let _busy = story.http.inflight.acquire_many(all).await.unwrap();
    let answer = story.ask(Method::GET, "/healthz").send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem().as_str()),
        (503, "overloaded")
    );
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let story = Story::new().await;
    for path in ["/status", "/api/v1/version", "/nothing"] {
        let answer = story.ask(Method::GET, path).send().await;
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'self'"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}
