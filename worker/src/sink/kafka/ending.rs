//! Ends transactions on a thread of its own: the client's call cannot be broken off, but it can be left alone.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::util::Timeout;

use super::deliveries::Deliveries;
use crate::sink::SinkError;

/// Commits a producer's transactions, one after the other. Dropped while one is under way, its thread ends with that:
/// whether it was committed tells the position topic, once another producer was initialised.
pub(super) struct Ending {
    wanted: Option<Sender<()>>,
    outcome: Receiver<KafkaResult<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ending {
    /// For transactions of `producer`.
    pub(super) fn of(producer: Arc<BaseProducer<Deliveries>>) -> Result<Self, SinkError> {
        let (wanted, asked) = bounded::<()>(1);
        let (answer, outcome) = bounded(1);
        let commit = move || {
            for () in asked {
                // Without a limit of its own: what the client does after that is not defined.
                if answer.send(producer.commit_transaction(Timeout::Never)).is_err() {
                    break;
                }
            }
        };
        let failed = |error: std::io::Error| SinkError::Failed {
            doing: "start the thread that commits",
            reason: error.to_string(),
        };
        let thread = std::thread::Builder::new().name("kafka-commit".into()).spawn(commit).map_err(failed)?;
        Ok(Self { wanted: Some(wanted), outcome, thread: Some(thread) })
    }

    /// Begins to commit what is open.
    pub(super) fn begin(&self) {
        // One that is gone shows in what comes of it.
        let _begun = self.wanted.as_ref().map(|wanted| wanted.send(()));
    }

    /// What came of it; `None` if that is not known within `time`.
    pub(super) fn outcome(&self, time: Duration) -> Option<Result<KafkaResult<()>, SinkError>> {
        match self.outcome.recv_timeout(time) {
            Ok(outcome) => Some(Ok(outcome)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(SinkError::Failed {
                doing: "commit",
                reason: "the thread that commits has ended".into(),
            })),
        }
    }

    /// Ends the thread, which has nothing to do, and waits for that.
    pub(super) fn close(&mut self) {
        self.wanted = None;
        // That it panicked was said where it did.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}
