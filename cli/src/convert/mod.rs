//! From Maxwell's `config.properties` to the resource that does the same. Pure.

mod notes;
mod print;

use anyhow::Context;
use maxwell_crds::v1alpha1::MaxwellClusterSpec;
use maxwell_protocol::options::{Draft, Http, OptionError, Options, Place, properties};
use maxwell_protocol::settings::{EncryptionMode, Kafka, Producer, Secret, Settings, Start, StartFrom};
use serde_json::{Value, json};

use notes::Notes;

/// What stands for something that the file does not say and that must be said.
const UNKNOWN_BROKERS: &str = "change-me:9092";
const UNKNOWN_ZOOKEEPER: &str = "change-me:2181";

/// What is asked for beside the file.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// The resource's name.
    pub(crate) name: Option<String>,
    /// Its namespace.
    pub(crate) namespace: Option<String>,
    /// The ZooKeeper ensemble.
    pub(crate) zookeeper: Vec<String>,
}

/// The resource and its Secret as YAML, with comments on what has no equivalent.
pub(crate) fn convert(text: &str, wishes: &Wishes) -> anyhow::Result<String> {
    let mut notes = Notes::default();
    let options = read(text, &mut notes);
    let client_id = options.settings.mysql.start.client_id.as_deref();
    let name = wishes.name.clone().unwrap_or_else(|| name(client_id.unwrap_or("maxwell")));
    let secrets = secrets(&name, &options.settings);
    let spec = spec(&options, wishes, &secrets, &mut notes);
    let spec: MaxwellClusterSpec = serde_json::from_value(spec).context("the resource's spec")?;
    notes.on_settings(&options.settings);
    print::print(&print::Documents { name: &name, wishes, spec: &spec, secrets: &secrets }, &notes)
}

/// A Secret that the resource refers to.
pub(crate) struct SecretDocument {
    name: String,
    /// Keys and values.
    data: Vec<(&'static str, String)>,
}

/// What the Secrets' names end in.
const MYSQL: &str = "mysql";
const KAFKA: &str = "kafka";
const ENCRYPTION: &str = "encryption";

/// MySQL's credentials, and those for Kafka and the key of encryption where there are any.
fn secrets(name: &str, settings: &Settings) -> Vec<SecretDocument> {
    let credentials = |of: &str, user: &str, password: &Secret| SecretDocument {
        name: format!("{name}-{of}"),
        data: vec![("username", user.to_owned()), ("password", password.0.clone())],
    };
    let mut secrets = vec![credentials(MYSQL, &settings.mysql.user, &settings.mysql.password)];
    if let Some(sasl) = settings.kafka.as_ref().and_then(|kafka| kafka.sasl.as_ref()) {
        secrets.push(credentials(KAFKA, &sasl.user, &sasl.password));
    }
    let encryption = &settings.output.encryption;
    if encryption.mode != EncryptionMode::None {
        let data = vec![("key", encryption.key.0.clone())];
        secrets.push(SecretDocument { name: format!("{name}-{ENCRYPTION}"), data });
    }
    secrets
}

/// Everything that the file says; what is refused becomes a note.
fn read(text: &str, notes: &mut Notes) -> Options {
    let mut draft = Draft::new(&Place { hostname: "maxwell", terminal: false });
    for (name, value) in properties::parse(text) {
        match name.as_str() {
            "config" | "env_config" | "env_config_prefix" | "daemon" => {}
            "producer" if !matches!(value.as_str(), "kafka" | "stdout" | "file") => notes.add(
                "producer",
                &format!("'{value}' does not exist here; a MaxwellCluster writes to Kafka, a Kafka connector goes on"),
            ),
            _ => match draft.apply(&name, &value, "in the properties file") {
                Ok(()) => {}
                Err(OptionError::Refused { name, instead }) => notes.add(&name, instead),
                Err(error) => notes.add(&name, &error.to_string()),
            },
        }
    }
    let options = draft.settle();
    for notice in &options.notices {
        notes.line(notice);
    }
    options
}

/// A name that Kubernetes takes.
fn name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(fits).take(40).collect();
    let name = name.trim_matches(|c: char| c == '-').to_owned();
    if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("maxwell-{name}") }
}

/// The settings as the resource spells them. What the resource does not know is left out by its types.
fn spec(options: &Options, wishes: &Wishes, secrets: &[SecretDocument], notes: &mut Notes) -> Value {
    let settings = &options.settings;
    let mut spec = json!({
        "mysql": settings.mysql,
        "kafka": kafka(settings, notes),
        "zookeeper": zookeeper(settings, wishes, notes),
        "failover": settings.failover,
        "mode": settings.mode,
        "standbys": settings.standbys.max(1),
        "sharding": settings.sharding,
        "rebalancing": settings.rebalancing,
        "filter": settings.filter,
        "output": settings.output,
        "bootstrap": settings.bootstrap,
        "logging": settings.logging,
    });
    for secret in secrets {
        let reference = json!({"name": secret.name});
        match secret.name.rsplit('-').next() {
            Some(MYSQL) => spec["mysql"]["credentialsSecretRef"] = reference,
            Some(KAFKA) => spec["kafka"]["sasl"]["credentialsSecretRef"] = reference,
            _ => spec["output"]["encryption"]["keySecretRef"] = reference,
        }
    }
    spec["mysql"]["start"] = json!(start(&settings.mysql.start, notes));
    if settings.port >= 1024 && settings.port != 9091 {
        spec["monitoring"] = json!({"port": settings.port});
    } else {
        notes.add("http_port", "a port from 1024 that is not 9091 is needed; 9090 is used");
    }
    if let Some(env) = environment(&options.process.http) {
        spec["podTemplate"] = json!({"spec": {"containers": [{"name": "maxwell", "env": env}]}});
    }
    spec
}

fn kafka(settings: &Settings, notes: &mut Notes) -> Value {
    if settings.producer != Producer::Kafka {
        notes.add("producer", "a MaxwellCluster writes to Kafka");
    }
    let kafka = settings.kafka.clone().map(|kafka| without_secrets(kafka, notes));
    let mut kafka = kafka.map_or_else(|| json!({}), |kafka| json!(kafka));
    if kafka["brokers"].as_array().is_none_or(Vec::is_empty) {
        notes.add("kafka.bootstrap.servers", "is not in the file: write it below");
        kafka["brokers"] = json!([UNKNOWN_BROKERS]);
    }
    kafka
}

/// A resource is read by more people than a Secret is.
fn without_secrets(mut kafka: Kafka, notes: &mut Notes) -> Kafka {
    kafka.properties.retain(|name, _| {
        let secret = ["password", "jaas", "secret", "key.pem"].iter().any(|word| name.contains(word));
        if secret {
            notes.add(
                &format!("kafka.{name}"),
                "is left out: it holds a credential; kafka.sasl and kafka.tls name the Secrets that take those",
            );
        }
        !secret
    });
    kafka
}

fn zookeeper(settings: &Settings, wishes: &Wishes, notes: &mut Notes) -> Value {
    let of_file = settings.zookeeper.as_ref().map(|zookeeper| zookeeper.hosts.clone()).unwrap_or_default();
    let hosts = if wishes.zookeeper.is_empty() { of_file } else { wishes.zookeeper.clone() };
    if hosts.is_empty() {
        notes
            .add("ha.zookeeper.hosts", "is not in the file: write the ensemble where the members meet below");
        return json!({"hosts": [UNKNOWN_ZOOKEEPER]});
    }
    json!({"hosts": hosts})
}

/// The cluster goes on where the original stopped; to begin elsewhere without a word would lose changes.
fn start(start: &Start, notes: &mut Notes) -> Start {
    match start.from {
        StartFrom::MaxwellOrLatest | StartFrom::Maxwell => {
            notes.add(
                "mysql.start",
                "takes over the original's position: stop the original first; if it never ran, leave mysql.start out",
            );
            Start { from: StartFrom::Maxwell, ..start.clone() }
        }
        _ => Start { database: None, client_id: None, host: None, port: None, ..start.clone() },
    }
}

/// What the resource does not know and the worker takes from its environment.
fn environment(http: &Http) -> Option<Vec<Value>> {
    let default = Http::default();
    let address = http.bind_address.map(|address| address.to_string());
    let pairs = [
        ("MAXWELL_HTTP_PATH_PREFIX", Some(http.path_prefix.clone()).filter(|it| *it != default.path_prefix)),
        ("MAXWELL_HTTP_DIAGNOSTIC", http.diagnostic.then(|| "true".to_owned())),
        ("MAXWELL_HTTP_CONFIG", http.config.then(|| "true".to_owned())),
        (
            "MAXWELL_METRICS_PREFIX",
            Some(http.metrics_prefix.clone()).filter(|it| *it != default.metrics_prefix),
        ),
        ("MAXWELL_HTTP_BIND_ADDRESS", address),
    ];
    let set: Vec<Value> = pairs
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| json!({"name": name, "value": value})))
        .collect();
    (!set.is_empty()).then_some(set)
}

#[cfg(test)]
mod tests;
