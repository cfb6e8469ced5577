//! The Secrets that the workers mount: where the spec names each, where its keys go, what must be in it. Pure.

use maxwell_crds::v1alpha1::{ConditionType, MaxwellClusterSpec, SecretRef};

use super::credentials::{self, ENCRYPTION, KEYS};
use super::fetch::Secrets;
use super::settings::{
    CA, CERTIFICATE, ENCRYPTION_KEY, KAFKA_CERTIFICATES, KAFKA_CREDENTIALS, KEY, MYSQL_CERTIFICATES,
    MYSQL_CREDENTIALS, ZOOKEEPER_CREDENTIALS,
};
use super::status::Problem;

/// A Secret that the workers mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The field of the spec that names it.
    pub field: &'static str,
    /// Its name.
    pub name: String,
    /// Where its keys go, below the directory of all settings.
    pub directory: &'static str,
    /// What is in it.
    pub holds: Holds,
}

/// What a Secret holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A user name and a password.
    Credentials,
    /// The key of encrypted messages.
    EncryptionKey,
    /// Certificates or their keys, in PEM.
    Certificates {
        /// The Secret's keys.
        keys: &'static [&'static str],
        /// Whether the workers read them at every connection, so that a change needs no restart.
        live: bool,
    },
}

/// Every Secret that `spec` refers to.
pub fn mounts(spec: &MaxwellClusterSpec) -> Vec<Mount> {
    let (mysql, kafka) = (&spec.mysql, &spec.kafka);
    let authority = |live| Holds::Certificates { keys: &[CA], live };
    let own = |live| Holds::Certificates { keys: &[CERTIFICATE, KEY], live };
    let sasl = kafka.sasl.as_ref().map(|sasl| &sasl.credentials_secret_ref);
    let referred: [(&'static str, Option<&SecretRef>, &'static str, Holds); 8] = [
        (
            "mysql.credentialsSecretRef.name",
            Some(&mysql.credentials_secret_ref),
            MYSQL_CREDENTIALS,
            Holds::Credentials,
        ),
        (
            "zookeeper.credentialsSecretRef.name",
            spec.zookeeper.credentials_secret_ref.as_ref(),
            ZOOKEEPER_CREDENTIALS,
            Holds::Credentials,
        ),
        ("kafka.sasl.credentialsSecretRef.name", sasl, KAFKA_CREDENTIALS, Holds::Credentials),
        (
            "output.encryption.keySecretRef.name",
            spec.output.encryption.key_secret_ref.as_ref(),
            ENCRYPTION_KEY,
            Holds::EncryptionKey,
        ),
        ("mysql.tls.caSecretRef.name", mysql.tls.ca_secret_ref.as_ref(), MYSQL_CERTIFICATES, authority(true)),
        (
            "mysql.tls.clientCertificateSecretRef.name",
            mysql.tls.client_certificate_secret_ref.as_ref(),
            MYSQL_CERTIFICATES,
            own(true),
        ),
        (
            "kafka.tls.caSecretRef.name",
            kafka.tls.ca_secret_ref.as_ref(),
            KAFKA_CERTIFICATES,
            authority(false),
        ),
        (
            "kafka.tls.clientCertificateSecretRef.name",
            kafka.tls.client_certificate_secret_ref.as_ref(),
            KAFKA_CERTIFICATES,
            own(false),
        ),
    ];
    let mount = |(field, reference, directory, holds): (_, Option<&SecretRef>, _, _)| {
        Some(Mount { field, name: reference?.name.clone(), directory, holds })
    };
    referred.into_iter().filter_map(mount).collect()
}

impl Mount {
    /// The Secret's keys that are mounted, each as a file of that name.
    pub fn keys(&self) -> &'static [&'static str] {
        match self.holds {
            Holds::Credentials => &KEYS,
            Holds::EncryptionKey => &[ENCRYPTION],
            Holds::Certificates { keys, .. } => keys,
        }
    }

    /// What of it the pods begin with, so that a change replaces them; else what is wrong with it, since pods that
    /// mount it would wait for ever.
    pub(super) fn contents(&self, secrets: &Secrets, namespace: &str) -> Result<Vec<String>, Vec<Problem>> {
        let Self { field, name, .. } = self;
        match self.holds {
            Holds::Credentials => credentials::credentials(secrets, namespace, name, field)
                .map(|found| vec![found.username, found.password])
                .map_err(|problem| vec![problem]),
            Holds::EncryptionKey => credentials::encryption_key(secrets, namespace, name)
                .map(|key| vec![key])
                .map_err(|problem| vec![problem]),
            Holds::Certificates { keys, live } => {
                let found = self.certificates(secrets, keys)?;
                Ok(if live { Vec::new() } else { found })
            }
        }
    }

    fn certificates(&self, secrets: &Secrets, keys: &[&str]) -> Result<Vec<String>, Vec<Problem>> {
        let Self { field, name, .. } = self;
        let problem = |reason, found: String| Problem {
            condition: ConditionType::ConfigValid,
            reason,
            message: format!("spec.{field}: Secret '{name}' {found}"),
        };
        let Some(data) = secrets.get(name).and_then(Option::as_ref) else {
            let found = format!("does not exist; make it with the keys {}", keys.join(", "));
            return Err(vec![problem("SecretMissing", found)]);
        };
        let absent = keys.iter().filter(|key| !data.0.contains_key(**key));
        let problems: Vec<Problem> = absent
            .map(|key| problem("SecretIncomplete", format!("has no key '{key}'; add it, in PEM")))
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let text = |key: &&str| data.0.get(*key).map(|value| String::from_utf8_lossy(&value.0).into_owned());
        Ok(keys.iter().filter_map(text).collect())
    }
}
