//! The topics that a producer writes to: how many partitions they have, how large a row they take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maxwell_protocol::settings::Kafka;
use rdkafka::client::{Client, ClientContext};
use tokio::runtime::Handle;

use super::super::SinkError;
use super::classify;
use super::limits::{Bounds, Limits};

const TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be known of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// How many partitions it has.
    pub(super) partitions: i32,
    /// The largest batch that it takes.
    pub(super) limit: usize,
}

/// The topics that one producer has met.
pub(super) struct Topics {
    settings: Kafka,
    limits: Arc<Limits>,
    bounds: Bounds,
    known: HashMap<Arc<str>, Target>,
    runtime: Handle,
}

impl Topics {
    /// For a producer made for `bounds`. Called inside the runtime that questions are asked on.
    pub(super) fn new(settings: Kafka, limits: Arc<Limits>, bounds: Bounds) -> Self {
        Self { settings, limits, bounds, known: HashMap::new(), runtime: Handle::current() }
    }

    /// What was learned of sizes does not hold any more.
    pub(super) fn forget(&self) {
        self.limits.forget();
    }

    /// Asked once. Blocking.
    pub(super) fn target<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        topic: &Arc<str>,
    ) -> Result<Target, SinkError> {
        if let Some(target) = self.known.get(topic) {
            return Ok(*target);
        }
        let partitions = partitions(client, topic)?;
        let limit =
            self.runtime.block_on(self.limits.of(&self.settings, topic))?.ok_or_else(|| absent(topic))?;
        if !self.bounds.cover(limit) {
            let made = self.bounds;
            return Err(SinkError::Bounds(format!(
                "topic {topic} takes batches of {limit} bytes, the producer is made for {} to {}: making another",
                made.batch, made.row
            )));
        }
        let target = Target { partitions, limit };
        self.known.insert(Arc::clone(topic), target);
        Ok(target)
    }
}

/// Asking makes the topic where the brokers allow that.
fn partitions<C: ClientContext>(client: &Client<C>, topic: &str) -> Result<i32, SinkError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let metadata = client
            .fetch_metadata(Some(topic), TIMEOUT)
            .map_err(|error| classify("ask for the topic's partitions", &error))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len() as i32);
        if count > 0 {
            return Ok(count);
        }
        if Instant::now() > deadline {
            return Err(absent(topic));
        }
    }
}

fn absent(topic: &str) -> SinkError {
    SinkError::Unfit {
        problem: format!("the topic '{topic}' is not there and the brokers do not make it"),
        mend: format!("kafka-topics.sh --create --topic {topic}, or check the topic's name"),
    }
}
