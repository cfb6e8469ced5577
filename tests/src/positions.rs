//! The committed position of a cluster of one shard, followed on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use maxwell_protocol::position::{PositionKey, PositionRecord};
use rdkafka::Message;
use tokio::sync::watch;

use crate::consumer::{Isolation, Reader};

/// See the module.
pub(crate) struct Positions {
    /// The last committed record.
    pub(crate) latest: watch::Receiver<Option<PositionRecord>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Positions {
    /// Follows `topic`, which a worker has made.
    pub(crate) fn follow(topic: &str) -> anyhow::Result<Self> {
        let reader = Reader::new(topic, Isolation::Committed)?;
        let (sender, latest) = watch::channel(None);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            reader.each(&stopping, |message| {
                // Followed tables lie beside the positions.
                if serde_json::from_slice::<PositionKey>(message.key().unwrap_or_default()).is_ok() {
                    let value = message.payload().context("a position without a value")?;
                    sender.send_replace(Some(serde_json::from_slice(value)?));
                }
                Ok(())
            })
        });
        Ok(Self { latest, stop, thread: Some(thread) })
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // What it saw was told already; an error of it shows as a position that does not move.
            let _ended = thread.join();
        }
    }
}
