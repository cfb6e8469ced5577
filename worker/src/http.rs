//! `/livez`, `/readyz`, `/metrics`, and the original's `/ping`, `/healthcheck`, `/prometheus`, `/diagnostic` and
//! `/config`.

mod config;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use maxwell_protocol::member::Connection;
use maxwell_protocol::options::Http;
use serde_json::{Value, json};
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
    metrics_prefix: Arc<str>,
}

/// Listens, then serves in the background until `shutdown`. With `filter` it may be read and replaced.
pub async fn serve(
    address: SocketAddr,
    http: &Http,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
    filter: Option<watch::Sender<TableFilter>>,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let listener = TcpListener::bind(address).await.map_err(|source| HttpError::Bind { address, source })?;
    let router = router(
        http,
        Shared { metrics, readiness, metrics_prefix: http.metrics_prefix.as_str().into() },
        filter,
    );
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

fn router(http: &Http, shared: Shared, filter: Option<watch::Sender<TableFilter>>) -> Router {
    let index = "maxwell\n/livez\n/readyz\n/metrics\n/prometheus\n/healthcheck\n/ping\n";
    let mut router = Router::new()
        .route("/", get(index))
        .route("/livez", get("alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .route("/prometheus", get(exposition_with_original))
        .route("/healthcheck", get(healthcheck))
        .route("/ping", get("pong\n"));
    if http.diagnostic {
        router = router.route("/diagnostic", get(diagnostic));
    }
    let mut router = router.with_state(shared);
    if let Some(filter) = filter {
        router = router.merge(config::router(filter));
    }
    match http.path_prefix.as_str() {
        "/" | "" => router,
        // Probes of Kubernetes know nothing of the prefix.
        prefix => Router::new().nest(prefix, router.clone()).merge(router),
    }
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

async fn exposition_with_original(State(shared): State<Shared>) -> impl IntoResponse {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, form)], shared.metrics.encode_with_original(&shared.metrics_prefix))
}

/// Unlike the original's it is unhealthy while the stream is stuck.
async fn healthcheck(State(shared): State<Shared>) -> impl IntoResponse {
    let ready = shared.readiness.borrow().clone();
    let (status, health) = match ready {
        Ok(()) => (StatusCode::OK, json!({"healthy": true})),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, json!({"healthy": false, "message": reason})),
    };
    (status, Json(json!({"MaxwellHealth": health})))
}

/// What MySQL and Kafka last said. Nothing is written anywhere for it.
async fn diagnostic(State(shared): State<Shared>) -> impl IntoResponse {
    let connections = shared.metrics.connections();
    let checks = [check("binlog-connector", &connections.mysql), check("kafka-producer", &connections.kafka)];
    let success = checks.iter().all(|check| check["success"] == true);
    let status = if success { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"success": success, "checks": checks})))
}

fn check(name: &str, connection: &Connection) -> Value {
    let success = connection.reachable != Some(false);
    let mut check = json!({"name": name, "success": success, "mandatory": true});
    if !success {
        check["error"] = connection.error.clone().into();
    }
    check
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
        let http = Http { diagnostic: true, path_prefix: "/mx".into(), ..Http::default() };
        serve(free, &http, Arc::default(), readiness.clone(), None, shutdown.clone()).await.unwrap();
        assert!(fetch(free, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(fetch(free, "/readyz").await.ends_with("no session yet\n"));
        readiness_tx.send(Ok(())).unwrap();
        assert!(fetch(free, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(fetch(free, "/mx/ping").await.ends_with("pong\n"));
        assert!(fetch(free, "/healthcheck").await.ends_with("{\"MaxwellHealth\":{\"healthy\":true}}"));
        assert!(fetch(free, "/mx/diagnostic").await.contains("\"name\":\"binlog-connector\""));
        assert!(fetch(free, "/prometheus").await.contains("MaxwellMetrics_row_count 0"));
        assert!(fetch(free, "/metrics").await.contains("maxwell_rows_total 0"));
        let taken = serve(free, &http, Arc::default(), readiness, None, shutdown.clone()).await.unwrap_err();
        assert!(taken.to_string().contains("--http_port"));
        shutdown.cancel();
    }
}
