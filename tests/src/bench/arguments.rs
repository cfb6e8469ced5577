//! What can be asked of it on the command line.

use clap::ValueEnum;
use serde::Serialize;

use super::{Copies, Outcome, Schema, copies, schema, throughput};
use crate::output::line;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measured {
    Throughput,
    Copies,
    Schema,
}

/// One line, whatever was measured.
#[derive(Default, Serialize)]
struct Figures {
    #[serde(flatten)]
    throughput: Option<Outcome>,
    #[serde(flatten)]
    copies: Option<Copies>,
    #[serde(flatten)]
    schema: Option<Schema>,
}

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How often the throughput.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What to measure.
    #[arg(long, value_delimiter = ',', default_value = "throughput,copies,schema")]
    only: Vec<Measured>,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        if self.only.contains(&Measured::Throughput) {
            figures.throughput = Some(throughput(self.runs).await?);
        }
        if self.only.contains(&Measured::Copies) {
            figures.copies = Some(copies(self.runs).await?);
        }
        if self.only.contains(&Measured::Schema) {
            figures.schema = Some(schema().await?);
        }
        line(&figures)
    }
}
