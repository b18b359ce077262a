//! The shell around every handler: names the request, counts it, limits it, checks host and permission, turns
//! every refusal and every panic into a problem, and adds the security headers.
//!
//! From the outside in: [`finish`] → panics → [`host`] → [`inflight`] → [`deadline`] → [`authorize`] → the route.

use super::Http;
use super::auth::Principal;
use super::permission::{self, Access};
use super::problem::{Code, Problem};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest time a request may take until its answer begins.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// Requests worked on at once; further ones are told to come back.
pub const MAX_INFLIGHT: usize = 256;
/// The header that carries the name of a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The other end of the connection, put beside each request by the server.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Names the request, and leaves no answer without problem body, security headers, metric and log line.
pub async fn finish(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let number = http.requests.fetch_add(1, Ordering::Relaxed);
    let id = format!("{}-{number}", http.run_id);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let mut response = as_problem(response, &id);
    let status = response.status();
    let labels = [route.as_str(), method_label(&method), status.as_str()];
    http.metrics.http_requests.with_label_values(&labels).inc();
    http.metrics.http_seconds.observe(started.elapsed().as_secs_f64());
    if status.is_server_error() {
        tracing::warn!(request = id, %method, route, status = status.as_u16(), "http request failed");
    } else {
        tracing::debug!(request = id, %method, route, status = status.as_u16(), "http request");
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    secure(headers);
    response
}

/// Beside a refusal that keeps the shape of another protocol.
#[derive(Debug, Clone, Copy)]
pub struct OwnShape;

/// A refusal says its problem again with the request's name; a bare one gets the problem of its status.
fn as_problem(mut response: Response, id: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    if response.extensions().get::<OwnShape>().is_some() {
        return response;
    }
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::from_status(status));
    let mut answer = problem.respond(Some(id));
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Methods as a closed set: a client can invent as many as it likes.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}

/// What a client is told when a handler panicked. The message stays in the log.
pub fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("http handler panicked");
    Problem::new(
        Code::Internal,
        "the request was not finished; the gateway's log says why, under this request's name",
    )
    .into_response()
}

/// Refuses requests that name another machine.
pub async fn host(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    if http.hosts.accepts(&request) {
        return next.run(request).await;
    }
    http.metrics.http_refused_host.inc();
    Problem::new(
        Code::Misdirected,
        "ask by a loopback name, by the bound address, or add the name to http.hosts in linli.toml",
    )
    .into_response()
}

/// Refuses requests past [`MAX_INFLIGHT`].
pub async fn inflight(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    let Ok(_permit) = http.inflight.try_acquire() else {
        return Problem::new(
            Code::Overloaded,
            format!("{MAX_INFLIGHT} requests are being worked on"),
        )
        .into_response();
    };
    next.run(request).await
}

/// Ends requests that take too long. What the pipeline has taken over by then is still done.
pub async fn deadline(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_DEADLINE, next.run(request))
        .await
        .unwrap_or_else(|_| {
            Problem::new(
                Code::RequestTimeout,
                "no answer within 30 s; a change may still be made: look before sending it again",
            )
            .into_response()
        })
}

/// Asks the table who may do this, and leaves the [`Principal`] beside the request.
pub async fn authorize(State(http): State<Arc<Http>>, mut request: Request, next: Next) -> Response {
    let Some(route) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    let access = match permission::access(request.method(), route.as_str()) {
        Ok(access) => access,
        Err(methods) => {
            let mut response = Problem::new(Code::MethodNotAllowed, "see the Allow header").into_response();
            if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            return response;
        }
    };
    let principal = match http.tokens.principal(request.headers()) {
        Ok(principal) => principal,
        Err(_) if access == Access::Open => None,
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = admit(access, principal.as_ref(), is_local(&request)) {
        return problem.into_response();
    }
    if let Some(principal) = principal {
        request.extensions_mut().insert(principal);
    }
    next.run(request).await
}

fn admit(access: Access, principal: Option<&Principal>, local: bool) -> Result<(), Problem> {
    match (access, principal) {
        (Access::Open, _) => Ok(()),
        (Access::Local, principal) if local || principal.is_some() => Ok(()),
        (Access::Token(needed), Some(principal)) if permission::suffices(principal.role, needed) => Ok(()),
        (Access::Token(needed), Some(_)) => Err(Problem::new(
            Code::Forbidden,
            format!("this takes a token with the role {}", needed.as_str()),
        )),
        (Access::Local | Access::Token(_), None) => Err(Problem::new(
            Code::Unauthenticated,
            "send Authorization: Bearer <token>; the first token is in admin.token in the data folder",
        )),
        (Access::Local, Some(_)) => Ok(()),
    }
}

/// Whether the request comes from this machine itself. What a proxy on this machine passes on does not.
fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .into_iter()
        .any(|name| request.headers().contains_key(name));
    peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback()) && !forwarded
}

/// The principal of a handler whose route asks for a token.
impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::new(Code::Unauthenticated, "send Authorization: Bearer <token>"))
    }
}
