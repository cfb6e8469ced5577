//! The client that makes and describes topics.

use std::ops::Deref;

use maxwell_protocol::settings::Kafka;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

use super::super::SinkError;
use super::{classify, config};

/// Connects when first used. Its end waits for the library's polling thread, for up to a tenth of a second, which is
/// nothing that a take-over should wait for: it ends on a thread of its own.
pub(super) struct Admin(Option<AdminClient<DefaultClientContext>>);

impl Admin {
    pub(super) fn new(settings: &Kafka) -> Result<Self, SinkError> {
        let client = config::admin(settings)?.create();
        client.map(|client| Self(Some(client))).map_err(|error| classify("connect to Kafka", &error))
    }
}

impl Deref for Admin {
    type Target = AdminClient<DefaultClientContext>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let client = self.0.take();
        std::thread::spawn(move || drop(client));
    }
}
