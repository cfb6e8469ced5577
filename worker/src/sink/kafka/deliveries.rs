//! What became of the records that were handed to a producer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::super::SinkError;
use super::classify;

/// Remembers why records were not delivered: the first one's reason, or a time that was refused, which fails others of its
/// batch and its transaction for reasons that tell nothing.
#[derive(Default)]
pub(super) struct Deliveries {
    failed: AtomicBool,
    why: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut known = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            if known.is_none() || is_about_time(error) {
                *known = Some(error.clone());
            }
            self.failed.store(true, Ordering::Release);
        }
    }
}

impl Deliveries {
    /// An error once a record was not delivered.
    pub(super) fn check(&self) -> Result<(), SinkError> {
        match self.failure() {
            Some(error) => Err(classify("deliver rows", &error)),
            None => Ok(()),
        }
    }

    /// Why, if one was not.
    pub(super) fn failure(&self) -> Option<KafkaError> {
        let failed = self.failed.load(Ordering::Acquire);
        failed.then(|| self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()).flatten()
    }

    /// Whether the reason is a time that was refused.
    pub(super) fn tell_of_time(&self) -> bool {
        self.failure().as_ref().is_some_and(is_about_time)
    }
}

fn is_about_time(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::InvalidTimestamp)
}
