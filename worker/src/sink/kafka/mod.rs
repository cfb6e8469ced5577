//! Kafka: rows and the shard's position in one transaction. The only module that holds its client library.
//!
//! `config` makes client configurations, `admin` the client for topics, `steps` is the order of a take-over, `takeover`
//! what it asks of the brokers, `initialisation` how it fences the producer before, `position_topic` makes the position
//! topic, `positions` reads it, `catalog` the followed tables on it, `forget` ends it, `limits` knows how large a row may
//! be, `refusal` why nobody is let in, `writer` produces and commits, `deliveries` knows what came of it, `flush` waits,
//! `waits` is how the client does, `ending` commits beside it, `patience` says how long, `time` which time records bear. A
//! producer is crash-only: after any doubt it is dropped and a new one made.

mod admin;
mod catalog;
mod config;
mod deliveries;
mod ending;
mod flush;
mod forget;
mod initialisation;
mod limits;
mod patience;
mod position_topic;
mod positions;
mod refusal;
pub(crate) mod steps;
mod takeover;
mod time;
mod topics;
mod waits;
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
        // Every row was measured before: the limit was another then.
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            SinkError::Bounds(format!("{doing}: a batch is larger than the topic takes by now ({error})"))
        }
        Some(RDKafkaErrorCode::InvalidTimestamp) => SinkError::Time(format!(
            "{doing}: {error}: this host's clock is ahead of the brokers' by more than the topic's \
             message.timestamp.after.max.ms; set it"
        )),
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
