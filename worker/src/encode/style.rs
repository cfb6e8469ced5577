//! How messages look: the settings that decide it, with what of them is compiled.

use std::sync::Arc;

use maxwell_protocol::settings::{
    EncryptionMode, Kafka, KeyFormat, NamingStrategy, Output, PartitionBy, PartitionHash,
};
use thiserror::Error;

use super::encrypt::Cipher;
use super::key;
use crate::filter::{Expression, FilterError};

/// Why messages cannot look like that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StyleError {
    /// A pattern is no regular expression.
    #[error("output.excludeColumns: {0}")]
    ExcludeColumns(#[from] FilterError),
    /// The key cannot be one.
    #[error("output.encryption: a key of {0} bytes is none for AES; give secret_key 16, 24 or 32 bytes")]
    Key(usize),
}

/// How messages look: the part of the settings that decides it.
#[derive(Debug, Clone)]
pub struct Style {
    /// Maxwell's `output_*` options.
    pub output: Output,
    /// Form of the keys.
    pub key_format: KeyFormat,
    /// What decides the partition.
    pub partition_by: PartitionBy,
    /// Columns for [`PartitionBy::Columns`].
    pub partition_columns: Vec<String>,
    /// What decides where those hold nothing.
    pub partition_by_fallback: PartitionBy,
    /// Hash from that to the partition.
    pub partition_hash: PartitionHash,
    /// Topic, with Maxwell's placeholders.
    pub topic: String,
    /// Topic of schema changes.
    pub ddl_topic: String,
    /// Topic of what is too large, with them.
    pub dead_letter_topic: Option<String>,
    excluded: Arc<[Excluded]>,
    cipher: Option<Cipher>,
}

#[derive(Debug)]
enum Excluded {
    Name(String),
    Expression(Expression),
}

impl Style {
    /// From the settings; without Kafka its parts are the defaults. The key for encryption is expected in
    /// `output.encryption.key`.
    pub fn new(output: &Output, kafka: Option<&Kafka>) -> Result<Self, StyleError> {
        let kafka = kafka.cloned();
        let key = output.encryption.key.0.as_bytes();
        let cipher = match output.encryption.mode {
            EncryptionMode::None => None,
            _ => Some(Cipher::new(key).ok_or(StyleError::Key(key.len()))?),
        };
        Ok(Self {
            output: output.clone(),
            key_format: kafka.as_ref().map(|k| k.key_format).unwrap_or_default(),
            partition_by: kafka.as_ref().map(|k| k.partition_by).unwrap_or_default(),
            partition_by_fallback: kafka.as_ref().map(|k| k.partition_by_fallback).unwrap_or_default(),
            partition_hash: kafka.as_ref().map(|k| k.partition_hash).unwrap_or_default(),
            ddl_topic: kafka
                .as_ref()
                .map(|k| k.ddl_topic.clone().unwrap_or_else(|| k.topic.clone()))
                .unwrap_or_default(),
            partition_columns: kafka.as_ref().map(|k| k.partition_columns.clone()).unwrap_or_default(),
            dead_letter_topic: kafka.as_ref().and_then(|k| k.dead_letter_topic.clone()),
            topic: kafka.map(|k| k.topic).unwrap_or_default(),
            excluded: output.exclude_columns.iter().map(|text| excluded(text)).collect::<Result<_, _>>()?,
            cipher,
        })
    }

    /// Whether a column stays in `data` and `old`.
    pub fn shows(&self, column: &str) -> bool {
        !self.excluded.iter().any(|excluded| match excluded {
            Excluded::Name(name) => name == column,
            Excluded::Expression(expression) => expression.is_match(column),
        })
    }

    /// Whether names are camel-cased.
    pub fn camel_case(&self) -> bool {
        self.output.naming_strategy == NamingStrategy::UnderscoreToCamelCase
    }

    /// The cipher for `data` and `old`, if only they are encrypted.
    pub fn data_cipher(&self) -> Option<&Cipher> {
        self.cipher.as_ref().filter(|_| self.output.encryption.mode == EncryptionMode::Data)
    }

    /// The cipher for whole messages, if those are encrypted.
    pub fn message_cipher(&self) -> Option<&Cipher> {
        self.cipher.as_ref().filter(|_| self.output.encryption.mode == EncryptionMode::All)
    }

    /// Hash that decides the partition of a change of the schema; `table` is `None` for one of a database.
    pub fn ddl_partition_hash(&self, database: &str, table: Option<&str>) -> i32 {
        let by_table = table.filter(|_| self.partition_by == PartitionBy::Table);
        key::hash(self.partition_hash, by_table.unwrap_or(database))
    }
}

/// An exact name, or an expression for the whole of one between slashes.
fn excluded(text: &str) -> Result<Excluded, FilterError> {
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(expression) => Expression::whole(expression).map(Excluded::Expression),
        None => Ok(Excluded::Name(text.to_owned())),
    }
}

/// A topic with Maxwell's placeholders replaced. Nothing is escaped, as the original does not either.
pub fn topic(template: &str, database: &str, table: &str, kind: &str) -> String {
    let mut topic = String::with_capacity(template.len());
    let mut rest = template;
    // In one pass: a table may be named like a placeholder.
    while let Some(at) = rest.find("%{") {
        topic.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = [("%{database}", database), ("%{table}", table), ("%{type}", kind)];
        match known.iter().find(|(placeholder, _)| rest.starts_with(placeholder)) {
            Some((placeholder, value)) => {
                topic.push_str(value);
                rest = &rest[placeholder.len()..];
            }
            None => {
                topic.push_str("%{");
                rest = &rest[2..];
            }
        }
    }
    topic + rest
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::settings::{Encryption, Secret};

    use super::*;

    fn style(output: Output) -> Result<Style, StyleError> {
        Style::new(&output, None)
    }

    #[test]
    fn topics_are_filled_in_once() {
        assert_eq!(topic("cdc.%{database}.%{table}", "shop", "item", "insert"), "cdc.shop.item");
        assert_eq!(topic("%{type}-%{table}", "shop", "%{database}", "delete"), "delete-%{database}");
        assert_eq!(topic("a%{b}", "shop", "item", "insert"), "a%{b}");
        assert_eq!(topic("plain", "shop", "item", "insert"), "plain");
    }

    #[test]
    fn excluded_columns_are_names_or_whole_expressions() {
        let exclude_columns = vec!["ssn".to_owned(), "/pass.*|pin/".to_owned(), "a.b".to_owned()];
        let style = style(Output { exclude_columns, ..Output::default() }).unwrap();
        for (name, shown) in [
            ("ssn", false),
            ("ssn2", true),
            ("password", false),
            ("pin", false),
            ("pin2", true),
            ("aXb", true),
        ] {
            assert_eq!(style.shows(name), shown, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let wrong = |output| style(output).unwrap_err().to_string();
        assert!(
            wrong(Output { exclude_columns: vec!["/(/".into()], ..Output::default() })
                .contains("excludeColumns")
        );
        let encryption =
            Encryption { mode: EncryptionMode::All, key: Secret("short".into()), key_directory: None };
        assert!(wrong(Output { encryption, ..Output::default() }).contains("5 bytes"));
    }
}
