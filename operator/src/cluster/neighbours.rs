//! The other clusters, as far as one must not get into another's ZooKeeper tree. Of those that name the same tree the
//! oldest has it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use maxwell_crds::v1alpha1::{ConditionType, MaxwellCluster};

use super::settings;
use super::status::Problem;

/// A resource that may not be understood: what it names is not known then.
type Guarded = DeserializeGuard<MaxwellCluster>;

/// Every cluster that the process watches.
#[derive(Default)]
pub struct Neighbours {
    stores: Mutex<Vec<Store<Guarded>>>,
}

impl Neighbours {
    /// Adds the clusters of a watched scope.
    pub fn add(&self, store: Store<Guarded>) {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).push(store);
    }

    /// What is wrong when the tree of `cluster` is another's; empty when it is its own.
    pub(super) fn intrusion(&self, cluster: &MaxwellCluster) -> Vec<Problem> {
        let others = self.all();
        intrusion(cluster, others.iter().filter_map(|other| other.0.as_ref().ok()))
    }

    /// A cluster that goes on with the tree of `cluster` when that is deleted.
    pub(super) fn heir(&self, cluster: &MaxwellCluster) -> Option<String> {
        let others = self.all();
        heir(cluster, others.iter().filter_map(|other| other.0.as_ref().ok())).map(title)
    }

    fn all(&self) -> Vec<Arc<Guarded>> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.iter().flat_map(Store::state).collect()
    }
}

fn intrusion<'a>(cluster: &MaxwellCluster, others: impl Iterator<Item = &'a MaxwellCluster>) -> Vec<Problem> {
    let sharing = others.filter(|other| shares_tree(cluster, other));
    let Some(owner) = sharing.min_by_key(|other| age(other)).filter(|other| age(other) < age(cluster)) else {
        return Vec::new();
    };
    let (owner, root) = (title(owner), root(cluster));
    let reason = "RootTaken";
    let config = format!(
        "spec.zookeeper.root: '{root}' is the ZooKeeper tree of MaxwellCluster {owner}, and no two can share one; \
         delete this resource and make it anew with a root of its own (without spec.zookeeper.root it gets one)"
    );
    let ready =
        format!("nothing runs for this resource: its ZooKeeper tree belongs to MaxwellCluster {owner}");
    vec![
        Problem { condition: ConditionType::ConfigValid, reason, message: config },
        Problem { condition: ConditionType::Ready, reason, message: ready },
    ]
}

fn heir<'a>(
    cluster: &MaxwellCluster,
    others: impl Iterator<Item = &'a MaxwellCluster>,
) -> Option<&'a MaxwellCluster> {
    let stays = |other: &&MaxwellCluster| other.metadata.deletion_timestamp.is_none();
    others.filter(stays).filter(|other| shares_tree(cluster, other)).min_by_key(|other| age(other))
}

/// Whether two resources name one tree. A server belongs to one ensemble: with one in common it is the same.
fn shares_tree(one: &MaxwellCluster, other: &MaxwellCluster) -> bool {
    let is_other = (one.namespace(), one.name_any()) != (other.namespace(), other.name_any());
    is_other && root(one) == root(other) && !hosts(one).is_disjoint(&hosts(other))
}

fn root(cluster: &MaxwellCluster) -> String {
    settings::root(&cluster.namespace().unwrap_or_default(), &cluster.name_any(), &cluster.spec)
}

fn hosts(cluster: &MaxwellCluster) -> BTreeSet<String> {
    cluster.spec.zookeeper.hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
}

/// Who was first; the name decides between those of one second.
fn age(cluster: &MaxwellCluster) -> (Option<&Time>, Option<String>, String) {
    (cluster.metadata.creation_timestamp.as_ref(), cluster.namespace(), cluster.name_any())
}

fn title(cluster: &MaxwellCluster) -> String {
    format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cluster::fixtures;

    fn cluster(name: &str, created: i64, root: Option<&str>) -> MaxwellCluster {
        let mut cluster = fixtures::cluster();
        cluster.metadata.name = Some(name.to_owned());
        cluster.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        cluster.spec.zookeeper.root = root.map(str::to_owned);
        cluster
    }

    #[test]
    fn the_oldest_has_the_tree_and_the_others_are_told_whose_it_is() {
        let clusters =
            [cluster("a", 3, Some("/m")), cluster("b", 1, Some("/m")), cluster("c", 1, Some("/m"))];
        let owners = clusters.each_ref().map(|one| intrusion(one, clusters.iter()));
        assert!(owners[1].is_empty());
        for problems in [&owners[0], &owners[2]] {
            assert_eq!(problems[0].reason, "RootTaken");
            assert_eq!(problems[0].condition, ConditionType::ConfigValid);
            let message = &problems[0].message;
            assert!(message.contains("spec.zookeeper.root: '/m'") && message.contains("cdc/b"), "{message}");
        }
    }

    #[test]
    fn a_default_root_counts_and_other_roots_and_ensembles_do_not() {
        let own = cluster("orders", 1, None);
        let copy = cluster("copy", 2, Some("/maxwell/cdc/orders"));
        assert_eq!(intrusion(&copy, [&own].into_iter()).len(), 2);
        assert!(intrusion(&cluster("copy", 2, None), [&own].into_iter()).is_empty());
        let mut some = copy.clone();
        some.spec.zookeeper.hosts = vec!["ZK-0.zk.svc:2181".into(), "zk-9.zk.svc:2181".into()];
        assert_eq!(
            intrusion(&some, [&own].into_iter()).len(),
            2,
            "one server in common is the same ensemble"
        );
        some.spec.zookeeper.hosts = vec!["zk-0.elsewhere.svc:2181".into()];
        assert!(intrusion(&some, [&own].into_iter()).is_empty());
    }

    #[test]
    fn a_tree_passes_to_who_stays() {
        let (old, mut new) = (cluster("old", 1, Some("/m")), cluster("new", 2, Some("/m")));
        assert_eq!(heir(&old, [&old, &new].into_iter()).map(title).as_deref(), Some("cdc/new"));
        new.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(heir(&old, [&old, &new].into_iter()).is_none(), "both go, and the tree with them");
    }
}
