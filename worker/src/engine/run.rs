//! The host of shards: what a run needs beside its shard.

use std::sync::Arc;

use async_trait::async_trait;
use maxwell_protocol::layout::Barrier;
use maxwell_protocol::live::Tuning;
use maxwell_protocol::settings::{Commit, EncryptionMode, Settings};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

use super::error::EngineError;
use super::prepare::answered;
use super::runs::{Reactions, Run, Stopped, Streamer, prepared};
use super::status::Observers;
use super::tuning::Tunables;
use super::turns::windows;
use crate::coordination::{Ownership, ShardContext, ShardEnd, ShardHost};
use crate::encode::style::Style;
use crate::sink::Sink;
use crate::source::connect::connect;
use crate::source::preflight::{head, inspect};

/// Runs shards with these settings.
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) reactions: Reactions,
    pub(super) tunables: Tunables,
    pub(super) style: Style,
    pub(super) sink: Arc<dyn Sink>,
    observers: Arc<dyn Observers>,
}

/// With the encryption's key out of its file.
fn style(settings: &Settings) -> Result<Style, EngineError> {
    let mut output = settings.output.clone();
    let encryption = &mut output.encryption;
    if let (true, Some(directory)) = (encryption.mode != EncryptionMode::None, &encryption.key_directory) {
        let path = format!("{directory}/key");
        let key = std::fs::read_to_string(&path)
            .map_err(|error| EngineError::EncryptionKey { path, reason: error.to_string() })?;
        key.trim_end_matches(['\r', '\n']).clone_into(&mut encryption.key.0);
    }
    Ok(Style::new(&output, settings.kafka.as_ref())?)
}

impl Engine {
    /// `tunables` are those of the settings. Fails if messages cannot look as the settings say.
    pub fn new(
        settings: Settings,
        tunables: Tunables,
        sink: Arc<dyn Sink>,
        observers: Arc<dyn Observers>,
    ) -> Result<Self, EngineError> {
        let style = style(&settings)?;
        let reactions = Reactions::new(&settings.mysql, &settings.failover);
        Ok(Self { settings, reactions, tunables, style, sink, observers })
    }

    /// Whether it stopped because no server has what follows the position.
    pub fn has_lost_position(&self) -> bool {
        self.reactions.has_lost_position()
    }

    pub(super) fn commit(&self) -> Commit {
        self.settings.kafka.as_ref().map(|kafka| kafka.commit).unwrap_or_default()
    }
}

#[async_trait]
impl ShardHost for Engine {
    fn tune(&self, version: u64, wanted: &Tuning) -> Result<(), String> {
        self.tunables.take_on(version, wanted)
    }

    fn tuning(&self) -> Tuning {
        self.tunables.now()
    }

    async fn warm(&self, context: &ShardContext) {
        if let Err(error) = self.sink.warm(context).await {
            tracing::debug!(%error, "cannot get ready for the shard");
        }
    }

    async fn head(&self) -> Result<Barrier, String> {
        let asked = async {
            let mysql = self.reactions.sources.current();
            let mut conn = connect(mysql).await?;
            let server = inspect(&mut conn, mysql).await?;
            let head = head(&mut conn, &server).await?;
            Ok::<_, EngineError>(Barrier { server: server.id, file: head.file, offset: head.offset })
        };
        answered(asked).await.map_err(|error| error.to_string())
    }

    async fn run(
        &self,
        context: ShardContext,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> ShardEnd {
        let span = tracing::error_span!("shard", shard = %context.shard, epoch = field::Empty);
        self.run_in_span(context, ownership, stop).instrument(span).await
    }
}

impl Engine {
    /// Streams as far as the shard may.
    async fn stream_on(&self, run: &Run<'_>) -> Result<Stopped, EngineError> {
        match prepared(run, self.prepare(run)).await? {
            Ok(prepared) => self.pipeline(run, prepared).await,
            Err(stopped) => Ok(stopped),
        }
    }

    async fn run_in_span(
        &self,
        context: ShardContext,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> ShardEnd {
        let run = Run::new(&context, Arc::clone(&self.observers).shard(), ownership, stop);
        self.reactions.live(self, &run).await
    }
}

#[async_trait]
impl Streamer for Engine {
    async fn stream(&self, run: &Run<'_>) -> Result<Stopped, EngineError> {
        if let Some(asked) = run.ownership.rewind() {
            return tokio::select! {
                done = self.rewind(run, &asked) => done.map(|()| Stopped::Drained),
                () = run.ownership.lost() => Ok(Stopped::Lost),
            };
        }
        loop {
            let stopped = self.stream_on(run).await?;
            let Some(windows) = windows(run).filter(|_| stopped == Stopped::Sealed) else {
                return Ok(stopped);
            };
            if let Some(stopped) = self.wait_for_turn(run, windows).await {
                return Ok(stopped);
            }
        }
    }
}
