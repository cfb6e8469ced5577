//! What can be asked of it on the command line.

use super::switchover;
use crate::lab::named;
use crate::output::line;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Switchovers.
    #[arg(long, default_value_t = 20)]
    times: usize,
    /// Cuts of an owner's way to MySQL.
    #[arg(long, default_value_t = 5)]
    cuts: usize,
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql80")]
    servers: Vec<String>,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in named(&self.servers)? {
            line(&switchover(server, self.times, self.cuts).await?)?;
        }
        Ok(())
    }
}
