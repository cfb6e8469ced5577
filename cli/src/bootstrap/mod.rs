//! `maxwell-cli bootstrap`: asks for copies of tables, shows how far they are, takes requests back.

mod list;
mod watch;

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, Subcommand};
use maxwell_protocol::bootstrap::{BootstrapRequest, OF_REQUESTS, OF_SETTINGS};
use maxwell_protocol::request::{Ask, Request};

use crate::cluster::ClusterArguments;

/// Copies a table beside the stream, exactly once.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Bootstrap {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Database of the table.
    #[arg(long, required = true)]
    database: Option<String>,
    /// The table.
    #[arg(long, required = true)]
    table: Option<String>,
    /// Condition on the rows, as in SQL behind WHERE.
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Printed as `comment` on every message of the copy.
    #[arg(long)]
    comment: Option<String>,
    /// Waits for the end of the copy and shows how far it is.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the copies that were asked for.
    List {
        #[command(flatten)]
        cluster: ClusterArguments,
    },
    /// Takes a request back. A copy that has begun ends where it is, with bootstrap-complete.
    Abort {
        /// The request, as `bootstrap list` names it.
        id: String,
        #[command(flatten)]
        cluster: ClusterArguments,
    },
}

/// Carries the command out.
pub(crate) async fn run(arguments: Bootstrap) -> anyhow::Result<()> {
    match arguments.command {
        Some(Command::List { cluster }) => list::list(&cluster.connect().await?).await,
        Some(Command::Abort { id, cluster }) => abort(&cluster, &id).await,
        None => ask(arguments).await,
    }
}

async fn ask(arguments: Bootstrap) -> anyhow::Result<()> {
    let named = |name: Option<String>| name.filter(|name| !name.is_empty()).context("a name is empty");
    let copy = BootstrapRequest {
        database: named(arguments.database).context("--database")?,
        table: named(arguments.table).context("--table")?,
        condition: arguments.condition,
        comment: arguments.comment,
        ..BootstrapRequest::default()
    };
    request(&arguments.cluster, copy, arguments.wait).await
}

/// Copies a table again: what consumers have of it is made right.
#[derive(Debug, Args)]
pub(crate) struct Resync {
    /// The table, as DATABASE.TABLE.
    table: String,
    /// Waits for the end of the copy and shows how far it is.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// A copy with nothing special about it.
pub(crate) async fn resync(arguments: Resync) -> anyhow::Result<()> {
    let named =
        arguments.table.split_once('.').filter(|(database, table)| !database.is_empty() && !table.is_empty());
    let (database, table) =
        named.with_context(|| format!("'{}' names no table; write it as DATABASE.TABLE", arguments.table))?;
    let (database, table) = (database.to_owned(), table.to_owned());
    let copy = BootstrapRequest { database, table, ..BootstrapRequest::default() };
    request(&arguments.cluster, copy, arguments.wait).await
}

async fn request(cluster: &ClusterArguments, copy: BootstrapRequest, wait: bool) -> anyhow::Result<()> {
    let reader = cluster.connect().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let name = reader.ask(&Request::new(Ask::Bootstrap(copy), &user(), now)).await?;
    if wait {
        return watch::watch(&reader, &name).await;
    }
    print(&name)
}

fn print(text: &impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// Who asks: what the system says of this process's user.
fn user() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "maxwell-cli".to_owned())
}

async fn abort(cluster: &ClusterArguments, id: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        !id.starts_with(OF_SETTINGS),
        "{id} is asked for by the settings: take it out of bootstrap.tables"
    );
    let name = id.strip_prefix(OF_REQUESTS).unwrap_or(id);
    anyhow::ensure!(
        !name.contains('/'),
        "{id} is asked for by a row of Maxwell's table bootstrap: delete that row"
    );
    let reader = cluster.connect().await?;
    let snapshot = reader.snapshot().await?;
    let request = snapshot.requests.get(name).filter(|request| matches!(request.ask, Ask::Bootstrap(_)));
    let request = request.with_context(|| format!("there is no request {id}; see bootstrap list"))?;
    anyhow::ensure!(!request.is_settled(), "the copy {id} has ended");
    let path = reader.tree().request(name);
    reader.client().delete(&path, None).await.with_context(|| format!("cannot delete {path} in ZooKeeper"))
}
