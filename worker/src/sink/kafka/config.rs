//! Client configurations.

use maxwell_protocol::settings::{Compression, Kafka, KafkaSasl};
use rdkafka::ClientConfig;

use super::limits::Bounds;
use crate::credentials::{Unreadable, read};
use crate::sink::SinkError;

/// What every client shares: brokers, the user's properties, what lets it in.
fn base(settings: &Kafka) -> Result<ClientConfig, SinkError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", "maxwell")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "500");
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    let_in(&mut config, settings)?;
    Ok(config)
}

/// Certificates and credentials are read when a client is made.
fn let_in(config: &mut ClientConfig, settings: &Kafka) -> Result<(), SinkError> {
    let Kafka { tls, sasl, .. } = settings;
    let protocol = match (tls.enabled, sasl.is_some()) {
        (false, false) => return Ok(()),
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if tls.enabled {
        for (property, file) in [
            ("ssl.ca.location", &tls.ca_file),
            ("ssl.certificate.location", &tls.certificate_file),
            ("ssl.key.location", &tls.key_file),
        ] {
            if let Some(file) = file {
                config.set(property, file);
            }
        }
    }
    if let Some(sasl) = sasl {
        let (user, password) = credentials(sasl)?;
        config
            .set("sasl.mechanism", sasl.mechanism.as_str())
            .set("sasl.username", user)
            .set("sasl.password", password);
    }
    Ok(())
}

fn credentials(sasl: &KafkaSasl) -> Result<(String, String), SinkError> {
    let Some(directory) = &sasl.credentials_directory else {
        return Ok((sasl.user.clone(), sasl.password.0.clone()));
    };
    read(directory).map_err(|Unreadable { path, source }| SinkError::Unfit {
        problem: format!("cannot read {path}: {source}"),
        mend: "kafka.sasl.credentialsDirectory needs the files username and password".into(),
    })
}

/// How long the client collects rows for a batch; a commit ends it. While a batch of a partition is unanswered the next
/// one waits, and rows that are due meanwhile make the client's thread spin: see decision 0009.
const LINGER_MILLISECONDS: &str = "2";

/// Of what the client adds to a row it knows the bound only; the exact size was measured before.
const SLACK: usize = 1024;

fn producer(settings: &Kafka, bounds: Bounds) -> Result<ClientConfig, SinkError> {
    let mut config = base(settings)?;
    let compression = match settings.compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    };
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", compression)
        .set("delivery.report.only.error", "true")
        .set("message.max.bytes", (bounds.row + SLACK).clamp(1000, 1_000_000_000).to_string())
        // A transaction's worth, or the largest row; beyond it the writer waits.
        .set("queue.buffering.max.kbytes", (2 * bounds.row / 1024).clamp(32_768, 2_000_000).to_string())
        .set("queue.buffering.max.messages", "200000");
    let batch = settings.properties.get("batch.size").and_then(|size| size.parse().ok());
    config.set("batch.size", batch.map_or(bounds.batch, |size: usize| size.min(bounds.batch)).to_string());
    if !settings.properties.contains_key("linger.ms") {
        config.set("linger.ms", LINGER_MILLISECONDS);
    }
    Ok(config)
}

/// The fenced producer of one shard.
pub(super) fn transactional(
    settings: &Kafka,
    bounds: Bounds,
    transactional_id: &str,
) -> Result<ClientConfig, SinkError> {
    let mut config = producer(settings, bounds)?;
    config
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", (u64::from(settings.transaction_timeout_seconds) * 1000).to_string());
    Ok(config)
}

/// The producer of rows for at-least-once delivery.
pub(super) fn idempotent(settings: &Kafka, bounds: Bounds) -> Result<ClientConfig, SinkError> {
    producer(settings, bounds)
}

/// A reader of the position topic.
pub(super) fn reader(settings: &Kafka, committed_only: bool) -> Result<ClientConfig, SinkError> {
    let mut config = base(settings)?;
    config
        .set("group.id", "maxwell-positions")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "10")
        .set("isolation.level", if committed_only { "read_committed" } else { "read_uncommitted" });
    Ok(config)
}

/// For making and describing topics.
pub(super) fn admin(settings: &Kafka) -> Result<ClientConfig, SinkError> {
    base(settings)
}
