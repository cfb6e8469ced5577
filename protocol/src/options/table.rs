//! The one table of options: name, kind, help and effect.

use crate::settings::{KeyFormat, PartitionBy, PartitionHash, Producer};

use super::{Draft, OptionError, boolean, cluster, delivery, kafka_client, mysql, notices, process, refused};

/// How an option is applied; an error says what is wrong with the value.
type Apply = fn(&mut Draft, &str) -> Result<(), String>;

pub(super) struct Entry {
    pub(super) name: &'static str,
    /// What stands for the value in the help; empty for what is true or false.
    value: &'static str,
    help: &'static str,
    apply: Apply,
}

pub(super) const fn option(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    apply: Apply,
) -> Entry {
    Entry { name, value, help, apply }
}

const SECTIONS: &[(&str, &[Entry])] = &[
    ("MySQL", mysql::OPTIONS),
    ("Kafka", KAFKA),
    ("Output", OUTPUT),
    ("Cluster", cluster::OPTIONS),
    ("Process", process::OPTIONS),
];

const KAFKA: &[Entry] = &[
    option("producer", "NAME", "stdout, file or kafka (stdout)", |d, v| {
        d.settings.producer = match v {
            "stdout" => Producer::Stdout,
            "file" => Producer::File,
            "kafka" => Producer::Kafka,
            _ => return Err("is not a producer; there are stdout, file and kafka".into()),
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

pub(super) fn put(field: &mut String, value: &str) -> Result<(), String> {
    value.clone_into(field);
    Ok(())
}

pub(super) fn flag(field: &mut bool, value: &str) -> Result<(), String> {
    *field = boolean(value)?;
    Ok(())
}

pub(super) fn number<T: std::str::FromStr>(field: &mut T, value: &str) -> Result<(), String> {
    *field = value.parse().map_err(|_| "is not a number that fits".to_owned())?;
    Ok(())
}

pub(super) fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
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

fn entries() -> impl Iterator<Item = &'static Entry> {
    SECTIONS.iter().flat_map(|(_, entries)| entries.iter())
}

/// Whether an option is true or false, and may stand without a value.
pub fn is_flag(name: &str) -> bool {
    matches!(name, "help" | "version")
        || notices::is_flag(name)
        || entries().any(|entry| entry.name == name && entry.value.is_empty())
}

/// Applies one option.
pub(super) fn apply(
    draft: &mut Draft,
    name: &str,
    value: &str,
    origin: &'static str,
) -> Result<(), OptionError> {
    let commented = name.starts_with("ha.") || name.starts_with("maxwell.");
    let value = if commented { without_comment(value) } else { value };
    // A dot cannot be in an environment variable's name.
    let dotted = name.replace('_', ".");
    let found =
        entries().find(|entry| entry.name == name).or_else(|| entries().find(|entry| entry.name == dotted));
    let wrong = |problem: String| {
        let secret = ["password", "secret", "jaas"].iter().any(|word| name.contains(word));
        let value = if secret { "***" } else { value };
        OptionError::Value { name: name.into(), value: value.into(), problem }
    };
    if let Some(entry) = found {
        return (entry.apply)(draft, value).map_err(wrong);
    }
    if let Some(property) = name.strip_prefix("kafka.") {
        return kafka_client::apply(draft, property, value).map_err(wrong);
    }
    if let Some(words) = notices::about(name) {
        draft.notice(name, words);
        return Ok(());
    }
    match refused::instead(name, value) {
        Some(instead) => Err(OptionError::Refused { name: name.into(), instead }),
        None if refused::is_known(name) => Ok(()),
        None => Err(OptionError::Unknown { name: name.into(), origin, hint: nearest(name) }),
    }
}

/// `15000   # a comment` is 15000, as the documented examples of these names are written.
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

/// The help text: every option that does something.
pub fn help() -> String {
    let mut text = String::from(
        "Streams the row changes of a MySQL or MariaDB binlog as Maxwell's JSON.\n\n  \
         maxwell --producer=stdout --host=127.0.0.1 --user=maxwell --password=…\n\n\
         Options come from the command line, from the environment (MAXWELL_ or --env_config_prefix, and the name),\n\
         from JSON in the variable that --env_config names, from --config FILE (Maxwell's config.properties,\n\
         ./config.properties if it is there) and from --settings FILE (YAML); the first that names one wins.\n",
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
