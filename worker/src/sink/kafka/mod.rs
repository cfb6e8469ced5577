//! Kafka: rows and the shard's position in one transaction. The only module that holds its client library.
//!
//! `config` makes client configurations, `takeover` fences the owner before, `positions` makes and reads the position
//! topic, `catalog` the followed tables on it, `writer` produces and commits. A producer is crash-only: after any doubt it is dropped and a new one made.

mod catalog;
mod config;
mod positions;
mod takeover;
mod writer;

pub use takeover::KafkaSink;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::SinkError;

/// What an error of the client means for the owner.
fn classify(doing: &'static str, error: &KafkaError) -> SinkError {
    let code = match error {
        KafkaError::Transaction(error) => Some(error.code()),
        error => error.rdkafka_error_code(),
    };
    match code {
        Some(
            RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch,
        ) => SinkError::Fenced,
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => SinkError::TooLarge {
            problem: format!("{doing}: a row is larger than the topic takes ({error})"),
            mend: "raise max.message.bytes of the topic and kafka.properties message.max.bytes".into(),
        },
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed,
        ) => SinkError::Unfit {
            problem: format!("{doing}: {error}"),
            mend:
                "grant the user Write, Describe and Create on the topics and Write on its transactional ids"
                    .into(),
        },
        _ => SinkError::Failed { doing, reason: error.to_string() },
    }
}
