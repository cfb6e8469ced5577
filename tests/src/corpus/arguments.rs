//! What can be asked of it on the command line.

use std::time::Duration;

use super::{Asked, corpus};
use crate::lab::Servers;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the cases are.
    #[arg(long, default_value = "tests/corpus")]
    cases: std::path::PathBuf,
    /// Part of the names of the cases to run.
    #[arg(long, default_value = "")]
    only: String,
    /// Seconds that a case's records may take.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    #[command(flatten)]
    servers: Servers,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let how = Asked { only: self.only.clone(), patience: Duration::from_secs(self.patience) };
        corpus(&self.cases, &self.servers.named()?, &how).await
    }
}
