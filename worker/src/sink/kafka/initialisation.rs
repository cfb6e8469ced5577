//! The initialisation of a producer, which fences the one before.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::classify;
use super::deliveries::Deliveries;
use super::steps::Refused;
use crate::sink::SinkError;

/// After a refusal the client rests for 500 ms, unless it is told to go on: how soon a refusal is seen. A call that is
/// repeated waits for the answer that is due, or asks again at once over the same connection. What stays silent is called
/// less and less often, as each call may look for the coordinator anew.
const SLICE: Duration = Duration::from_millis(10);
const LONGEST_SLICE: Duration = Duration::from_millis(100);
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
        // Whoever is not waited for any more shall fence nobody.
        let wanted = CancellationToken::new();
        let given_up = wanted.clone();
        let _guard = wanted.drop_guard();
        let attempt = move || {
            let producer = match begun {
                Some(producer) => producer,
                None => make().map_err(|error| (error, None))?,
            };
            match initialise(&producer, time, &given_up) {
                Ok(()) => Ok(producer),
                Err(error) => {
                    let kept = is_busy(&error).then_some(producer);
                    Err((error, kept))
                }
            }
        };
        match tokio::task::spawn_blocking(attempt).await {
            Ok(Ok(producer)) => Ok(producer),
            Ok(Err((error, producer))) => {
                let busy = producer.is_some();
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = producer;
                Err(Refused { heals: may_heal(&error), busy, error: classify(DOING, &error) })
            }
            Err(error) => {
                let error = SinkError::Failed { doing: DOING, reason: error.to_string() };
                Err(Refused { heals: false, busy: false, error })
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

fn initialise(producer: &Producer, time: Duration, given_up: &CancellationToken) -> Result<(), KafkaError> {
    let begun = Instant::now();
    loop {
        let elapsed = begun.elapsed();
        let slice = (elapsed / 4).clamp(SLICE, LONGEST_SLICE).min(time.saturating_sub(elapsed));
        match producer.init_transactions(slice) {
            Err(error)
                if may_heal(&error)
                    && !is_busy(&error)
                    && begun.elapsed() < time
                    && !given_up.is_cancelled() => {}
            ended => return ended,
        }
    }
}

/// Whether the coordinator said that it has something to end, or to load, first.
fn is_busy(error: &KafkaError) -> bool {
    let KafkaError::Transaction(error) = error else { return false };
    matches!(
        error.code(),
        RDKafkaErrorCode::ConcurrentTransactions | RDKafkaErrorCode::CoordinatorLoadInProgress
    )
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
