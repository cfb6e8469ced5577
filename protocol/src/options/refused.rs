//! Options of the original that are not taken over, and what to use instead.

const OTHER_PRODUCERS: &str =
    "only the kafka, stdout and file producers exist; use producer=kafka and a Kafka connector";
const MEMBERS: &str = "members meet in ZooKeeper; use ha, zookeeper_hosts, zookeeper_root and member_id";

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
    ("ddl_pubsub_topic", OTHER_PRODUCERS),
    ("bigquery_*", OTHER_PRODUCERS),
    ("custom_producer.*", OTHER_PRODUCERS),
    (
        "custom_health.*",
        "no code is loaded into the process; /readyz, /healthcheck and the metrics say how it is",
    ),
    ("jgroups_config", MEMBERS),
    ("raft_member_id", MEMBERS),
    ("replay", "the position always commits with the rows; use another cluster name with init_position"),
    ("daemon", "let the service manager keep the process"),
];

/// What to use instead of `name`, if it is one of them. What is switched off is no wish.
pub(super) fn instead(name: &str, value: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    let found = REFUSED.iter().find(|(pattern, _)| matches(pattern)).map(|(_, instead)| *instead);
    found.filter(|_| !value.eq_ignore_ascii_case("false") && !value.is_empty())
}

/// Whether `name` is an option of the original that is not taken over.
pub(super) fn is_known(name: &str) -> bool {
    instead(name, "given").is_some()
}
