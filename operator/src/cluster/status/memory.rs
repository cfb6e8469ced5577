//! The statuses that this process published last. The watch shows them a little later: a reconcile that comes before
//! it does would tell the same news again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use maxwell_crds::v1alpha1::{MaxwellCluster, MaxwellClusterStatus};

use crate::cluster::reference;

/// What was published last, by cluster.
#[derive(Default)]
pub struct Memory {
    published: Mutex<HashMap<ObjectRef<MaxwellCluster>, Published>>,
}

struct Published {
    /// The resource's: a namesake that is made later is another.
    uid: Option<String>,
    status: MaxwellClusterStatus,
}

impl Memory {
    /// The status of `cluster` so far: as it was published last, else as the resource carries it.
    pub fn recall(&self, cluster: &MaxwellCluster) -> Option<MaxwellClusterStatus> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = published.get(&reference(cluster)).filter(|published| published.uid == cluster.uid());
        ours.map(|published| published.status.clone()).or_else(|| cluster.status.clone())
    }

    /// Remembers what was published of `cluster`.
    pub fn remember(&self, cluster: &MaxwellCluster, status: MaxwellClusterStatus) {
        let published = Published { uid: cluster.uid(), status };
        self.published.lock().unwrap_or_else(PoisonError::into_inner).insert(reference(cluster), published);
    }

    /// Forgets a cluster that is gone.
    pub fn forget(&self, cluster: &ObjectRef<MaxwellCluster>) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures;

    #[test]
    fn what_was_published_counts_more_than_what_the_watch_shows() {
        let led_by = |name: &str| MaxwellClusterStatus {
            leader: Some(name.into()),
            ..MaxwellClusterStatus::default()
        };
        let memory = Memory::default();
        let mut cluster = fixtures::cluster();
        cluster.status = Some(led_by("shown"));
        assert_eq!(memory.recall(&cluster), Some(led_by("shown")), "as after a start of the operator");
        memory.remember(&cluster, led_by("published"));
        assert_eq!(memory.recall(&cluster), Some(led_by("published")));

        let mut namesake = fixtures::cluster();
        namesake.metadata.uid = Some("another".into());
        assert_eq!(memory.recall(&namesake), None);
        memory.forget(&reference(&cluster));
        assert_eq!(memory.recall(&cluster), Some(led_by("shown")));
    }
}
