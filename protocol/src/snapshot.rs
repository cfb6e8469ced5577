//! What the tree says of a cluster at one moment: pure assembly of raw nodes, tolerant of what it cannot read.

use std::collections::BTreeMap;

use crate::assignment::Assignment;
use crate::history::History;
use crate::id::{ClusterId, MemberId, ShardId};
use crate::layout::Layout;
use crate::live::LiveSettings;
use crate::member::{LeaderRecord, MemberRecord, RosterRecord, ShardReport};
use crate::position::PositionMirror;
use crate::request::Request;

/// A cluster as its ZooKeeper tree shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterSnapshot {
    /// The cluster's identity, once it is made.
    pub cluster: Option<ClusterId>,
    /// The leader, if there is one.
    pub leader: Option<LeaderRecord>,
    /// Members with a live session.
    pub members: BTreeMap<MemberId, MemberRecord>,
    /// Members that are expected.
    pub roster: BTreeMap<MemberId, RosterRecord>,
    /// Where each shard is assigned to.
    pub assignments: BTreeMap<ShardId, Assignment>,
    /// How far each shard is.
    pub positions: BTreeMap<ShardId, PositionMirror>,
    /// What holds for the whole cluster now.
    pub live: LiveSettings,
    /// What was asked for, by the name of its node.
    pub requests: BTreeMap<String, Request>,
    /// The shard layout.
    pub layout: Layout,
    /// The last changes of owner.
    pub history: History,
}

impl ClusterSnapshot {
    /// Expected members without a live session.
    pub fn offline(&self) -> impl Iterator<Item = &MemberId> {
        self.roster.keys().filter(|id| !self.members.contains_key(id))
    }

    /// The live member that reports to own `shard`, with its report. Of several, the one with the highest epoch:
    /// that one fenced the others.
    pub fn owner(&self, shard: &ShardId) -> Option<(&MemberRecord, &ShardReport)> {
        self.members
            .values()
            .filter_map(|member| Some((member, member.shards.get(shard)?)))
            .max_by_key(|(_, report)| report.epoch)
    }

    /// The shards of the layout.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> {
        self.layout.shards().map(|(shard, _)| shard)
    }

    /// How many shards have an owner that streams, or would if it were its turn.
    pub fn streaming(&self) -> usize {
        let streams = |shard: &ShardId| self.owner(shard).is_some_and(|(_, report)| report.gets_on());
        self.shards().filter(streams).count()
    }

    /// The worst lag of any owned shard in milliseconds; `None` while nothing streams.
    pub fn lag_milliseconds(&self) -> Option<u64> {
        self.shards().filter_map(|shard| Some(self.owner(&shard)?.1.lag_milliseconds)).max()
    }
}
