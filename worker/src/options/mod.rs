//! From what was typed to settings: command line over environment over `config.properties` over the settings file
//! over the defaults. What options there are is one table, in `table`.

pub mod properties;
mod refused;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maxwell_protocol::settings::{Delivery, Kafka, LogFormat, Logging, MySql, Producer, Settings, ZooKeeper};
use thiserror::Error;

pub use table::help;

/// Prefix of the environment variables, for example `MAXWELL_MEMBER_ID`.
/// Where the process runs, as far as it decides about defaults.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The host's name.
    pub hostname: &'a str,
    /// Whether a person reads standard error.
    pub terminal: bool,
}

const ENVIRONMENT_PREFIX: &str = "MAXWELL_";

/// What concerns this process alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// This member's name.
    pub member_id: String,
    /// Its election priority; the settings' list wins.
    pub member_priority: i32,
    /// Host that peers and the operator reach it by.
    pub advertise_host: String,
    /// Port where peers hold a connection.
    pub probe_port: u16,
    /// Where the position is kept without Kafka.
    pub state_file: PathBuf,
}

/// Everything that a worker is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The settings.
    pub settings: Settings,
    /// This process.
    pub process: Process,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Run with these.
    Run(Box<Options>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Why the options are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionError {
    /// No such option.
    #[error("unknown option '{name}' ({origin}){hint}")]
    Unknown {
        /// The name.
        name: String,
        /// Where it was found.
        origin: &'static str,
        /// The nearest known one, in words; empty if none is near.
        hint: String,
    },
    /// An option of the original that is not taken over.
    #[error("option '{name}' is not supported: {instead}")]
    Refused {
        /// The name.
        name: String,
        /// What to use instead.
        instead: &'static str,
    },
    /// A value that the option cannot have.
    #[error("option '{name}': '{value}' {problem}")]
    Value {
        /// The name.
        name: String,
        /// The value; secrets are not shown.
        value: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// No value.
    #[error("option '{0}' needs a value: --{0}=VALUE")]
    Missing(String),
    /// Something that is no option.
    #[error("'{0}' is not an option; options begin with --")]
    Stray(String),
    /// A file that cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// What is wrong with the settings as a whole, a line each.
    #[error("{0}")]
    Invalid(String),
}

/// What the table's entries write into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) settings: Settings,
    pub(crate) process: Process,
    pub(crate) ha: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) root: Option<String>,
    pub(crate) kafka: Kafka,
}

impl Draft {
    fn new(place: &Place<'_>) -> Self {
        let hostname = place.hostname;
        let format = if place.terminal { LogFormat::Text } else { LogFormat::Json };
        let mysql: MySql = serde_json::from_value(serde_json::json!({"host": "localhost"}))
            .expect("every other field has a default");
        let kafka: Kafka = serde_json::from_value(serde_json::json!({"brokers": []}))
            .expect("every other field has a default");
        let settings = Settings {
            cluster: "maxwell".into(),
            producer: Producer::Stdout,
            mysql,
            kafka: None,
            zookeeper: None,
            failover: Default::default(),
            filter: String::new(),
            output: Default::default(),
            port: 9090,
            logging: Logging { format, ..Logging::default() },
        };
        let process = Process {
            member_id: hostname.into(),
            member_priority: 0,
            advertise_host: hostname.into(),
            probe_port: 9091,
            state_file: "maxwell.position".into(),
        };
        Self { settings, process, ha: false, hosts: Vec::new(), root: None, kafka }
    }

    fn load(&mut self, path: &Path) -> Result<(), OptionError> {
        let file = |reason: String| OptionError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| file(error.to_string()))?;
        let settings: Settings = serde_yaml::from_str(&text).map_err(|error| file(error.to_string()))?;
        if let Some(kafka) = &settings.kafka {
            self.kafka = kafka.clone();
        }
        if let Some(zookeeper) = &settings.zookeeper {
            self.ha = true;
            self.hosts = zookeeper.hosts.clone();
            self.root = Some(zookeeper.root.clone());
        }
        self.settings = settings;
        Ok(())
    }

    fn finish(mut self) -> Result<Options, OptionError> {
        if !self.kafka.brokers.is_empty() || self.settings.producer == Producer::Kafka {
            self.settings.kafka = Some(self.kafka.clone());
        }
        if self.ha || !self.hosts.is_empty() {
            let mut zookeeper = self.settings.zookeeper.take().unwrap_or(ZooKeeper {
                hosts: Vec::new(),
                root: "/maxwell".into(),
                user: String::new(),
                password: Default::default(),
                credentials_directory: None,
            });
            zookeeper.hosts = self.hosts;
            zookeeper.root = self.root.unwrap_or(zookeeper.root);
            self.settings.zookeeper = Some(zookeeper);
        }
        let invalid = self.settings.validate();
        if !invalid.is_empty() {
            let lines: Vec<String> = invalid.iter().map(ToString::to_string).collect();
            return Err(OptionError::Invalid(lines.join("\n")));
        }
        Ok(Options { settings: self.settings, process: self.process })
    }
}

/// Reads everything. `hostname` names the member where nothing else does.
pub fn read(
    arguments: &[String],
    environment: &BTreeMap<String, String>,
    place: &Place<'_>,
) -> Result<Asked, OptionError> {
    let typed = split(arguments)?;
    if typed.iter().any(|(name, _)| name == "help") {
        return Ok(Asked::Help);
    }
    if typed.iter().any(|(name, _)| name == "version") {
        return Ok(Asked::Version);
    }
    let of_file = |wanted: &str| {
        typed.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value))
    };
    let mut draft = Draft::new(place);
    if let Some(path) = of_file("settings") {
        draft.load(&path)?;
    }
    let config = of_file("config");
    let default = PathBuf::from("config.properties");
    if let Some(path) = config.or_else(|| default.exists().then_some(default)) {
        for (name, value) in properties::read(&path)? {
            table::apply(&mut draft, &name, &value, "in the properties file")?;
        }
    }
    for (name, value) in environment {
        let Some(name) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        match table::apply(&mut draft, &name.to_lowercase(), value, "in the environment") {
            // The environment is shared with whatever else begins with these letters.
            Err(OptionError::Unknown { .. }) => {}
            applied => applied?,
        }
    }
    for (name, value) in &typed {
        if name != "settings" && name != "config" {
            table::apply(&mut draft, name, value, "on the command line")?;
        }
    }
    draft.finish().map(|options| Asked::Run(Box::new(options)))
}

/// `--name=value`, `--name value`, and `--name` alone for what is true or false.
fn split(arguments: &[String]) -> Result<Vec<(String, String)>, OptionError> {
    let mut found = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let Some(option) = argument.strip_prefix("--").filter(|option| !option.is_empty()) else {
            return Err(OptionError::Stray(argument.clone()));
        };
        if let Some((name, value)) = option.split_once('=') {
            found.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let flag = table::is_flag(option);
        let value = match rest.peek() {
            Some(next) if flag && !matches!(next.as_str(), "true" | "false") => "true".to_owned(),
            Some(next) if flag || !next.starts_with("--") => {
                let value = (*next).clone();
                rest.next();
                value
            }
            None if flag => "true".to_owned(),
            _ => return Err(OptionError::Missing(option.to_owned())),
        };
        found.push((option.to_owned(), value));
    }
    Ok(found)
}

/// Parses `true` and `false`.
pub(crate) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_lowercase().as_str() {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("is neither true nor false".into()),
    }
}

/// Parses a delivery guarantee.
pub(crate) fn delivery(value: &str) -> Result<Delivery, String> {
    match value.to_lowercase().replace(['_', '-'], "").as_str() {
        "exactlyonce" => Ok(Delivery::ExactlyOnce),
        "atleastonce" => Ok(Delivery::AtLeastOnce),
        _ => Err("is neither ExactlyOnce nor AtLeastOnce".into()),
    }
}

#[cfg(test)]
mod tests;
