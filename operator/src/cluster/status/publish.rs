//! Writes the status, if it says something new.

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use maxwell_crds::v1alpha1::{MaxwellCluster, MaxwellClusterStatus};
use serde_json::json;
use thiserror::Error;

/// Owner of the status in server-side apply.
const FIELD_MANAGER: &str = "maxwell-operator/status";

/// Why a status could not be written.
#[derive(Debug, Error)]
pub enum StatusError {
    /// The API server refused it or did not answer.
    #[error("cannot write the status of {namespace}/{name}")]
    Write {
        /// The resource's namespace.
        namespace: String,
        /// The resource's name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

/// Writes `status` if it differs from what `cluster` already carries. A resource that is gone is no error.
pub async fn publish(
    client: &Client,
    cluster: &MaxwellCluster,
    status: &MaxwellClusterStatus,
) -> Result<(), StatusError> {
    if !differs(cluster.status.as_ref(), status) {
        return Ok(());
    }
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let api: Api<MaxwellCluster> = Api::namespaced(client.clone(), &namespace);
    let patch = json!({
        "apiVersion": MaxwellCluster::api_version(&()),
        "kind": MaxwellCluster::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&name, &parameters, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(source) => Err(StatusError::Write { namespace, name, source }),
    }
}

/// Whether `new` says anything that `old` does not. The order of lists keyed by name and the clocks of conditions do
/// not count: a condition's time means nothing without a change of its status.
fn differs(old: Option<&MaxwellClusterStatus>, new: &MaxwellClusterStatus) -> bool {
    old.is_none_or(|old| comparable(old) != comparable(new))
}

fn comparable(status: &MaxwellClusterStatus) -> MaxwellClusterStatus {
    let mut status = status.clone();
    status.members.sort_by(|one, other| one.name.cmp(&other.name));
    status.shards.sort_by(|one, other| one.name.cmp(&other.name));
    status.conditions.sort_by(|one, other| one.type_.cmp(&other.type_));
    for condition in &mut status.conditions {
        condition.last_transition_time.0 = jiff::Timestamp::UNIX_EPOCH;
    }
    status
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use maxwell_crds::v1alpha1::Phase;

    use super::*;

    fn condition(kind: &str, at: i64) -> Condition {
        Condition {
            last_transition_time: Time(Timestamp::from_second(at).unwrap()),
            message: String::new(),
            observed_generation: None,
            reason: "Reason".into(),
            status: "True".into(),
            type_: kind.into(),
        }
    }

    #[test]
    fn clocks_and_order_do_not_count() {
        let old = MaxwellClusterStatus {
            conditions: vec![condition("A", 1), condition("B", 2)],
            ..MaxwellClusterStatus::default()
        };
        let new = MaxwellClusterStatus {
            conditions: vec![condition("B", 9), condition("A", 9)],
            ..MaxwellClusterStatus::default()
        };
        assert!(!differs(Some(&old), &new));
    }

    #[test]
    fn everything_else_does() {
        let old = MaxwellClusterStatus { leader: Some("a".into()), ..MaxwellClusterStatus::default() };
        assert!(differs(None, &old));
        assert!(!differs(Some(&old), &old.clone()));
        for change in [
            |status: &mut MaxwellClusterStatus| status.leader = Some("b".into()),
            |status: &mut MaxwellClusterStatus| status.phase = Phase::FailingOver,
            |status: &mut MaxwellClusterStatus| status.lag_seconds = Some(1),
            |status: &mut MaxwellClusterStatus| status.observed_generation = Some(2),
            |status: &mut MaxwellClusterStatus| status.conditions.push(condition("A", 1)),
        ] {
            let mut new = old.clone();
            change(&mut new);
            assert!(differs(Some(&old), &new), "{new:?}");
        }
    }

    #[test]
    fn what_the_api_server_gives_back_does_not_differ() {
        let mut new = MaxwellClusterStatus { ready: "2/2".into(), ..MaxwellClusterStatus::default() };
        new.conditions.push(condition("A", 1));
        let back = serde_json::from_value(serde_json::to_value(&new).unwrap()).unwrap();
        assert!(!differs(Some(&back), &new));
    }
}
