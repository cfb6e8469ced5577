//! Version v1alpha1.

#[expect(unreachable_pub, reason = "KubeSchema puts a copy of the struct into a function")]
mod cluster;
mod defaults;
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

pub use cluster::{MaxwellCluster, MaxwellClusterSpec, State, UnsafeSpec};
pub use kafka::KafkaSpec;
pub use mysql::{MySqlSpec, SecretRef};
pub use output::{EncryptionSpec, OutputSpec};
pub use status::*;
pub use workload::{DeletionPolicy, ImagePullPolicy, MonitoringSpec, PodDisruptionBudgetSpec, PodTemplate};
pub use zookeeper::ZooKeeperSpec;
