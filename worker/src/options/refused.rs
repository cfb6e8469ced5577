//! Options of the original that are not taken over, and what to use instead.

const OTHER_PRODUCERS: &str =
    "only the kafka and stdout producers exist; use producer=kafka and a Kafka connector";

/// Names, or prefixes ending in a star, with what to use instead.
const REFUSED: &[(&str, &str)] = &[
    ("javascript", "JavaScript filters do not exist here; use filter, and transform in the consumer"),
    ("kinesis_*", OTHER_PRODUCERS),
    ("sqs_*", OTHER_PRODUCERS),
    ("sns_*", OTHER_PRODUCERS),
    ("nats_*", OTHER_PRODUCERS),
    ("redis_*", OTHER_PRODUCERS),
    ("rabbitmq_*", OTHER_PRODUCERS),
    ("pubsub_*", OTHER_PRODUCERS),
    ("bigquery_*", OTHER_PRODUCERS),
    ("custom_producer.*", OTHER_PRODUCERS),
    ("jgroups_config", "members meet in ZooKeeper; use ha, zookeeper_hosts and zookeeper_root"),
    ("raft_member_id", "members meet in ZooKeeper; use member_id"),
    ("ignore_producer_error", "rows are never dropped"),
    ("master_recovery", "use GTIDs: gtid_mode"),
    ("daemon", "let the service manager keep the process"),
];

/// What to use instead of `name`, if it is one of them.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    REFUSED.iter().find(|(pattern, _)| matches(pattern)).map(|(_, instead)| *instead)
}
