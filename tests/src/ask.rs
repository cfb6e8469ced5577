//! What is asked of a cluster through its tree, as the command line does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::{Ask, Outcome, Progress, Request};

/// How long an outcome may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks, and waits for the outcome.
pub(crate) async fn ask(tree: &TreeReader, ask: Ask) -> anyhow::Result<Outcome> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let name = tree.ask(&Request::new(ask.clone(), "the checks", at)).await?;
    let outcome = tree.outcome(&name, PATIENCE).await?;
    outcome.with_context(|| format!("nothing came of: {ask}"))
}

/// Asks for what must be done.
pub(crate) async fn done(tree: &TreeReader, what: Ask) -> anyhow::Result<()> {
    let outcome = ask(tree, what.clone()).await?;
    anyhow::ensure!(outcome.state == Progress::Done, "{what}: {outcome:?}");
    Ok(())
}
