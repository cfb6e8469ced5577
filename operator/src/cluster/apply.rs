//! Makes Kubernetes hold what is planned: server-side apply, only where something differs from the last time, never
//! over an object that belongs to somebody else; and prunes what is no longer wanted.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use maxwell_crds::names::MANAGER;
use maxwell_crds::v1alpha1::ConditionType;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::plan::Plan;
use super::status::Problem;
use super::validate::Validated;

/// Why the plan could not be carried out.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// An object of that name is there and belongs to somebody else.
    #[error(
        "{object} exists and does not belong to this MaxwellCluster; delete it, or give the MaxwellCluster another name"
    )]
    Foreign {
        /// Kind, namespace and name.
        object: String,
    },
    /// The API server refused the object or did not answer.
    #[error("cannot apply {object}")]
    Write {
        /// Kind, namespace and name.
        object: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
}

impl ApplyError {
    /// How it shows in the status.
    pub fn problem(&self) -> Problem {
        let (condition, reason, message) = match self {
            Self::Foreign { .. } => (ConditionType::ConfigValid, "NameTaken", self.to_string()),
            Self::Write { source: kube::Error::Api(answer), .. } if answer.is_invalid() => {
                (ConditionType::ConfigValid, "Refused", format!("{self}: {}", answer.message))
            }
            Self::Write { source, .. } => {
                (ConditionType::Degraded, "ApplyFailed", format!("{self}: {source}"))
            }
        };
        Problem { condition, reason, message }
    }
}

/// Which object of which cluster: the cluster's UID, kind and name.
type Key = (String, String, String);

/// What was applied last, and the version of the object that came of it.
#[derive(PartialEq, Eq)]
struct Remembered {
    digest: u64,
    version: Option<String>,
}

/// Applies plans and remembers what it applied, so that a reconcile in which nothing changed writes nothing.
pub struct Applier {
    client: Client,
    remembered: Mutex<HashMap<Key, Remembered>>,
}

impl Applier {
    /// Remembers nothing yet.
    pub fn new(client: Client) -> Self {
        Self { client, remembered: Mutex::default() }
    }

    /// Carries out `plan`: what the pods need first, then the pods.
    pub async fn apply(&self, cluster: &Validated, plan: &Plan) -> Result<(), ApplyError> {
        tokio::try_join!(
            self.put(cluster, &plan.service_account),
            self.put(cluster, &plan.config_map),
            self.put(cluster, &plan.members),
            self.put(cluster, &plan.leader),
            self.disruption_budget(cluster, plan.disruption_budget.as_ref()),
        )?;
        match &plan.stateful_set {
            Some(stateful_set) => self.put(cluster, stateful_set).await,
            None => Ok(()),
        }
    }

    /// Forgets a cluster that is gone.
    pub fn forget(&self, uid: &str) {
        self.memory(|remembered| remembered.retain(|(owner, ..), _| owner != uid));
    }

    async fn disruption_budget(
        &self,
        cluster: &Validated,
        wanted: Option<&PodDisruptionBudget>,
    ) -> Result<(), ApplyError> {
        if let Some(wanted) = wanted {
            return self.put(cluster, wanted).await;
        }
        let api: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), &cluster.namespace);
        let fail = |source| ApplyError::Write {
            object: described::<PodDisruptionBudget>(cluster, &cluster.name),
            source,
        };
        let live = api.get_metadata_opt(&cluster.name).await.map_err(fail)?;
        let Some(live) = live.filter(|live| controlled_by(&live.metadata, &cluster.owner.uid)) else {
            return Ok(());
        };
        let same = Preconditions { uid: live.uid(), resource_version: None };
        match api.delete(&cluster.name, &DeleteParams::default().preconditions(same)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => Ok(()),
            Err(source) => Err(fail(source)),
        }
    }

    async fn put<K>(&self, cluster: &Validated, object: &K) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let name = object.name_any();
        let described = described::<K>(cluster, &name);
        let fail = |source| ApplyError::Write { object: described.clone(), source };
        let api: Api<K> = Api::namespaced(self.client.clone(), &cluster.namespace);
        let live = api.get_metadata_opt(&name).await.map_err(fail)?;
        if live.as_ref().is_some_and(|live| !controlled_by(&live.metadata, &cluster.owner.uid)) {
            return Err(ApplyError::Foreign { object: described });
        }
        let key = (cluster.owner.uid.clone(), K::kind(&()).into_owned(), name.clone());
        let digest = digest(object).map_err(|error| fail(kube::Error::SerdeError(error)))?;
        let found = Remembered { digest, version: live.and_then(|live| live.metadata.resource_version) };
        if found.version.is_some() && self.memory(|remembered| remembered.get(&key) == Some(&found)) {
            return Ok(());
        }
        let parameters = PatchParams::apply(MANAGER).force();
        let applied = api.patch_metadata(&name, &parameters, &Patch::Apply(object)).await.map_err(fail)?;
        let version = applied.metadata.resource_version;
        self.memory(|remembered| remembered.insert(key, Remembered { digest, version }));
        Ok(())
    }

    fn memory<T>(&self, work: impl FnOnce(&mut HashMap<Key, Remembered>) -> T) -> T {
        work(&mut self.remembered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether an object's controller is the one with that UID.
pub(super) fn controlled_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let owners = metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

fn described<K: Resource<DynamicType = ()>>(cluster: &Validated, name: &str) -> String {
    format!("{} {}/{name}", K::kind(&()), cluster.namespace)
}

fn digest(object: &impl Serialize) -> Result<u64, serde_json::Error> {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(object)?.hash(&mut hasher);
    Ok(hasher.finish())
}
