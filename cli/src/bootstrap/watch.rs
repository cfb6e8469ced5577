//! Waits for the end of a copy and shows how far it is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use maxwell_protocol::bootstrap::{CopyProgress, CopyState, OF_REQUESTS};
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::{Progress, Request};

use super::list::copies;

/// Between two looks at the tree.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until the request of that name has ended. An error if it was refused or taken back.
pub(super) async fn watch(reader: &TreeReader, name: &str) -> anyhow::Result<()> {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(LOOK);
    let id = format!("{OF_REQUESTS}{name}");
    loop {
        let snapshot = reader.snapshot().await?;
        if let Some(ended) = ended(name, snapshot.requests.get(name)) {
            match &ended {
                Ok(()) => bar.finish_with_message("complete"),
                Err(_) => bar.abandon(),
            }
            return ended;
        }
        show(&bar, copies(&snapshot).find(|copy| copy.id == id))?;
        tokio::time::sleep(LOOK).await;
    }
}

fn ended(name: &str, request: Option<&Request>) -> Option<anyhow::Result<()>> {
    let Some(request) = request else { return Some(Err(anyhow::anyhow!("{name} was taken back"))) };
    let outcome = request.outcome.as_ref().filter(|_| request.is_settled())?;
    Some(match outcome.state {
        Progress::Done => Ok(()),
        _ => Err(anyhow::anyhow!("{} was refused: {}", request.ask, outcome.detail)),
    })
}

fn show(bar: &ProgressBar, copy: Option<&CopyProgress>) -> anyhow::Result<()> {
    let Some(copy) = copy else {
        bar.set_message("asked for");
        return Ok(());
    };
    if copy.estimated_rows > 0 && bar.length().is_none() {
        bar.set_style(ProgressStyle::with_template(
            "{bar:40} {human_pos} of about {human_len} rows, {per_sec} {msg}",
        )?);
    }
    if copy.estimated_rows > 0 {
        // The server only reckons: it may well be more.
        bar.set_length(copy.estimated_rows.max(copy.rows));
    }
    bar.set_position(copy.rows);
    bar.set_message(match copy.state {
        CopyState::Waiting => "waiting",
        CopyState::Copying => "",
        CopyState::Aborting => "aborting",
        CopyState::Complete => "complete",
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::bootstrap::BootstrapRequest;
    use maxwell_protocol::request::{Ask, Outcome};

    use super::*;

    #[test]
    fn a_request_ends_well_or_says_why_not() {
        let request = |outcome| Request {
            outcome,
            ..Request::new(Ask::Bootstrap(BootstrapRequest::default()), "ann", 7)
        };
        let outcome = |state, detail: &str| {
            Some(Outcome { state, detail: detail.into(), at: 9, plan: Default::default() })
        };
        assert!(ended("1", Some(&request(None))).is_none());
        assert!(ended("1", Some(&request(outcome(Progress::Done, "")))).unwrap().is_ok());
        let refused = ended("1", Some(&request(outcome(Progress::Refused, "there is no such table"))));
        assert!(refused.unwrap().unwrap_err().to_string().ends_with("there is no such table"));
        assert!(ended("1", None).unwrap().is_err());
    }
}
