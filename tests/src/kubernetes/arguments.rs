//! What can be asked of it on the command line.

use super::{Fault, Part, kubernetes};

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What is run.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "refusals,faults,adoption,sharded")]
    parts: Vec<Part>,
    /// What happens to the leader; default: everything.
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// How often each of that.
    #[arg(long, default_value_t = 1)]
    times: usize,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        kubernetes(&self.parts, &self.faults, self.times).await
    }
}
