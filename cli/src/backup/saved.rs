//! What a backup holds, and whether a cluster can be brought back to it. Pure.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use maxwell_protocol::assignment::Assignment;
use maxwell_protocol::id::{ClusterId, MemberId, ShardId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::live::{LiveSettings, Tuning};
use maxwell_protocol::member::{RosterRecord, ShardState};
use maxwell_protocol::position::PositionMirror;
use maxwell_protocol::request::Ask;
use maxwell_protocol::settings::{Start, StartFrom};
use maxwell_protocol::snapshot::ClusterSnapshot;
use serde::{Deserialize, Serialize};

/// The only form so far.
const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Saved {
    version: u32,
    /// When it was made.
    pub(super) at: Timestamp,
    cluster: ClusterId,
    layout: Layout,
    live: LiveSettings,
    roster: BTreeMap<MemberId, RosterRecord>,
    assignments: BTreeMap<ShardId, Assignment>,
    /// How far each shard was.
    pub(super) positions: BTreeMap<ShardId, PositionMirror>,
}

impl Saved {
    /// What `seen` says now.
    pub(super) fn of(seen: ClusterSnapshot, at: Timestamp) -> anyhow::Result<Self> {
        Ok(Self {
            version: VERSION,
            at,
            cluster: seen.cluster.context("the cluster has no identity yet: start its workers first")?,
            layout: seen.layout,
            live: seen.live,
            roster: seen.roster,
            assignments: seen.assignments,
            positions: seen.positions,
        })
    }

    /// Reads a file's text.
    pub(super) fn read(text: &[u8]) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            version: u32,
        }
        let form: Form = serde_json::from_slice(text).context("it is no backup")?;
        ensure!(form.version == VERSION, "it is of version {}, and {VERSION} is known", form.version);
        serde_json::from_slice(text).context("it is no backup of that version")
    }

    /// Refuses a cluster that is another one, streams, or is not ahead of everything saved.
    pub(super) fn check(&self, seen: &ClusterSnapshot) -> anyhow::Result<()> {
        let cluster = seen.cluster.context("the cluster has no identity yet: start its workers, paused")?;
        ensure!(
            self.cluster == cluster,
            "it is of cluster {}, and this one is {cluster}: check --root, or --cluster and --namespace",
            self.cluster
        );
        ensure!(
            self.layout.generation == seen.layout.generation && self.layout.divides_like(&seen.layout),
            "it is of layout {} with {} shards, and the cluster's is {} with {}: rows belong to other shards now",
            self.layout.generation,
            self.layout.shards,
            seen.layout.generation,
            seen.layout.shards
        );
        let runs =
            |shard: &ShardId| seen.owner(shard).is_some_and(|(_, report)| report.state != ShardState::Paused);
        if let Some(shard) = seen.shards().find(runs).or_else(|| seen.shards().find(|_| !seen.live.paused)) {
            bail!("shard {shard} is not paused: `maxwell-cli pause` first, and `resume` behind the restore");
        }
        self.positions
            .iter()
            .try_for_each(|(shard, saved)| goes_back(shard, saved, seen.positions.get(shard)))
    }

    fn configure(&self, now: &Tuning) -> Option<Ask> {
        let saved = self.live.settings.fields();
        let unset = now.fields().into_iter().map(|(name, _)| name).filter(|name| !saved.contains_key(name));
        let differs = *now != self.live.settings;
        differs.then(|| Ask::Configure { set: self.live.settings.clone(), unset: unset.collect() })
    }

    /// What is to be asked for, in this order; positions last.
    pub(super) fn asks(&self, seen: &ClusterSnapshot) -> Vec<Ask> {
        let parked = |member: &MemberId| seen.roster.get(member).map(|now| now.parked);
        let with = |wanted: bool| {
            let differs = move |(member, entry): &(&MemberId, &RosterRecord)| {
                entry.parked == wanted && parked(member) == Some(!wanted)
            };
            self.roster.iter().filter(differs).map(|(member, _)| member.clone())
        };
        let moves = self.assignments.iter().filter(|(shard, saved)| {
            seen.members.contains_key(&saved.member)
                && seen.assignments.get(*shard).is_some_and(|now| now.member != saved.member)
        });
        let rewinds = self.positions.iter().filter(|(shard, saved)| {
            seen.positions.get(*shard).is_some_and(|now| now.place() != saved.place())
        });
        self.configure(&seen.live.settings)
            .into_iter()
            .chain(with(false).map(|member| Ask::Unpark { member }))
            .chain(moves.map(|(shard, saved)| Ask::Move { shard: shard.clone(), to: saved.member.clone() }))
            .chain(with(true).map(|member| Ask::Park { member }))
            .chain(rewinds.map(|(shard, saved)| Ask::Rewind {
                shard: shard.clone(),
                to: start(saved),
                server: Some(saved.server_id.clone()),
            }))
            .collect()
    }
}

/// Whether the shard is where it can go back from.
fn goes_back(shard: &ShardId, saved: &PositionMirror, now: Option<&PositionMirror>) -> anyhow::Result<()> {
    let now = now.with_context(|| format!("shard {shard} has no position that it could go back from"))?;
    ensure!(
        !saved.gtid_set.is_empty() || saved.server_id == now.server_id,
        "shard {shard} was saved at {}:{} of server {}, and {} is read: without GTIDs that place means nothing there",
        saved.binlog_file,
        saved.binlog_position,
        saved.server_id,
        now.server_id
    );
    ensure!(
        saved.place().comes_before(&now.place()),
        "shard {shard} is at {}:{} '{}', and the backup's {}:{} '{}' is not known to come before: changes could be left \
         out",
        now.binlog_file,
        now.binlog_position,
        now.gtid_set,
        saved.binlog_file,
        saved.binlog_position,
        saved.gtid_set
    );
    Ok(())
}

/// By GTID where there are any: another server may be read by now.
fn start(position: &PositionMirror) -> Start {
    if position.gtid_set.is_empty() {
        return Start {
            from: StartFrom::Position,
            file: Some(position.binlog_file.clone()),
            offset: Some(position.binlog_position),
            ..Start::default()
        };
    }
    Start { from: StartFrom::Gtid, set: Some(position.gtid_set.clone()), ..Start::default() }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::id::Epoch;

    use super::*;

    fn snapshot(cluster: ClusterId, offset: u64) -> ClusterSnapshot {
        let position = PositionMirror {
            binlog_file: "binlog.000007".into(),
            binlog_position: offset,
            gtid_set: String::new(),
            server_id: "a".into(),
            timestamp: 5,
            epoch: Epoch(2),
            sequence: 9,
            generation: 1,
            copies: Vec::new(),
        };
        ClusterSnapshot {
            cluster: Some(cluster),
            positions: [("0".into(), position)].into(),
            live: LiveSettings { paused: true, ..LiveSettings::default() },
            ..ClusterSnapshot::default()
        }
    }

    #[test]
    fn a_backup_is_restored_where_it_belongs_only() {
        let cluster = ClusterId::random();
        let saved = Saved::of(snapshot(cluster, 500), Timestamp::UNIX_EPOCH).unwrap();
        let saved = Saved::read(&serde_json::to_vec(&saved).unwrap()).unwrap();
        let refusal = |seen: &ClusterSnapshot| saved.check(seen).unwrap_err().to_string();
        let later = snapshot(cluster, 900);
        saved.check(&later).unwrap();
        let [Ask::Rewind { to, .. }] = &saved.asks(&later)[..] else { panic!() };
        assert_eq!((to.file.as_deref(), to.offset), (Some("binlog.000007"), Some(500)));
        assert!(refusal(&snapshot(cluster, 400)).contains("is not known to come before"));
        assert!(refusal(&snapshot(ClusterId::random(), 900)).contains("and this one is"));
        let running = ClusterSnapshot { live: LiveSettings::default(), ..snapshot(cluster, 900) };
        assert!(refusal(&running).contains("shard 0 is not paused"));
        let layout = Layout { shards: 3, ..Layout::default() };
        assert!(
            refusal(&ClusterSnapshot { layout, ..snapshot(cluster, 900) })
                .contains("of layout 1 with 1 shards")
        );
        let mut other = snapshot(cluster, 900);
        other.positions.values_mut().for_each(|position| position.server_id = "b".into());
        assert!(refusal(&other).contains("of server a, and b is read"));
        assert!(Saved::read(br#"{"version":2}"#).unwrap_err().to_string().contains("of version 2"));
    }
}
