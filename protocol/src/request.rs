//! `cluster/requests/<id>`: what the operator or the CLI asks of the cluster, and what came of it.
//!
//! ```text
//! asked ─▶ Accepted ─▶ Done          of a bootstrap, the shard's owner writes the end alone
//!   │         │└─────▶ Undone        what had been changed is changed back
//!   └─────────┴──────▶ Refused       nothing was changed; of an accepted rewind, the shard's owner says so
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bootstrap::BootstrapRequest;
use crate::id::{Incarnation, MemberId, ShardId};
use crate::live::Tuning;
use crate::settings::{Sharding, Start, StartFrom};

/// How many requests with an outcome are kept.
pub const KEPT: usize = 32;

/// A request. Taking its node away before it is accepted takes the request back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What is asked for.
    pub ask: Ask,
    /// Who asked: a user or a program.
    #[serde(default)]
    pub by: String,
    /// When, milliseconds since the epoch.
    #[serde(default)]
    pub at: i64,
    /// What came of it so far; written by the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Request {
    /// A request that nobody has looked at.
    pub fn new(ask: Ask, by: &str, at: i64) -> Self {
        Self { ask, by: by.to_owned(), at, outcome: None }
    }

    /// The name of its node: later requests sort later, and no two have one name.
    pub fn name(&self) -> String {
        format!("{:015}-{}", self.at.max(0), Uuid::new_v4().simple())
    }

    /// Whether nothing more will come of it.
    pub fn is_settled(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.state != Progress::Accepted)
    }

    /// What was decided, while it is being carried out.
    pub fn plan(&self) -> Option<&Plan> {
        self.outcome
            .as_ref()
            .filter(|outcome| outcome.state == Progress::Accepted)
            .map(|outcome| &outcome.plan)
    }
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Copy a table.
    Bootstrap(BootstrapRequest),
    /// Another member takes the place of one: its shards, and the lead if it has it.
    #[serde(rename_all = "camelCase")]
    Switchover {
        /// Whose place; absent: the leader's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<MemberId>,
        /// Who takes it; absent: the fittest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<MemberId>,
    },
    /// A shard goes to another member; of an `ActiveStandby` cluster the lead goes with it.
    Move {
        /// The shard.
        shard: ShardId,
        /// Where to.
        to: MemberId,
    },
    /// A shard goes back to an earlier position: consumers see again what came after it. Its owner does it, also while
    /// the cluster is paused.
    Rewind {
        /// The shard.
        shard: ShardId,
        /// Where to.
        to: Start,
        /// The server that file and offset belong to; absent: the one that is read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
    },
    /// Rows are divided into shards in another way, from one place in the binlog on.
    Divide {
        /// In which: what it says of members is not heeded.
        sharding: Box<Sharding>,
    },
    /// Owners keep their shards and read nothing.
    Pause,
    /// Owners read again.
    Resume,
    /// Settings change that need no restart.
    Configure {
        /// What they become.
        #[serde(default, skip_serializing_if = "Tuning::is_empty")]
        set: Tuning,
        /// Those that become what each member was started with.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unset: Vec<String>,
    },
    /// The member gives away what it has and begins anew.
    Restart {
        /// The member.
        member: MemberId,
    },
    /// The member gives away what it has, runs on, and is no candidate until it is unparked.
    Park {
        /// The member.
        member: MemberId,
    },
    /// The member may own and lead again.
    Unpark {
        /// The member.
        member: MemberId,
    },
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bootstrap(copy) => write!(f, "bootstrap {}.{}", copy.database, copy.table),
            Self::Switchover { from, to } => {
                f.write_str("switchover")?;
                from.iter().try_for_each(|from| write!(f, " from {from}"))?;
                to.iter().try_for_each(|to| write!(f, " to {to}"))
            }
            Self::Move { shard, to } => write!(f, "move shard {shard} to {to}"),
            Self::Rewind { shard, to, .. } => {
                write!(f, "rewind shard {shard} to ")?;
                let text = |part: &Option<String>| part.clone().unwrap_or_default();
                match to.from {
                    StartFrom::Position => write!(f, "{}:{}", text(&to.file), to.offset.unwrap_or_default()),
                    StartFrom::Gtid => write!(f, "GTID set {}", text(&to.set)),
                    StartFrom::Timestamp => f.write_str(&text(&to.time)),
                    from => write!(f, "{from:?}"),
                }
            }
            Self::Divide { sharding } => {
                write!(f, "divide into {} shards by {:?}", sharding.count(), sharding.strategy)
            }
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Configure { set, unset } => {
                let set: Vec<String> = set.fields().into_iter().map(|(name, _)| name).collect();
                let some = |word, names: &[String]| match names {
                    [] => None,
                    names => Some(format!("{word} {}", names.join(", "))),
                };
                let parts: Vec<String> =
                    [some("set", &set), some("unset", unset)].into_iter().flatten().collect();
                f.write_str(&parts.join(", "))
            }
            Self::Restart { member } => write!(f, "restart {member}"),
            Self::Park { member } => write!(f, "park {member}"),
            Self::Unpark { member } => write!(f, "unpark {member}"),
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How far it is.
    pub state: Progress,
    /// Why, or what was done, in words; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// When it was accepted or refused, milliseconds since the epoch.
    pub at: i64,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Plan::is_empty")]
    pub plan: Plan,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// It is being carried out.
    Accepted,
    /// It was carried out.
    Done,
    /// It was not begun.
    Refused,
    /// It was begun, and taken back.
    Undone,
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Which shards move.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moves: BTreeMap<ShardId, Hop>,
    /// Who leads then; absent: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<MemberId>,
    /// Of a restart: the life that shall end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// Of a change of settings: the version of `cluster/config` that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of a change of the layout: the generation that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Plan {
    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A shard's way from one member to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// Where it was assigned to.
    pub from: MemberId,
    /// Where it goes.
    pub to: MemberId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_plain_json() {
        let text =
            r#"{"ask":{"bootstrap":{"database":"shop","table":"item","where":"id > 5"}},"by":"cli","at":7}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        let Ask::Bootstrap(copy) = &request.ask else { panic!("{request:?}") };
        assert_eq!((copy.table.as_str(), copy.condition.as_deref()), ("item", Some("id > 5")));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
    }

    #[test]
    fn an_outcome_stands_beside_what_was_asked() {
        let text = r#"{"ask":{"switchover":{"to":"b"}},"by":"cli","at":7,"outcome":{"state":"Accepted","at":9,"plan":{"moves":{"0":{"from":"a","to":"b"}},"lead":"b"}}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert!(!request.is_settled());
        assert_eq!(request.plan().unwrap().lead, Some("b".into()));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        let refused = r#"{"ask":"pause","outcome":{"state":"Refused","detail":"it is paused","at":9}}"#;
        let request: Request = serde_json::from_str(refused).unwrap();
        assert!(request.is_settled() && request.plan().is_none());
    }

    #[test]
    fn later_requests_sort_later() {
        let name = |at| Request::new(Ask::Pause, "cli", at).name();
        assert!(name(999) < name(1_000));
        assert_ne!(name(5), name(5));
    }
}
