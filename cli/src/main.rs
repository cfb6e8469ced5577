//! `maxwell-cli`, also `kubectl maxwell`.

mod bootstrap;
mod cluster;
mod convert;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Looks after clusters of Maxwell workers.
#[derive(Debug, Parser)]
#[command(name = "maxwell-cli", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bootstrap(Box<bootstrap::Bootstrap>),
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
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Bootstrap(arguments) => bootstrap::run(*arguments).await,
        Command::Convert { file, name, namespace, zookeeper } => {
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let wishes = convert::Wishes { name, namespace, zookeeper };
            let converted = convert::convert(&String::from_utf8_lossy(&bytes), &wishes)?;
            std::io::stdout().write_all(converted.as_bytes()).context("cannot write to standard output")
        }
    }
}
