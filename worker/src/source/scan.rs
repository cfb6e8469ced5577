//! Reads ahead on a side connection, with an identity of its own, to where the binlog ends now at the most.

use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::id::ClusterId;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::MySql;
use mysql_common::binlog::events::Event;

use super::SourceError;
use super::connect::connect;
use super::dump::{Dump, Identity};
use super::preflight::{ServerInfo, head};
use super::start::OpenBy;
use crate::binlog::event::{Kind, Statement, classify, statement};
use crate::binlog::place::Place;
use crate::binlog::transaction::End;
use crate::schema::ddl::{Flavour, TableName, parse};

/// What a side dump needs to be opened.
#[derive(Debug, Clone)]
pub struct SideDump {
    /// The source.
    pub settings: MySql,
    /// What it is.
    pub server: ServerInfo,
    /// How positions are opened on it.
    pub by: OpenBy,
}

impl SideDump {
    async fn open(&self, position: &Position) -> Result<Dump, SourceError> {
        let by = if position.offset >= 1 << 32 { OpenBy::Gtid } else { self.by };
        self.open_by(position, by).await
    }

    pub(super) async fn open_by(&self, position: &Position, by: OpenBy) -> Result<Dump, SourceError> {
        // A random cluster's identity: it can end nobody's dump and nobody ends it.
        let nobody = ClusterId::random();
        let shard = "side".into();
        let identity =
            Identity { server_id: nobody.server_id(&shard, 0, 0), uuid: nobody.replica_uuid(&shard) };
        let conn = connect(&self.settings).await?;
        Dump::open(conn, &self.server, identity, position, by, self.settings.heartbeat_seconds).await
    }

    /// How the transaction that starts at `position` ends: one pass over it.
    pub async fn end_of_transaction(&self, position: &Position) -> Result<End, SourceError> {
        let mut dump = self.open(position).await?;
        let mut begun = false;
        while let Some(batch) = dump.next().await? {
            for event in &batch.events {
                if let Some(end) = end(event, &mut begun)? {
                    dump.close().await;
                    return Ok(end);
                }
            }
        }
        Err(SourceError::Ended)
    }

    /// When a binlog file was begun, seconds since the epoch.
    pub async fn begun(&self, file: &str) -> Result<u64, SourceError> {
        let mut dump = self.open(&self.start_of(file)).await?;
        while let Some(batch) = dump.next().await? {
            // The artificial event before the file's first one has no time.
            if let Some(event) = batch.events.iter().find(|event| event.header().timestamp() > 0) {
                let begun = u64::from(event.header().timestamp());
                dump.close().await;
                return Ok(begun);
            }
        }
        Err(SourceError::Ended)
    }

    /// The start of the first transaction in `file` or later that was committed at `time` (microseconds since the
    /// epoch) or after, and everything executed before it, if `before` was executed before the file. `None` if there is
    /// none up to where the binlog ends now.
    pub async fn committed_since(
        &self,
        file: &str,
        mut before: GtidSet,
        time: u64,
    ) -> Result<Option<(Place, GtidSet)>, SourceError> {
        let mut conn = connect(&self.settings).await?;
        let head = head(&mut conn, &self.server).await?;
        let head = Place { file: head.file, offset: head.offset };
        let mut at = Place { file: file.to_owned(), offset: 4 };
        let mut dump = self.open(&self.start_of(file)).await?;
        while !at.has_reached(&head) {
            let Some(batch) = dump.next().await? else { return Err(SourceError::Ended) };
            for event in &batch.events {
                let kind = classify(event)?;
                let offset = at.follow(event, &kind);
                let Kind::Gtid { gtid, committed_at, .. } = &kind else { continue };
                let committed = match committed_at {
                    0 => u64::from(event.header().timestamp()) * 1_000_000,
                    known => *known,
                };
                if committed >= time {
                    dump.close().await;
                    return Ok(Some((Place { offset, ..at }, before)));
                }
                if let Some(gtid) = gtid {
                    before.add(gtid);
                }
            }
        }
        dump.close().await;
        Ok(None)
    }

    fn start_of(&self, file: &str) -> Position {
        Position { server: self.server.id.clone(), file: file.to_owned(), offset: 4, ..Position::default() }
    }

    /// `before`, which is everything executed before the file of `place`, and what the file holds up to there.
    pub async fn gtids_up_to(&self, mut before: GtidSet, place: &Place) -> Result<GtidSet, SourceError> {
        let start = self.start_of(&place.file);
        let mut at = Place { file: start.file.clone(), offset: start.offset };
        let mut dump = self.open(&start).await?;
        while let Some(batch) = dump.next().await? {
            for event in &batch.events {
                let kind = classify(event)?;
                at.follow(event, &kind);
                if let Kind::Gtid { gtid: Some(gtid), .. } = &kind
                    && !at.has_reached(place)
                {
                    before.add(gtid);
                }
                if at.has_reached(place) {
                    dump.close().await;
                    return Ok(before);
                }
            }
        }
        Err(SourceError::Ended)
    }

    /// The start of the transaction that `place` lies in, else of the last one before it in the file, and everything
    /// executed before, if `before` was executed before the file. `None` if the file has none up to there.
    pub async fn transaction_at(
        &self,
        place: &Place,
        mut before: GtidSet,
    ) -> Result<Option<(Place, GtidSet)>, SourceError> {
        let mut conn = connect(&self.settings).await?;
        let head = head(&mut conn, &self.server).await?;
        let head = Place { file: head.file, offset: head.offset };
        let mut at = Place { file: place.file.clone(), offset: 4 };
        let mut dump = self.open(&self.start_of(&place.file)).await?;
        let mut found = None;
        'read: while !at.has_reached(&head) {
            let Some(batch) = dump.next().await? else { return Err(SourceError::Ended) };
            for event in &batch.events {
                let kind = classify(event)?;
                let offset = at.follow(event, &kind);
                if at.file != place.file || offset > place.offset {
                    break 'read;
                }
                if let Kind::Gtid { gtid, .. } = &kind {
                    found = Some((Place { offset, ..at.clone() }, before.clone()));
                    if let Some(gtid) = gtid {
                        before.add(gtid);
                    }
                }
            }
        }
        dump.close().await;
        Ok(found)
    }

    /// The first statement after `position` that may change `table`, up to where the binlog ends now.
    pub async fn statement_on(
        &self,
        position: &Position,
        table: &TableName,
        flavour: Flavour,
    ) -> Result<Option<String>, SourceError> {
        let mut found = None;
        let mut visit = |database: &str, text: &str| {
            let touches = parse(text, database, flavour).touches(table);
            if touches {
                found = Some(text.to_owned());
            }
            touches
        };
        self.statements(position, &mut visit).await?;
        Ok(found)
    }

    /// Hands the statements after `position` on, up to where the binlog ends now or until `visit` says true.
    pub async fn statements(
        &self,
        position: &Position,
        visit: &mut (dyn FnMut(&str, &str) -> bool + Send),
    ) -> Result<(), SourceError> {
        let mut conn = connect(&self.settings).await?;
        let head = head(&mut conn, &self.server).await?;
        let head = Place { file: head.file, offset: head.offset };
        let mut place = Place { file: position.file.clone(), offset: position.offset };
        if place.has_reached(&head) {
            return Ok(());
        }
        let mut dump = self.open(position).await?;
        while let Some(batch) = dump.next().await? {
            for event in &batch.events {
                let kind = classify(event)?;
                place.follow(event, &kind);
                let over = match &kind {
                    Kind::Query { database, statement: text, .. } if statement(text) == Statement::Other => {
                        visit(database, text)
                    }
                    _ => false,
                };
                if over || place.has_reached(&head) {
                    dump.close().await;
                    return Ok(());
                }
            }
        }
        Err(SourceError::Ended)
    }
}

fn end(event: &Event, begun: &mut bool) -> Result<Option<End>, SourceError> {
    Ok(match classify(event)? {
        Kind::Rows(_) => {
            *begun = true;
            None
        }
        Kind::Xid(xid) => Some(End::Commit { xid: Some(xid) }),
        Kind::XaPrepare { one_phase: true, .. } => Some(End::Commit { xid: None }),
        Kind::XaPrepare { one_phase: false, .. } => Some(End::Prepared),
        Kind::Query { statement: text, .. } if *begun => match statement(&text) {
            Statement::Commit => Some(End::Commit { xid: None }),
            Statement::Rollback => Some(End::Rollback),
            _ => None,
        },
        _ => None,
    })
}
