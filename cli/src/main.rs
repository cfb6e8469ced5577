//! `maxwell-cli`, also `kubectl maxwell`.

mod backup;
mod bootstrap;
mod cluster;
mod convert;
mod operate;
mod status;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};
use maxwell_protocol::request::Ask;

/// Looks after clusters of Maxwell workers.
#[derive(Debug, Parser)]
#[command(name = "maxwell-cli", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the MaxwellCluster and the Secret that do what a config.properties of Maxwell's daemon says.
    ///
    /// What has no equivalent, or needs a hand, stands in comments above them. The Secret holds the password from the
    /// file; with encrypt there is one for the key, too.
    Convert {
        /// Maxwell's config.properties.
        file: PathBuf,
        /// Name of the resource. Default: the client_id, else maxwell.
        #[arg(long)]
        name: Option<String>,
        /// Namespace of the resource. Default: where it is applied to.
        #[arg(long, short)]
        namespace: Option<String>,
        /// The ZooKeeper ensemble, if the file does not name one.
        #[arg(long, value_delimiter = ',', value_name = "HOST:PORT")]
        zookeeper: Vec<String>,
    },
    Bootstrap(Box<bootstrap::Bootstrap>),
    /// Copies a table again beside the stream: what consumers have of it is made right.
    Resync(bootstrap::Resync),
    /// Shows members, shards, lag and leader.
    Status(status::Look),
    /// Shows the last failovers, switchovers and moves, with their phases and gaps.
    History(status::Look),
    /// Another member takes the place of one: its shards, and the lead if it has it.
    Failover(operate::Failover),
    /// A shard goes to another member; of an ActiveStandby cluster the lead goes with it.
    Move(operate::Move),
    /// Rows are divided into shards in another way from one place in the binlog on, while the cluster runs.
    Divide(operate::Divide),
    /// Owners keep their shards and read nothing.
    Pause(operate::Where),
    /// Owners read again.
    Resume(operate::Where),
    /// A member gives away what it has and begins anew.
    Restart(operate::OfMember),
    /// A shard goes back to an earlier position: consumers see again what came after it.
    Rewind(operate::Rewind),
    /// Writes positions, settings and the shard map to a file.
    Backup(backup::Backup),
    /// Brings a paused cluster back to what a backup says.
    Restore(backup::Restore),
    /// Shows and changes settings that need no restart.
    #[command(subcommand)]
    Settings(operate::Settings),
    /// Lists, parks, unparks and removes members.
    #[command(subcommand)]
    Node(operate::Node),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Convert { file, name, namespace, zookeeper } => {
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let wishes = convert::Wishes { name, namespace, zookeeper };
            let converted = convert::convert(&String::from_utf8_lossy(&bytes), &wishes)?;
            print(&converted)
        }
        Command::Bootstrap(arguments) => bootstrap::run(*arguments).await,
        Command::Resync(arguments) => bootstrap::resync(arguments).await,
        Command::Status(look) => status::status(&look).await,
        Command::History(look) => status::history(&look).await,
        Command::Failover(asked) => operate::failover(asked).await,
        Command::Move(asked) => operate::move_shard(asked).await,
        Command::Divide(asked) => operate::divide(asked).await,
        Command::Pause(at) => at.ask(Ask::Pause).await,
        Command::Resume(at) => at.ask(Ask::Resume).await,
        Command::Restart(asked) => operate::restart(asked).await,
        Command::Rewind(asked) => operate::rewind(asked).await,
        Command::Backup(asked) => backup::backup(asked).await,
        Command::Restore(asked) => backup::restore(asked).await,
        Command::Settings(asked) => operate::settings(asked).await,
        Command::Node(asked) => operate::node(asked).await,
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
