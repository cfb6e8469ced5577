//! What is asked of a running cluster: the request is put into its tree, the leader carries it out, and its outcome is
//! printed. Refused or taken back ends with an error.

mod divide;
mod rewind;
mod settings;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use maxwell_protocol::history::Transition;
use maxwell_protocol::id::MemberId;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::{Ask, Outcome, Progress, Request};

use crate::cluster::ClusterArguments;
use crate::print;
use crate::status::{self, Look};

pub(crate) use divide::{Divide, divide};
pub(crate) use rewind::{Rewind, rewind};
pub(crate) use settings::{Settings, settings};

/// How long the gap of a change of owner is waited for after that is done: until a row has come.
const FIRST_ROW: Duration = Duration::from_secs(2);

/// Where to ask, and how long to wait.
#[derive(Debug, Args)]
pub(crate) struct Where {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Seconds to wait for the outcome.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
}

/// For what cannot be taken back.
#[derive(Debug, Args)]
pub(crate) struct Sure {
    /// Does not ask whether that is meant.
    #[arg(long)]
    yes: bool,
}

impl Sure {
    /// Warns, and goes on only with `--yes`, or with `yes` typed at a terminal.
    pub(crate) fn confirm(&self, warning: &str) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            bail!("{warning}. Give --yes if they can bear that");
        }
        write!(std::io::stderr(), "{warning}. Type yes if they can bear that: ")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        anyhow::ensure!(answer.trim() == "yes", "nothing was done");
        Ok(())
    }
}

/// Another member takes the place of one: its shards, and the lead if it has it.
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// Whose place. Default: the leader's.
    #[arg(long)]
    from: Option<String>,
    /// Who takes it. Default: the fittest.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// A shard goes to another member.
#[derive(Debug, Args)]
pub(crate) struct Move {
    /// The shard.
    shard: String,
    /// The member.
    #[arg(long)]
    to: String,
    #[command(flatten)]
    at: Where,
}

/// What is asked of one member.
#[derive(Debug, Args)]
pub(crate) struct OfMember {
    /// The member.
    member: String,
    #[command(flatten)]
    at: Where,
}

/// The members.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Lists the members that are expected or there.
    List(Look),
    /// The member gives away what it has, runs on, and is no candidate until it is unparked.
    Park(OfMember),
    /// The member may own and lead again.
    Unpark(OfMember),
    /// Forgets a member that is offline.
    Remove(OfMember),
}

pub(crate) async fn failover(arguments: Failover) -> anyhow::Result<()> {
    let (from, to) = (arguments.from.map(MemberId), arguments.to.map(MemberId));
    arguments.at.ask(Ask::Switchover { from, to }).await
}

pub(crate) async fn move_shard(arguments: Move) -> anyhow::Result<()> {
    let Move { shard, to, at } = arguments;
    at.ask(Ask::Move { shard: shard.as_str().into(), to: MemberId(to) }).await
}

pub(crate) async fn restart(arguments: OfMember) -> anyhow::Result<()> {
    arguments.at.ask(Ask::Restart { member: MemberId(arguments.member) }).await
}

pub(crate) async fn node(asked: Node) -> anyhow::Result<()> {
    match asked {
        Node::List(look) => status::members(&look).await,
        Node::Park(of) => of.at.ask(Ask::Park { member: MemberId(of.member) }).await,
        Node::Unpark(of) => of.at.ask(Ask::Unpark { member: MemberId(of.member) }).await,
        Node::Remove(of) => remove(&of).await,
    }
}

async fn remove(of: &OfMember) -> anyhow::Result<()> {
    let tree = of.at.cluster.connect().await?;
    let member = MemberId(of.member.clone());
    let seen = tree.snapshot().await?;
    if seen.members.contains_key(&member) {
        bail!("{member} is there and would join again: end it first");
    }
    if !seen.roster.contains_key(&member) {
        bail!("there is no member '{member}'");
    }
    let path = tree.tree().roster_entry(&member);
    tree.client().delete(&path, None).await.with_context(|| format!("cannot delete {path}"))?;
    print(&format!("{member} is forgotten\n"))
}

impl Where {
    /// Connects to the cluster's tree.
    pub(crate) async fn connect(&self) -> anyhow::Result<TreeReader> {
        self.cluster.connect().await
    }

    /// Asks, waits and prints what came of it.
    pub(crate) async fn ask(&self, ask: Ask) -> anyhow::Result<()> {
        let tree = self.connect().await?;
        let request = Request::new(ask, &who(), Timestamp::now().as_millisecond());
        let name = tree.ask(&request).await?;
        let Some(outcome) = tree.outcome(&name, Duration::from_secs(self.timeout)).await? else {
            if tree.take_back(&name).await? {
                bail!("{}: nobody took it up, so it is taken back; is there a leader?", request.ask);
            }
            bail!("{}: not done after {} s; it goes on, see `status`", request.ask, self.timeout);
        };
        match outcome.state {
            Progress::Refused => bail!("{}: refused: {}", request.ask, outcome.detail),
            Progress::Undone => bail!("{}: taken back: {}", request.ask, outcome.detail),
            Progress::Accepted | Progress::Done => {}
        }
        let gaps = gaps(&tree, &outcome).await?;
        let mut text = format!("{}: done\n", request.ask);
        for (shard, hop) in &outcome.plan.moves {
            text += &format!("shard {shard}: {} -> {}", hop.from, hop.to);
            let gap =
                gaps.iter().find(|entry| entry.shard == *shard).and_then(|entry| entry.gap_milliseconds);
            text += &gap.map_or_else(|| "\n".to_owned(), |gap| format!(", gap {gap} ms\n"));
        }
        if !outcome.detail.is_empty() {
            text += &format!("{}\n", outcome.detail);
        }
        print(&text)
    }
}

/// The history's words on what was moved, as far as they are there in time.
async fn gaps(tree: &TreeReader, outcome: &Outcome) -> anyhow::Result<Vec<Transition>> {
    let deadline = std::time::Instant::now() + FIRST_ROW;
    loop {
        let mut told = tree.snapshot().await?.history.entries;
        told.retain(|entry| {
            let hop = outcome.plan.moves.get(&entry.shard);
            hop.is_some_and(|hop| hop.to == entry.to) && entry.time >= outcome.at
        });
        if told.len() >= outcome.plan.moves.len() || std::time::Instant::now() > deadline {
            return Ok(told);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Who asks, as `cluster/history` tells it.
fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    match (user, host.trim()) {
        (Ok(user), "") => user,
        (Ok(user), host) => format!("{user}@{host}"),
        (Err(_), _) => "maxwell-cli".to_owned(),
    }
}
