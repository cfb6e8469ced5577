//! The one table of options: name, kind, help and effect.

use maxwell_protocol::settings::{
    GtidUse, KeyFormat, LogFormat, LogLevel, PartitionBy, PartitionHash, Producer, Secret, Start, StartFrom,
};

use super::{Draft, OptionError, boolean, delivery, refused};

/// How an option is applied; an error says what is wrong with the value.
type Apply = fn(&mut Draft, &str) -> Result<(), String>;

struct Entry {
    name: &'static str,
    /// What stands for the value in the help; empty for what is true or false.
    value: &'static str,
    help: &'static str,
    apply: Apply,
}

const fn option(name: &'static str, value: &'static str, help: &'static str, apply: Apply) -> Entry {
    Entry { name, value, help, apply }
}

const SECTIONS: &[(&str, &[Entry])] =
    &[("MySQL", MYSQL), ("Kafka", KAFKA), ("Output", OUTPUT), ("Cluster", CLUSTER), ("Process", PROCESS)];

const MYSQL: &[Entry] = &[
    option("host", "HOST", "MySQL server (localhost)", |d, v| put(&mut d.settings.mysql.host, v)),
    option("port", "PORT", "its port (3306)", |d, v| number(&mut d.settings.mysql.port, v)),
    option("user", "USER", "user name", |d, v| put(&mut d.settings.mysql.user, v)),
    option(
        "password",
        "PASSWORD",
        "password; better in MAXWELL_PASSWORD, which the process list does not show",
        |d, v| {
            d.settings.mysql.password = Secret(v.into());
            Ok(())
        },
    ),
    option("replica_server_id", "ID", "server id of the binlog dump (derived)", |d, v| {
        number(&mut d.settings.mysql.server_id_base, v)
    }),
    option("gtid_mode", "", "require GTIDs", |d, v| {
        d.settings.mysql.gtid = if boolean(v)? { GtidUse::On } else { GtidUse::Auto };
        Ok(())
    }),
    option(
        "init_position",
        "FILE:OFFSET",
        "where to begin while no position is stored (the head)",
        init_position,
    ),
    option("filter", "RULES", "Maxwell's filter language (everything)", |d, v| {
        put(&mut d.settings.filter, v)
    }),
];

const KAFKA: &[Entry] = &[
    option("producer", "NAME", "stdout or kafka (stdout)", |d, v| {
        d.settings.producer = match v {
            "stdout" => Producer::Stdout,
            "kafka" => Producer::Kafka,
            _ => return Err("is not a producer; there are stdout and kafka".into()),
        };
        Ok(())
    }),
    option("kafka.bootstrap.servers", "HOST:PORT,…", "brokers", |d, v| {
        d.kafka.brokers = list(v);
        Ok(())
    }),
    option(
        "kafka_topic",
        "TOPIC",
        "topic of the rows, may hold %{database} and %{table} (maxwell)",
        |d, v| put(&mut d.kafka.topic, v),
    ),
    option("position_topic", "TOPIC", "compacted topic of the positions (<cluster>.positions)", |d, v| {
        d.kafka.position_topic = Some(v.into());
        Ok(())
    }),
    option("delivery", "HOW", "ExactlyOnce or AtLeastOnce (ExactlyOnce)", |d, v| {
        d.kafka.delivery = delivery(v)?;
        Ok(())
    }),
    option(
        "producer_partition_by",
        "WHAT",
        "database, table, primary_key, transaction_id, column or random (database)",
        partition_by,
    ),
    option("producer_partition_columns", "COLUMN,…", "columns for producer_partition_by=column", |d, v| {
        d.kafka.partition_columns = list(v);
        Ok(())
    }),
    option("kafka_partition_hash", "HASH", "default or murmur3 (default)", |d, v| {
        d.kafka.partition_hash = match v {
            "default" => PartitionHash::Default,
            "murmur3" => PartitionHash::Murmur3,
            _ => return Err("is neither default nor murmur3".into()),
        };
        Ok(())
    }),
    option("kafka_key_format", "FORM", "hash or array (hash)", |d, v| {
        d.kafka.key_format = match v {
            "hash" => KeyFormat::Hash,
            "array" => KeyFormat::Array,
            _ => return Err("is neither hash nor array".into()),
        };
        Ok(())
    }),
];

const OUTPUT: &[Entry] = &[
    option("output_commit_info", "", "xid and commit (true)", |d, v| {
        flag(&mut d.settings.output.commit_info, v)
    }),
    option("output_xoffset", "", "xoffset (true)", |d, v| flag(&mut d.settings.output.xoffset, v)),
    option("output_ddl", "", "changes of the schema", |d, v| flag(&mut d.settings.output.ddl, v)),
    option("output_nulls", "", "columns that are NULL (true)", |d, v| flag(&mut d.settings.output.nulls, v)),
    option("output_binlog_position", "", "position", |d, v| flag(&mut d.settings.output.binlog_position, v)),
    option("output_gtid_position", "", "gtid", |d, v| flag(&mut d.settings.output.gtid, v)),
    option("output_server_id", "", "server_id", |d, v| flag(&mut d.settings.output.server_id, v)),
    option("output_thread_id", "", "thread_id", |d, v| flag(&mut d.settings.output.thread_id, v)),
    option("output_primary_keys", "", "primary_key", |d, v| flag(&mut d.settings.output.primary_keys, v)),
    option("output_primary_key_columns", "", "primary_key_columns", |d, v| {
        flag(&mut d.settings.output.primary_key_columns, v)
    }),
    option("output_push_timestamp", "", "push_ts", |d, v| flag(&mut d.settings.output.push_timestamp, v)),
    option("output_null_zerodates", "", "NULL for zero dates", |d, v| {
        flag(&mut d.settings.output.null_zero_dates, v)
    }),
];

const CLUSTER: &[Entry] = &[
    option("ha", "", "form a cluster with other workers", |d, v| flag(&mut d.ha, v)),
    option("cluster", "NAME", "the cluster's name in logs and metrics (maxwell)", |d, v| {
        put(&mut d.settings.cluster, v)
    }),
    option("zookeeper_hosts", "HOST:PORT,…", "where the members meet", hosts),
    option("ha.zookeeper.hosts", "HOST:PORT,…", "the same", hosts),
    option("zookeeper_root", "PATH", "the cluster's node (/maxwell)", |d, v| {
        d.root = Some(v.into());
        Ok(())
    }),
    option("member_id", "NAME", "this member's name (the host's)", |d, v| put(&mut d.process.member_id, v)),
    option("member_priority", "NUMBER", "election priority, higher first (0)", |d, v| {
        number(&mut d.process.member_priority, v)
    }),
    option("advertise_host", "HOST", "host that peers reach this member by (the host's name)", |d, v| {
        put(&mut d.process.advertise_host, v)
    }),
    option("probe_port", "PORT", "port where peers hold a connection (9091)", |d, v| {
        number(&mut d.process.probe_port, v)
    }),
    option("ha.failover.enabled", "", "take over without being asked (true)", |d, v| {
        flag(&mut d.settings.failover.enabled, v)
    }),
    option("ha.heartbeat.interval", "MILLISECONDS", "between a member's heartbeats (5000)", |d, v| {
        number(&mut d.settings.failover.heartbeat_interval_milliseconds, v)
    }),
    option("ha.heartbeat.timeout", "MILLISECONDS", "ZooKeeper session timeout (15000)", |d, v| {
        number(&mut d.settings.failover.session_timeout_milliseconds, v)
    }),
    option("ha.election.timeout", "MILLISECONDS", "an election starts afresh after this (30000)", |d, v| {
        number(&mut d.settings.failover.election_timeout_milliseconds, v)
    }),
    option("ha.failover.max_retries", "NUMBER", "attempts before handing over (3)", |d, v| {
        number(&mut d.settings.failover.max_retries, v)
    }),
    option("ha.failover.retry_interval", "MILLISECONDS", "between such attempts (10000)", |d, v| {
        number(&mut d.settings.failover.retry_interval_milliseconds, v)
    }),
];

const PROCESS: &[Entry] = &[
    option("http_port", "PORT", "port of /livez, /readyz and /metrics (9090)", |d, v| {
        number(&mut d.settings.port, v)
    }),
    option("state_file", "FILE", "the position, without Kafka (./maxwell.position)", |d, v| {
        d.process.state_file = v.into();
        Ok(())
    }),
    option("log_level", "LEVEL", "error, warn, info, debug or trace (info)", log_level),
    option("log_format", "FORM", "json, or text (json; text on a terminal)", |d, v| {
        d.settings.logging.format = match v {
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            _ => return Err("is neither json nor text".into()),
        };
        Ok(())
    }),
];

fn put(field: &mut String, value: &str) -> Result<(), String> {
    value.clone_into(field);
    Ok(())
}

fn flag(field: &mut bool, value: &str) -> Result<(), String> {
    *field = boolean(value)?;
    Ok(())
}

fn number<T: std::str::FromStr>(field: &mut T, value: &str) -> Result<(), String> {
    *field = value.parse().map_err(|_| "is not a number that fits".to_owned())?;
    Ok(())
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn hosts(draft: &mut Draft, value: &str) -> Result<(), String> {
    draft.hosts = list(value);
    Ok(())
}

fn init_position(draft: &mut Draft, value: &str) -> Result<(), String> {
    let mut parts = value.split(':');
    let (file, offset) = (parts.next().unwrap_or(""), parts.next().and_then(|offset| offset.parse().ok()));
    if file.is_empty() || offset.is_none() {
        return Err("is not FILE:OFFSET".into());
    }
    draft.settings.mysql.start =
        Start { from: StartFrom::Position, file: Some(file.into()), offset, set: None };
    Ok(())
}

fn partition_by(draft: &mut Draft, value: &str) -> Result<(), String> {
    draft.kafka.partition_by = match value {
        "database" => PartitionBy::Database,
        "table" => PartitionBy::Table,
        "primary_key" => PartitionBy::PrimaryKey,
        "transaction_id" => PartitionBy::TransactionId,
        "column" => PartitionBy::Columns,
        "random" => PartitionBy::Random,
        _ => return Err("is none of database, table, primary_key, transaction_id, column, random".into()),
    };
    Ok(())
}

fn log_level(draft: &mut Draft, value: &str) -> Result<(), String> {
    draft.settings.logging.level = match value.to_lowercase().as_str() {
        "error" => LogLevel::Error,
        "warn" | "warning" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => return Err("is none of error, warn, info, debug, trace".into()),
    };
    Ok(())
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    SECTIONS.iter().flat_map(|(_, entries)| entries.iter())
}

/// Whether an option is true or false, and may stand without a value.
pub(super) fn is_flag(name: &str) -> bool {
    matches!(name, "help" | "version") || entries().any(|entry| entry.name == name && entry.value.is_empty())
}

/// Applies one option.
pub(super) fn apply(
    draft: &mut Draft,
    name: &str,
    value: &str,
    origin: &'static str,
) -> Result<(), OptionError> {
    let value = if name.starts_with("ha.") { without_comment(value) } else { value };
    // A dot cannot be in an environment variable's name.
    let dotted = name.replace('_', ".");
    let found =
        entries().find(|entry| entry.name == name).or_else(|| entries().find(|entry| entry.name == dotted));
    if let Some(entry) = found {
        let shown = if entry.name.contains("password") { "***" } else { value };
        return (entry.apply)(draft, value).map_err(|problem| OptionError::Value {
            name: name.into(),
            value: shown.into(),
            problem,
        });
    }
    if let Some(property) = name.strip_prefix("kafka.") {
        draft.kafka.properties.insert(property.into(), value.into());
        return Ok(());
    }
    match refused::instead(name) {
        Some(instead) => Err(OptionError::Refused { name: name.into(), instead }),
        None => Err(OptionError::Unknown { name: name.into(), origin, hint: nearest(name) }),
    }
}

/// `15000   # a comment` is 15000, as the documented examples of the `ha.*` names are written.
fn without_comment(value: &str) -> &str {
    value.split_once(" #").map_or(value, |(value, _)| value).trim()
}

fn nearest(name: &str) -> String {
    let best = entries().map(|entry| (distance(name, entry.name), entry.name)).min();
    match best {
        Some((distance, near)) if distance <= 3 => format!("; did you mean '{near}'?"),
        _ => "; --help lists them".into(),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The help text.
pub fn help() -> String {
    let mut text = String::from(
        "Streams the row changes of a MySQL or MariaDB binlog as Maxwell's JSON.\n\n  \
         maxwell --producer=stdout --host=127.0.0.1 --user=maxwell --password=…\n\n\
         Options come from the command line, from the environment (MAXWELL_ and the name in capitals), from\n\
         --config FILE (Maxwell's config.properties, ./config.properties if it is there) and from --settings FILE\n\
         (YAML), the first that names one wins.\n",
    );
    for (title, entries) in SECTIONS {
        text.push_str(&format!("\n{title}\n"));
        for entry in *entries {
            let typed = if entry.value.is_empty() {
                entry.name.into()
            } else {
                format!("{}={}", entry.name, entry.value)
            };
            text.push_str(&format!("  --{typed:<44} {}\n", entry.help));
        }
    }
    text.push_str("  --kafka.NAME=VALUE                             passed to the Kafka client\n");
    text
}
