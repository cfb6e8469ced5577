//! `kafka.*`: properties of the original's Java client, in the words of librdkafka.

use super::Draft;
use crate::settings::Compression;

/// What becomes of a property.
enum Property {
    /// It bears this name in librdkafka.
    Named(&'static str),
    /// The delivery guarantee sets it.
    Guaranteed,
    /// It concerns the Java client's inside.
    Inside,
    /// A Java thing that librdkafka has another form for.
    Foreign(&'static str),
}

use Property::{Foreign, Guaranteed, Inside, Named};

const JAVA: &[(&str, Property)] = &[
    ("acks", Guaranteed),
    ("retries", Guaranteed),
    ("enable.idempotence", Guaranteed),
    ("max.in.flight.requests.per.connection", Guaranteed),
    ("delivery.timeout.ms", Guaranteed),
    ("transactional.id", Guaranteed),
    ("transaction.timeout.ms", Guaranteed),
    ("max.request.size", Named("message.max.bytes")),
    ("send.buffer.bytes", Named("socket.send.buffer.bytes")),
    ("receive.buffer.bytes", Named("socket.receive.buffer.bytes")),
    ("buffer.memory", Inside),
    ("max.block.ms", Inside),
    ("key.serializer", Inside),
    ("value.serializer", Inside),
    ("partitioner.class", Inside),
    ("partitioner.ignore.keys", Inside),
    ("partitioner.adaptive.partitioning.enable", Inside),
    ("interceptor.classes", Inside),
    ("metric.reporters", Inside),
    ("metrics.num.samples", Inside),
    ("metrics.recording.level", Inside),
    ("metrics.sample.window.ms", Inside),
    ("security.providers", Inside),
    ("sasl.jaas.config", Foreign("use kafka.sasl.username and kafka.sasl.password")),
    ("ssl.truststore.location", Foreign("use kafka.ssl.ca.location with a PEM file")),
    ("ssl.truststore.password", Foreign("use kafka.ssl.ca.location with a PEM file")),
    ("ssl.truststore.type", Foreign("use kafka.ssl.ca.location with a PEM file")),
    ("ssl.keystore.type", Foreign("use kafka.ssl.certificate.location and kafka.ssl.key.location (PEM)")),
];

/// Applies `kafka.<name>=<value>`.
pub(super) fn apply(draft: &mut Draft, name: &str, value: &str) -> Result<(), String> {
    if name == "compression.type" {
        draft.kafka.compression = compression(value)?;
        return Ok(());
    }
    let full = format!("kafka.{name}");
    match JAVA.iter().find(|(java, _)| *java == name).map(|(_, property)| property) {
        Some(Guaranteed) => draft.notice(&full, "the delivery guarantee sets it; see delivery"),
        Some(Inside) => draft.notice(&full, "concerns the Java client, which is not used"),
        Some(Foreign(mend)) => return Err((*mend).to_owned()),
        Some(Named(own)) => {
            draft.kafka.properties.insert((*own).into(), value.into());
        }
        None => {
            draft.kafka.properties.insert(name.into(), value.into());
        }
    }
    Ok(())
}

fn compression(value: &str) -> Result<Compression, String> {
    Ok(match value.to_lowercase().as_str() {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => return Err("is none of none, gzip, snappy, lz4, zstd".into()),
    })
}
