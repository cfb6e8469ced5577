//! Who may hold the Lease. Pure: a look at the Lease and the time in, an action out.
//!
//! Clocks of different machines are never compared. A Lease has run out when this replica has seen it unchanged, on its
//! own monotonic clock, for as long as the holder promised to renew it within.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

/// What to do about the Lease.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Somebody else holds it.
    Wait,
    /// There is none: create it. Fails if another replica is faster.
    Create(Lease),
    /// Take or renew it. Its resource version makes the call fail if another replica is faster.
    Replace(Lease),
}

/// One replica's view of the Lease.
#[derive(Debug)]
pub(super) struct Elector {
    name: String,
    identity: String,
    duration: Duration,
    /// What the Lease said last, and since when.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Elector {
    pub(super) fn new(name: &str, identity: &str, duration: Duration) -> Self {
        Self { name: name.to_owned(), identity: identity.to_owned(), duration, seen: None }
    }

    /// What follows from the Lease as it was `found` at `now`; `clock` is what gets written.
    pub(super) fn decide(&mut self, found: Option<Lease>, now: Instant, clock: Timestamp) -> Action {
        let Some(lease) = found else {
            self.seen = None;
            return Action::Create(self.claim(None, clock));
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((before, since)) if *before == spec => *since,
            _ => now,
        };
        self.seen = Some((spec, since));
        if self.is_taken() && now < since + self.promised() {
            return Action::Wait;
        }
        Action::Replace(self.claim(Some(lease), clock))
    }

    /// Whether another replica held the Lease when it was last looked at.
    pub(super) fn is_taken(&self) -> bool {
        let spec = self.seen.as_ref().map(|(spec, _)| spec);
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        !holder.is_empty() && holder != self.identity
    }

    /// Within which time the holder renews.
    fn promised(&self) -> Duration {
        let seconds = self.seen.as_ref().and_then(|(spec, _)| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or(self.duration, Duration::from_secs)
    }

    fn claim(&self, before: Option<Lease>, clock: Timestamp) -> Lease {
        let (metadata, before) = match before {
            Some(lease) => (lease.metadata, lease.spec.unwrap_or_default()),
            None => {
                let name = Some(self.name.clone());
                (ObjectMeta { name, ..ObjectMeta::default() }, LeaseSpec::default())
            }
        };
        let mine = before.holder_identity.as_deref() == Some(self.identity.as_str());
        let transitions = before.lease_transitions.unwrap_or(0);
        let first = metadata.resource_version.is_none();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            renew_time: Some(MicroTime(clock)),
            acquire_time: if mine { before.acquire_time } else { Some(MicroTime(clock)) },
            lease_transitions: Some(if mine || first { transitions } else { transitions + 1 }),
            ..before
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// The Lease without a holder; `None` if this replica does not hold it.
    pub(super) fn release(&self, lease: Lease, clock: Timestamp) -> Option<Lease> {
        let spec = lease.spec?;
        if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
            return None;
        }
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(clock)),
            ..spec
        };
        Some(Lease { metadata: lease.metadata, spec: Some(spec) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn clock(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What the API server makes of what was written.
    fn stored(action: Action, version: &str) -> Lease {
        let (Action::Create(mut lease) | Action::Replace(mut lease)) = action else { panic!("{action:?}") };
        lease.metadata.resource_version = Some(version.into());
        lease
    }

    fn spec(lease: &Lease) -> &LeaseSpec {
        lease.spec.as_ref().unwrap()
    }

    #[test]
    fn the_first_creates_and_renews() {
        let (mut a, start) = (Elector::new("operator", "a", DURATION), Instant::now());
        let lease = stored(a.decide(None, start, clock(1)), "1");
        assert_eq!(spec(&lease).holder_identity.as_deref(), Some("a"));
        assert_eq!(spec(&lease).lease_transitions, Some(0));
        let renewed = stored(a.decide(Some(lease), start + Duration::from_secs(2), clock(3)), "2");
        assert_eq!(spec(&renewed).renew_time, Some(MicroTime(clock(3))));
        assert_eq!(spec(&renewed).acquire_time, Some(MicroTime(clock(1))));
        assert_eq!(spec(&renewed).lease_transitions, Some(0));
        assert!(!a.is_taken());
    }

    #[test]
    fn the_second_waits_until_it_has_seen_no_renewal_for_the_duration() {
        let start = Instant::now();
        let (mut a, mut b) = (Elector::new("o", "a", DURATION), Elector::new("o", "b", DURATION));
        // The holder's clock is an hour behind, which must not matter.
        let lease = stored(a.decide(None, start, clock(-3_600)), "1");
        assert_eq!(b.decide(Some(lease.clone()), start, clock(1)), Action::Wait);
        let renewed = stored(a.decide(Some(lease), start, clock(-3_590)), "2");
        let later = start + Duration::from_secs(10);
        assert_eq!(b.decide(Some(renewed.clone()), later, clock(11)), Action::Wait);
        let almost = later + DURATION - Duration::from_millis(1);
        assert_eq!(b.decide(Some(renewed.clone()), almost, clock(25)), Action::Wait);
        assert!(b.is_taken());
        let taken = stored(b.decide(Some(renewed), later + DURATION, clock(26)), "3");
        assert_eq!(spec(&taken).holder_identity.as_deref(), Some("b"));
        assert_eq!(spec(&taken).lease_transitions, Some(1));
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("3"));
        assert_eq!(a.decide(Some(taken), later + DURATION, clock(26)), Action::Wait);
        assert!(a.is_taken(), "the old holder learns of it");
    }

    #[test]
    fn a_taken_lease_is_replaced_in_the_version_that_was_seen() {
        let (mut a, start) = (Elector::new("o", "a", DURATION), Instant::now());
        let lease = stored(a.decide(None, start, clock(1)), "41");
        let Action::Replace(renewal) = a.decide(Some(lease), start, clock(2)) else { panic!("not renewed") };
        assert_eq!(renewal.metadata.resource_version.as_deref(), Some("41"));
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        let start = Instant::now();
        let (mut a, mut b) = (Elector::new("o", "a", DURATION), Elector::new("o", "b", DURATION));
        let lease = stored(a.decide(None, start, clock(1)), "1");
        assert_eq!(b.release(lease.clone(), clock(2)), None, "not b's to give");
        let free = a.release(lease, clock(2)).unwrap();
        assert!(matches!(b.decide(Some(free), start, clock(2)), Action::Replace(_)));
    }

    #[test]
    fn a_holder_comes_back_to_its_own_lease() {
        let start = Instant::now();
        let lease = stored(Elector::new("o", "a", DURATION).decide(None, start, clock(1)), "1");
        let again = Elector::new("o", "a", DURATION).decide(Some(lease), start, clock(2));
        assert!(matches!(again, Action::Replace(_)));
    }
}
