//! End to end on a real node: the chart, the operator, MaxwellClusters; what happens to a leader's pod, and what is asked
//! of a cluster by its resource.

mod adoption;
mod arguments;
mod asked;
mod fault;
mod kubectl;
mod leader;
mod live;
mod pod;
mod refusals;
mod setup;
mod sharded;
mod stream;

use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

pub use arguments::Arguments;
pub use fault::Fault;

use crate::lab::{SERVERS, unique};
use kubectl::kubectl;

/// The name of the MaxwellCluster that streams.
const NAME: &str = "orders";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Part {
    /// What is wrong in a resource is refused, or named.
    Refusals,
    /// A cluster under load, and what happens to its leader.
    Faults,
    /// A cluster that was deleted, one that goes on from its positions by Kafka with passwords, and their deletion.
    Adoption,
    /// A cluster of several shards.
    Sharded,
}

/// Runs `parts` against an operator that is installed for it; each of `faults` happens `times` times.
async fn kubernetes(parts: &[Part], faults: &[Fault], times: usize) -> anyhow::Result<()> {
    let server = SERVERS.into_iter().find(|server| server.name == "mysql80").context("no server")?;
    let namespace = unique("e2e").replace('_', "-");
    step("helm install");
    setup::install_operator()?;
    setup::make_namespace(&namespace)?;
    if parts.contains(&Part::Refusals) {
        step("what is wrong is refused, or named");
        refusals::refusals(&namespace, server).await?;
    }
    if parts.contains(&Part::Faults) {
        step("a cluster that streams, and what happens to its leader");
        stream::stream(&namespace, server, faults, times).await?;
    }
    if parts.contains(&Part::Adoption) {
        step("another of its name goes on from its positions, and takes them along");
        adoption::adoption(&namespace, server).await?;
    }
    if parts.contains(&Part::Sharded) {
        step("several shards");
        sharded::sharded(&namespace, server).await?;
    }
    step("nothing is left behind");
    kubectl(&["delete", "namespace", &namespace, "--wait", "--timeout=120s"])?;
    setup::uninstall_operator()
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn step(what: &str) {
    println!("  {what}");
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn report(line: &serde_json::Value) {
    println!("{line}");
}
