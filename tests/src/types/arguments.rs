//! What can be asked of it on the command line.

use super::types;
use crate::lab::Servers;
use crate::output::line;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How often every type is in a table.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Rows of every table.
    #[arg(long, default_value_t = 20)]
    rows: u32,
    /// Seed of tables and rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    servers: Servers,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in self.servers.named()? {
            line(&types(server, self.rounds, i64::from(self.rows), self.seed).await?)?;
        }
        Ok(())
    }
}
