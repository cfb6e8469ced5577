//! Conditions: from verdicts to what stands in the resource. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use maxwell_crds::v1alpha1::ConditionType;

/// What is said of one aspect of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) kind: ConditionType,
    /// `None`: not known.
    pub(super) holds: Option<bool>,
    /// In CamelCase.
    pub(super) reason: String,
    /// What is so, and if that is bad, what mends it.
    pub(super) message: String,
    /// Whether what was said before, if anything was, stands instead.
    provisional: bool,
}

impl Verdict {
    pub(super) fn new(
        kind: ConditionType,
        holds: Option<bool>,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, holds, reason: reason.to_owned(), message: message.into(), provisional: false }
    }

    /// Said without a look: it yields to what was said before.
    pub(super) fn provisional(self) -> Self {
        Self { provisional: true, ..self }
    }

    fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// The conditions that follow `before`. The time of the last transition changes with the status only. What was never
/// known is left out, except whether the cluster is ready; what is not looked at yet stays as it was, with the
/// generation that it was said of.
pub(super) fn merge(
    before: &[Condition],
    verdicts: Vec<Verdict>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions = Vec::with_capacity(verdicts.len());
    for verdict in verdicts {
        let known = before.iter().find(|condition| condition.type_ == verdict.kind.as_str());
        if let Some(known) = known.filter(|_| verdict.provisional) {
            conditions.push(known.clone());
            continue;
        }
        if verdict.holds.is_none() && known.is_none() && verdict.kind != ConditionType::Ready {
            continue;
        }
        let status = verdict.status();
        let unchanged = known.filter(|condition| condition.status == status);
        conditions.push(Condition {
            last_transition_time: unchanged
                .map_or_else(|| Time(whole_second(now)), |condition| condition.last_transition_time.clone()),
            message: verdict.message,
            observed_generation: generation,
            reason: verdict.reason,
            status: status.to_owned(),
            type_: verdict.kind.as_str().to_owned(),
        });
    }
    conditions
}

/// The API server keeps whole seconds.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(kind: ConditionType, holds: Option<bool>) -> Verdict {
        Verdict::new(kind, holds, "Reason", "message")
    }

    #[test]
    fn only_a_change_of_status_is_a_transition() {
        let (then, now) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(200).unwrap());
        let ready = ConditionType::Ready;
        let first = merge(&[], vec![verdict(ready, Some(true))], Some(1), then);
        let same = merge(&first, vec![verdict(ready, Some(true))], Some(2), now);
        assert_eq!(same[0].last_transition_time.0, then);
        assert_eq!(same[0].observed_generation, Some(2));
        let turned = merge(&same, vec![verdict(ready, Some(false))], Some(2), now);
        assert_eq!(turned[0].last_transition_time.0, now);
        assert_eq!(turned[0].status, "False");
    }

    #[test]
    fn what_was_said_before_stands_against_what_is_provisional() {
        let (then, now) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(200).unwrap());
        let provisional = || vec![verdict(ConditionType::Ready, None).provisional()];
        assert_eq!(merge(&[], provisional(), Some(1), then)[0].status, "Unknown");
        let known = merge(&[], vec![verdict(ConditionType::Ready, Some(true))], Some(1), then);
        assert_eq!(merge(&known, provisional(), Some(2), now), known);
    }

    #[test]
    fn what_was_never_known_is_left_out() {
        let now = Timestamp::from_second(100).unwrap();
        let unknown =
            || vec![verdict(ConditionType::Ready, None), verdict(ConditionType::SourceReachable, None)];
        let first = merge(&[], unknown(), None, now);
        assert_eq!(first.len(), 1);
        let known = merge(&[], vec![verdict(ConditionType::SourceReachable, Some(true))], None, now);
        let lost = merge(&known, unknown(), None, now);
        assert_eq!(lost[1].status, "Unknown");
    }
}
