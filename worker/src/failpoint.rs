//! Arming of failpoints at run time: `PUT /failpoint?name=after-init&after=0` ends the process, as SIGKILL would, when
//! it next comes by the named place, or that many milliseconds later; `DELETE` disarms. Only in builds for the chaos
//! suite.

use std::time::Duration;

use axum::extract::Query;
use axum::http::StatusCode;
use serde::Deserialize;

/// What is armed.
#[derive(Debug, Deserialize)]
pub(crate) struct Armed {
    name: String,
    #[serde(default)]
    after: u64,
}

/// The handler.
pub(crate) async fn arm(
    Query(Armed { name, after }): Query<Armed>,
) -> Result<StatusCode, (StatusCode, String)> {
    let end = move || {
        if after == 0 {
            std::process::abort();
        }
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(after));
            std::process::abort();
        });
    };
    fail::cfg_callback(name, end).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The handler that takes it back.
pub(crate) async fn disarm(Query(Armed { name, .. }): Query<Armed>) -> StatusCode {
    fail::remove(name);
    StatusCode::NO_CONTENT
}
