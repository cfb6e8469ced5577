//! What can be asked of it on the command line.

use maxwell_protocol::settings::{Delivery, Mode, Strategy};

use super::divisions::divisions;
use super::{Plan, sharded};
use crate::lab::{Server, named};
use crate::output::line;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
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

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in named(&self.servers)? {
            for strategy in &self.strategies {
                let plan = self.plan(serde_json::from_value(strategy.as_str().into())?);
                if self.divisions > 0 {
                    let outcome = divisions(server, &plan, self.divisions).await?;
                    line(&outcome)?;
                    outcome.check(self.divisions)?;
                } else {
                    self.round(server, &plan).await?;
                }
            }
        }
        Ok(())
    }

    fn plan(&self, strategy: Strategy) -> Plan {
        Plan {
            changes: self.changes,
            shards: self.shards,
            members: self.members,
            strategy,
            window_seconds: self.window,
            mode: if self.hybrid { Mode::Hybrid } else { Mode::Sharded },
            delivery: if self.at_least_once { Delivery::AtLeastOnce } else { Delivery::ExactlyOnce },
            kills: self.kills,
            points: self.points,
            seconds: self.seconds,
            seed: self.seed,
        }
    }

    async fn round(&self, server: Server, plan: &Plan) -> anyhow::Result<()> {
        let outcome = sharded(server, plan).await?;
        line(&outcome)?;
        anyhow::ensure!(
            outcome.is_clean(plan.delivery),
            "changes are missing, repeated, out of order or torn"
        );
        let least = if plan.strategy == Strategy::Time { self.least_turns } else { 0 };
        anyhow::ensure!(outcome.turns >= least, "only {} turns ended", outcome.turns);
        let enough = plan.strategy != Strategy::PrimaryKey || outcome.split >= self.least;
        anyhow::ensure!(enough, "only {} updates took a row to another shard", outcome.split);
        Ok(())
    }
}
