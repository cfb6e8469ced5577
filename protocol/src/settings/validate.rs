//! What is wrong with settings: field, value, mend.

mod sharding;

use thiserror::Error;

use super::{EncryptionMode, Kafka, Output, PartitionBy, Producer, Settings, Start, StartFrom};
use crate::filter::Filter;
use crate::gtid::GtidSet;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: '{value}' {problem}; {mend}")]
pub struct Invalid {
    /// The field's path, for example `kafka.commit.maxBytes`.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

pub(crate) fn invalid(field: &'static str, value: impl ToString, problem: &str, mend: &str) -> Invalid {
    Invalid { field, value: value.to_string(), problem: problem.into(), mend: mend.into() }
}

/// Properties of librdkafka that the worker sets itself, because the delivery guarantee hangs on them.
const OWN_PROPERTIES: [&str; 13] = [
    "transactional.id",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "retries",
    "message.send.max.retries",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "isolation.level",
    "transaction.timeout.ms",
    "message.timeout.ms",
    "enable.gapless.guarantee",
    "delivery.report.only.error",
];

impl Start {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<Invalid> {
        match self.from {
            StartFrom::Position if self.file.as_deref().unwrap_or("").is_empty() => {
                let mend = "from: Position needs file and offset";
                Some(invalid("mysql.start.file", "", "is missing", mend))
            }
            StartFrom::Gtid => {
                let set = self.set.as_deref().unwrap_or("");
                match set.parse::<GtidSet>() {
                    Err(error) => Some(invalid(
                        "mysql.start.set",
                        set,
                        &error.to_string(),
                        "write it as the server does",
                    )),
                    Ok(_) if set.is_empty() => {
                        Some(invalid("mysql.start.set", "", "is missing", "from: Gtid needs a GTID set"))
                    }
                    Ok(_) => None,
                }
            }
            StartFrom::Timestamp => {
                let time = self.time.as_deref().unwrap_or("");
                let error = time.parse::<jiff::Timestamp>().err()?;
                let problem = format!("is not a time: {error}");
                Some(invalid("mysql.start.time", time, &problem, "write it as 2026-09-01T10:00:00Z"))
            }
            _ => None,
        }
    }
}

impl Settings {
    /// Everything that is wrong, empty when nothing is.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut found = Vec::new();
        if self.mysql.host.is_empty() {
            found.push(invalid("mysql.host", "", "is empty", "name the MySQL server"));
        }
        if let Err(error) = Filter::parse(&self.filter) {
            found.push(invalid("filter", &self.filter, &error.to_string(), "see Maxwell's filter language"));
        }
        found.extend(self.mysql.start.problem());
        self.validate_tls(&mut found);
        validate_output(&self.output, &mut found);
        match (&self.kafka, self.producer) {
            (Some(kafka), Producer::Kafka) => {
                validate_kafka(kafka, &mut found);
                validate_topics(kafka, self.output.ddl, &mut found);
            }
            (None, Producer::Kafka) => {
                found.push(invalid("kafka", "", "is missing", "name the brokers, or set producer to stdout"));
            }
            (_, Producer::Stdout | Producer::File) => {}
        }
        self.validate_coordination(&mut found);
        self.validate_bootstrap(&mut found);
        sharding::validate(self, &mut found);
        found
    }

    fn validate_bootstrap(&self, found: &mut Vec<Invalid>) {
        let is_name = |part: &str| !part.is_empty() && part.chars().count() <= 64;
        let names_one = |table: &&String| {
            table.split_once('.').is_some_and(|(database, table)| is_name(database) && is_name(table))
        };
        for table in self.bootstrap.tables.iter().filter(|table| !names_one(table)) {
            found.push(invalid("bootstrap.tables", table, "names no table", "write it as database.table"));
        }
        if self.bootstrap.chunk_rows == 0 {
            found.push(invalid(
                "bootstrap.chunkRows",
                0,
                "reads nothing",
                "set it to 1 or more, 5000 by default",
            ));
        }
    }

    fn validate_tls(&self, found: &mut Vec<Invalid>) {
        let tls = &self.mysql.tls;
        if tls.certificate_file.is_some() != tls.key_file.is_some() {
            found.push(invalid(
                "mysql.tls.certificateFile",
                tls.certificate_file.as_deref().unwrap_or(""),
                "needs mysql.tls.keyFile, and the other way round",
                "give both or none",
            ));
        }
    }

    fn validate_coordination(&self, found: &mut Vec<Invalid>) {
        let Some(zookeeper) = &self.zookeeper else { return };
        if zookeeper.hosts.is_empty() {
            found.push(invalid("zookeeper.hosts", "", "is empty", "name the ensemble's host:port"));
        }
        if !zookeeper.root.starts_with('/') || zookeeper.root.len() < 2 || zookeeper.root.contains("//") {
            found.push(invalid(
                "zookeeper.root",
                &zookeeper.root,
                "is not a root",
                "write it as /maxwell/orders",
            ));
        }
        if self.producer != Producer::Kafka {
            found.push(invalid(
                "producer",
                if self.producer == Producer::Stdout { "stdout" } else { "file" },
                "cannot be shared between members",
                "use the kafka producer, or leave zookeeper out",
            ));
        }
        let failover = &self.failover;
        if failover.session_timeout_milliseconds < 2 * failover.heartbeat_interval_milliseconds {
            found.push(invalid(
                "failover.sessionTimeoutMilliseconds",
                failover.session_timeout_milliseconds,
                "is less than two heartbeat intervals",
                "raise it or lower failover.heartbeatIntervalMilliseconds",
            ));
        }
    }
}

fn validate_kafka(kafka: &Kafka, found: &mut Vec<Invalid>) {
    if kafka.brokers.is_empty() {
        found.push(invalid("kafka.brokers", "", "is empty", "name some brokers as host:port"));
    }
    if kafka.partition_by == PartitionBy::Columns && kafka.partition_columns.is_empty() {
        found.push(invalid(
            "kafka.partitionColumns",
            "",
            "is empty",
            "partitionBy: Columns needs at least one column",
        ));
    }
    if kafka.partition_by == PartitionBy::Columns && kafka.partition_by_fallback == PartitionBy::Columns {
        found.push(invalid(
            "kafka.partitionByFallback",
            "Columns",
            "is what it stands in for",
            "choose what decides where the columns hold nothing",
        ));
    }
    let commit = &kafka.commit;
    if commit.interval_milliseconds == 0 || commit.max_bytes == 0 || commit.max_rows == 0 {
        found.push(invalid("kafka.commit", "0", "closes nothing", "every limit must be at least 1"));
    }
    let timeout = u64::from(kafka.transaction_timeout_seconds) * 1000;
    if timeout < 5 * u64::from(commit.interval_milliseconds).max(200) {
        found.push(invalid(
            "kafka.transactionTimeoutSeconds",
            kafka.transaction_timeout_seconds,
            "is too short for the commit interval",
            "it must be at least five intervals",
        ));
    }
    super::kafka_security::validate(kafka, found);
    for (name, value) in &kafka.properties {
        if OWN_PROPERTIES.contains(&name.as_str()) {
            found.push(invalid(
                "kafka.properties",
                format!("{name}={value}"),
                "would break the delivery guarantee",
                "leave it out; delivery and transactionTimeoutSeconds set it",
            ));
        }
    }
}

/// Names of topics; those with placeholders become one per table, so that only what stands outside is looked at.
fn validate_topics(kafka: &Kafka, ddl: bool, found: &mut Vec<Invalid>) {
    let named = [
        ("kafka.topic", Some(&kafka.topic), &["%{database}", "%{table}", "%{type}"][..]),
        ("kafka.ddlTopic", kafka.ddl_topic.as_ref(), &[]),
        ("kafka.deadLetterTopic", kafka.dead_letter_topic.as_ref(), &["%{database}", "%{table}"]),
    ];
    for (field, topic, placeholders) in named {
        let Some(topic) = topic else { continue };
        let rest = placeholders.iter().fold(topic.clone(), |rest, placeholder| rest.replace(placeholder, ""));
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if topic.is_empty() {
            found.push(invalid(field, "", "is empty", "name a topic"));
        } else if !rest.chars().all(legal) {
            found.push(invalid(
                field,
                topic,
                "is no topic's name",
                "letters, digits, '.', '_' and '-' are allowed, %{database}, %{table} and %{type} are replaced in \
                 topic, the first two in deadLetterTopic, none in ddlTopic",
            ));
        }
    }
    if ddl && kafka.ddl_topic.is_none() && kafka.topic.contains("%{") {
        found.push(invalid(
            "kafka.ddlTopic",
            "",
            "is missing",
            "a schema change has no topic of its own while kafka.topic holds placeholders; name one",
        ));
    }
}

fn validate_output(output: &Output, found: &mut Vec<Invalid>) {
    for pattern in &output.exclude_columns {
        if pattern.is_empty() || (pattern.starts_with('/') && (pattern.len() < 2 || !pattern.ends_with('/')))
        {
            found.push(invalid(
                "output.excludeColumns",
                pattern,
                "is neither a name nor a /regular expression/",
                "write a column's name, or an expression between slashes",
            ));
        }
    }
    let encryption = &output.encryption;
    let from_file = encryption.key_directory.is_some();
    let length = encryption.key.0.len();
    if encryption.mode != EncryptionMode::None && !from_file && !matches!(length, 16 | 24 | 32) {
        found.push(invalid(
            "output.encryption.key",
            format!("{length} bytes"),
            "is no length of an AES key",
            "give secret_key 16, 24 or 32 bytes",
        ));
    }
}
