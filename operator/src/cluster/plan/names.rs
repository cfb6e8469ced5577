//! The names of a cluster's objects. StatefulSet, ServiceAccount and PodDisruptionBudget bear the resource's own.

/// The headless Service that names the pods.
pub(in crate::cluster) fn members_service(cluster: &str) -> String {
    format!("{cluster}-members")
}

/// The Service that leads to the leader.
pub(in crate::cluster) fn leader_service(cluster: &str) -> String {
    format!("{cluster}-leader")
}

/// The ConfigMap with the workers' settings.
pub(in crate::cluster) fn config_map(cluster: &str) -> String {
    format!("{cluster}-settings")
}

/// The Job that deletes the position topic.
pub(in crate::cluster) fn forget_job(cluster: &str) -> String {
    format!("{cluster}-forget")
}
