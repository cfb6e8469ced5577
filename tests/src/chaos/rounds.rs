//! Which rounds a run has: servers, shapes of the cluster, and the faults of each.

use std::time::{Duration, Instant};

use maxwell_protocol::settings::Delivery;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::cluster::Shape;
use super::fault::{
    ClockFault, Fault, KafkaFault, NetworkFault, POINTS, ProcessFault, all, dividing, fitting, together,
};
use super::report::Report;
use super::{Plan, round};
use crate::lab::Server;

/// Rows of a Kafka transaction at the most: small, so that many end inside a MySQL transaction.
const COMMIT_ROWS: u32 = 1000;

/// Shapes of clusters with several shards; dealt out, each server has one of them.
const SHAPES: usize = 2;
/// How often at least everything is done to them.
const TWICE: usize = 2;

/// What a run is asked for.
#[derive(Debug, Clone)]
pub struct Rounds {
    /// The servers.
    pub servers: Vec<Server>,
    /// Kinds of fault by name; all without any.
    pub faults: Vec<String>,
    /// Row changes in all.
    pub changes: u64,
    /// How often every kind is inflicted.
    pub times: usize,
    /// Whether the faults are dealt out over the servers, instead of all inflicted on each.
    pub deal: bool,
    /// Random combinations on every server.
    pub together: usize,
    /// Members of a cluster.
    pub members: usize,
    /// ZooKeeper session timeout in milliseconds.
    pub session: u32,
    /// How long an outage lasts.
    pub away: Duration,
    /// Rows of the transaction that a fault shall find a worker in.
    pub large: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl Rounds {
    /// Runs every round once, and more of them until `until`. Prints each.
    pub async fn run(&self, until: Instant) -> anyhow::Result<Vec<Report>> {
        let kinds = self.kinds()?;
        let mut reports = Vec::new();
        for pass in 0u64.. {
            let mut random = StdRng::seed_from_u64(self.seed + pass);
            for (at, server) in self.servers.iter().enumerate() {
                for plan in
                    self.plans(&kinds, *server, at + pass as usize * (self.servers.len() + 1), &mut random)
                {
                    let report = round(*server, &plan).await?;
                    report.print();
                    reports.push(report);
                    if pass > 0 && Instant::now() >= until {
                        return Ok(reports);
                    }
                }
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(reports)
    }

    fn kinds(&self) -> anyhow::Result<Vec<Fault>> {
        if self.faults.is_empty() {
            return Ok(all());
        }
        let find = |name: &String| {
            let known: Vec<String> = all().into_iter().map(Fault::name).collect();
            let found = all().into_iter().find(|fault| fault.name() == *name);
            found.ok_or_else(|| anyhow::anyhow!("there is no fault '{name}'; there are {}", known.join(", ")))
        };
        self.faults.iter().map(find).collect()
    }

    /// The rounds of one server: a cluster, one that delivers at least once, and a lone worker; dealt out, one of the last
    /// two; and clusters of several shards, dealt out one of them.
    fn plans(&self, kinds: &[Fault], server: Server, at: usize, random: &mut StdRng) -> Vec<Plan> {
        let share = self.changes / self.servers.len() as u64;
        let plan = |part, faults: Vec<Vec<Fault>>, (members, shards), delivery| Plan {
            changes: share / 10 * part,
            shape: Shape {
                members,
                shards,
                session: self.session,
                delivery,
                commit_rows: COMMIT_ROWS,
                clocks: faults.iter().flatten().any(|fault| matches!(fault, Fault::Clock(_))),
            },
            faults,
            large: self.large,
            away: self.away,
            seed: self.seed + at as u64,
        };
        let (exactly, at_least) = (Delivery::ExactlyOnce, Delivery::AtLeastOnce);
        let mut cluster = self.dealt(&fitting(kinds, server, self.members), at);
        if self.deal && self.faults.is_empty() {
            // One on every server that surely leaves a Kafka transaction behind with rows in it, and what takes seconds and has
            // a median to keep.
            let often = [
                Fault::At(POINTS[0]),
                ProcessFault::Kill.into(),
                ProcessFault::Terminate.into(),
                Fault::Switchover,
                Fault::Network(NetworkFault::CutFromMySql),
                Fault::Network(NetworkFault::CutFromKafka),
            ];
            cluster.extend(fitting(&often, server, self.members));
        }
        cluster.shuffle(random);
        let mut cluster: Vec<Vec<Fault>> = cluster.into_iter().map(|fault| vec![fault]).collect();
        cluster.extend((0..self.together).map(|_| together(random, server, self.members)));
        let mut short = unfenced();
        short.retain(|fault| kinds.contains(fault));
        let short = fitting(&short, server, self.members).into_iter().map(|fault| vec![fault]).collect();
        let lone = vec![vec![ProcessFault::KillAll.into()]];
        let mut plans = vec![plan(8, cluster, (self.members, 1), exactly)];
        if !self.deal || at.is_multiple_of(2) {
            plans.push(plan(1, short, (self.members, 1), at_least));
        }
        if !self.deal || !at.is_multiple_of(2) {
            plans.push(plan(1, lone, (1, 1), exactly));
        }
        for (number, (shards, faults)) in dividing(kinds).into_iter().enumerate() {
            if self.members > 1 && (!self.deal || at % SHAPES == number) {
                let faults = faults.repeat(self.times.max(TWICE)).into_iter().map(|fault| vec![fault]);
                plans.push(plan(1, faults.collect(), (self.members, shards), exactly));
            }
        }
        plans
    }

    fn dealt(&self, faults: &[Fault], at: usize) -> Vec<Fault> {
        let (step, first) = if self.deal { (self.servers.len(), at % self.servers.len()) } else { (1, 0) };
        let own: Vec<Fault> = faults.iter().copied().skip(first).step_by(step).collect();
        own.repeat(self.times)
    }
}

impl From<ProcessFault> for Fault {
    fn from(fault: ProcessFault) -> Self {
        Self::Process(fault)
    }
}

/// What at-least-once delivery is tried with: whatever may leave rows or a position behind.
fn unfenced() -> Vec<Fault> {
    vec![
        ProcessFault::Kill.into(),
        ProcessFault::FreezeLong.into(),
        Fault::At(POINTS[0]),
        Fault::At(POINTS[1]),
        Fault::Network(NetworkFault::CutFromZooKeeper),
        Fault::Clock(ClockFault::Ahead),
        Fault::Kafka(KafkaFault::PositionLeaderKilled),
    ]
}
