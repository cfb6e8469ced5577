use maxwell_protocol::assignment::{Assignment, AssignmentReason};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::live::LiveSettings;
use maxwell_protocol::member::{LockRecord, MemberRecord, MemberState, ShardReport, ShardState};
use maxwell_protocol::settings::{Mode, Sharding, Start, StartFrom, Strategy};
use maxwell_protocol::tree::Node;

use super::*;
use crate::coordination::election::tests::member;

const NOW: i64 = 1_000_000;

/// A cluster of one shard: `a` leads and owns it, `b` and `c` stand by.
struct Cluster(Observed);

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self(Observed::default());
        for id in ["a", "b", "c"] {
            let mut record = member(id, 0, 0);
            record.mysql.reachable = Some(true);
            record.kafka.reachable = Some(true);
            cluster.0.members.insert(id.into(), record);
            cluster.0.roster.insert(id.into(), RosterRecord::default());
        }
        cluster.assign("a");
        cluster.line_up("a", 1);
        cluster.streams("a");
        cluster
    }

    fn member(&mut self, id: &str) -> &mut MemberRecord {
        self.0.members.get_mut(&id.into()).unwrap()
    }

    fn assign(&mut self, id: &str) {
        let (member, reason) = (id.into(), AssignmentReason::Initial);
        let assignment = Assignment { member, leader_epoch: Epoch(1), reason, from: None, at: 0 };
        self.0.assignments.insert("0".into(), assignment);
    }

    fn line_up(&mut self, id: &str, sequence: u32) {
        let incarnation = self.0.members[&id.into()].incarnation;
        let lock = encode(&LockRecord { id: id.into(), incarnation });
        let node = Node::ShardLock("0".into(), format!("{incarnation}-{sequence:010}"));
        self.0.apply("p", node, Some((&lock, 0)));
    }

    fn leave(&mut self, id: &str, sequence: u32) {
        let incarnation = self.0.members[&id.into()].incarnation;
        self.0.apply("p", Node::ShardLock("0".into(), format!("{incarnation}-{sequence:010}")), None);
    }

    fn reports(&mut self, id: &str, state: ShardState) {
        self.member(id).shards.insert("0".into(), ShardReport { state, ..ShardReport::default() });
    }

    fn streams(&mut self, id: &str) {
        self.reports(id, ShardState::Streaming);
    }

    fn look(&self, me: &str, request: &Request, age: Duration) -> Step {
        self.look_at(me, request, (age, false))
    }

    fn look_at(&self, me: &str, request: &Request, (age, inherited): (Duration, bool)) -> Step {
        let mode = if self.0.assignments.len() == 1 { Mode::ActiveStandby } else { Mode::Sharded };
        let (me, max_lag_milliseconds) = (&me.into(), 300_000);
        let facts = Facts { observed: &self.0, me, mode, max_lag_milliseconds, now: NOW, age, inherited };
        next(&facts, request)
    }

    fn ask(&self, ask: Ask) -> Step {
        self.look("a", &Request::new(ask, "test", NOW), Duration::ZERO)
    }

    fn refusal(&self, ask: Ask) -> String {
        match self.ask(ask) {
            Step::Write(outcome, wishes) if outcome.state == Progress::Refused && wishes.is_empty() => {
                outcome.detail
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    fn accepted(&self, ask: Ask) -> (Request, Vec<Wish>) {
        match self.ask(ask.clone()) {
            Step::Write(outcome, wishes) if outcome.state == Progress::Accepted => {
                (Request { outcome: Some(outcome), ..Request::new(ask, "test", NOW) }, wishes)
            }
            other => panic!("not accepted: {other:?}"),
        }
    }
}

fn switchover(from: Option<&str>, to: Option<&str>) -> Ask {
    Ask::Switchover { from: from.map(Into::into), to: to.map(Into::into) }
}

fn settled(step: Step) -> (Progress, String, Vec<Wish>) {
    match step {
        Step::Write(outcome, wishes) => (outcome.state, outcome.detail, wishes),
        other => panic!("nothing written: {other:?}"),
    }
}

#[test]
fn clocks_of_other_hosts_count_only_for_what_was_asked_for_before_the_leader_began() {
    let cluster = Cluster::new();
    let request = Request::new(switchover(None, None), "test", NOW - 700_000);
    let outcome = |age, inherited| {
        let step = cluster.look_at("a", &request, (Duration::from_secs(age), inherited));
        settled(step).0
    };
    assert_eq!(outcome(0, true), Progress::Refused);
    assert_eq!(outcome(0, false), Progress::Accepted);
    assert_eq!(outcome(601, false), Progress::Refused);
}

#[test]
fn a_switchover_goes_through_its_steps() {
    let mut cluster = Cluster::new();
    let (request, wishes) = cluster.accepted(switchover(None, Some("c")));
    assert_eq!(wishes, [Wish::Assign("0".into(), "c".into())]);
    cluster.assign("c");
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::Wait);
    cluster.line_up("c", 2);
    assert_eq!(cluster.look("a", &request, Duration::from_secs(6)), Step::Wait, "it is in line");
    cluster.leave("a", 1);
    cluster.reports("c", ShardState::TakingOver);
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::Wait);
    cluster.streams("c");
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::GiveLead);
    assert_eq!(settled(cluster.look("c", &request, Duration::ZERO)).0, Progress::Done);
}

#[test]
fn the_fittest_is_taken_when_nobody_is_named() {
    let mut cluster = Cluster::new();
    cluster.member("c").priority = 5;
    let (request, _) = cluster.accepted(switchover(Some("a"), None));
    assert_eq!(request.plan().unwrap().lead, Some("c".into()));
    cluster.member("c").kafka.reachable = Some(false);
    let (request, _) = cluster.accepted(switchover(None, None));
    assert_eq!(request.plan().unwrap().lead, Some("b".into()));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let mut cluster = Cluster::new();
    assert_eq!(
        cluster.refusal(switchover(None, Some("x"))),
        "there is no member 'x': the members are a, b, c"
    );
    assert_eq!(cluster.refusal(switchover(None, Some("a"))), "a has it already");
    let nothing = "b owns no shard and does not lead: there is nothing to hand over";
    assert_eq!(cluster.refusal(switchover(Some("b"), Some("c"))), nothing);
    cluster.member("b").state = MemberState::Draining;
    assert_eq!(cluster.refusal(switchover(None, Some("b"))), "b is about to end");
    cluster.0.roster.insert("b".into(), RosterRecord { parked: true });
    assert_eq!(cluster.refusal(switchover(None, Some("b"))), "b is parked: unpark it first");
    cluster.member("c").mysql.reachable = None;
    let cold = "c is not warm yet: it has not reached MySQL so far";
    assert_eq!(cluster.refusal(switchover(None, Some("c"))), cold);
    cluster.member("c").mysql.reachable = Some(true);
    cluster.member("c").kafka.reachable = Some(false);
    cluster.member("c").kafka.error = "timed out".into();
    assert_eq!(cluster.refusal(switchover(None, Some("c"))), "c does not reach Kafka: timed out");
    let nobody =
        "no other member can take over: b is parked: unpark it first; c does not reach Kafka: timed out";
    assert_eq!(cluster.refusal(switchover(None, None)), nobody);
    assert_eq!(cluster.refusal(Ask::Park { member: "a".into() }), nobody);
    cluster.member("c").kafka.reachable = Some(true);
    let late = ShardReport { lag_milliseconds: 400_000, ..ShardReport::default() };
    cluster.member("c").shards.insert("7".into(), late);
    let lags = "c is 400 s behind at shard 7, and failover.maxLagSeconds is 300";
    assert_eq!(cluster.refusal(switchover(None, Some("c"))), lags);
    cluster.0.members.remove(&"c".into());
    assert_eq!(cluster.refusal(switchover(None, Some("c"))), "c is offline");
    assert_eq!(
        cluster.refusal(Ask::Move { shard: "9".into(), to: "b".into() }),
        "there is no shard '9': the shards are 0"
    );
    assert_eq!(cluster.refusal(Ask::Move { shard: "0".into(), to: "a".into() }), "shard 0 is at a already");
    assert_eq!(cluster.refusal(Ask::Resume), "it is not paused");
}

#[test]
fn a_target_that_does_not_stir_gets_nothing() {
    let mut cluster = Cluster::new();
    let (request, _) = cluster.accepted(switchover(None, Some("b")));
    cluster.assign("b");
    let (state, detail, wishes) = settled(cluster.look("a", &request, Duration::from_secs(6)));
    assert_eq!((state, detail.as_str()), (Progress::Undone, "b did not ask for shard 0 within 5 s"));
    assert_eq!(wishes, [Wish::Assign("0".into(), "a".into())]);
    cluster.0.members.remove(&"b".into());
    let (state, detail, _) = settled(cluster.look("a", &request, Duration::ZERO));
    assert_eq!((state, detail.as_str()), (Progress::Undone, "b went offline before it had shard 0"));
}

#[test]
fn a_target_that_cannot_stream_gives_back() {
    let mut cluster = Cluster::new();
    let (request, _) = cluster.accepted(switchover(None, Some("b")));
    cluster.assign("b");
    cluster.leave("a", 1);
    cluster.line_up("b", 2);
    cluster.reports("b", ShardState::Retrying);
    assert_eq!(cluster.look("a", &request, Duration::from_secs(20)), Step::Wait);
    let (state, _, wishes) = settled(cluster.look("a", &request, Duration::from_secs(31)));
    assert_eq!((state, wishes), (Progress::Undone, vec![Wish::Assign("0".into(), "a".into())]));
}

#[test]
fn a_parked_member_is_relieved_first() {
    let mut cluster = Cluster::new();
    let (request, wishes) = cluster.accepted(Ask::Park { member: "a".into() });
    assert_eq!(wishes, [Wish::Assign("0".into(), "b".into())]);
    cluster.assign("b");
    cluster.leave("a", 1);
    cluster.line_up("b", 2);
    cluster.streams("b");
    let (state, _, wishes) = settled(cluster.look("b", &request, Duration::ZERO));
    assert_eq!((state, wishes), (Progress::Done, vec![Wish::Park("a".into(), true)]));
    let (state, _, wishes) = settled(cluster.ask(Ask::Park { member: "c".into() }));
    assert_eq!((state, wishes), (Progress::Done, vec![Wish::Park("c".into(), true)]));
}

#[test]
fn a_restart_is_done_with_another_life() {
    let mut cluster = Cluster::new();
    let (request, wishes) = cluster.accepted(Ask::Restart { member: "c".into() });
    assert!(wishes.is_empty());
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::Wait);
    let incarnation = cluster.member("c").incarnation;
    cluster.0.requests.insert("r".into(), (request.clone(), 0));
    assert!(is_to_restart(&cluster.0, &"c".into(), incarnation));
    cluster.0.members.remove(&"c".into());
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::Wait);
    cluster.0.members.insert("c".into(), member("c", 0, 0));
    assert_eq!(settled(cluster.look("a", &request, Duration::ZERO)).0, Progress::Done);
    assert!(!is_to_restart(&cluster.0, &"c".into(), cluster.0.members[&"c".into()].incarnation));
}

#[test]
fn a_pause_is_done_when_every_owner_shows_it() {
    let mut cluster = Cluster::new();
    let (request, wishes) = cluster.accepted(Ask::Pause);
    assert_eq!(wishes, [Wish::Pause(true)]);
    cluster.0.live = Some((LiveSettings { version: 1, paused: true, ..LiveSettings::default() }, 1));
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::Wait);
    cluster.reports("a", ShardState::Paused);
    assert_eq!(settled(cluster.look("a", &request, Duration::ZERO)).0, Progress::Done);
    assert_eq!(cluster.refusal(Ask::Pause), "it is paused already");
}

#[test]
fn one_request_at_a_time() {
    let mut cluster = Cluster::new();
    let (begun, _) = cluster.accepted(switchover(None, Some("b")));
    let waiting = Request::new(Ask::Pause, "test", 1);
    cluster.0.requests.insert("1".into(), (waiting, 0));
    cluster.0.requests.insert("2".into(), (begun, 0));
    assert_eq!(current(&cluster.0).unwrap().0, "2");
    assert_eq!(nominee(&cluster.0), Some(&"b".into()));
}

#[test]
fn a_rewind_is_left_to_the_owner_and_holds_nothing_up() {
    let mut cluster = Cluster::new();
    let to = |from| Start { from, ..Start::default() };
    let rewind = |to| Ask::Rewind { shard: "0".into(), to, server: None };
    assert!(cluster.refusal(rewind(to(StartFrom::Latest))).contains("no earlier position"));
    assert!(cluster.refusal(rewind(to(StartFrom::Gtid))).contains("mysql.start.set: '' is missing"));
    let elsewhere = Ask::Rewind { shard: "9".into(), to: to(StartFrom::Earliest), server: None };
    assert!(cluster.refusal(elsewhere).contains("there is no shard '9'"));
    let (request, wishes) = cluster.accepted(rewind(to(StartFrom::Earliest)));
    assert!(wishes.is_empty());
    assert_eq!(cluster.look("a", &request, Duration::from_secs(60)), Step::Wait);
    cluster.0.requests.insert("1".into(), (request, 1));
    assert!(cluster.refusal(rewind(to(StartFrom::Earliest))).contains("being rewound already"));
    cluster.0.requests.insert("2".into(), (Request::new(Ask::Pause, "test", NOW), 0));
    assert_eq!(current(&cluster.0).unwrap().0, "2");
    cluster.leave("a", 1);
    assert_eq!(cluster.refusal(rewind(to(StartFrom::Earliest))), "nobody owns shard 0");
}

#[test]
fn who_waits_for_its_turn_is_well_and_goes_nowhere_back() {
    let mut cluster = Cluster::new();
    let (time_window_seconds, strategy) = (Some(60), Strategy::Time);
    cluster.0.layout = Some(Layout { strategy, time_window_seconds, ..Layout::default() });
    let rewind = Ask::Rewind {
        shard: "0".into(),
        to: Start { from: StartFrom::Earliest, ..Start::default() },
        server: None,
    };
    assert!(cluster.refusal(rewind).contains("one alone cannot go back"));
    let (request, _) = cluster.accepted(switchover(None, Some("c")));
    cluster.assign("c");
    cluster.leave("a", 1);
    cluster.line_up("c", 2);
    assert_eq!(cluster.look("c", &request, Duration::ZERO), Step::Wait);
    cluster.reports("c", ShardState::Sealed);
    assert_eq!(settled(cluster.look("c", &request, Duration::ZERO)).0, Progress::Done);
}

#[test]
fn settings_are_taken_back_if_a_member_refuses_them() {
    let mut cluster = Cluster::new();
    cluster.0.live = Some((LiveSettings { version: 4, ..LiveSettings::default() }, 1));
    let set = |filter: &str| Tuning { filter: Some(filter.into()), ..Tuning::default() };
    let ask = |filter: &str| Ask::Configure { set: set(filter), unset: Vec::new() };
    assert!(cluster.refusal(ask("exclude shop")).contains("see Maxwell's filter language"));
    let unset = Ask::Configure { set: Tuning::default(), unset: vec!["mysql.host".into()] };
    assert!(cluster.refusal(unset).contains("these can: filter"));
    let (request, wishes) = cluster.accepted(ask("exclude: a.*"));
    assert_eq!(wishes, [Wish::Configure(set("exclude: a.*"))]);
    let (live, _) = cluster.0.live.clone().unwrap();
    cluster.0.live = Some((live.with(set("exclude: a.*")), 2));
    assert_eq!(cluster.look("a", &request, Duration::ZERO), Step::Wait);
    for id in ["a", "b", "c"] {
        cluster.member(id).settings.version = 5;
    }
    let Step::Write(done, _) = cluster.look("a", &request, Duration::ZERO) else { panic!() };
    assert_eq!(done.state, Progress::Done);
    cluster.member("b").settings.refused = "filter: no".into();
    let Step::Write(undone, wishes) = cluster.look("a", &request, Duration::ZERO) else { panic!() };
    assert_eq!((undone.state, undone.detail.as_str()), (Progress::Undone, "b refuses: filter: no"));
    assert_eq!(wishes, [Wish::Configure(Tuning::default())]);
}

#[test]
fn a_division_is_begun_here_and_decided_elsewhere() {
    let mut cluster = Cluster::new();
    cluster.assign("a");
    let other = cluster.0.assignments[&"0".into()].clone();
    cluster.0.assignments.insert("1".into(), other);
    cluster.0.layout = Some(Layout::default());
    let mirror = r#"{"binlogFile":"binlog.000007","binlogPosition":400,"gtidSet":"","serverId":"s","timestamp":0,
        "epoch":1,"sequence":9}"#;
    cluster.0.positions.insert("0".into(), serde_json::from_str(mirror).unwrap());
    let ask = Ask::Divide { sharding: Box::new(Sharding { shards: 3, ..Sharding::default() }) };
    let (request, wishes) = cluster.accepted(ask);
    let [Wish::Divide(changing)] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(request.plan().unwrap().generation, Some(2));
    let look = |cluster: &Cluster| cluster.look("a", &request, Duration::ZERO);
    assert_eq!(look(&cluster), Step::Wait, "the change is not observed yet");
    cluster.0.layout = Some((**changing).clone());
    assert_eq!(look(&cluster), Step::Wait);
    cluster.0.layout = Some(Layout { change: None, ..(**changing).clone() });
    assert_eq!(settled(look(&cluster)).0, Progress::Undone);
    cluster.0.layout = changing.change.as_ref().map(|change| (*change.to).clone());
    assert_eq!(settled(look(&cluster)).0, Progress::Done);
}
