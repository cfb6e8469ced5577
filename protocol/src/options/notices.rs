//! Options of the original that have nothing to do here: accepted, with a word on what does it instead.

const METRICS: &str = "metrics are scraped from /metrics, or from /prometheus with the original's names";

/// Names, or prefixes ending in a star, with what is said.
const NOTICES: &[(&str, &str)] = &[
    ("buffer_memory_usage", "buffers are bounded by themselves, whatever a transaction's size"),
    ("binlog_event_queue_size", "queues are bounded by themselves"),
    ("max_schemas", "no schemas are stored in MySQL"),
    ("ignore_missing_schema", "only tables that pass the filter are described"),
    ("recapture_schema", "tables are described when they are met; nothing is stored that could be stale"),
    ("ignore_producer_error", "rows are never dropped: what Kafka refuses stops the stream and is named"),
    ("master_recovery", "a fail-over is followed by GTID; see gtid_mode and failover_hosts"),
    (
        "replication_reconnection_retries",
        "MySQL is tried again for ever, at growing intervals; see ha.failover.*",
    ),
    ("schema_host", "tables are described by the server that is read"),
    ("schema_port", "tables are described by the server that is read"),
    ("schema_user", "tables are described by the server that is read"),
    ("schema_password", "tables are described by the server that is read"),
    ("schema_ssl", "tables are described by the server that is read; see ssl"),
    ("schema_jdbc_options", "tables are described by the server that is read"),
    ("kafka_version", "one client serves every broker"),
    ("producer_ack_timeout", "an unanswered Kafka transaction ends by itself; see transactionTimeoutSeconds"),
    ("http_diagnostic_timeout", "/diagnostic tells what is known and waits for nothing"),
    ("metrics_type", METRICS),
    ("metrics_slf4j_interval", METRICS),
    ("metrics_age_slo", METRICS),
    ("metrics_jvm", "there is no JVM"),
    ("metrics_datadog_*", METRICS),
    ("metrics_stackdriver_*", METRICS),
];

/// Those, and refused ones, that are true or false and may stand without a value.
const FLAGS: &[&str] = &[
    "daemon",
    "ignore_missing_schema",
    "ignore_producer_error",
    "master_recovery",
    "metrics_jvm",
    "recapture_schema",
    "replay",
];

/// Whether `name` is such a one.
pub(super) fn is_flag(name: &str) -> bool {
    FLAGS.contains(&name)
}

/// What is said about `name`, if it is one of them.
pub(super) fn about(name: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    NOTICES.iter().find(|(pattern, _)| matches(pattern)).map(|(_, words)| *words)
}
