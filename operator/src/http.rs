//! `/livez`, `/readyz`, `/metrics`.

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

use crate::metrics::Metrics;

/// Why the endpoint cannot be served.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The port is taken or not ours to take.
    #[error("cannot listen on {address}: choose another port with --http-port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Whether this replica can do its part: work, or stand by for the Lease. Says why not.
pub type Readiness = Result<(), String>;

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
}

/// Listens, then serves in the background until `shutdown`. Returns the address, in case port 0 was asked for.
pub async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
    shutdown: CancellationToken,
) -> Result<SocketAddr, HttpError> {
    let bind = |source| HttpError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    let router = Router::new()
        .route("/", get("maxwell-operator\n/livez\n/readyz\n/metrics\n"))
        .route("/livez", get("alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state(Shared { metrics, readiness });
    tokio::spawn(async move {
        let stopped = async move { shutdown.cancelled().await };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the HTTP endpoint ended");
        }
    });
    Ok(bound)
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
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (readiness_tx, readiness) = watch::channel(Err("caches are not filled yet".to_owned()));
        let shutdown = CancellationToken::new();
        let address = serve(any, Arc::default(), readiness.clone(), shutdown.clone()).await.unwrap();
        let refusal = fetch(address, "/readyz").await;
        assert!(refusal.starts_with("HTTP/1.1 503") && refusal.ends_with("caches are not filled yet\n"));
        readiness_tx.send(Ok(())).unwrap();
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(fetch(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(fetch(address, "/metrics").await.contains("maxwell_operator_leader 0"));
        let taken = serve(address, Arc::default(), readiness, shutdown.clone()).await.unwrap_err();
        assert!(taken.to_string().contains("--http-port"));
        shutdown.cancel();
    }
}
