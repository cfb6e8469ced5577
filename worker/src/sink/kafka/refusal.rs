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

/// What a broker did not let the client in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Tls,
    Credentials,
}

/// What an error that the client tells of is about, if it is a refusal. A broker that misses the client's certificate says
/// so behind the handshake (TLS 1.3): to the client that is a connection that failed, by an alert in words of OpenSSL's.
fn refused(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<Refused> {
    match code? {
        RDKafkaErrorCode::SSL => Some(Refused::Tls),
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            Some(Refused::Credentials)
        }
        RDKafkaErrorCode::BrokerTransportFailure if reason.contains("SSL alert") => Some(Refused::Tls),
        _ => None,
    }
}

/// Keeps the first refusal.
#[derive(Default)]
struct Refusals(Mutex<Option<(Refused, String)>>);

impl ClientContext for Refusals {
    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(refused) = refused(error.rdkafka_error_code(), reason) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| (refused, reason.to_owned()));
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
    let (refused, reason) = loop {
        let _none = consumer.poll(Duration::from_millis(50));
        match told() {
            Some(told) => break told,
            None if Instant::now() > deadline => return None,
            None => {}
        }
    };
    let (problem, mend) = match refused {
        Refused::Tls => (
            format!("no TLS connection with Kafka: {reason}"),
            "check kafka.tls: caFile must have signed the brokers' certificates, which must bear the names in \
             kafka.brokers; the port must be that of a TLS listener; brokers that ask for a client's certificate need \
             certificateFile and keyFile",
        ),
        Refused::Credentials => (
            format!("Kafka refuses the credentials: {reason}"),
            "correct kafka.sasl: mechanism, user and password (the files username and password in \
             credentialsDirectory)",
        ),
    };
    Some(SinkError::Unfit { problem, mend: mend.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_behind_the_handshake_is_a_refusal() {
        let transport = Some(RDKafkaErrorCode::BrokerTransportFailure);
        for (code, reason, expected) in [
            (Some(RDKafkaErrorCode::SSL), "certificate verify failed", Some(Refused::Tls)),
            (Some(RDKafkaErrorCode::Authentication), "invalid credentials", Some(Refused::Credentials)),
            (
                transport,
                "sasl_ssl://k:9094/bootstrap: Receive failed: ssl/record/rec_layer_s3.c:1601: error:0A000412:SSL \
                 routines::sslv3 alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)",
                Some(Refused::Tls),
            ),
            (transport, "ssl://k:9094/bootstrap: Connect to 10.0.0.1:9094 failed: Connection refused", None),
            (Some(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down", None),
            (None, "", None),
        ] {
            assert_eq!(refused(code, reason), expected, "{reason}");
        }
    }
}
