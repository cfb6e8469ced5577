//! What can be asked of it on the command line.

use super::schema;
use crate::lab::Servers;
use crate::output::line;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Made up statements.
    #[arg(long, default_value_t = 300)]
    random: usize,
    /// Seed of those.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    servers: Servers,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in self.servers.named()? {
            let outcome = schema(server, self.random, self.seed).await?;
            line(&outcome)?;
            anyhow::ensure!(outcome.different.is_empty(), "definitions differ");
        }
        Ok(())
    }
}
