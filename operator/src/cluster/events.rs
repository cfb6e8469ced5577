//! Kubernetes events: what happened between two statuses. [`happenings`] is pure; [`post`] writes.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder};
use maxwell_crds::v1alpha1::{ConditionType, LastFailover, MaxwellClusterStatus};

/// The API server takes a kilobyte.
const LONGEST_NOTE: usize = 1_000;

/// The conditions whose coming and going is told. `Ready` follows from leader and failovers, `Progressing` is no news.
const TOLD: [ConditionType; 6] = [
    ConditionType::ConfigValid,
    ConditionType::SourceReachable,
    ConditionType::SinkReachable,
    ConditionType::CoordinationReachable,
    ConditionType::LagHealthy,
    ConditionType::PositionSafe,
];

/// Something that happened to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Whether it calls for attention.
    pub warning: bool,
    /// What it is, in CamelCase.
    pub reason: String,
    /// What the operator did or saw.
    pub action: String,
    /// The story.
    pub note: String,
}

impl Happening {
    fn new(warning: bool, reason: &str, action: &str, note: String) -> Self {
        Self { warning, reason: reason.to_owned(), action: action.to_owned(), note }
    }
}

/// What happened from `old` to `new`, in the order in which it is told. Of a cluster that ends as asked for, the loss
/// of its leader is no news.
pub fn happenings(
    old: Option<&MaxwellClusterStatus>,
    new: &MaxwellClusterStatus,
    ends: bool,
) -> Vec<Happening> {
    let mut happened = Vec::new();
    happened.extend(failover(old, new));
    happened.extend(leader(old, new).filter(|_| !ends || new.leader.is_some()));
    happened.extend(TOLD.into_iter().filter_map(|kind| turn(kind, old, new)));
    if happened.is_empty() {
        // Degraded sums the others up: it is news only when nothing else tells it.
        happened.extend(turn(ConditionType::Degraded, old, new));
    }
    happened
}

fn leader(old: Option<&MaxwellClusterStatus>, new: &MaxwellClusterStatus) -> Option<Happening> {
    let before = old.and_then(|old| old.leader.as_deref());
    let epoch = new.epoch.unwrap_or_default();
    match (before, new.leader.as_deref()) {
        (Some(before), None) => Some(Happening::new(
            true,
            "LeaderLost",
            "Elect",
            format!("{before} leads no more; an election is on"),
        )),
        (Some(before), Some(now)) if before != now => Some(Happening::new(
            false,
            "LeaderChanged",
            "Elect",
            format!("{now} leads in epoch {epoch}, after {before}"),
        )),
        (None, Some(now)) => {
            Some(Happening::new(false, "LeaderElected", "Elect", format!("{now} leads in epoch {epoch}")))
        }
        _ => None,
    }
}

/// A failover is told when it is seen, and once more when its gap is measured later.
fn failover(old: Option<&MaxwellClusterStatus>, new: &MaxwellClusterStatus) -> Option<Happening> {
    let last = new.last_failover.as_ref()?;
    let old = old?;
    let happened = old.failovers < new.failovers;
    let measured = old.last_failover.as_ref().is_some_and(|before| {
        (&before.time, &before.to) == (&last.time, &last.to) && before.gap_milliseconds.is_none()
    }) && last.gap_milliseconds.is_some();
    (happened || measured).then(|| Happening::new(true, "Failover", "TakeOver", story(last)))
}

fn story(failover: &LastFailover) -> String {
    let from = failover.from.as_deref().unwrap_or("its owner");
    let phases = &failover.phases;
    let gap = match failover.gap_milliseconds {
        Some(gap) => format!("gap {gap} ms"),
        None => "gap not measured until a change comes".to_owned(),
    };
    format!(
        "{to} took over from {from} ({reason}); {gap}: detection {} ms, election {} ms, sync {} ms, resumption {} ms",
        phases.detection_milliseconds,
        phases.election_milliseconds,
        phases.sync_milliseconds,
        phases.resume_milliseconds,
        to = failover.to,
        reason = failover.reason,
    )
}

/// A condition that turned bad, is bad for another reason, or recovered.
fn turn(
    kind: ConditionType,
    old: Option<&MaxwellClusterStatus>,
    new: &MaxwellClusterStatus,
) -> Option<Happening> {
    let is_bad = |condition: &&Condition| kind.bad() == Some(condition.status.as_str());
    let before = old.and_then(|old| old.condition(kind)).filter(is_bad);
    let now = new.condition(kind)?;
    if is_bad(&now) {
        let news = before.is_none_or(|before| before.reason != now.reason);
        return news.then(|| Happening::new(true, &now.reason, kind.as_str(), now.message.clone()));
    }
    let recovered = before.is_some() && now.status != "Unknown";
    recovered.then(|| Happening::new(false, "Recovered", kind.as_str(), format!("{kind}: {}", now.message)))
}

/// Posts events; what cannot be posted is logged, since nothing depends on it.
pub async fn post(recorder: &Recorder, reference: &ObjectReference, happenings: &[Happening]) {
    for happening in happenings {
        let event = Event {
            type_: if happening.warning { EventType::Warning } else { EventType::Normal },
            reason: happening.reason.clone(),
            note: Some(shortened(&happening.note)),
            action: distinct(happening),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, reference).await {
            tracing::warn!(
                cluster = reference.name,
                namespace = reference.namespace,
                reason = happening.reason,
                note = happening.note,
                %error,
                "an event could not be posted"
            );
        }
    }
}

/// The recorder counts an event up, with its first note, if everything but the note is equal. Another story is another
/// event, so the story is told apart in the action, which is shown nowhere.
fn distinct(happening: &Happening) -> String {
    let mut hasher = DefaultHasher::new();
    happening.note.hash(&mut hasher);
    format!("{}-{:016x}", happening.action, hasher.finish())
}

fn shortened(note: &str) -> String {
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    format!("{}…", &note[..note.floor_char_boundary(LONGEST_NOTE)])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use maxwell_crds::v1alpha1::FailoverPhases;

    use super::*;

    fn led_by(leader: Option<&str>) -> MaxwellClusterStatus {
        MaxwellClusterStatus {
            leader: leader.map(str::to_owned),
            epoch: leader.map(|_| 3),
            ..MaxwellClusterStatus::default()
        }
    }

    fn with(kind: ConditionType, status: &str, reason: &str) -> MaxwellClusterStatus {
        let condition = Condition {
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            message: format!("because of {reason}"),
            observed_generation: None,
            reason: reason.into(),
            status: status.into(),
            type_: kind.as_str().into(),
        };
        MaxwellClusterStatus { conditions: vec![condition], ..MaxwellClusterStatus::default() }
    }

    fn reasons(old: Option<&MaxwellClusterStatus>, new: &MaxwellClusterStatus) -> Vec<(bool, String)> {
        happenings(old, new, false).into_iter().map(|one| (one.warning, one.reason)).collect()
    }

    #[test]
    fn leaders_come_and_go() {
        let (nobody, a, b) = (led_by(None), led_by(Some("a")), led_by(Some("b")));
        assert_eq!(reasons(None, &a), [(false, "LeaderElected".into())]);
        assert_eq!(reasons(Some(&a), &nobody), [(true, "LeaderLost".into())]);
        assert!(happenings(Some(&a), &nobody, true).is_empty(), "it was asked to end");
        assert_eq!(happenings(Some(&a), &b, false)[0].note, "b leads in epoch 3, after a");
        assert_eq!(happenings(Some(&a), &b, true)[0].reason, "LeaderChanged");
        assert!(happenings(Some(&a), &a.clone(), false).is_empty());
        assert!(happenings(None, &nobody, false).is_empty());
    }

    #[test]
    fn a_failover_is_told_with_its_gap_as_soon_as_that_is_known() {
        let failed_over = |gap| MaxwellClusterStatus {
            failovers: 1,
            last_failover: Some(LastFailover {
                time: Time(Timestamp::from_second(7).unwrap()),
                from: Some("a".into()),
                to: "b".into(),
                reason: "ConnectionReset".into(),
                gap_milliseconds: gap,
                phases: FailoverPhases::default(),
            }),
            ..MaxwellClusterStatus::default()
        };
        let first = happenings(Some(&MaxwellClusterStatus::default()), &failed_over(None), false);
        assert!(first[0].note.starts_with("b took over from a (ConnectionReset); gap not measured"));
        let second = happenings(Some(&failed_over(None)), &failed_over(Some(410)), false);
        assert!(second[0].note.contains("gap 410 ms"), "{second:?}");
        assert!(happenings(Some(&failed_over(Some(410))), &failed_over(Some(410)), false).is_empty());
        assert!(
            happenings(None, &failed_over(Some(410)), false).is_empty(),
            "an operator's start is no failover"
        );
        assert_ne!(distinct(&first[0]), distinct(&second[0]));
    }

    #[test]
    fn conditions_turn_bad_and_recover() {
        let kind = ConditionType::SourceReachable;
        let (good, bad) = (with(kind, "True", "Reachable"), with(kind, "False", "Unreachable"));
        assert_eq!(reasons(None, &bad), [(true, "Unreachable".into())]);
        assert_eq!(reasons(Some(&good), &bad), [(true, "Unreachable".into())]);
        assert!(happenings(Some(&bad), &bad.clone(), false).is_empty());
        assert_eq!(reasons(Some(&bad), &with(kind, "False", "Other")), [(true, "Other".into())]);
        assert_eq!(reasons(Some(&bad), &good), [(false, "Recovered".into())]);
        assert!(happenings(Some(&bad), &with(kind, "Unknown", "NotReported"), false).is_empty());
        assert!(happenings(None, &good, false).is_empty());
    }

    #[test]
    fn degraded_is_news_only_on_its_own() {
        let kind = ConditionType::Degraded;
        let (fine, degraded) = (with(kind, "False", "AsWished"), with(kind, "True", "MemberOffline"));
        assert_eq!(reasons(Some(&fine), &degraded), [(true, "MemberOffline".into())]);
        let leaderless = MaxwellClusterStatus { leader: Some("a".into()), ..fine };
        assert_eq!(reasons(Some(&leaderless), &degraded), [(true, "LeaderLost".into())]);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = "ä".repeat(LONGEST_NOTE);
        assert!(shortened(&note).len() <= 1_024);
        assert_eq!(shortened("short"), "short");
    }
}
