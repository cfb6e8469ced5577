//! Three members, and what is asked of them.

use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::id::MemberId;
use maxwell_protocol::member::ShardState;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::{Ask, Outcome, Progress};
use maxwell_protocol::snapshot::ClusterSnapshot;

use super::proxy::Proxy;
use crate::lab::{Server, ZOOKEEPER};
use crate::worker::{Spec, Worker, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// Members `0`, `1` and `2` of one cluster, and a view of its tree.
pub(super) struct Cluster {
    pub(super) workers: Vec<Worker>,
    /// The way of each to MySQL.
    pub(super) ways: Vec<Proxy>,
    pub(super) tree: TreeReader,
}

impl Cluster {
    /// Starts one that streams the database `name` of `server` to the topic `name`.
    pub(super) async fn start(server: Server, name: &str) -> anyhow::Result<Self> {
        let mut ways = Vec::new();
        for _ in 0..3 {
            ways.push(Proxy::start(format!("{}:3306", server.address).parse()?).await?);
        }
        let specs = ways
            .iter()
            .enumerate()
            .map(|(at, way)| spec(server, name, at, way.port))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let workers = specs.iter().map(Worker::start).collect::<anyhow::Result<Vec<_>>>()?;
        for worker in &workers {
            worker.ready(PATIENCE).await.context("the first start")?;
        }
        let tree = TreeReader::connect(ZOOKEEPER, &format!("/tests/{name}"), None).await?;
        let cluster = Self { workers, ways, tree };
        cluster.until(|seen| seen.members.len() == 3 && able(seen) && owner(seen).is_some()).await?;
        Ok(cluster)
    }

    pub(super) fn id(&self, at: usize) -> MemberId {
        self.workers[at].spec.name.as_str().into()
    }

    /// Which of the members has this name.
    pub(super) fn place(&self, id: &MemberId) -> anyhow::Result<usize> {
        let found = self.workers.iter().position(|worker| worker.spec.name == id.as_str());
        found.with_context(|| format!("{id} is none of the members"))
    }

    /// Asks, and waits for the outcome.
    pub(super) async fn ask(&self, ask: Ask) -> anyhow::Result<Outcome> {
        crate::ask::ask(&self.tree, ask).await
    }

    /// Asks for what must be done.
    pub(super) async fn done(&self, ask: Ask) -> anyhow::Result<()> {
        crate::ask::done(&self.tree, ask).await
    }

    /// Asks for what must be refused, or taken back, with `words` in the reason; everything stays where it was.
    pub(super) async fn refused(&self, ask: Ask, state: Progress, words: &str) -> anyhow::Result<()> {
        let before = self.tree.snapshot().await?;
        let outcome = self.ask(ask.clone()).await?;
        anyhow::ensure!(outcome.state == state && outcome.detail.contains(words), "{ask}: {outcome:?}");
        let after = self.tree.snapshot().await?;
        anyhow::ensure!(owner(&before) == owner(&after), "{ask} moved the shard");
        let leader = |seen: &ClusterSnapshot| seen.leader.as_ref().map(|leader| leader.incarnation);
        anyhow::ensure!(leader(&before) == leader(&after), "{ask} moved the lead");
        let epoch = |seen: &ClusterSnapshot| seen.owner(&"0".into()).map(|(_, report)| report.epoch);
        anyhow::ensure!(epoch(&before) == epoch(&after), "{ask} disturbed the stream");
        Ok(())
    }

    /// Waits until the tree shows it.
    pub(super) async fn until(
        &self,
        is_so: impl Fn(&ClusterSnapshot) -> bool,
    ) -> anyhow::Result<ClusterSnapshot> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.tree.snapshot().await?;
            if is_so(&seen) {
                return Ok(seen);
            }
            anyhow::ensure!(Instant::now() < deadline, "the tree does not show it in time: {seen:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Who streams the shard.
pub(super) fn owner(seen: &ClusterSnapshot) -> Option<MemberId> {
    let (member, report) = seen.owner(&"0".into())?;
    (report.state == ShardState::Streaming).then(|| member.id.clone())
}

/// Whether every member knows that it could take over.
pub(super) fn able(seen: &ClusterSnapshot) -> bool {
    seen.members
        .values()
        .all(|member| member.mysql.reachable == Some(true) && member.kafka.reachable == Some(true))
}

fn spec(server: Server, name: &str, at: usize, mysql: u16) -> anyhow::Result<Spec> {
    let mut spec = Spec::kafka(server, name, name, &format!("{name}-{at}"), free_port()?);
    // Its own way to MySQL.
    spec.arguments.retain(|argument| !argument.starts_with("--host="));
    spec.arguments.extend([
        format!("--filter=exclude: *.*, include: {name}.*"),
        "--host=127.0.0.1".to_owned(),
        format!("--port={mysql}"),
    ]);
    spec.together(name)
}
