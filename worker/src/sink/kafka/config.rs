//! Client configurations.

use maxwell_protocol::settings::{Compression, Kafka};
use rdkafka::ClientConfig;

use super::limits::Bounds;

/// What every client shares: brokers, the user's properties.
fn base(settings: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", "maxwell")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "1000");
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    config
}

/// How long the client collects rows for a batch; a commit ends it. While a batch of a partition is unanswered the next
/// one waits, and rows that are due meanwhile make the client's thread spin: see decision 0009.
const LINGER_MILLISECONDS: &str = "10";

/// Of what the client adds to a row it knows the bound only; the exact size was measured before.
const SLACK: usize = 1024;

fn producer(settings: &Kafka, bounds: Bounds) -> ClientConfig {
    let mut config = base(settings);
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
    config
}

/// The fenced producer of one shard.
pub(super) fn transactional(settings: &Kafka, bounds: Bounds, transactional_id: &str) -> ClientConfig {
    let mut config = producer(settings, bounds);
    config
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", (u64::from(settings.transaction_timeout_seconds) * 1000).to_string());
    config
}

/// The producer of rows for at-least-once delivery.
pub(super) fn idempotent(settings: &Kafka, bounds: Bounds) -> ClientConfig {
    producer(settings, bounds)
}

/// A reader of the position topic.
pub(super) fn reader(settings: &Kafka, committed_only: bool) -> ClientConfig {
    let mut config = base(settings);
    config
        .set("group.id", "maxwell-positions")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "10")
        .set("isolation.level", if committed_only { "read_committed" } else { "read_uncommitted" });
    config
}

/// For making and describing topics.
pub(super) fn admin(settings: &Kafka) -> ClientConfig {
    base(settings)
}
