//! `/livez`, `/readyz`, `/metrics`, and `/config` where that is wanted.

mod config;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::filter::TableFilter;
use crate::metrics::Metrics;

/// Why the endpoint cannot be served.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The port is taken or not ours to take.
    #[error("cannot listen on {address}: {source}; choose another port with --http_port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Whether the process can do its part: stream, or take over at once. Says why not.
pub type Readiness = Result<(), String>;

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
}

/// Listens, then serves in the background until `shutdown`. With `filter` it may be read and replaced.
pub async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
    filter: Option<watch::Sender<TableFilter>>,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let listener = TcpListener::bind(address).await.map_err(|source| HttpError::Bind { address, source })?;
    let router = Router::new()
        .route("/", get("maxwell\n/livez\n/readyz\n/metrics\n"))
        .route("/livez", get("alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state(Shared { metrics, readiness });
    let router = match filter {
        Some(filter) => router.merge(config::router(filter)),
        None => router,
    };
    #[cfg(feature = "failpoints")]
    let router = router
        .route("/failpoint", axum::routing::put(crate::failpoint::arm).delete(crate::failpoint::disarm));
    tokio::spawn(async move {
        let stopped = async move { shutdown.cancelled().await };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the HTTP endpoint ended");
        }
    });
    Ok(())
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    match &*shared.readiness.borrow() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn exposition(State(shared): State<Shared>) -> impl IntoResponse {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, form)], shared.metrics.encode())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn says_why_it_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (readiness_tx, readiness) = watch::channel(Err("no session yet".to_owned()));
        let shutdown = CancellationToken::new();
        serve(free, Arc::default(), readiness.clone(), None, shutdown.clone()).await.unwrap();
        assert!(fetch(free, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(fetch(free, "/readyz").await.ends_with("no session yet\n"));
        readiness_tx.send(Ok(())).unwrap();
        assert!(fetch(free, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(fetch(free, "/metrics").await.contains("maxwell_rows_total 0"));
        let taken = serve(free, Arc::default(), readiness, None, shutdown.clone()).await.unwrap_err();
        assert!(taken.to_string().contains("--http_port"));
        shutdown.cancel();
    }
}
