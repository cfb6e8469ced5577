//! Opens the binlog dump and reads it in batches.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use maxwell_protocol::gtid::{GtidSet, Intervals, Source};
use maxwell_protocol::position::Position;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, GnoInterval, Sid};
use mysql_common::binlog::events::Event;
use mysql_common::packets::Tag;
use uuid::Uuid;

use super::SourceError;
use super::preflight::ServerInfo;
use super::start::{OpenBy, stored_set};
use crate::binlog::inflate::plain;

/// Events that are sent on together.
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_EVENTS: usize = 512;

/// Who a dump says it is. Both are the shard's own, so that the server ends an older dump of the same shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Server id.
    pub server_id: u32,
    /// Replica UUID; MariaDB ignores it.
    pub uuid: Uuid,
}

/// An open dump.
pub struct Dump {
    stream: BinlogStream,
    place: String,
    silence: Duration,
    /// Whether the last batch was cut before it was known whether more was waiting.
    cut: bool,
}

/// Events read together.
#[derive(Debug, Default)]
pub struct Batch {
    /// In binlog order.
    pub events: Vec<Event>,
    /// Whether nothing more was waiting: the source is drained.
    pub drained: bool,
}

impl Dump {
    /// Opens the dump at `position` on `conn`.
    pub async fn open(
        mut conn: Conn,
        server: &ServerInfo,
        identity: Identity,
        position: &Position,
        by: OpenBy,
        heartbeat_seconds: u32,
    ) -> Result<Self, SourceError> {
        let place = format!("{}:{}", position.file, position.offset);
        let failed = |error| SourceError::failed("open the binlog", &place, error);
        let by_gtid = by == OpenBy::Gtid || position.file.is_empty();
        for statement in session(server, identity, position, by_gtid, heartbeat_seconds) {
            conn.query_drop(statement).await.map_err(failed)?;
        }
        let mut request = BinlogStreamRequest::new(identity.server_id);
        if by_gtid && !server.mariadb {
            let set = stored_set(&position.gtid_set)?;
            request = request.with_gtid().with_gtid_set(sids(&set));
        } else if !by_gtid {
            request = request.with_filename(position.file.as_bytes()).with_pos(position.offset);
        }
        let stream = conn.get_binlog_stream(request).await.map_err(failed)?;
        let silence = Duration::from_secs(u64::from(heartbeat_seconds.max(1)) * 3);
        Ok(Self { stream, place, silence, cut: false })
    }

    /// Waits for events and takes what is there, up to a bound. Cancel safe between batches only: what was read is
    /// lost with a cancelled call, so a caller that cancels drops the dump.
    pub async fn next(&mut self) -> Result<Option<Batch>, SourceError> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.events.len() < BATCH_EVENTS {
            let read = match self.stream.next().now_or_never() {
                Some(read) => read,
                None if !batch.events.is_empty() || self.cut => {
                    batch.drained = true;
                    break;
                }
                None => tokio::time::timeout(self.silence, self.stream.next())
                    .await
                    .map_err(|_| SourceError::Silent(self.silence.as_secs()))?,
            };
            match read {
                Some(Ok(event)) => {
                    let event = plain(event).map_err(SourceError::from)?;
                    bytes += event.data().len();
                    batch.events.push(event);
                }
                Some(Err(error)) => return Err(SourceError::failed("read the binlog", &self.place, error)),
                None if batch.events.is_empty() => return Ok(None),
                None => break,
            }
        }
        self.cut = !batch.drained;
        Ok(Some(batch))
    }

    /// Closes the connection, so that the server's dump thread ends before the next one of this shard begins.
    pub async fn close(self) {
        if let Err(error) = self.stream.close().await {
            tracing::debug!(%error, "the old dump's connection did not close in good order");
        }
    }
}

/// The session's variables, set before the dump.
fn session(
    server: &ServerInfo,
    identity: Identity,
    position: &Position,
    by_gtid: bool,
    heartbeat_seconds: u32,
) -> Vec<String> {
    let period = u64::from(heartbeat_seconds.max(1)) * 1_000_000_000;
    let mut statements = vec![
        format!("SET @master_heartbeat_period={period}, @source_heartbeat_period={period}"),
        // Back-pressure from Kafka must not make the server give up on us.
        "SET SESSION net_write_timeout=3600, net_read_timeout=3600".into(),
    ];
    if server.mariadb {
        statements.push("SET @mariadb_slave_capability=4".into());
        if by_gtid {
            statements
                .push(format!("SET @slave_connect_state='{}', @slave_gtid_strict_mode=1", position.gtid_set));
        }
    } else {
        statements.push(format!("SET @replica_uuid='{0}', @slave_uuid='{0}'", identity.uuid));
    }
    statements
}

/// The set as the dump command carries it.
fn sids(set: &GtidSet) -> Vec<Sid<'static>> {
    let GtidSet::MySql(sources) = set else { return Vec::new() };
    let sid = |(uuid, tag): &Source, intervals: &Intervals| {
        let intervals = intervals.iter().map(|(start, end)| GnoInterval::new(start, end)).collect();
        let sid = Sid::new(uuid.into_bytes()).with_intervals(intervals);
        match Tag::new(tag.clone()) {
            Ok(tag) => sid.with_tag(tag),
            Err(_) => sid,
        }
    };
    sources.iter().map(|(source, intervals)| sid(source, intervals)).collect()
}
