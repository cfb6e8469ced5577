//! `maxwell-tests`: the long checks, with a report each.

use clap::{Parser, Subcommand};
use maxwell_tests::{
    bench, bootstrap, chaos, corpus, ddl, filtered, input, kubernetes, large, rest, rewind, schema, settings,
    sharded, switchover, types,
};

/// The long checks against the lab.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Kills, ends and freezes workers under load and checks every change.
    Chaos(chaos::Arguments),
    /// Streams one MySQL transaction that is larger than any buffer.
    Large(large::Arguments),
    /// Kills a worker inside a transaction that it began under another filter than it is started with again.
    Filtered(filtered::Arguments),
    /// Changes schemas, and holds what a worker prints of them against `information_schema`.
    Schema(schema::Arguments),
    /// Changes tables and their rows at random while workers are killed, and checks every row and its columns.
    Ddl(ddl::Arguments),
    /// Copies a table while it is changed and the worker is killed.
    Bootstrap(bootstrap::Arguments),
    /// Starts workers with everything that can be wrong, and looks at what they say.
    Input(input::Arguments),
    /// Runs the cases of a folder on every server: SQL in, expected records out.
    Corpus(corpus::Arguments),
    /// Random rows of random tables over all column types, held against what the server's SELECT says.
    Types(types::Arguments),
    /// Several shards on several members that join, end and are killed, with a check of every change.
    Sharded(sharded::Arguments),
    /// The whole product on the lab's Kubernetes node.
    Kubernetes(kubernetes::Arguments),
    /// Changes settings of running workers, wrong ones among them, and kills an owner inside a transaction meanwhile.
    Settings(settings::Arguments),
    /// Shards go back to earlier positions, by a rewind and by a restore: what is seen again, and that nothing is left out.
    Rewind(rewind::Arguments),
    /// Switches over, parks, pauses and restarts members under load, and checks every change.
    Switchover(switchover::Arguments),
    /// Counts what members write to ZooKeeper while nothing happens.
    Rest(rest::Arguments),
    /// Measures the throughput from MySQL to Kafka beside MySQL's own reader, and what tables and their changes cost.
    Bench(bench::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Chaos(asked) => asked.run().await,
        What::Large(asked) => asked.run().await,
        What::Filtered(asked) => asked.run().await,
        What::Schema(asked) => asked.run().await,
        What::Ddl(asked) => asked.run().await,
        What::Bootstrap(asked) => asked.run().await,
        What::Input(asked) => asked.run().await,
        What::Corpus(asked) => asked.run().await,
        What::Types(asked) => asked.run().await,
        What::Sharded(asked) => asked.run().await,
        What::Kubernetes(asked) => asked.run().await,
        What::Settings(asked) => asked.run().await,
        What::Rewind(asked) => asked.run().await,
        What::Switchover(asked) => asked.run().await,
        What::Rest(asked) => asked.run().await,
        What::Bench(asked) => asked.run().await,
    }
}
