//! The life of one cluster: `fetch → validate → plan → apply → observe → status`, and the clean-up at its end.
//!
//! `validate`, `plan`, `roll` and `status::compute` are pure; the others hold a client and decide nothing.

pub mod apply;
mod ask;
mod conditions;
pub mod context;
mod credentials;
pub mod error;
pub mod events;
pub mod fetch;
pub mod finalize;
pub mod mounts;
pub mod neighbours;
pub mod observe;
pub mod plan;
pub mod pods;
pub mod roll;
pub mod scale;
mod settings;
pub mod status;
pub mod validate;

#[cfg(test)]
mod fixtures;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{self, finalizer};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use maxwell_crds::names::FINALIZER;
use maxwell_crds::v1alpha1::{MaxwellCluster, State, UpdateStrategy};

use context::Context;
use error::Error;
use fetch::Fetched;
use finalize::Progress;
use observe::Observation;
use plan::labels;
use status::{Input, Problem, Workload};

/// A look without a reason: what no watch reports is found by it.
const STEADY: Duration = Duration::from_secs(60);
/// While something is under way.
const UNDER_WAY: Duration = Duration::from_secs(5);
/// While pods end before a clean-up.
const ENDING: Duration = Duration::from_secs(2);
/// While a clean-up is blocked.
const BLOCKED: Duration = Duration::from_secs(10);

/// Brings the world closer to what one resource asks for, and the resource's status closer to the world.
pub async fn reconcile(
    object: Arc<DeserializeGuard<MaxwellCluster>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let begun = Instant::now();
    let outcome = match &object.0 {
        Ok(cluster) => live(cluster, &context).await,
        Err(invalid) => malformed(&object, invalid, &context).await,
    };
    context.metrics.reconciled(begun.elapsed());
    outcome
}

/// Decides when a failed reconcile is repeated, and tells of it.
pub fn error_policy(
    object: Arc<DeserializeGuard<MaxwellCluster>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let failures = context.failed(&reference(&*object));
    let again = error.disposition(failures);
    context.metrics.failed(error.kind());
    tracing::warn!(
        namespace = object.namespace(),
        cluster = object.name_any(),
        error = error as &dyn std::error::Error,
        failures,
        again_seconds = again.as_secs_f64(),
        "the reconcile failed"
    );
    Action::requeue(again)
}

/// The name of a cluster, whatever is known of it.
fn reference<K: Resource>(object: &K) -> ObjectRef<MaxwellCluster> {
    ObjectRef::new(&object.name_any()).within(&object.namespace().unwrap_or_default())
}

/// Selects the objects of all clusters.
pub(crate) fn managed_labels() -> String {
    labels::managed()
}

/// The cluster that a pod is a worker of.
pub(crate) fn worker_of(pod: &Pod) -> Option<ObjectRef<MaxwellCluster>> {
    let cluster = pod.labels().get(labels::INSTANCE)?;
    Some(ObjectRef::new(cluster).within(&pod.namespace()?))
}

/// A resource that an older or newer definition let pass. The others go on; its pods stay as they are.
async fn malformed(
    object: &DeserializeGuard<MaxwellCluster>,
    invalid: &InvalidObject,
    context: &Context,
) -> Result<Action, Error> {
    let what = if finalize::releases(&invalid.metadata) {
        finalize::release(&context.client, &invalid.metadata).await?;
        "deleted, with its ZooKeeper tree left alone as asked for"
    } else if invalid.metadata.deletion_timestamp.is_some() {
        "its deletion waits until it is; with the annotation maxwell-cdc.io/skip-cleanup=true it does not"
    } else {
        "nothing is changed"
    };
    let note = format!("not understood by this version of the operator: {}; {what}", invalid.error);
    tracing::warn!(namespace = object.namespace(), cluster = object.name_any(), note, "skipped");
    let happening =
        events::Happening { warning: true, reason: "Malformed".into(), action: "Reconcile".into(), note };
    events::post(&context.recorder, &object.object_ref(&()), &[happening]).await;
    Ok(Action::await_change())
}

async fn live(cluster: &MaxwellCluster, context: &Context) -> Result<Action, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<MaxwellCluster> = Api::namespaced(context.client.clone(), &namespace);
    let outcome = finalizer(&api, FINALIZER, Arc::new(cluster.clone()), |event| async move {
        match event {
            finalizer::Event::Apply(cluster) => run(&cluster, context).await,
            finalizer::Event::Cleanup(cluster) => clean_up(&cluster, context).await,
        }
    })
    .await;
    let action = match outcome.map_err(Error::from) {
        Ok(action) => action,
        Err(Error::CleanupPending { again }) => Action::requeue(again),
        Err(error) => return Err(error),
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        // Not before the finalizer is off: until then the clean-up may have to be repeated.
        context.forget(&reference(cluster), &cluster.uid().unwrap_or_default());
    } else {
        context.succeeded(&reference(cluster));
    }
    Ok(action)
}

async fn fetched(cluster: &MaxwellCluster, context: &Context) -> Result<Fetched, Error> {
    Ok(fetch::fetch(&context.client, cluster).await?)
}

async fn run(cluster: &MaxwellCluster, context: &Context) -> Result<Action, Error> {
    let fetched = fetched(cluster, context).await?;
    let verdict = validate::validate(cluster, &fetched.secrets, &context.worker_image);
    let mut problems = context.neighbours.intrusion(cluster);
    // Into another's tree nobody is sent.
    let validated = verdict.validated.filter(|_| problems.is_empty());
    problems.extend(verdict.problems);
    let plan = validated.as_ref().map(|validated| (validated, plan::plan(validated)));
    let planned = plan.as_ref().is_some_and(|(_, plan)| plan.stateful_set.is_some());
    let applied = match &plan {
        Some((validated, plan)) => context.applier.apply(validated, plan).await,
        None => Ok(()),
    };
    if let Err(error) = &applied {
        problems.push(error.problem());
    }
    let observation = observe(cluster, context, &fetched);
    let pods = tend_pods(cluster, context, &fetched, &observation, applied.is_ok() && planned).await;
    let asked = pass_on(cluster, context, &fetched, &observation).await;
    publish(cluster, context, &fetched, &observation, &problems).await?;
    applied?;
    let rolling = pods?;
    asked?;
    Ok(Action::requeue(if planned && !rolling { STEADY } else { UNDER_WAY }))
}

fn observe(cluster: &MaxwellCluster, context: &Context, fetched: &Fetched) -> Observation {
    let name = reference(cluster);
    if !context.neighbours.intrusion(cluster).is_empty() {
        // What is to be seen there is another's.
        context.observers.forget(&name);
        return Observation::Pending;
    }
    match validate::target(cluster, &fetched.secrets, context.observers.digest(&name)) {
        Ok(target) => context.observers.observe(&name, target),
        Err(problem) => Observation::Unreachable { error: problem.message, last: None },
    }
}

/// Asks the leader for what the resource says and the tree does not show yet.
async fn pass_on(
    cluster: &MaxwellCluster,
    context: &Context,
    fetched: &Fetched,
    observation: &Observation,
) -> Result<(), Error> {
    let Observation::Known { snapshot } = observation else { return Ok(()) };
    let now = Timestamp::now();
    let asks = match ask::switchover(cluster) {
        Some(handover) if ask::claim(&context.client, cluster).await? => Some(handover),
        _ => None,
    };
    let known = context.observers.digest(&reference(cluster));
    // It was observed, so where it is can be told.
    let Ok(target) = validate::target(cluster, &fetched.secrets, known) else { return Ok(()) };
    for one in asks.into_iter().chain(ask::wanted(cluster, snapshot, now)) {
        if let Err(error) = ask::ask(&target, one, now).await {
            let note = format!("{error}: ask again once ZooKeeper answers the operator");
            let (reason, action) = ("RequestFailed".into(), "Ask".into());
            let happening = events::Happening { warning: true, reason, action, note };
            events::post(&context.recorder, &cluster.object_ref(&()), &[happening]).await;
            return Err(error.into());
        }
    }
    Ok(())
}

/// Labels the leader's pod and replaces a pod that is no longer as planned. Whether pods are being replaced.
async fn tend_pods(
    cluster: &MaxwellCluster,
    context: &Context,
    fetched: &Fetched,
    observation: &Observation,
    planned: bool,
) -> Result<bool, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let Some(stateful_set) = &fetched.stateful_set else { return Ok(false) };
    if !planned && cluster.spec.state == State::Stopped {
        scale::to_zero(&context.client, &namespace, stateful_set).await?;
    }
    let leader = match observation {
        Observation::Pending => return Ok(false),
        Observation::Known { snapshot } => {
            let leader = snapshot.leader.as_ref().map(|leader| leader.id.as_str());
            pods::label_leader(&context.client, &namespace, &fetched.pods, leader).await?;
            leader
        }
        // The label stays where it was, and counts as the leader's.
        Observation::Unreachable { .. } => None,
    };
    if !planned {
        return Ok(false);
    }
    let Some(states) = pods::states(stateful_set, &fetched.pods, leader) else { return Ok(true) };
    if cluster.spec.update.strategy == UpdateStrategy::OnDelete {
        return Ok(false);
    }
    let replicas = usize::try_from(cluster.spec.replicas).unwrap_or_default();
    if let Some(name) = roll::next(&states, replicas)
        && let Some(pod) = fetched.pods.iter().find(|pod| pod.name_any() == name)
    {
        tracing::info!(
            namespace,
            cluster = cluster.name_any(),
            pod = name,
            "replacing a pod that is out of date"
        );
        pods::replace(&context.client, &namespace, pod).await?;
    }
    Ok(states.iter().any(|pod| !pod.updated || pod.terminating))
}

async fn publish(
    cluster: &MaxwellCluster,
    context: &Context,
    fetched: &Fetched,
    observation: &Observation,
    problems: &[Problem],
) -> Result<(), Error> {
    let workload = workload(cluster, fetched);
    let before = context.memory.recall(cluster);
    let before = before.as_ref();
    let input = Input { cluster, before, problems, workload, observation, now: Timestamp::now() };
    let new = status::compute(&input);
    context.metrics.set_phase(&reference(cluster), new.phase);
    status::publish(&context.client, cluster, &new).await?;
    let ends = cluster.metadata.deletion_timestamp.is_some() || cluster.spec.state == State::Stopped;
    let happenings = events::happenings(before, &new, ends);
    context.memory.remember(cluster, new);
    events::post(&context.recorder, &cluster.object_ref(&()), &happenings).await;
    Ok(())
}

fn workload(cluster: &MaxwellCluster, fetched: &Fetched) -> Workload {
    let counted = fetched.stateful_set.as_ref().and_then(|stateful_set| stateful_set.status.as_ref());
    Workload {
        replicas: counted.map_or(0, |status| status.replicas),
        ready: counted.and_then(|status| status.ready_replicas).unwrap_or_default(),
        updated: counted.and_then(|status| status.updated_replicas).unwrap_or_default(),
        selector: labels::selector_text(&cluster.name_any()),
    }
}

async fn clean_up(cluster: &MaxwellCluster, context: &Context) -> Result<Action, Error> {
    let fetched = fetched(cluster, context).await?;
    let (problems, again) = match finalize::clean_up(context, cluster, &fetched).await? {
        Progress::Done => return Ok(Action::await_change()),
        Progress::Ending => (Vec::new(), ENDING),
        Progress::Blocked(problem) => (vec![problem], BLOCKED),
    };
    let observation = observe(cluster, context, &fetched);
    publish(cluster, context, &fetched, &observation, &problems).await?;
    Err(Error::CleanupPending { again })
}
