//! The one table of options: name, kind, help and effect.

use crate::settings::{
    Compatibility, EncryptionMode, KeyFormat, NamingStrategy, PartitionBy, PartitionHash, Producer, Secret,
};

use super::{
    Draft, OptionError, boolean, bootstrap, cluster, delivery, kafka_client, mysql, notices, process,
    refused, sharding,
};

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
    ("Bootstrap", bootstrap::OPTIONS),
    ("Cluster", cluster::OPTIONS),
    ("Shards", sharding::OPTIONS),
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
        "topic of the rows, may hold %{database}, %{table} and %{type} (maxwell)",
        |d, v| put(&mut d.kafka.topic, v),
    ),
    option("ddl_kafka_topic", "TOPIC", "topic of schema changes (kafka_topic)", |d, v| {
        d.kafka.ddl_topic = named(v);
        Ok(())
    }),
    option(
        "dead_letter_topic",
        "TOPIC",
        "topic that tells of rows too large for theirs (none: such a row stops the stream)",
        |d, v| {
            d.kafka.dead_letter_topic = named(v);
            Ok(())
        },
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
        "database, table, primary_key, transaction_id, thread_id, column or random (database)",
        |d, v| {
            d.kafka.partition_by = partition_by(v)?;
            Ok(())
        },
    ),
    option("producer_partition_columns", "COLUMN,…", "columns for producer_partition_by=column", |d, v| {
        d.kafka.partition_columns = list(v);
        Ok(())
    }),
    option(
        "producer_partition_by_fallback",
        "WHAT",
        "the same, where those columns hold nothing (database)",
        |d, v| {
            d.kafka.partition_by_fallback = partition_by(v)?;
            Ok(())
        },
    ),
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
    option("output_ddl", "", "schema changes", |d, v| flag(&mut d.settings.output.ddl, v)),
    option("output_nulls", "", "columns that are NULL (true)", |d, v| flag(&mut d.settings.output.nulls, v)),
    option("output_binlog_position", "", "position", |d, v| flag(&mut d.settings.output.binlog_position, v)),
    option("output_gtid_position", "", "gtid", |d, v| flag(&mut d.settings.output.gtid, v)),
    option("output_server_id", "", "server_id", |d, v| flag(&mut d.settings.output.server_id, v)),
    option("output_thread_id", "", "thread_id", |d, v| flag(&mut d.settings.output.thread_id, v)),
    option("output_schema_id", "", "schema_id: a number of the table's definition", |d, v| {
        flag(&mut d.settings.output.schema_id, v)
    }),
    option("output_row_query", "", "query: the statement behind the row", |d, v| {
        flag(&mut d.settings.output.row_query, v)
    }),
    option("row_query_max_length", "NUMBER", "UTF-16 units that query is cut to (0: not cut)", |d, v| {
        number(&mut d.settings.output.row_query_max_length, v)
    }),
    option("output_primary_keys", "", "primary_key", |d, v| flag(&mut d.settings.output.primary_keys, v)),
    option("output_primary_key_columns", "", "primary_key_columns", |d, v| {
        flag(&mut d.settings.output.primary_key_columns, v)
    }),
    option("output_push_timestamp", "", "push_ts", |d, v| flag(&mut d.settings.output.push_timestamp, v)),
    option("output_null_zerodates", "", "NULL for zero dates", |d, v| {
        flag(&mut d.settings.output.null_zero_dates, v)
    }),
    option(
        "output_compatibility",
        "HOW",
        "Corrected, or Maxwell: its wrong values too (Corrected)",
        |d, v| {
            d.settings.output.compatibility = match v.to_lowercase().as_str() {
                "corrected" => Compatibility::Corrected,
                "maxwell" => Compatibility::Maxwell,
                _ => return Err("is neither Corrected nor Maxwell".into()),
            };
            Ok(())
        },
    ),
    option("exclude_columns", "NAME,…", "columns left out of data and old; /expressions/ too", |d, v| {
        d.settings.output.exclude_columns = list(v);
        Ok(())
    }),
    option("output_naming_strategy", "HOW", "underscore_to_camelcase (names as they are)", naming_strategy),
    option("encrypt", "WHAT", "none, data or all (none)", |d, v| {
        d.settings.output.encryption.mode = match v {
            "none" => EncryptionMode::None,
            "data" => EncryptionMode::Data,
            "all" => EncryptionMode::All,
            _ => return Err("is none of none, data, all".into()),
        };
        Ok(())
    }),
    option("secret_key", "KEY", "for encrypt, 16, 24 or 32 bytes; better in MAXWELL_SECRET_KEY", |d, v| {
        d.settings.output.encryption.key = Secret(v.into());
        Ok(())
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

fn partition_by(value: &str) -> Result<PartitionBy, String> {
    Ok(match value {
        "database" => PartitionBy::Database,
        "table" => PartitionBy::Table,
        "primary_key" => PartitionBy::PrimaryKey,
        "transaction_id" => PartitionBy::TransactionId,
        "thread_id" => PartitionBy::ThreadId,
        "column" => PartitionBy::Columns,
        "random" => PartitionBy::Random,
        _ => {
            return Err(
                "is none of database, table, primary_key, transaction_id, thread_id, column, random".into()
            );
        }
    })
}

fn naming_strategy(draft: &mut Draft, value: &str) -> Result<(), String> {
    draft.settings.output.naming_strategy = match value {
        "none" | "" => NamingStrategy::None,
        "underscore_to_camelcase" => NamingStrategy::UnderscoreToCamelCase,
        _ => return Err("is neither none nor underscore_to_camelcase".into()),
    };
    Ok(())
}

/// Nothing stands for none.
fn named(value: &str) -> Option<String> {
    Some(value.to_owned()).filter(|value| !value.is_empty())
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
    if let Some(shard) = name.strip_prefix(sharding::INSTANCE) {
        return sharding::instance(draft, shard, value).map_err(wrong);
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
