use maxwell_protocol::bootstrap::CopyProgress;
use maxwell_protocol::layout::Barrier;
use maxwell_protocol::live::LiveSettings;
use maxwell_protocol::member::{LockRecord, MemberRecord, ShardReport};
use maxwell_protocol::position::Position;
use maxwell_protocol::tree::Node;

use super::*;
use crate::coordination::election::tests::member;
use crate::coordination::store::encode;

const NOW: i64 = 1_000_000;

/// A cluster of two shards that stream at `a`.
struct Cluster(Observed);

impl Cluster {
    fn new() -> Self {
        let mut observed = Observed::default();
        let record = member("a", 0, 0);
        let lock = encode(&LockRecord { id: "a".into(), incarnation: record.incarnation });
        let name = format!("{}-0000000001", record.incarnation);
        observed.members.insert("a".into(), record);
        observed.layout = Some(Layout { shards: 2, ..Layout::default() });
        for shard in ["0", "1"] {
            observed.apply("p", Node::ShardLock(shard.into(), name.clone()), Some((&lock, 0)));
            observed.positions.insert(shard.into(), mirror());
        }
        let mut cluster = Self(observed);
        cluster.all(&ShardReport { state: ShardState::Streaming, ..ShardReport::default() });
        cluster
    }

    fn report(&mut self, shard: &str) -> &mut ShardReport {
        self.0.members.get_mut(&"a".into()).unwrap().shards.get_mut(&shard.into()).unwrap()
    }

    fn all(&mut self, report: &ShardReport) {
        let shards = &mut self.0.members.get_mut(&"a".into()).unwrap().shards;
        shards.extend(["0", "1"].map(|shard| (shard.into(), report.clone())));
    }

    fn begin(&self, shards: u32) -> Result<Layout, String> {
        begin(&self.0, Mode::Sharded, &Sharding { shards, ..Sharding::default() }, NOW)
    }

    fn refusal(&self) -> String {
        self.begin(3).unwrap_err()
    }

    fn next(&self, now: i64) -> Next {
        let layout = self.0.layout.as_ref().unwrap();
        next(&self.0, layout, layout.change.as_ref().unwrap(), now)
    }

    fn change(&mut self) -> &mut Change {
        self.0.layout.as_mut().unwrap().change.as_mut().unwrap()
    }
}

fn mirror() -> PositionMirror {
    let text = r#"{"binlogFile":"binlog.000007","binlogPosition":400,"gtidSet":"","serverId":"s","timestamp":0,
        "epoch":1,"sequence":9}"#;
    serde_json::from_str(text).unwrap()
}

fn barrier(server: &str) -> Option<Barrier> {
    Some(Barrier { server: server.into(), file: "binlog.000007".into(), offset: 500 })
}

#[test]
fn a_change_goes_through_its_phases() {
    let mut cluster = Cluster::new();
    let changing = cluster.begin(3).unwrap();
    assert_eq!((changing.generation, changing.tried, changing.shards), (1, 2, 2));
    cluster.0.layout = Some(changing);
    assert_eq!(cluster.next(NOW), Next::Wait);
    cluster.all(&ShardReport { state: ShardState::Paused, stopped_for: Some(2), ..ShardReport::default() });
    cluster.report("1").stopped_for = Some(1);
    assert_eq!(cluster.next(NOW), Next::Wait, "one has stopped for another change");
    cluster.report("1").stopped_for = Some(2);
    assert_eq!(cluster.next(NOW), Next::CatchUp);

    cluster.0.layout = Some(caught_up_with(cluster.0.layout.as_ref().unwrap()));
    assert_eq!(cluster.next(NOW), Next::Wait);
    cluster.change().barrier = barrier("s");
    let seal = Seal::Layout { generation: 2 };
    cluster.all(&ShardReport { state: ShardState::Sealed, sealed: Some(seal), ..ShardReport::default() });
    assert_eq!(cluster.next(NOW), Next::Wait, "nobody has said where the next layout begins");
    cluster.change().to.begins = Some(Position::default());
    cluster.report("0").sealed = None;
    assert_eq!(cluster.next(NOW), Next::Wait);
    cluster.report("0").sealed = Some(seal);
    assert_eq!(cluster.next(NOW), Next::Flip);

    let layout = flipped(cluster.change(), None, NOW + 9);
    assert_eq!((layout.generation, layout.shards, layout.tried), (2, 3, 2));
    assert!(layout.change.is_none() && layout.begins.is_some());
    assert_eq!(layout.origin.unwrap().in_force_at, NOW + 9);
}

#[test]
fn what_cannot_end_well_is_undone() {
    let undoes = |cluster: &Cluster, now| match cluster.next(now) {
        Next::Undo(reason) => reason,
        other => panic!("not undone: {other:?}"),
    };
    let mut cluster = Cluster::new();
    cluster.0.layout = Some(cluster.begin(3).unwrap());
    assert_eq!(cluster.next(NOW + 60_000), Next::Wait);
    assert_eq!(undoes(&cluster, NOW + 60_001), "after 60 s shard 0 is Streaming at a");
    cluster.report("1").state = ShardState::Halted;
    cluster.report("1").last_error = "why".into();
    assert_eq!(undoes(&cluster, NOW), "shard 1 halts at a: why");

    cluster.report("1").state = ShardState::Paused;
    cluster.0.layout = Some(caught_up_with(cluster.0.layout.as_ref().unwrap()));
    cluster.change().barrier = barrier("t");
    assert!(undoes(&cluster, NOW).contains("server t now, not s"));
    let before = undone(cluster.0.layout.as_ref().unwrap());
    assert_eq!((before.generation, before.tried, before.shards), (1, 2, 2));
    assert!(before.change.is_none());
    assert_eq!(before.changing(&before, NOW, String::new()).tried, 3, "a generation is never used again");
}

#[test]
fn a_change_is_refused_with_a_reason() {
    let mut cluster = Cluster::new();
    assert!(cluster.begin(2).unwrap_err().contains("like that already"));
    assert!(cluster.begin(999).unwrap_err().contains("sharding.shards"));
    let sharding = Sharding { shards: 3, ..Sharding::default() };
    assert!(begin(&cluster.0, Mode::ActiveStandby, &sharding, NOW).unwrap_err().contains("one shard"));

    cluster.report("1").lag_milliseconds = 9_000;
    assert!(cluster.refusal().contains("shard 1 is 9 s behind"));
    cluster.report("1").lag_milliseconds = 0;
    cluster.report("1").state = ShardState::Retrying;
    assert!(cluster.refusal().contains("does not stream at a, it is Retrying"));
    cluster.report("1").state = ShardState::Streaming;

    let is_at = |cluster: &mut Cluster, change: &dyn Fn(&mut PositionMirror)| {
        let mut mirror = mirror();
        change(&mut mirror);
        cluster.0.positions.insert("1".into(), mirror);
        cluster.refusal()
    };
    assert!(is_at(&mut cluster, &|it| it.server_id = "t".into()).contains("reads server t"));
    assert!(is_at(&mut cluster, &|it| it.binlog_file.clear()).contains("has not told its place"));
    assert!(is_at(&mut cluster, &|it| it.generation = 3).contains("has not told its place"));
    assert!(is_at(&mut cluster, &|it| it.binlog_position = 1 << 33).contains("FLUSH BINARY LOGS"));
    let copy = CopyProgress {
        id: "1".into(),
        table: "shop.items".into(),
        state: CopyState::Copying,
        rows: 0,
        estimated_rows: 0,
    };
    assert!(is_at(&mut cluster, &|it| it.copies = vec![copy.clone()]).contains("being copied"));
    cluster.0.positions.insert("1".into(), mirror());

    cluster.0.members.insert("b".into(), MemberRecord { version: "0.0.1".into(), ..member("b", 0, 0) });
    assert!(cluster.refusal().contains("versions  and 0.0.1"));
    cluster.0.members.remove(&"b".into());
    cluster.0.live = Some((LiveSettings { paused: true, ..LiveSettings::default() }, 0));
    assert!(cluster.refusal().contains("paused"));
    cluster.0.live = None;
    cluster.0.layout = Some(cluster.begin(3).unwrap());
    assert!(cluster.refusal().contains("generation 2 is being carried out"));
}

#[test]
fn another_strategy_is_another_division() {
    let cluster = Cluster::new();
    let sharding = Sharding { shards: 2, strategy: Strategy::PrimaryKey, ..Sharding::default() };
    let changing = begin(&cluster.0, Mode::Hybrid, &sharding, NOW).unwrap();
    assert_eq!(changing.change.unwrap().to.strategy, Strategy::PrimaryKey);
}
