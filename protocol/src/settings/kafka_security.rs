//! How the workers are let in by Kafka.

use serde::{Deserialize, Serialize};

use super::validate::{Invalid, invalid};
use super::{Kafka, Secret};

/// Encryption of the connections to Kafka. Certificates are always checked, and so is the broker's name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaTls {
    /// Whether to encrypt.
    #[serde(default)]
    pub enabled: bool,
    /// Certificates, in PEM, that the brokers' must be signed by; without it those of the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// This client's certificate, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// Its key, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// Who the worker is to the brokers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaSasl {
    /// How it proves that.
    #[serde(default)]
    pub mechanism: SaslMechanism,
    /// User name; a file `username` in `credentials_directory` wins.
    #[serde(default)]
    pub user: String,
    /// Password; a file `password` in `credentials_directory` wins. Never printed.
    #[serde(default, skip_serializing)]
    pub password: Secret,
    /// Directory with the files `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_directory: Option<String>,
}

/// How a client of Kafka proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SaslMechanism {
    /// By the password itself: with TLS only.
    #[default]
    Plain,
    /// By a proof made from the password, with SHA-256.
    ScramSha256,
    /// By a proof made from the password, with SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    /// Every mechanism.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// The name that Kafka uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Properties of librdkafka that `tls` and `sasl` set.
const OWN_PROPERTIES: [&str; 9] = [
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "enable.ssl.certificate.verification",
];

pub(super) fn validate(kafka: &Kafka, found: &mut Vec<Invalid>) {
    let Kafka { tls, sasl, .. } = kafka;
    if tls.certificate_file.is_some() != tls.key_file.is_some() {
        let certificate = tls.certificate_file.as_deref().unwrap_or("");
        let problem = "needs kafka.tls.keyFile, and the other way round";
        found.push(invalid("kafka.tls.certificateFile", certificate, problem, "give both or none"));
    }
    if let Some(sasl) = sasl
        && sasl.user.is_empty()
        && sasl.credentials_directory.is_none()
    {
        let mend = "name the user, or a credentialsDirectory with the files username and password";
        found.push(invalid("kafka.sasl.user", "", "is missing", mend));
    }
    if !tls.enabled && sasl.is_none() {
        return;
    }
    for name in kafka.properties.keys().filter(|name| OWN_PROPERTIES.contains(&name.as_str())) {
        let mend = "leave it out; kafka.tls and kafka.sasl set it";
        found.push(invalid("kafka.properties", name, "is said twice", mend));
    }
}
