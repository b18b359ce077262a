//! The listener: accepts a bounded number of connections, speaks HTTP/1.1 on each, and ends in two seconds.
//!
//! axum's own `serve` knows neither a limit of connections nor a limit on how slowly a client may send its
//! headers, so this is a loop over hyper.

use super::layers::Peer;
use super::{Http, live, router};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Connections served at once; further ones wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 256;
/// Longest wait for the headers of a request, also between two requests of one connection.
pub const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of the headers of a request.
const HEADER_BYTES: usize = 32 << 10;
const MAX_HEADERS: usize = 64;
/// How long requests under way may go on after the shutdown has begun.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
/// Pause after a failed accept: out of file descriptors is not cured by trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is cancelled, then lets requests under way end for at most two seconds.
///
/// The live feed runs beside it and ends with it.
pub async fn serve(listener: TcpListener, http: Arc<Http>, shutdown: CancellationToken) {
    let router = router(Arc::clone(&http));
    let feed = tokio::spawn(live::feed(Arc::clone(&http), shutdown.clone()));
    accept(listener, router, &shutdown, http.shutdown.clone()).await;
    if let Err(error) = feed.await {
        tracing::error!(%error, "the live feed ended early");
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    shutdown: &CancellationToken,
    streams: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection(stream, peer, router, shutdown).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept an http connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    streams.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_DEADLINE, all_ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "http connections cut at shutdown"
        );
    }
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, shutdown: CancellationToken) {
    // Small answers and live events go out at once.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "http connection broke off");
    }
}
