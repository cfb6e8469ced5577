//! The API as users meet it: what is accepted, what is refused and with which words, what is filled in.

mod schema;

use maxwell_protocol::settings::Mode;
use serde_json::{Value, json};

use super::{MaxwellCluster, State};

/// The smallest manifest of the documentation.
fn smallest() -> Value {
    json!({
        "apiVersion": "maxwell-cdc.io/v1alpha1",
        "kind": "MaxwellCluster",
        "metadata": {"name": "orders"},
        "spec": {
            "mysql": {"host": "mysql.db.svc", "credentialsSecretRef": {"name": "orders-mysql"}},
            "kafka": {"brokers": ["kafka.kafka.svc:9092"], "topic": "orders"},
            "zookeeper": {"hosts": ["zk-0.zk.svc:2181", "zk-1.zk.svc:2181", "zk-2.zk.svc:2181"]}
        }
    })
}

/// The smallest manifest with `value` at a JSON pointer below `spec`; objects on the way are made.
fn with(path: &str, value: Value) -> Value {
    let mut manifest = smallest();
    let mut place = &mut manifest["spec"];
    for key in path.split('/') {
        place = &mut place[key];
    }
    *place = value;
    manifest
}

fn parse(manifest: Value) -> MaxwellCluster {
    serde_json::from_value(manifest).expect("the manifest parses")
}

/// What the rules say to a creation.
fn refusals(manifest: Value) -> String {
    parse(manifest).validate_cel().map_or_else(|errors| errors.to_string(), |()| String::new())
}

/// What the rules say to an update.
fn refusals_of_update(old: Value, new: Value) -> String {
    let (old, new) = (parse(old), parse(new));
    new.validate_cel_update(&old).map_or_else(|errors| errors.to_string(), |()| String::new())
}

#[test]
fn the_smallest_manifest_gets_its_defaults() {
    let cluster = parse(smallest());
    let spec = &cluster.spec;
    assert_eq!((spec.mode, spec.state, spec.replicas), (Mode::ActiveStandby, State::Running, 2));
    assert_eq!((spec.mysql.port, spec.mysql.heartbeat_seconds), (3306, 5));
    assert_eq!(spec.failover.session_timeout_milliseconds, 15_000);
    assert_eq!(spec.kafka.commit.interval_milliseconds, 100);
    assert_eq!(spec.monitoring.port, 9090);
    assert!(spec.pod_disruption_budget.enabled && spec.output.commit_info && !spec.unsafe_.single_replica);
    assert_eq!(refusals(smallest()), "");
}

#[test]
fn what_is_accepted() {
    let start = "mysql/start";
    for manifest in [
        with(start, json!({"from": "Position", "file": "binlog.000001", "offset": 4})),
        with(start, json!({"from": "Gtid", "set": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"})),
        with(start, json!({"from": "Earliest"})),
        with(start, json!({"from": "Timestamp", "time": "2026-09-01T10:00:00Z"})),
        with(start, json!({"from": "Maxwell", "clientId": "maxwell_1"})),
        with("replicas", json!(5)),
        with("kafka/tls", json!({"enabled": true, "caSecretRef": {"name": "ca"}})),
        with("kafka/sasl", json!({"mechanism": "ScramSha512", "credentialsSecretRef": {"name": "user"}})),
        with("sharding", json!({"shards": 6, "strategy": "PrimaryKey"}))
            .pipe(|m| m["spec"]["mode"] = json!("Sharded")),
        with("sharding", json!({"shards": 6})).pipe(|m| m["spec"]["mode"] = json!("Hybrid")),
        with("output/encryption", json!({"mode": "All", "keySecretRef": {"name": "enc"}})),
        with("output", json!({"ddl": true})),
        with("unsafe", json!({"singleReplica": true})),
        with("failover", json!({"heartbeatIntervalMilliseconds": 1000, "sessionTimeoutMilliseconds": 2000})),
        with("kafka/partitionBy", json!("Columns"))
            .pipe(|m| m["spec"]["kafka"]["partitionColumns"] = json!(["id"])),
        with("replicas", json!(1)).pipe(|m| m["spec"]["unsafe"] = json!({"singleReplica": true})),
    ] {
        assert_eq!(refusals(manifest.clone()), "", "{manifest}");
    }
}

#[test]
fn what_is_refused_and_why() {
    let start = "mysql/start";
    let mut long = smallest();
    long["metadata"]["name"] = json!("n".repeat(41));
    for (manifest, words) in [
        (long, "40 characters"),
        (with("replicas", json!(1)), "unsafe.singleReplica"),
        (with(start, json!({"from": "Position", "file": "binlog.000001"})), "needs both"),
        (with(start, json!({"from": "Latest", "offset": 4})), "belong to from: Position"),
        (with(start, json!({"from": "Gtid"})), "belongs to from: Gtid"),
        (with(start, json!({"set": "a:1"})), "belongs to from: Gtid"),
        (with(start, json!({"from": "Timestamp"})), "belongs to from: Timestamp"),
        (with(start, json!({"clientId": "maxwell_1"})), "belong to from: Maxwell"),
        (with("failover", json!({"sessionTimeoutMilliseconds": 9999})), "two heartbeatIntervalMilliseconds"),
        (with("kafka/partitionBy", json!("Columns")), "partitionColumns"),
        (
            with("kafka/partitionBy", json!("Columns")).pipe(|m| {
                m["spec"]["kafka"]["partitionColumns"] = json!(["id"]);
                m["spec"]["kafka"]["partitionByFallback"] = json!("Columns");
            }),
            "choose another",
        ),
        (with("output/encryption", json!({"mode": "Data"})), "keySecretRef"),
        (with("mode", json!("Sharded")), "need it"),
        (with("sharding", json!({"shards": 2})), "takes none"),
        (
            with("sharding", json!({"shards": 2})).pipe(|m| {
                m["spec"]["mode"] = json!("Hybrid");
                m["spec"]["standbys"] = json!(2);
            }),
            "leave no member",
        ),
        (
            with("output", json!({"ddl": true})).pipe(|m| m["spec"]["kafka"]["topic"] = json!("%{table}")),
            "ddlTopic",
        ),
        (with("kafka/commit", json!({"intervalMilliseconds": 6001})), "five times"),
        (with("monitoring", json!({"port": 9091})), "9091"),
        (with("kafka/tls", json!({"caSecretRef": {"name": "ca"}})), "enabled: true"),
    ] {
        let said = refusals(manifest.clone());
        assert!(said.contains(words), "{manifest}: '{said}' does not speak of '{words}'");
    }
}

#[test]
fn the_root_is_immutable() {
    let rooted = |root: &str| with("zookeeper/root", json!(root));
    assert_eq!(refusals_of_update(rooted("/a"), rooted("/a")), "");
    assert_eq!(refusals_of_update(smallest(), smallest()), "");
    for (old, new) in [(rooted("/a"), rooted("/b")), (rooted("/a"), smallest()), (smallest(), rooted("/b"))] {
        assert!(refusals_of_update(old, new).contains("immutable"));
    }
}

#[test]
fn rows_may_be_divided_in_another_way_but_not_begin_to_be() {
    let divided =
        |sharding: Value, mode: &str| with("sharding", sharding).pipe(|m| m["spec"]["mode"] = json!(mode));
    let old = || divided(json!({"shards": 2}), "Sharded");
    let pinned = json!({"shards": 2, "pins": [{"shard": "1", "member": "orders-0"}]});
    let by_key = json!({"shards": 3, "strategy": "PrimaryKey"});
    for new in [divided(pinned, "Hybrid"), divided(by_key, "Sharded")] {
        assert_eq!(refusals_of_update(old(), new), "");
    }
    assert!(refusals_of_update(old(), smallest()).contains("immutable"));
    assert!(refusals_of_update(smallest(), old()).contains("immutable"));
}

#[test]
fn unknown_values_are_refused_with_the_known_ones() {
    let error =
        serde_json::from_value::<MaxwellCluster>(with("mode", json!("Divided"))).expect_err("unknown");
    assert!(error.to_string().contains("ActiveStandby"), "{error}");
}

/// A change in the middle of an expression.
trait Pipe {
    fn pipe(self, change: impl FnOnce(&mut Self)) -> Self;
}

impl Pipe for Value {
    fn pipe(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
