//! Where a cluster's tree is.

use anyhow::Context;
use clap::Args;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::tree::Tree;

/// Names a cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// The ZooKeeper ensemble.
    #[arg(
        long,
        alias = "zookeeper_hosts",
        value_delimiter = ',',
        value_name = "HOST:PORT",
        env = "MAXWELL_ZOOKEEPER_HOSTS"
    )]
    zookeeper: Vec<String>,
    /// The cluster's node in ZooKeeper. Default: /maxwell/NAMESPACE/CLUSTER, or /maxwell without those.
    #[arg(long, alias = "zookeeper_root", value_name = "PATH", env = "MAXWELL_ZOOKEEPER_ROOT")]
    root: Option<String>,
    /// Name of the MaxwellCluster.
    #[arg(long, conflicts_with = "root")]
    cluster: Option<String>,
    /// Namespace of the MaxwellCluster.
    #[arg(long, short, default_value = "default", requires = "cluster")]
    namespace: String,
}

/// The variable with `user:password` for ZooKeeper; an option would show in the process list.
const CREDENTIALS: &str = "MAXWELL_ZOOKEEPER_CREDENTIALS";

impl ClusterArguments {
    /// Connects to the cluster's tree.
    pub(crate) async fn connect(&self) -> anyhow::Result<TreeReader> {
        anyhow::ensure!(
            !self.zookeeper.is_empty(),
            "--zookeeper is missing; name the ensemble as host:port,host:port, or set MAXWELL_ZOOKEEPER_HOSTS"
        );
        let root = match (&self.root, &self.cluster) {
            (Some(root), _) => root.clone(),
            (None, Some(cluster)) => Tree::default_root(&self.namespace, cluster),
            (None, None) => "/maxwell".to_owned(),
        };
        let digest = std::env::var(CREDENTIALS).ok().filter(|digest| !digest.is_empty());
        let reader = TreeReader::connect(&self.zookeeper.join(","), &root, digest.as_deref()).await?;
        let found = reader.client().check_stat(&reader.tree().requests()).await;
        let found = found.with_context(|| format!("cannot read {root} in ZooKeeper; check {CREDENTIALS}"))?;
        anyhow::ensure!(
            found.is_some(),
            "there is no cluster at {root}; check --root, or --cluster and --namespace"
        );
        Ok(reader)
    }
}
