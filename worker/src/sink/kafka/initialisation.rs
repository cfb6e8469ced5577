//! The initialisation of a producer, which fences the one before.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::runtime::Handle;

use super::classify;
use super::deliveries::Deliveries;
use super::steps::Refused;
use crate::sink::SinkError;

/// After a refusal the client rests for 500 ms, unless it is told to go on: how soon a refusal is seen. A call that is
/// repeated waits for the answer that is due, or asks again at once over the same connection.
const SLICE: Duration = Duration::from_millis(10);
const DOING: &str = "initialise the producer";

type Producer = BaseProducer<Deliveries>;

/// A producer that was asked to be initialised, and refused. It would ask again by itself: it is dropped unless it is soon
/// told to.
#[derive(Default)]
pub(super) struct Begun(Mutex<Option<Producer>>);

impl Begun {
    /// Gives the producer, or one that is made, this long to be initialised. One that hears nothing is dropped: it may have
    /// lost its way.
    pub(super) async fn go_on(
        &self,
        make: impl FnOnce() -> Result<Producer, KafkaError> + Send + 'static,
        time: Duration,
    ) -> Result<Producer, Refused> {
        let begun = self.take();
        let attempt = move || {
            let producer = match begun {
                Some(producer) => producer,
                None => make().map_err(|error| (error, None))?,
            };
            match initialise(&producer, time) {
                Ok(()) => Ok(producer),
                Err(error) => {
                    let answered = may_heal(&error) && !is_silence(&error);
                    Err((error, answered.then_some(producer)))
                }
            }
        };
        match tokio::task::spawn_blocking(attempt).await {
            Ok(Ok(producer)) => Ok(producer),
            Ok(Err((error, producer))) => {
                let answered = producer.is_some();
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = producer;
                Err(Refused { heals: may_heal(&error), answered, error: classify(DOING, &error) })
            }
            Err(error) => {
                let error = SinkError::Failed { doing: DOING, reason: error.to_string() };
                Err(Refused { heals: false, answered: false, error })
            }
        }
    }

    /// Drops it.
    pub(super) fn abandon(&self) {
        if let (Some(producer), Ok(runtime)) = (self.take(), Handle::try_current()) {
            // The client waits for its threads then.
            runtime.spawn_blocking(move || drop(producer));
        }
    }

    fn take(&self) -> Option<Producer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn initialise(producer: &Producer, time: Duration) -> Result<(), KafkaError> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match producer.init_transactions(SLICE.min(left)) {
            Err(error) if is_silence(&error) && left > SLICE => {}
            ended => return ended,
        }
    }
}

/// Whether the brokers have not answered yet.
fn is_silence(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.code() == RDKafkaErrorCode::OperationTimedOut)
}

fn may_heal(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => {
            error.is_retriable()
                || matches!(
                    error.code(),
                    RDKafkaErrorCode::OperationTimedOut
                        | RDKafkaErrorCode::MessageTimedOut
                        | RDKafkaErrorCode::RequestTimedOut
                        | RDKafkaErrorCode::ConcurrentTransactions
                )
        }
        _ => false,
    }
}
