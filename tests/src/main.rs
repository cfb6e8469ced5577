//! `maxwell-tests`: the long checks, with a report each.

use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use maxwell_protocol::settings::{Delivery, Mode, Strategy};
use maxwell_tests::bootstrap::load::Keys;
use maxwell_tests::bootstrap::{Plan, bootstrap};
use maxwell_tests::chaos::report::{Minimums, summary};
use maxwell_tests::chaos::rounds::Rounds;
use maxwell_tests::kubernetes::{Fault, Part};
use maxwell_tests::lab::{SERVERS, Server};
use serde::Serialize;

/// The long checks against the lab.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Kills, ends and freezes workers under load and checks every change.
    Chaos(Chaos),
    /// Streams one MySQL transaction that is larger than any buffer.
    Large {
        /// Rows of the transaction.
        #[arg(long, default_value_t = 1_000_000)]
        rows: usize,
        /// Mebibytes that the worker may take at the most.
        #[arg(long, default_value_t = 128)]
        memory: u64,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql80")]
        servers: Vec<String>,
    },
    /// Kills a worker inside a transaction that it began under another filter than it is started with again.
    Filtered {
        /// Rows of the transaction.
        #[arg(long, default_value_t = 200_000)]
        rows: usize,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql80")]
        servers: Vec<String>,
    },
    /// Changes schemas, and holds what a worker prints of them against `information_schema`.
    Schema {
        /// Made up statements.
        #[arg(long, default_value_t = 300)]
        random: usize,
        /// Seed of those.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
        servers: Vec<String>,
    },
    /// Changes tables and their rows at random while workers are killed, and checks every row and its columns.
    Ddl {
        /// Transactions of each of three sessions; behind every third one a table is changed.
        #[arg(long, default_value_t = 300)]
        steps: u32,
        /// How often the worker that streams is killed: a lone one, and in a cluster of three.
        #[arg(long, default_value_t = 3)]
        kills: u32,
        /// Seed of everything random.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
        servers: Vec<String>,
    },
    /// Starts workers with everything that can be wrong, and looks at what they say.
    Input {
        /// The lab's name of the server to take; its binlog is purged.
        #[arg(long, default_value = "mysql57")]
        server: String,
    },
    /// Runs the cases of a folder on every server: SQL in, expected records out.
    Corpus(Corpus),
    /// Random rows of random tables over all column types, held against what the server's SELECT says.
    Types {
        /// How often every type is in a table.
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// Rows of every table.
        #[arg(long, default_value_t = 20)]
        rows: u32,
        /// Seed of tables and rows.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
        servers: Vec<String>,
    },
    /// Copies a table while it is changed and the worker is killed.
    Bootstrap {
        /// Rows of the table.
        #[arg(long, default_value_t = 200_000)]
        rows: u64,
        /// Changes a second beside the copy.
        #[arg(long, default_value_t = 1000)]
        changes: u32,
        /// How often the worker is killed.
        #[arg(long, default_value_t = 5)]
        kills: u64,
        /// Leaves the source's GTIDs alone.
        #[arg(long)]
        without_gtid: bool,
        /// Logs the changed columns only.
        #[arg(long)]
        minimal: bool,
        /// What tells the table's rows apart.
        #[arg(long, value_enum, default_value = "primary")]
        keys: Keys,
        /// Seed of the changes.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
        servers: Vec<String>,
    },
    /// Several shards on several members that join, end and are killed, with a check of every change.
    Sharded(Sharded),
    /// The whole product on the lab's Kubernetes node.
    Kubernetes {
        /// What is run.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "refusals,faults,adoption,sharded")]
        parts: Vec<Part>,
        /// What happens to the leader; default: everything.
        #[arg(long, value_enum, value_delimiter = ',')]
        faults: Vec<Fault>,
        /// How often each of that.
        #[arg(long, default_value_t = 1)]
        times: usize,
    },
    /// Changes settings of running workers, wrong ones among them, and kills an owner inside a transaction meanwhile.
    Settings {
        /// Rows of the transaction.
        #[arg(long, default_value_t = 200_000)]
        rows: usize,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql80")]
        servers: Vec<String>,
    },
    /// Shards go back to earlier positions, by a rewind and by a restore: what is seen again, and that nothing is left out.
    Rewind {
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql80")]
        servers: Vec<String>,
    },
    /// Switches over, parks, pauses and restarts members under load, and checks every change.
    Switchover {
        /// Switchovers.
        #[arg(long, default_value_t = 20)]
        times: usize,
        /// Cuts of an owner's way to MySQL.
        #[arg(long, default_value_t = 5)]
        cuts: usize,
        /// The lab's names of the servers to take.
        #[arg(long, value_delimiter = ',', default_value = "mysql80")]
        servers: Vec<String>,
    },
    /// Counts what members write to ZooKeeper while nothing happens.
    Rest {
        /// Members of the cluster.
        #[arg(long, default_value_t = 3)]
        members: usize,
        /// For how long.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
        /// Writes of a member in a minute, its heartbeats aside, that are too many.
        #[arg(long, default_value_t = 5.0)]
        limit: f64,
    },
    /// Measures the throughput from MySQL to Kafka beside MySQL's own reader, and what tables and their changes cost.
    Bench {
        /// How often the throughput.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// What to measure.
        #[arg(long, value_delimiter = ',', default_value = "throughput,copies,schema")]
        only: Vec<Measured>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measured {
    Throughput,
    Copies,
    Schema,
}

#[derive(Parser)]
struct Chaos {
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
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
    servers: Vec<String>,
}

#[derive(Parser)]
struct Sharded {
    /// Row changes of each round.
    #[arg(long, default_value_t = 60_000)]
    changes: u64,
    /// Shards.
    #[arg(long, default_value_t = 4)]
    shards: u32,
    /// Members; the last one joins when the others stream.
    #[arg(long, default_value_t = 3)]
    members: usize,
    /// Members that are killed.
    #[arg(long, default_value_t = 4)]
    kills: usize,
    /// Strategy Time: members that end at failpoints of a hand-over.
    #[arg(long, default_value_t = 5)]
    points: usize,
    /// Strategy Time: seconds of a window.
    #[arg(long, default_value_t = 1)]
    window: u32,
    /// Strategy Time: seconds of each round at the least.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Strategy Time: turns that end in each round at the least.
    #[arg(long, default_value_t = 20)]
    least_turns: u64,
    /// Rows may come twice; none may be missing.
    #[arg(long)]
    at_least_once: bool,
    /// Keeps one member free.
    #[arg(long)]
    hybrid: bool,
    /// How often rows are divided in another way instead of what else is done; with every second one a member is ended at
    /// one of the steps.
    #[arg(long, default_value_t = 0)]
    divisions: usize,
    /// Updates that take a row to another shard, of each round by key, at the least.
    #[arg(long, default_value_t = 100)]
    least: u64,
    /// Seed of the load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What decides about a row's shard: one round for each.
    #[arg(long, value_delimiter = ',', default_value = "Table,PrimaryKey")]
    strategies: Vec<String>,
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql80,mariadb")]
    servers: Vec<String>,
}

#[derive(Parser)]
struct Corpus {
    /// Where the cases are.
    #[arg(long, default_value = "tests/corpus")]
    cases: std::path::PathBuf,
    /// Part of the names of the cases to run.
    #[arg(long, default_value = "")]
    only: String,
    /// Seconds that a case's records may take.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
    servers: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Chaos(asked) => chaos(&asked).await,
        What::Large { rows, memory, servers } => {
            for server in named(&servers)? {
                let outcome = maxwell_tests::large::large(server, rows).await?;
                line(&outcome)?;
                anyhow::ensure!(outcome.peak_mib < memory, "more than {memory} MiB");
            }
            Ok(())
        }
        What::Filtered { rows, servers } => {
            for server in named(&servers)? {
                line(&maxwell_tests::filtered::filtered(server, rows).await?)?;
            }
            Ok(())
        }
        What::Schema { random, seed, servers } => {
            for server in named(&servers)? {
                let outcome = maxwell_tests::schema::schema(server, random, seed).await?;
                line(&outcome)?;
                anyhow::ensure!(outcome.different.is_empty(), "definitions differ");
            }
            Ok(())
        }
        What::Ddl { steps, kills, seed, servers } => {
            for server in named(&servers)? {
                for members in [1, 3] {
                    let plan = maxwell_tests::ddl::Plan { sessions: 3, steps, kills, members, seed };
                    let outcome = maxwell_tests::ddl::ddl(server, plan).await?;
                    line(&outcome)?;
                    anyhow::ensure!(outcome.verdict.is_clean(), "rows or columns differ");
                }
            }
            Ok(())
        }
        What::Bootstrap { rows, changes, kills, without_gtid, minimal, keys, seed, servers } => {
            // With a minimal image a message of a moved row has its new key and what else was changed: no check could tell.
            let moves = !minimal && keys != Keys::None;
            let plan = Plan { rows, changes, kills, without_gtid, minimal, keys, moves, seed };
            for server in named(&servers)? {
                line(&bootstrap(server, plan).await?)?;
            }
            Ok(())
        }
        What::Input { server } => {
            let cases = maxwell_tests::input::input(named(&[server])?[0]).await?;
            line(&serde_json::json!({"mistakes": cases, "named": cases}))
        }
        What::Corpus(asked) => corpus(&asked).await,
        What::Types { rounds, rows, seed, servers } => {
            for server in named(&servers)? {
                line(&maxwell_tests::types::types(server, rounds, i64::from(rows), seed).await?)?;
            }
            Ok(())
        }
        What::Sharded(asked) => sharded(&asked).await,
        What::Switchover { times, cuts, servers } => {
            for server in named(&servers)? {
                line(&maxwell_tests::switchover::switchover(server, times, cuts).await?)?;
            }
            Ok(())
        }
        What::Rewind { servers } => {
            for server in named(&servers)? {
                line(&maxwell_tests::rewind::rewind(server).await?)?;
            }
            Ok(())
        }
        What::Settings { rows, servers } => {
            for server in named(&servers)? {
                line(&maxwell_tests::settings::settings(server, rows).await?)?;
            }
            Ok(())
        }
        What::Kubernetes { parts, faults, times } => {
            maxwell_tests::kubernetes::kubernetes(&parts, &faults, times).await
        }
        What::Rest { members, seconds, limit } => {
            let span = Duration::from_secs(seconds);
            let outcome =
                maxwell_tests::rest::rest(named(&["mysql80".to_owned()])?[0], members, span).await?;
            line(&outcome)?;
            let writes = outcome.beside_heartbeats_a_minute;
            anyhow::ensure!(
                writes < limit,
                "{writes:.1} writes a minute beside heartbeats, {limit} are too many"
            );
            Ok(())
        }
        What::Bench { runs, only } => bench(runs, &only).await,
    }
}

/// One line, whatever was measured.
async fn bench(runs: usize, only: &[Measured]) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Figures {
        #[serde(flatten)]
        throughput: Option<maxwell_tests::bench::Outcome>,
        #[serde(flatten)]
        copies: Option<maxwell_tests::bench::Copies>,
        #[serde(flatten)]
        schema: Option<maxwell_tests::bench::Schema>,
    }
    let mut figures = Figures { throughput: None, copies: None, schema: None };
    if only.contains(&Measured::Throughput) {
        figures.throughput = Some(maxwell_tests::bench::throughput(runs).await?);
    }
    if only.contains(&Measured::Copies) {
        figures.copies = Some(maxwell_tests::bench::copies(runs).await?);
    }
    if only.contains(&Measured::Schema) {
        figures.schema = Some(maxwell_tests::bench::schema().await?);
    }
    line(&figures)
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn line(outcome: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(outcome)?);
    Ok(())
}

fn named(names: &[String]) -> anyhow::Result<Vec<Server>> {
    names
        .iter()
        .map(|name| {
            let found = SERVERS.into_iter().find(|server| server.name == *name);
            found.ok_or_else(|| anyhow::anyhow!("there is no server '{name}' in the lab"))
        })
        .collect()
}

async fn corpus(asked: &Corpus) -> anyhow::Result<()> {
    let how = maxwell_tests::corpus::Asked {
        only: asked.only.clone(),
        patience: Duration::from_secs(asked.patience),
    };
    maxwell_tests::corpus::corpus(&asked.cases, &named(&asked.servers)?, &how).await
}

async fn sharded(asked: &Sharded) -> anyhow::Result<()> {
    for server in named(&asked.servers)? {
        for strategy in &asked.strategies {
            let plan = maxwell_tests::sharded::Plan {
                changes: asked.changes,
                shards: asked.shards,
                members: asked.members,
                strategy: serde_json::from_value(strategy.as_str().into())?,
                window_seconds: asked.window,
                mode: if asked.hybrid { Mode::Hybrid } else { Mode::Sharded },
                delivery: if asked.at_least_once { Delivery::AtLeastOnce } else { Delivery::ExactlyOnce },
                kills: asked.kills,
                points: asked.points,
                seconds: asked.seconds,
                seed: asked.seed,
            };
            if asked.divisions > 0 {
                let outcome =
                    maxwell_tests::sharded::divisions::divisions(server, &plan, asked.divisions).await?;
                line(&outcome)?;
                outcome.check(asked.divisions)?;
                continue;
            }
            let outcome = maxwell_tests::sharded::sharded(server, &plan).await?;
            line(&outcome)?;
            anyhow::ensure!(
                outcome.is_clean(plan.delivery),
                "changes are missing, repeated, out of order or torn"
            );
            let least = if plan.strategy == Strategy::Time { asked.least_turns } else { 0 };
            anyhow::ensure!(outcome.turns >= least, "only {} turns ended", outcome.turns);
            let enough = plan.strategy != Strategy::PrimaryKey || outcome.split >= asked.least;
            anyhow::ensure!(enough, "only {} updates took a row to another shard", outcome.split);
        }
    }
    Ok(())
}

async fn chaos(asked: &Chaos) -> anyhow::Result<()> {
    let least = asked.least;
    let minimums = Minimums {
        changes: asked.changes,
        faults: asked.least_faults,
        kinds: asked.least_kinds,
        inside: least,
        fenced: asked.least_fenced,
    };
    let rounds = Rounds {
        servers: named(&asked.servers)?,
        faults: asked.faults.clone(),
        changes: asked.changes,
        times: asked.times,
        deal: asked.deal,
        together: asked.together,
        members: asked.members,
        session: asked.session,
        away: Duration::from_secs(asked.away),
        large: asked.large,
        seed: asked.seed,
    };
    let until = Instant::now() + Duration::from_secs(asked.minutes * 60);
    summary(&rounds.run(until).await?, minimums, asked.session.into())
}
