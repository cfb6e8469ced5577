//! `backup` and `restore`: what a cluster's tree holds for good, as a file of JSON. It holds no secrets.

mod saved;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use crate::cluster::ClusterArguments;
use crate::operate::{Sure, Where};
use crate::print;
use saved::Saved;

/// Writes positions, settings and the shard map to a file.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file; it must not exist.
    file: PathBuf,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// Brings a paused cluster back to what a backup says.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The file.
    file: PathBuf,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    at: Where,
}

pub(crate) async fn backup(asked: Backup) -> anyhow::Result<()> {
    let name = asked.file.display();
    let seen = asked.cluster.connect().await?.snapshot().await?;
    let saved = Saved::of(seen, Timestamp::now())?;
    let file = std::fs::File::create_new(&asked.file).with_context(|| format!("cannot create {name}"))?;
    serde_json::to_writer_pretty(file, &saved).with_context(|| format!("cannot write {name}"))?;
    print(&format!("positions of {} shards saved to {name}\n", saved.positions.len()))
}

pub(crate) async fn restore(asked: Restore) -> anyhow::Result<()> {
    let name = asked.file.display();
    let text = std::fs::read(&asked.file).with_context(|| format!("cannot read {name}"))?;
    let saved = Saved::read(&text).with_context(|| format!("{name} is refused"))?;
    let seen = asked.at.connect().await?.snapshot().await?;
    saved.check(&seen).with_context(|| format!("{name} is refused"))?;
    asked.sure.confirm(&format!(
        "restore: every shard goes back to where it was at {}; once resumed, every consumer sees again all changes since, \
         those that are read_committed too",
        saved.at
    ))?;
    for ask in saved.asks(&seen) {
        asked.at.ask(ask).await?;
    }
    print("restored; `maxwell-cli resume` lets it stream again\n")
}
