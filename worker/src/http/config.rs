//! `/config`: shows the filter, and replaces it until the process ends.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::watch;

use crate::filter::TableFilter;

type Filter = watch::Sender<TableFilter>;

/// What may be changed. Every other name is refused, so that a misspelt one does not seem to be done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    filter: Option<String>,
}

/// The route; the receivers of `filter` follow it at the end of the transaction that they are in.
pub(super) fn router(filter: Filter) -> Router {
    Router::new().route("/config", get(show).put(change).post(change).patch(change)).with_state(filter)
}

async fn show(State(filter): State<Filter>) -> Response {
    shown(&filter.borrow())
}

async fn change(State(filter): State<Filter>, body: Bytes) -> Response {
    // Not borrowed any more where it is replaced.
    let wanted = read(&body, &filter.borrow());
    match wanted {
        Ok(wanted) => {
            tracing::info!(filter = wanted.text(), "the filter was changed through HTTP");
            let answer = shown(&wanted);
            let _before = filter.send_replace(wanted);
            answer
        }
        Err(message) => {
            let error = serde_json::json!({"error": {"code": 400, "message": message}});
            (StatusCode::BAD_REQUEST, json(&error)).into_response()
        }
    }
}

/// No filter lets everything pass.
fn read(body: &[u8], now: &TableFilter) -> Result<TableFilter, String> {
    let change: Change = serde_json::from_slice(body)
        .map_err(|error| format!("not read: {error}; send {{\"filter\":\"include: db.table\"}}"))?;
    now.replaced_by(&change.filter.unwrap_or_default()).map_err(|error| error.to_string())
}

fn shown(filter: &TableFilter) -> Response {
    json(&serde_json::json!({"filter": filter.text()})).into_response()
}

fn json(value: &serde_json::Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], format!("{value}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(filter: &Filter, body: &str) -> (StatusCode, String) {
        let answer = change(State(filter.clone()), Bytes::copy_from_slice(body.as_bytes())).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_filter_is_replaced_or_stays() {
        let (filter, mut seen) = watch::channel(TableFilter::default());
        assert_eq!(shown(&filter.borrow()).status(), StatusCode::OK);
        let (status, body) = told(&filter, r#"{"filter":"exclude: shop.*"}"#).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "{\"filter\":\"exclude: shop.*\"}\n"));
        assert!(seen.has_changed().unwrap());
        assert!(!seen.borrow_and_update().passes("shop", "t"));
        for wrong in
            [r#"{"filter":"exclude shop.*"}"#, r#"{"filtre":""}"#, "", r#"{"filter":"include: a./(/"}"#]
        {
            let (status, body) = told(&filter, wrong).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(body.starts_with("{\"error\":{\"code\":400,\"message\":\""), "{body}");
        }
        assert!(!seen.has_changed().unwrap());
        let (_, body) = told(&filter, r#"{"filter":null}"#).await;
        assert_eq!(body, "{\"filter\":null}\n");
        assert!(seen.borrow_and_update().passes("shop", "t"));
    }
}
