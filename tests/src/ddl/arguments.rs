//! What can be asked of it on the command line.

use super::{Plan, ddl};
use crate::lab::Servers;
use crate::output::line;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Transactions of each of three sessions; behind every third one a table is changed.
    #[arg(long, default_value_t = 300)]
    steps: u32,
    /// How often the worker that streams is killed: a lone one, and in a cluster of three.
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    servers: Servers,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let Self { steps, kills, seed, .. } = *self;
        for server in self.servers.named()? {
            for members in [1, 3] {
                let outcome = ddl(server, Plan { sessions: 3, steps, kills, members, seed }).await?;
                line(&outcome)?;
                anyhow::ensure!(outcome.verdict.is_clean(), "rows or columns differ");
            }
        }
        Ok(())
    }
}
