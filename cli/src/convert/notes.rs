//! What needs to be said about a conversion.

use maxwell_protocol::settings::{Settings, TlsMode};

/// Notes in the order in which they came up, each once.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    pub(super) fn add(&mut self, name: &str, words: &str) {
        self.line(&format!("{name}: {words}"));
    }

    pub(super) fn line(&mut self, line: &str) {
        // A comment is one line, whatever the file holds.
        let line = line.replace(['\n', '\r'], " ");
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What the settings leave to a hand, and what is wrong with them.
    pub(super) fn on_settings(&mut self, settings: &Settings) {
        let mysql = &settings.mysql;
        if matches!(mysql.host.as_str(), "localhost" | "127.0.0.1" | "::1") {
            self.add(
                "host",
                "in a pod this is the pod itself: write the name that the source has in the network",
            );
        }
        let tls = &mysql.tls;
        if tls.ca_file.is_some() || matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity) {
            self.add(
                "ssl",
                "put the authority's certificate into a Secret as ca.crt, name it in mysql.tls.caSecretRef",
            );
        }
        if tls.certificate_file.is_some() {
            self.add(
                "ssl_cert",
                "put it into a TLS Secret and name that in mysql.tls.clientCertificateSecretRef",
            );
        }
        if settings.kafka.as_ref().is_some_and(|kafka| kafka.tls.ca_file.is_some()) {
            self.add(
                "kafka.ssl",
                "put the authority's certificate into a Secret as ca.crt, name it in kafka.tls.caSecretRef; a client's \
                 own goes into a TLS Secret, named in kafka.tls.clientCertificateSecretRef",
            );
        }
        if mysql.user.is_empty() || mysql.password.0.is_empty() {
            self.add("user, password", "are not both in the file: write them into the Secret below");
        }
        for invalid in settings.validate() {
            let said = matches!(invalid.field, "kafka" | "kafka.brokers" | "zookeeper.hosts" | "producer");
            if !said {
                self.line(&invalid.to_string());
            }
        }
    }
}
