//! What can be asked of it on the command line.

use super::load::Keys;
use super::{Plan, bootstrap};
use crate::lab::Servers;
use crate::output::line;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rows of the table.
    #[arg(long, default_value_t = 200_000)]
    rows: u64,
    /// Changes a second beside the copy.
    #[arg(long, default_value_t = 1000)]
    changes: u32,
    /// How often the worker is killed.
    #[arg(long, default_value_t = 5)]
    kills: u64,
    /// Leaves the source's GTIDs alone.
    #[arg(long)]
    without_gtid: bool,
    /// Logs the changed columns only.
    #[arg(long)]
    minimal: bool,
    /// What tells the table's rows apart.
    #[arg(long, value_enum, default_value = "primary")]
    keys: Keys,
    /// Seed of the changes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    servers: Servers,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let Self { rows, changes, kills, without_gtid, minimal, keys, seed, .. } = *self;
        // With a minimal image a message of a moved row has its new key and what else was changed: no check could tell.
        let moves = !minimal && keys != Keys::None;
        let plan = Plan { rows, changes, kills, without_gtid, minimal, keys, moves, seed };
        for server in self.servers.named()? {
            line(&bootstrap(server, plan).await?)?;
        }
        Ok(())
    }
}
