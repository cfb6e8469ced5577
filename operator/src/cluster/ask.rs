//! What the operator asks of a cluster's leader: to pause and to go on, as `spec.state` says, to change settings that need
//! no restart, to divide rows in another way, and to hand over, as an annotation says. [`wanted`] and [`switchover`] are pure; the rest writes.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use maxwell_crds::names::SWITCHOVER_ANNOTATION;
use maxwell_crds::v1alpha1::{MaxwellCluster, MaxwellClusterSpec, State};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::live::Tuning;
use maxwell_protocol::member::MemberRecord;
use maxwell_protocol::reader::{ReadError, TreeReader};
use maxwell_protocol::request::{Ask, Progress, Request};
use maxwell_protocol::settings::Sharding;
use maxwell_protocol::snapshot::ClusterSnapshot;
use serde_json::{Value, json};
use thiserror::Error;

use super::observe::Target;
use super::settings::tuning;

/// Who asks, as the tree and the status show it.
pub(super) const BY: &str = "maxwell-operator";

/// What was refused is not asked again for this long.
const REST_MILLISECONDS: i64 = 60_000;
/// A division that was undone has held the stream up, and would again.
const REST_OF_UNDONE_MILLISECONDS: i64 = 3_600_000;

/// How long ZooKeeper may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why nothing could be asked.
#[derive(Debug, Error)]
pub enum AskError {
    /// ZooKeeper did not take it.
    #[error("the cluster's leader cannot be asked to {ask}")]
    Write {
        /// What was to be asked.
        ask: String,
        /// Why not.
        #[source]
        source: Option<ReadError>,
    },
    /// The annotation could not be taken away.
    #[error("cannot take the annotation {SWITCHOVER_ANNOTATION} from {namespace}/{name}")]
    Annotation {
        /// The resource's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
}

/// What the spec asks for that is neither so nor asked for already.
pub(super) fn wanted(cluster: &MaxwellCluster, snapshot: &ClusterSnapshot, now: Timestamp) -> Option<Ask> {
    let ask = match (cluster.spec.state, snapshot.live.paused) {
        (State::Paused, false) => Ask::Pause,
        (State::Running, true) => Ask::Resume,
        _ => settings(&cluster.spec, snapshot).or_else(|| division(&cluster.spec, snapshot))?,
    };
    let rests = |request: &Request| {
        let settled = request.outcome.as_ref().filter(|_| request.is_settled());
        settled.is_none_or(|outcome| {
            let undone = outcome.state == Progress::Undone && matches!(request.ask, Ask::Divide { .. });
            let rest = if undone { REST_OF_UNDONE_MILLISECONDS } else { REST_MILLISECONDS };
            now.as_millisecond() - outcome.at < rest
        })
    };
    let asked = snapshot.requests.values().any(|request| request.ask == ask && rests(request));
    (snapshot.leader.is_some() && !asked).then_some(ask)
}

/// Whether rows are divided in another way than the resource says, and by which it should be.
pub(super) fn other_division<'a>(
    spec: &'a MaxwellClusterSpec,
    snapshot: &ClusterSnapshot,
) -> Option<&'a Sharding> {
    spec.sharding.as_ref().filter(|sharding| !Layout::of(sharding).divides_like(&snapshot.layout))
}

/// Another division, once every shard of this one streams.
fn division(spec: &MaxwellClusterSpec, snapshot: &ClusterSnapshot) -> Option<Ask> {
    let sharding = other_division(spec, snapshot)?;
    let streams = snapshot.streaming() == snapshot.layout.shards as usize;
    let may = streams && snapshot.layout.change.is_none() && sharding.problems().is_empty();
    may.then(|| Ask::Divide { sharding: Box::new(sharding.clone()) })
}

/// The settings that need no restart, where a member runs with others than the resource has.
fn settings(spec: &MaxwellClusterSpec, snapshot: &ClusterSnapshot) -> Option<Ask> {
    let wanted = tuning(spec);
    let as_wanted = wanted.fields();
    let differing = |member: &MemberRecord| {
        let here = member.settings.settings.fields();
        let differs =
            |(name, value): &(String, Value)| as_wanted.get(name).is_some_and(|wanted| wanted != value);
        here.into_iter().filter(differs).map(|(name, _)| name).collect::<Vec<_>>()
    };
    let changed: BTreeSet<String> = snapshot.members.values().flat_map(differing).collect();
    let others: Vec<String> = as_wanted.keys().filter(|name| !changed.contains(*name)).cloned().collect();
    let valid = wanted.problems().is_empty();
    (valid && !changed.is_empty())
        .then(|| Ask::Configure { set: wanted.changed(&Tuning::default(), &others), unset: Vec::new() })
}

/// What the annotation asks for.
pub(super) fn switchover(cluster: &MaxwellCluster) -> Option<Ask> {
    let to = cluster.annotations().get(SWITCHOVER_ANNOTATION)?.trim();
    let to = (!matches!(to, "" | "any")).then(|| to.into());
    Some(Ask::Switchover { from: None, to })
}

/// Takes the annotation away, unless the resource has changed meanwhile; whether it did. Once it is away, what it asked
/// for is this process's to pass on, once.
pub(super) async fn claim(client: &Client, cluster: &MaxwellCluster) -> Result<bool, AskError> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let annotations = json!({SWITCHOVER_ANNOTATION: null});
    let version = &cluster.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version, "annotations": annotations}});
    let api: Api<MaxwellCluster> = Api::namespaced(client.clone(), &namespace);
    match api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(answer)) if answer.is_conflict() || answer.is_not_found() => Ok(false),
        Err(source) => Err(AskError::Annotation { namespace, name, source }),
    }
}

/// Puts the request into the cluster's tree.
pub(super) async fn ask(target: &Target, ask: Ask, now: Timestamp) -> Result<(), AskError> {
    let words = ask.to_string();
    let request = Request::new(ask, BY, now.as_millisecond());
    let written = tokio::time::timeout(LIMIT, async {
        let reader = TreeReader::connect(&target.hosts, &target.root, target.digest.as_deref()).await?;
        reader.ask(&request).await
    });
    match written.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(source)) => Err(AskError::Write { ask: words, source: Some(source) }),
        Err(_) => Err(AskError::Write { ask: words, source: None }),
    }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::request::{Outcome, Plan};

    use super::*;
    use crate::cluster::fixtures;
    use crate::cluster::status::testing::{snapshot, streaming_member};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_state_is_asked_for_once() {
        let mut cluster = fixtures::cluster();
        let mut tree = snapshot([streaming_member("orders-0")]);
        assert_eq!(wanted(&cluster, &tree, at(100)), None);
        cluster.spec.state = State::Paused;
        assert_eq!(wanted(&cluster, &tree, at(100)), Some(Ask::Pause));
        let mut request = Request::new(Ask::Pause, BY, 100_000);
        tree.requests.insert("1".into(), request.clone());
        assert_eq!(wanted(&cluster, &tree, at(900)), None, "it is under way");
        let (state, plan) = (Progress::Refused, Plan::default());
        request.outcome = Some(Outcome { state, detail: String::new(), at: 900_000, plan });
        tree.requests.insert("1".into(), request);
        assert_eq!(wanted(&cluster, &tree, at(930)), None, "it was refused just now");
        assert_eq!(wanted(&cluster, &tree, at(960)), Some(Ask::Pause));
        tree.live.paused = true;
        assert_eq!(wanted(&cluster, &tree, at(960)), None);
        cluster.spec.state = State::Running;
        assert_eq!(wanted(&cluster, &tree, at(960)), Some(Ask::Resume));
        tree.leader = None;
        assert_eq!(wanted(&cluster, &tree, at(960)), None, "nobody is there to be asked");
    }

    #[test]
    fn settings_that_need_no_restart_are_asked_for_where_they_differ() {
        let mut cluster = fixtures::cluster();
        let mut tree = snapshot([streaming_member("orders-0")]);
        let run_with = tuning(&cluster.spec);
        tree.members.get_mut(&"orders-0".into()).unwrap().settings.settings = run_with;
        assert_eq!(wanted(&cluster, &tree, at(100)), None);
        cluster.spec.bootstrap.max_rows_per_second = 700;
        let set = Tuning { max_rows_per_second: Some(700), ..Tuning::default() };
        assert_eq!(wanted(&cluster, &tree, at(100)), Some(Ask::Configure { set, unset: Vec::new() }));
        cluster.spec.filter = "exclude shop".into();
        assert_eq!(wanted(&cluster, &tree, at(100)), None, "what is wrong is not asked for");
    }

    #[test]
    fn another_division_is_asked_for_once_everything_streams() {
        let mut cluster = fixtures::cluster();
        let mut tree = snapshot([streaming_member("orders-0")]);
        tree.members.get_mut(&"orders-0".into()).unwrap().settings.settings = tuning(&cluster.spec);
        let sharding = Sharding { shards: 3, ..Sharding::default() };
        cluster.spec.sharding = Some(sharding.clone());
        let ask = Ask::Divide { sharding: Box::new(sharding.clone()) };
        assert_eq!(wanted(&cluster, &tree, at(100)), Some(ask.clone()));
        let mut request = Request::new(ask, BY, 100_000);
        let (state, plan) = (Progress::Undone, Plan::default());
        request.outcome = Some(Outcome { state, detail: String::new(), at: 100_000, plan });
        tree.requests.insert("1".into(), request);
        assert_eq!(wanted(&cluster, &tree, at(1_000)), None, "it has held the stream up once");
        tree.requests.clear();
        tree.layout.change = tree.layout.changing(&Layout::of(&sharding), 0, String::new()).change;
        assert_eq!(wanted(&cluster, &tree, at(100)), None, "one is under way");
        tree.layout = Layout::of(&sharding);
        assert_eq!(wanted(&cluster, &tree, at(100)), None, "it is so");
        cluster.spec.sharding = Some(Sharding { shards: 4, ..sharding });
        assert_eq!(wanted(&cluster, &tree, at(100)), None, "not every shard streams");
    }

    #[test]
    fn the_annotation_names_a_member_or_none() {
        let mut cluster = fixtures::cluster();
        assert_eq!(switchover(&cluster), None);
        for (value, to) in [("orders-1", Some("orders-1")), ("any", None), ("", None)] {
            cluster.annotations_mut().insert(SWITCHOVER_ANNOTATION.to_owned(), value.to_owned());
            assert_eq!(switchover(&cluster), Some(Ask::Switchover { from: None, to: to.map(Into::into) }));
        }
    }
}
