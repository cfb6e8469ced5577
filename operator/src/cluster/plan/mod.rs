//! The objects that a validated cluster amounts to. Pure: nothing here knows the resource or a client.

mod config_map;
mod disruption_budget;
mod forget_job;
pub(super) mod labels;
pub(super) mod names;
mod pod_template;
mod service;
mod service_account;
mod stateful_set;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

pub(super) use forget_job::forget_job;

use super::validate::Validated;

/// What shall exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The workers' identity, without rights or a token.
    pub service_account: ServiceAccount,
    /// The workers' settings.
    pub config_map: ConfigMap,
    /// Names for the pods.
    pub members: Service,
    /// The way to the leader.
    pub leader: Service,
    /// Protection against drains; `None` means that there shall be none.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// The pods; `None` means that what is there stays as it is.
    pub stateful_set: Option<StatefulSet>,
}

/// Plans `cluster`.
pub fn plan(cluster: &Validated) -> Plan {
    Plan {
        service_account: service_account::service_account(cluster),
        config_map: config_map::config_map(cluster),
        members: service::members(cluster),
        leader: service::leader(cluster),
        disruption_budget: disruption_budget::disruption_budget(cluster),
        stateful_set: cluster.digest.map(|digest| stateful_set::stateful_set(cluster, digest)),
    }
}
