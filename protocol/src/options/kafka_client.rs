//! `kafka.*`: properties of the original's Java client, in the words of librdkafka.

use super::Draft;
use crate::settings::{Compression, KafkaSasl, SaslMechanism};

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
    ("sasl.client.callback.handler.class", Inside),
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
    if let Some(applied) = security(draft, name, value) {
        return applied;
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

/// What says how the brokers let us in; `None` if `name` is something else.
fn security(draft: &mut Draft, name: &str, value: &str) -> Option<Result<(), String>> {
    let kafka = &mut draft.kafka;
    match name {
        "security.protocol" => {
            let (encrypted, asked) = match value.to_uppercase().as_str() {
                "PLAINTEXT" => (false, false),
                "SSL" => (true, false),
                "SASL_PLAINTEXT" => (false, true),
                "SASL_SSL" => (true, true),
                _ => return Some(Err("is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL".into())),
            };
            kafka.tls.enabled = encrypted;
            if asked {
                kafka.sasl.get_or_insert_default();
            }
        }
        "sasl.mechanism" | "sasl.mechanisms" => {
            let known = SaslMechanism::ALL.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(value));
            let Some(mechanism) = known else {
                return Some(Err("is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512".into()));
            };
            kafka.sasl.get_or_insert_default().mechanism = mechanism;
        }
        "sasl.username" => kafka.sasl.get_or_insert_default().user = value.into(),
        "sasl.password" => kafka.sasl.get_or_insert_default().password.0 = value.into(),
        "sasl.jaas.config" => return Some(jaas(kafka.sasl.get_or_insert_default(), value)),
        "ssl.ca.location" => kafka.tls.ca_file = Some(value.into()),
        "ssl.certificate.location" => kafka.tls.certificate_file = Some(value.into()),
        "ssl.key.location" => kafka.tls.key_file = Some(value.into()),
        _ => return None,
    }
    Some(Ok(()))
}

/// `…PlainLoginModule required username="a" password="b";`. What is wrong is not repeated: it holds a password.
fn jaas(sasl: &mut KafkaSasl, value: &str) -> Result<(), String> {
    let field = |name: &str| {
        let (_, rest) = value.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(text, _)| text.to_owned())
    };
    let module = value.contains("PlainLoginModule") || value.contains("ScramLoginModule");
    let (Some(user), Some(password), true) = (field("username"), field("password"), module) else {
        return Err(
            "only PlainLoginModule and ScramLoginModule with a username and a password are known".into()
        );
    };
    (sasl.user, sasl.password.0) = (user, password);
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
