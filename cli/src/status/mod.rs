//! `status`, `history` and `node list`: what a cluster's tree says, for people and for programs.

mod picture;
mod tables;

use clap::{Args, ValueEnum};
use maxwell_protocol::snapshot::ClusterSnapshot;
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::print;
use picture::Picture;
pub(crate) use tables::{lines, table};

/// What `status`, `history` and `node list` take.
#[derive(Debug, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// How to print it.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl Look {
    /// Prints `value` in the form that was asked for.
    pub(crate) fn show(&self, value: &impl Serialize, table: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self.output {
            Format::Table => print(&table()),
            Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        }
    }

    /// The cluster as it is.
    pub(crate) async fn snapshot(&self) -> anyhow::Result<ClusterSnapshot> {
        Ok(self.cluster.connect().await?.snapshot().await?)
    }

    async fn picture(&self) -> anyhow::Result<Picture> {
        let tree = self.cluster.connect().await?;
        Ok(Picture::draw(tree.tree().root(), &tree.snapshot().await?))
    }
}

/// Members, shards, lag and leader.
pub(crate) async fn status(look: &Look) -> anyhow::Result<()> {
    let picture = look.picture().await?;
    look.show(&picture, || tables::status(&picture))
}

/// The members.
pub(crate) async fn members(look: &Look) -> anyhow::Result<()> {
    let picture = look.picture().await?;
    look.show(&picture.members, || tables::members(&picture.members))
}

/// The last changes of owner.
pub(crate) async fn history(look: &Look) -> anyhow::Result<()> {
    let history = look.snapshot().await?.history;
    look.show(&history, || tables::history(&history))
}
