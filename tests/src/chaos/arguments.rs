//! What can be asked of it on the command line.

use std::time::{Duration, Instant};

use super::report::{Minimums, summary};
use super::rounds::Rounds;
use crate::lab::Servers;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Row changes in all, at least.
    #[arg(long, default_value_t = 200_000)]
    changes: u64,
    /// Goes on with rounds for so many minutes.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// The kinds of fault, by name; default: all that the lab allows.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
    /// How often every kind is inflicted: on every server, or, dealt out, on one of them.
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// Deals the faults out over the servers.
    #[arg(long)]
    deal: bool,
    /// Random combinations on every server.
    #[arg(long, default_value_t = 0)]
    together: usize,
    /// Members of the cluster.
    #[arg(long, default_value_t = 4)]
    members: usize,
    /// ZooKeeper session timeout in milliseconds.
    #[arg(long, default_value_t = 15_000)]
    session: u32,
    /// Seconds that an outage of ZooKeeper, Kafka or MySQL lasts.
    #[arg(long, default_value_t = 10)]
    away: u64,
    /// Rows of the transaction that a fault shall find a worker in.
    #[arg(long, default_value_t = 12_000)]
    large: usize,
    /// Runs that must have gone on inside a MySQL transaction, and Kafka transactions that must have been aborted.
    #[arg(long, default_value_t = 5)]
    least: u64,
    /// Faults that there must have been.
    #[arg(long, default_value_t = 1)]
    least_faults: u64,
    /// Kinds of fault that there must have been.
    #[arg(long, default_value_t = 1)]
    least_kinds: u64,
    /// Writers that must have been fenced.
    #[arg(long, default_value_t = 0)]
    least_fenced: u64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    servers: Servers,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let minimums = Minimums {
            changes: self.changes,
            faults: self.least_faults,
            kinds: self.least_kinds,
            inside: self.least,
            fenced: self.least_fenced,
        };
        let rounds = Rounds {
            servers: self.servers.named()?,
            faults: self.faults.clone(),
            changes: self.changes,
            times: self.times,
            deal: self.deal,
            together: self.together,
            members: self.members,
            session: self.session,
            away: Duration::from_secs(self.away),
            large: self.large,
            seed: self.seed,
        };
        let until = Instant::now() + Duration::from_secs(self.minutes * 60);
        summary(&rounds.run(until).await?, minimums, self.session.into())
    }
}
