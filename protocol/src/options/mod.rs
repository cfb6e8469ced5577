//! Maxwell's option names as settings: one table, which the worker reads for its command line, environment and files
//! and `maxwell-cli convert` for a `config.properties`. Pure.

mod bootstrap;
mod cluster;
mod kafka_client;
mod mysql;
mod notices;
mod process;
pub mod properties;
mod refused;
mod sharding;
mod table;

use std::path::PathBuf;

use thiserror::Error;

use crate::id::ClusterId;
use crate::settings::{
    Delivery, Kafka, LogFormat, Logging, MySql, Producer, Secret, Settings, Sharding, StartFrom, TlsMode,
    ZooKeeper,
};

pub use table::{help, is_flag};

/// Where the process runs, as far as it decides about defaults.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The host's name.
    pub hostname: &'a str,
    /// Whether a person reads standard error.
    pub terminal: bool,
}

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
    /// The cluster whose position topic is deleted, instead of streaming.
    pub forget: Option<ClusterId>,
    /// Where the position is kept without Kafka.
    pub state_file: PathBuf,
    /// Where the file producer writes.
    pub output_file: Option<PathBuf>,
    /// What the HTTP endpoint is reached by.
    pub http: Http,
}

/// The HTTP endpoint, apart from its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Address to listen on; `None` means all of them.
    pub bind_address: Option<std::net::IpAddr>,
    /// What every path begins with, `/` or `/prefix`.
    pub path_prefix: String,
    /// Whether `/diagnostic` is there.
    pub diagnostic: bool,
    /// Whether the filter may be changed through `/config`.
    pub config: bool,
    /// What the names of the original's metrics begin with.
    pub metrics_prefix: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            bind_address: None,
            path_prefix: "/".into(),
            diagnostic: false,
            config: false,
            metrics_prefix: "MaxwellMetrics".into(),
        }
    }
}

/// Everything that a worker is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The settings.
    pub settings: Settings,
    /// This process.
    pub process: Process,
    /// What was given and does nothing here, a line each.
    pub notices: Vec<String>,
}

/// Why options are refused.
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

/// The server that is read, where it is not the one that holds the original's own database.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Replication {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: Option<TlsMode>,
}

/// What the table's entries write into: options on their way to settings, the later one of a name wins.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub(crate) settings: Settings,
    pub(crate) process: Process,
    pub(crate) ha: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) root: Option<String>,
    pub(crate) kafka: Kafka,
    pub(crate) replication: Replication,
    /// Separates the state of several of the original's processes.
    pub(crate) client_id: Option<String>,
    pub(crate) cluster: Option<String>,
    pub(crate) sharding: Sharding,
    /// What `maxwell.instance.shard.*` says, by name.
    pub(crate) instances: Vec<(String, Vec<String>)>,
    /// Whether something said where to begin.
    pub(crate) start_chosen: bool,
    pub(crate) notices: Vec<String>,
}

impl Draft {
    /// The defaults of a process at `place`.
    pub fn new(place: &Place<'_>) -> Self {
        let hostname = place.hostname;
        let format = if place.terminal { LogFormat::Text } else { LogFormat::Json };
        let mysql: MySql = serde_json::from_value(serde_json::json!({"host": "localhost"}))
            .expect("every other field has a default");
        let kafka: Kafka = serde_json::from_value(serde_json::json!({"brokers": []}))
            .expect("every other field has a default");
        let mut settings: Settings = serde_json::from_value(serde_json::json!({"mysql": {"host": ""}}))
            .expect("every other field has a default");
        settings.producer = Producer::Stdout;
        settings.mysql = mysql;
        settings.logging = Logging { format, ..Logging::default() };
        let process = Process {
            member_id: hostname.into(),
            member_priority: 0,
            advertise_host: hostname.into(),
            probe_port: 9091,
            forget: None,
            state_file: "maxwell.position".into(),
            output_file: None,
            http: Http::default(),
        };
        Self {
            settings,
            process,
            ha: false,
            hosts: Vec::new(),
            root: None,
            kafka,
            replication: Replication::default(),
            client_id: None,
            cluster: None,
            sharding: Sharding::default(),
            instances: Vec::new(),
            start_chosen: false,
            notices: Vec::new(),
        }
    }

    /// Begins with a settings document instead of the defaults.
    pub fn adopt(&mut self, settings: Settings) {
        if let Some(kafka) = &settings.kafka {
            self.kafka = kafka.clone();
        }
        if let Some(zookeeper) = &settings.zookeeper {
            self.ha = true;
            self.hosts = zookeeper.hosts.clone();
            self.root = Some(zookeeper.root.clone());
        }
        self.sharding = settings.sharding.clone().unwrap_or_default();
        self.settings = settings;
        self.start_chosen = true;
    }

    /// Applies the option `name`; `origin` says where it was found.
    pub fn apply(&mut self, name: &str, value: &str, origin: &'static str) -> Result<(), OptionError> {
        table::apply(self, name, value, origin)
    }

    /// Checks the whole.
    pub fn finish(self) -> Result<Options, OptionError> {
        let options = self.settle();
        let invalid = options.settings.validate();
        if !invalid.is_empty() {
            let lines: Vec<String> = invalid.iter().map(ToString::to_string).collect();
            return Err(OptionError::Invalid(lines.join("\n")));
        }
        if options.settings.producer == Producer::File && options.process.output_file.is_none() {
            return Err(OptionError::Missing("output_file".into()));
        }
        Ok(options)
    }

    /// Puts together what several options say of one thing. Nothing is checked.
    pub fn settle(mut self) -> Options {
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
            zookeeper.hosts = std::mem::take(&mut self.hosts);
            zookeeper.root = self.root.take().unwrap_or(zookeeper.root);
            self.settings.zookeeper = Some(zookeeper);
        }
        if let Some(name) = self.cluster.take().or_else(|| self.client_id.clone()) {
            self.settings.cluster = name;
        }
        sharding::settle(&mut self);
        self.settle_start();
        self.settle_replication();
        Options { settings: self.settings, process: self.process, notices: self.notices }
    }

    /// Without a word about it, reading begins where the original would: at its stored position, if there is one.
    fn settle_start(&mut self) {
        let start = &mut self.settings.mysql.start;
        if !self.start_chosen {
            start.from = StartFrom::MaxwellOrLatest;
        }
        if matches!(start.from, StartFrom::Maxwell | StartFrom::MaxwellOrLatest) && start.client_id.is_none()
        {
            start.client_id = self.client_id.take();
        }
    }

    /// The binlog is read from `replication_host`; the original's own database is on `host`.
    fn settle_replication(&mut self) {
        let mysql = &mut self.settings.mysql;
        let replication = std::mem::take(&mut self.replication);
        if let Some(mode) = replication.tls {
            mysql.tls.mode = mode;
        }
        let Some(host) = replication.host else { return };
        mysql.start.host = Some(std::mem::replace(&mut mysql.host, host));
        mysql.start.port = Some(std::mem::replace(&mut mysql.port, replication.port.unwrap_or(3306)));
        if let Some(user) = replication.user {
            mysql.user = user;
        }
        if let Some(password) = replication.password {
            mysql.password = password;
        }
    }

    pub(crate) fn notice(&mut self, name: &str, words: &str) {
        let notice = format!("{name}: {words}");
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }
}

/// Parses `true` and `false`.
pub fn boolean(value: &str) -> Result<bool, String> {
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
