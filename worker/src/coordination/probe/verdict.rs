//! What the signs of a process add up to, and what a wrong verdict costs. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use maxwell_protocol::id::{Incarnation, MemberId};
use maxwell_protocol::member::MemberRecord;
use tokio::time::Instant;

/// After a wrong verdict on a member its process is not probed for this long.
const OFF: Duration = Duration::from_secs(600);

/// A sign that one attempt to reach a process gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered as this incarnation.
    Answered(Incarnation),
    /// The connection ended.
    Ended,
    /// The connection was refused.
    Refused,
    /// Nothing was heard.
    Silent,
}

/// What follows from a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The process lives: hold the connection.
    Alive,
    /// The process has ended.
    Gone,
    /// Nothing: ask again, soon if the process may be just ending.
    Unknown {
        /// Whether something has just changed.
        soon: bool,
    },
}

/// The case of one incarnation. Only who has once answered as that incarnation can be found gone: an address that
/// never led to it shows nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) incarnation: Incarnation,
    pub(super) met: bool,
}

impl Case {
    /// Takes a sign in.
    pub(super) fn judge(&mut self, sign: Sign) -> Verdict {
        match sign {
            Sign::Answered(incarnation) if incarnation == self.incarnation => {
                self.met = true;
                Verdict::Alive
            }
            Sign::Answered(_) | Sign::Refused if self.met => Verdict::Gone,
            Sign::Ended => Verdict::Unknown { soon: true },
            Sign::Answered(_) | Sign::Refused | Sign::Silent => Verdict::Unknown { soon: false },
        }
    }
}

/// The verdicts that were carried out. A deposed incarnation that shows itself again was alive.
#[derive(Debug, Default)]
pub(in crate::coordination) struct Record {
    deposed: BTreeMap<Incarnation, bool>,
    off: BTreeMap<MemberId, Instant>,
    wrong: u64,
}

impl Record {
    /// Notes that `incarnation` was found gone and its nodes were deleted.
    pub(super) fn depose(&mut self, incarnation: Incarnation) {
        self.deposed.insert(incarnation, false);
    }

    /// Compares with who is there now; returns the members that were deposed wrongly, and stops probing them.
    pub(super) fn review<'a>(
        &mut self,
        members: impl Iterator<Item = &'a MemberRecord> + Clone,
        now: Instant,
    ) -> Vec<MemberId> {
        let mut wrong = Vec::new();
        self.deposed.retain(|incarnation, vanished| {
            let present = members.clone().find(|member| member.incarnation == *incarnation);
            match present {
                None => *vanished = true,
                Some(member) if *vanished => {
                    wrong.push(member.id.clone());
                    return false;
                }
                Some(_) => {}
            }
            true
        });
        self.off.extend(wrong.iter().map(|id| (id.clone(), now)));
        self.wrong += wrong.len() as u64;
        wrong
    }

    /// How many were wrong so far.
    pub(in crate::coordination) fn wrong(&self) -> u64 {
        self.wrong
    }

    /// Whether verdicts on `member` may be carried out.
    pub(super) fn allows(&self, member: &MemberId, now: Instant) -> bool {
        self.off.get(member).is_none_or(|since| now.duration_since(*since) >= OFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::election::tests::member;

    #[test]
    fn refused_after_an_answer_is_gone() {
        let incarnation = Incarnation::random();
        let mut case = Case { incarnation, met: false };
        assert_eq!(case.judge(Sign::Refused), Verdict::Unknown { soon: false });
        assert_eq!(case.judge(Sign::Answered(incarnation)), Verdict::Alive);
        assert_eq!(case.judge(Sign::Ended), Verdict::Unknown { soon: true });
        assert_eq!(case.judge(Sign::Silent), Verdict::Unknown { soon: false });
        assert_eq!(case.judge(Sign::Refused), Verdict::Gone);
    }

    #[test]
    fn another_incarnation_shows_something_only_where_the_first_one_was() {
        let incarnation = Incarnation::random();
        let mut case = Case { incarnation, met: false };
        assert_eq!(case.judge(Sign::Answered(Incarnation::random())), Verdict::Unknown { soon: false });
        case.judge(Sign::Answered(incarnation));
        assert_eq!(case.judge(Sign::Answered(Incarnation::random())), Verdict::Gone);
    }

    #[test]
    fn a_deposed_member_that_returns_is_left_alone_for_a_while() {
        let (start, a) = (Instant::now(), member("a", 0, 0));
        let mut record = Record::default();
        record.depose(a.incarnation);
        assert!(record.review([&a].into_iter(), start).is_empty(), "its record is about to vanish");
        assert!(record.review([].into_iter(), start).is_empty());
        assert!(record.allows(&a.id, start));
        assert_eq!(record.review([&a].into_iter(), start), std::slice::from_ref(&a.id));
        assert!(record.review([&a].into_iter(), start).is_empty());
        assert_eq!(record.wrong(), 1);
        assert!(!record.allows(&a.id, start));
        assert!(record.allows(&a.id, start + OFF));
    }
}
