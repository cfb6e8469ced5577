//! The client's own wait for acknowledgements, which its safe wrapper offers in steps of 100 ms only. During this wait,
//! and only then, the client sends what it still collects for larger batches.

use std::time::Duration;

use rdkafka::bindings::rd_kafka_flush;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaRespErr;

use super::deliveries::Deliveries;

/// Sends what waits for a larger batch, and waits up to `patience` until everything sent is acknowledged; whether it
/// is. Refused records end the wait only by `patience`: whoever is told about them has to look in between.
#[expect(unsafe_code, reason = "the only way to the client's own wait")]
pub(super) fn flush(producer: &BaseProducer<Deliveries>, patience: Duration) -> bool {
    let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client lives as long as the producer that is borrowed here, and the function may be called on any
    // thread at any time.
    let answer = unsafe { rd_kafka_flush(producer.client().native_ptr(), milliseconds) };
    answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}
