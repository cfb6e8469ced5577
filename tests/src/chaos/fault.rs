//! What is done to the worker that streams.

use serde::Serialize;

/// A place in the worker where it is ended. See `fail_point!` in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Its name.
    pub name: &'static str,
    /// Milliseconds from the place to the end.
    pub after: u64,
    /// Who comes by it.
    pub who: Who,
}

/// Who comes by a failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The owner, while it streams.
    Owner,
    /// The owner, when it is told to end.
    Leaver,
    /// The successor, once the owner was killed.
    Successor,
}

const fn point(name: &'static str, after: u64, who: Who) -> Point {
    Point { name, after, who }
}

/// Every failpoint.
pub const POINTS: [Point; 8] = [
    point("after-produce", 0, Who::Owner),
    // The commit is on its way while the process ends: its outcome is anybody's guess.
    point("commit-begun", 1, Who::Owner),
    point("commit-answered", 0, Who::Owner),
    point("after-lock", 0, Who::Successor),
    point("after-init", 0, Who::Successor),
    point("after-read", 0, Who::Successor),
    point("after-dump", 0, Who::Successor),
    point("before-release", 0, Who::Leaver),
];

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL, of the only worker, which is started again.
    KillAlone,
    /// SIGKILL; another member takes over.
    Kill,
    /// SIGTERM; another member takes over.
    Terminate,
    /// SIGSTOP until another member streams, then SIGCONT.
    Freeze,
    /// Every ZooKeeper server is killed and started again, one after the other, and then the owner gets SIGKILL.
    KillAfterReconnect,
    /// The process ends at a failpoint; another member takes over.
    At(Point),
}

impl Fault {
    /// Its name in reports.
    pub fn name(self) -> String {
        match self {
            Self::KillAlone => "kill_alone".into(),
            Self::Kill => "kill".into(),
            Self::Terminate => "terminate".into(),
            Self::Freeze => "freeze".into(),
            Self::KillAfterReconnect => "kill_after_reconnect".into(),
            Self::At(point) => format!("at_{}", point.name.replace('-', "_")),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// The faults of one round: `times` of everything but freezes, of which there are `freezes`, mixed; at the end one
/// kill after every member's connection to ZooKeeper was lost.
pub fn mix(times: usize, freezes: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    for _ in 0..times {
        faults.push(Fault::Kill);
        for (at, point) in POINTS.into_iter().enumerate() {
            faults.push(Fault::At(point));
            if at % 3 == 2 {
                faults.push(if at == 2 { Fault::Kill } else { Fault::Terminate });
            }
        }
    }
    let step = faults.len() / (freezes + 1);
    for freeze in 0..freezes {
        faults.insert((freeze + 1) * step + freeze, Fault::Freeze);
    }
    faults.push(Fault::KillAfterReconnect);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_has_everything() {
        let faults = mix(2, 3);
        assert_eq!(faults.iter().filter(|fault| **fault == Fault::Freeze).count(), 3);
        assert_eq!(faults.iter().filter(|fault| **fault == Fault::Kill).count(), 4);
        for point in POINTS {
            assert_eq!(faults.iter().filter(|fault| **fault == Fault::At(point)).count(), 2);
        }
    }
}
