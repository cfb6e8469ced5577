//! Why brokers that run do not answer: the client tells a failed handshake beside the call that then runs out of time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use maxwell_protocol::settings::Kafka;
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::config;
use crate::sink::SinkError;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Keeps the first refusal.
#[derive(Default)]
struct Refusals(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl ClientContext for Refusals {
    fn error(&self, error: KafkaError, reason: &str) {
        let refused = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::SSL
            )
        );
        if let (true, Some(code)) = (refused, error.rdkafka_error_code()) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| (code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Refusals {}

/// What a failed handshake said instead of `error`, if that is why nobody answered.
pub(super) async fn explained(settings: &Kafka, error: SinkError) -> SinkError {
    if !settings.tls.enabled && settings.sasl.is_none() {
        return error;
    }
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&settings)).await;
    asked.ok().flatten().unwrap_or(error)
}

fn ask(settings: &Kafka) -> Option<SinkError> {
    let config = config::reader(settings, false).ok()?;
    let consumer: BaseConsumer<Refusals> = config.create_with_context(Refusals::default()).ok()?;
    // It connects when it has something to ask. What it is told meanwhile waits for a poll.
    let _silence = consumer.fetch_metadata(None, HANDSHAKE);
    let deadline = Instant::now() + HANDSHAKE;
    let told = || consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (code, reason) = loop {
        let _none = consumer.poll(Duration::from_millis(50));
        match told() {
            Some(told) => break told,
            None if Instant::now() > deadline => return None,
            None => {}
        }
    };
    let (problem, mend) = match code {
        RDKafkaErrorCode::SSL => (
            format!("no TLS connection with Kafka: {reason}"),
            "check kafka.tls: caFile must have signed the brokers' certificates, which must bear the names in \
             kafka.brokers, and the port must be that of a TLS listener",
        ),
        _ => (
            format!("Kafka refuses the credentials: {reason}"),
            "correct kafka.sasl: mechanism, user and password (the files username and password in \
             credentialsDirectory)",
        ),
    };
    Some(SinkError::Unfit { problem, mend: mend.into() })
}
