//! Version v1alpha1.

mod bootstrap;
#[expect(unreachable_pub, reason = "KubeSchema puts a copy of the struct into a function")]
mod cluster;
mod defaults;
#[expect(unreachable_pub, reason = "KubeSchema puts a copy of the struct into a function")]
mod kafka;
#[expect(unreachable_pub, reason = "KubeSchema puts a copy of the struct into a function")]
mod mysql;
mod output;
#[expect(unreachable_pub, reason = "KubeSchema puts a copy of the struct into a function")]
mod status;
mod workload;
mod zookeeper;

#[cfg(test)]
mod tests;

pub use bootstrap::{BootstrapSpec, BootstrapState, BootstrapStatus};
pub use cluster::{MaxwellCluster, MaxwellClusterSpec, State, UnsafeSpec};
pub use kafka::{KafkaSaslSpec, KafkaSpec, KafkaTlsSpec};
pub use mysql::{MySqlSpec, SecretRef};
pub use output::{EncryptionSpec, OutputSpec};
pub use status::*;
pub use workload::{
    DeletionPolicy, ImagePullPolicy, MonitoringSpec, PodDisruptionBudgetSpec, PodTemplate, UpdateSpec,
    UpdateStrategy,
};
pub use zookeeper::ZooKeeperSpec;
