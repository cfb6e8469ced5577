//! `cluster/config`: what changes without a restart, and what a member says of it.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::filter::Filter;
use crate::settings::{Invalid, LogLevel, MovePolicy, Settings, invalid};

/// How many earlier versions are kept.
const KEPT: usize = 8;

/// What holds for the whole cluster now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveSettings {
    /// Grows with every change.
    #[serde(default)]
    pub version: u64,
    /// Owners keep their shards and read nothing.
    #[serde(default)]
    pub paused: bool,
    /// The settings that were changed since the members were started.
    #[serde(default, skip_serializing_if = "Tuning::is_empty")]
    pub settings: Tuning,
    /// What held before, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Version>,
}

impl LiveSettings {
    /// With other settings.
    pub fn with(self, settings: Tuning) -> Self {
        let mut earlier = self.earlier;
        earlier.push(Version { version: self.version, settings: self.settings });
        let excess = earlier.len().saturating_sub(KEPT);
        earlier.drain(..excess);
        Self { version: self.version + 1, settings, earlier, ..self }
    }

    /// What held before the last change of settings.
    pub fn before(&self) -> Tuning {
        self.earlier.last().map(|before| before.settings.clone()).unwrap_or_default()
    }
}

/// Settings that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// From this version on.
    pub version: u64,
    /// The settings.
    pub settings: Tuning,
}

/// Settings that change without a restart, by their paths in [`Settings`]; what is absent is as each member was started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tuning {
    /// Maxwell's filter language; from the next transaction on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The least level that is logged.
    #[serde(default, rename = "logging.level", skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// Rows of copies a second over all tables; 0 is no limit.
    #[serde(default, rename = "bootstrap.maxRowsPerSecond", skip_serializing_if = "Option::is_none")]
    pub max_rows_per_second: Option<u32>,
    /// A shard that is this many seconds behind its source does not keep up.
    #[serde(default, rename = "failover.maxLagSeconds", skip_serializing_if = "Option::is_none")]
    pub max_lag_seconds: Option<u32>,
    /// Whether shards are moved away from members that live.
    #[serde(default, rename = "rebalancing.policy", skip_serializing_if = "Option::is_none")]
    pub rebalancing: Option<MovePolicy>,
    /// After this long a Kafka transaction closes.
    #[serde(default, rename = "kafka.commit.intervalMilliseconds", skip_serializing_if = "Option::is_none")]
    pub commit_interval_milliseconds: Option<u32>,
}

/// The settings that there are.
pub const FIELDS: [&str; 6] = [
    "filter",
    "logging.level",
    "bootstrap.maxRowsPerSecond",
    "failover.maxLagSeconds",
    "rebalancing.policy",
    "kafka.commit.intervalMilliseconds",
];

/// The longest filter: it stands in a member's record, which it writes at every heartbeat.
const LONGEST_FILTER: usize = 65_536;
/// The longest time that a Kafka transaction may stay open: it must be over well before the broker aborts it.
const LONGEST_INTERVAL: u32 = 6_000;

impl Tuning {
    /// Those of `settings`, every one.
    pub fn of(settings: &Settings) -> Self {
        Self {
            filter: Some(settings.filter.clone()),
            log_level: Some(settings.logging.level),
            max_rows_per_second: Some(settings.bootstrap.max_rows_per_second),
            max_lag_seconds: Some(settings.failover.max_lag_seconds),
            rebalancing: Some(settings.rebalancing.policy),
            commit_interval_milliseconds: settings
                .kafka
                .as_ref()
                .map(|kafka| kafka.commit.interval_milliseconds),
        }
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts what is set into `settings`.
    pub fn put_into(&self, settings: &mut Settings) {
        put(&mut settings.filter, self.filter.clone());
        put(&mut settings.logging.level, self.log_level);
        put(&mut settings.bootstrap.max_rows_per_second, self.max_rows_per_second);
        put(&mut settings.failover.max_lag_seconds, self.max_lag_seconds);
        put(&mut settings.rebalancing.policy, self.rebalancing);
        if let Some(kafka) = &mut settings.kafka {
            put(&mut kafka.commit.interval_milliseconds, self.commit_interval_milliseconds);
        }
    }

    /// Settings by their paths, as JSON has them.
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    /// With `set` put over it and `unset` taken away.
    pub fn changed(&self, set: &Self, unset: &[String]) -> Self {
        let mut fields = self.fields();
        fields.extend(set.fields());
        fields.retain(|name, _| !unset.contains(name));
        serde_json::from_value(Value::Object(fields)).unwrap_or_default()
    }

    /// One setting, its value as text. The error names the field, the value and the mend.
    pub fn parse(field: &str, text: &str) -> Result<Self, String> {
        let known = FIELDS.join(", ");
        if !FIELDS.contains(&field) {
            return Err(format!("{field}: '{text}' cannot be set without a restart; these can: {known}"));
        }
        let read = |value: Value| {
            let fields = Map::from_iter([(field.to_owned(), value)]);
            serde_json::from_value::<Self>(Value::Object(fields))
        };
        let number = text.parse::<u64>().map_err(serde_json::Error::custom);
        let found = read(Value::from(text)).or_else(|words| {
            // What is no number is told by what words would be right, if words are.
            number.and_then(|number| read(Value::from(number))).map_err(|_| words)
        });
        let parsed = found.map_err(|error| {
            format!("{field}: '{text}' is not understood: {error}; write it as the settings do")
        })?;
        match parsed.problems().first() {
            None => Ok(parsed),
            Some(problem) => Err(problem.to_string()),
        }
    }

    /// What is wrong, as far as that can be told without a member.
    pub fn problems(&self) -> Vec<Invalid> {
        let mut found = Vec::new();
        if let Some(filter) = &self.filter {
            if let Err(error) = Filter::parse(filter) {
                found.push(invalid("filter", filter, &error.to_string(), "see Maxwell's filter language"));
            }
            if filter.len() > LONGEST_FILTER {
                let length = format!("{} bytes", filter.len());
                found.push(invalid("filter", length, "is too long", "64 KiB at the most"));
            }
        }
        if let Some(interval) = self.commit_interval_milliseconds
            && !(1..=LONGEST_INTERVAL).contains(&interval)
        {
            let field = "kafka.commit.intervalMilliseconds";
            found.push(invalid(field, interval, "closes nothing, or too late", "set it to 1 up to 6000"));
        }
        if self.max_lag_seconds == Some(0) {
            let mend = "set it to 1 or more, 300 by default";
            found.push(invalid("failover.maxLagSeconds", 0, "lets nobody keep up", mend));
        }
        found
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// What a member says of the settings that change without a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// The version of `cluster/config` that it has looked at last.
    #[serde(default)]
    pub version: u64,
    /// What it runs with.
    #[serde(default, skip_serializing_if = "Tuning::is_empty")]
    pub settings: Tuning,
    /// Why it did not take that version's settings on and keeps those before; empty if it did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_setting_is_read_or_refused_with_its_mend() {
        let set = Tuning::parse("filter", "exclude: *.*, include: shop.*").unwrap();
        let set = set.changed(&Tuning::parse("bootstrap.maxRowsPerSecond", "500").unwrap(), &[]);
        let set = set.changed(&Tuning::parse("logging.level", "Debug").unwrap(), &[]);
        assert_eq!((set.max_rows_per_second, set.log_level), (Some(500), Some(LogLevel::Debug)));
        // The empty filter lets everything pass.
        assert_eq!(Tuning::parse("filter", "").unwrap().filter.as_deref(), Some(""));
        for (field, text, words) in [
            ("filter", "exclude shop", "filter: 'exclude shop'"),
            ("logging.level", "Loud", "logging.level: 'Loud' is not understood: unknown variant"),
            ("failover.maxLagSeconds", "0", "failover.maxLagSeconds: '0' lets nobody keep up; set it to 1"),
            ("kafka.commit.intervalMilliseconds", "90000", "set it to 1 up to 6000"),
            ("bootstrap.maxRowsPerSecond", "many", "bootstrap.maxRowsPerSecond: 'many' is not understood"),
            ("mysql.host", "db", "these can: filter, logging.level"),
        ] {
            let error = Tuning::parse(field, text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let unset = set.changed(&Tuning::default(), &["filter".into(), "logging.level".into()]);
        assert_eq!(unset, Tuning { max_rows_per_second: Some(500), ..Tuning::default() });
    }

    #[test]
    fn every_field_has_a_path() {
        let text = r#"{"version":3,"paused":true}"#;
        let live: LiveSettings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&live).unwrap(), text);
        let settings = Tuning {
            filter: Some(String::new()),
            log_level: Some(LogLevel::Info),
            max_rows_per_second: Some(1),
            max_lag_seconds: Some(2),
            rebalancing: Some(MovePolicy::Manual),
            commit_interval_milliseconds: Some(3),
        };
        let named: BTreeSet<String> = settings.fields().keys().cloned().collect();
        assert_eq!(named, FIELDS.map(str::to_owned).into());
        let changed = live.with(settings.clone()).with(Tuning::default());
        assert_eq!((changed.version, changed.paused, changed.before()), (5, true, settings));
    }
}
