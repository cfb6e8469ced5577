//! Runs the operator: one controller for each watched scope, over everything that can change a cluster.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ListParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{self, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use maxwell_crds::names::MANAGER;
use maxwell_crds::v1alpha1::MaxwellCluster;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::args::Scope;
use crate::cluster::context::Context;
use crate::cluster::error::Error;
use crate::cluster::mounts::mounts;
use crate::cluster::neighbours::Neighbours;
use crate::cluster::observe::Observers;
use crate::cluster::{self, managed_labels, worker_of};
use crate::http::Readiness;
use crate::metrics::Metrics;

/// One malformed resource must not stop the watch on all others.
type Guarded = DeserializeGuard<MaxwellCluster>;

/// Changes that come together are looked at once.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Clusters that are reconciled at a time.
const CONCURRENCY: u16 = 16;
/// Between two looks for the definition.
const DEFINITION_RETRY: Duration = Duration::from_secs(5);

/// What the controllers of a process share.
#[derive(Clone)]
pub struct Shared {
    /// Kubernetes.
    pub client: Client,
    /// This replica's name in events.
    pub identity: String,
    /// The image of workers whose resource names none.
    pub worker_image: String,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// Whether the process does its part.
    pub readiness: watch::Sender<Readiness>,
    /// Ends the controllers.
    pub shutdown: CancellationToken,
}

/// Reconciles the clusters of every scope until the shutdown.
pub async fn run(shared: Shared, scopes: Vec<Scope>) {
    let neighbours = Arc::new(Neighbours::default());
    let controllers =
        scopes.into_iter().map(|scope| run_scope(shared.clone(), Arc::clone(&neighbours), scope));
    futures::future::join_all(controllers).await;
}

async fn run_scope(shared: Shared, neighbours: Arc<Neighbours>, scope: Scope) {
    if !wait_for_definition(&shared, &scope).await {
        return;
    }
    let (trigger, triggered) = mpsc::unbounded();
    let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(shared.identity.clone()) };
    let context = Arc::new(Context::new(
        shared.client.clone(),
        Recorder::new(shared.client.clone(), reporter),
        Arc::clone(&shared.metrics),
        Observers::new(trigger),
        Arc::clone(&neighbours),
        shared.worker_image.clone(),
    ));
    let controller = controller(&shared.client, &scope)
        .reconcile_on(triggered.map(|cluster| cluster.into_kind_unchecked::<Guarded>(())))
        .with_config(controller::Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY))
        .graceful_shutdown_on(shared.shutdown.clone().cancelled_owned());
    let filled = controller.store();
    neighbours.add(filled.clone());
    let readiness = shared.readiness.clone();
    let announced = tokio::spawn(async move {
        if filled.wait_until_ready().await.is_ok() {
            readiness.send_modify(|ready| *ready = Ok(()));
        }
    });
    tracing::info!(?scope, "watching MaxwellClusters");
    controller
        .run(cluster::reconcile, cluster::error_policy, context)
        .for_each(|outcome| {
            report(outcome);
            std::future::ready(())
        })
        .await;
    announced.abort();
}

/// Everything that can change a cluster, the ZooKeeper trees excepted.
fn controller(client: &Client, scope: &Scope) -> Controller<Guarded> {
    let managed = watcher::Config::default().labels(&managed_labels());
    let controller = Controller::new(api::<Guarded>(client, scope), watcher::Config::default());
    let clusters = controller.store();
    controller
        .owns(api::<ServiceAccount>(client, scope), managed.clone())
        .owns(api::<ConfigMap>(client, scope), managed.clone())
        .owns(api::<Service>(client, scope), managed.clone())
        .owns(api::<PodDisruptionBudget>(client, scope), managed.clone())
        .owns(api::<StatefulSet>(client, scope), managed.clone())
        .watches(api::<Pod>(client, scope), managed, |pod| {
            worker_of(&pod).map(|cluster| cluster.into_kind_unchecked::<Guarded>(()))
        })
        // Their metadata alone: what is in them is read when it is needed, and never kept.
        .watches(api::<PartialObjectMeta<Secret>>(client, scope), watcher::Config::default(), move |secret| {
            users(&clusters, &secret.namespace().unwrap_or_default(), &secret.name_any())
        })
}

fn api<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match scope {
        Scope::All => Api::all(client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// The clusters that refer to a Secret.
fn users(clusters: &Store<Guarded>, namespace: &str, secret: &str) -> Vec<ObjectRef<Guarded>> {
    let refers = |cluster: &MaxwellCluster| mounts(&cluster.spec).iter().any(|mount| mount.name == secret);
    clusters
        .state()
        .into_iter()
        .filter(|cluster| cluster.namespace().as_deref() == Some(namespace))
        .filter(|cluster| cluster.0.as_ref().is_ok_and(refers))
        .map(|cluster| ObjectRef::from_obj(&*cluster))
        .collect()
}

/// Waits until resources can be listed, which needs no right beyond those that the controller has anyway. Whether
/// they can; not when the shutdown came first.
async fn wait_for_definition(shared: &Shared, scope: &Scope) -> bool {
    let resources = api::<Guarded>(&shared.client, scope);
    loop {
        let Err(error) = resources.list(&ListParams::default().limit(1)).await else { return true };
        let reason = match &error {
            kube::Error::Api(answer) if answer.is_not_found() => {
                "the definition of MaxwellClusters is missing: kubectl apply --server-side -f deploy/crds/maxwellclusters.yaml"
                    .to_owned()
            }
            other => format!("MaxwellClusters cannot be listed: {other}"),
        };
        tracing::warn!(?scope, reason, "waiting");
        shared.readiness.send_modify(|ready| *ready = Err(reason));
        tokio::select! {
            () = tokio::time::sleep(DEFINITION_RETRY) => {}
            () = shared.shutdown.cancelled() => return false,
        }
    }
}

/// Failed reconciles were told of when it was decided what follows from them.
fn report(
    outcome: Result<(ObjectRef<Guarded>, controller::Action), controller::Error<Error, watcher::Error>>,
) {
    match outcome {
        Ok((cluster, action)) => tracing::debug!(%cluster, ?action, "reconciled"),
        Err(controller::Error::QueueError(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a watch failed and is begun again");
        }
        Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "not reconciled"),
    }
}
