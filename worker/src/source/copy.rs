//! Reads chunks of a table on a side connection, each provably no older than what the stream has passed. Nothing is
//! written.
//!
//! A transaction reaches the binlog before it becomes visible, so the stream may be ahead of what a SELECT sees. With
//! GTIDs a MySQL server tells what is visible (`gtid_executed`); MariaDB's consistent snapshots tell their place in the
//! binlog; else rows are locked while they are read, which waits for whatever is on its way.

use std::time::Duration;

use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::MySql;
use mysql_async::prelude::Queryable;
use mysql_async::{BinaryProtocol, Conn, QueryResult, Value};

use super::SourceError;
use super::capture;
use super::connect::connect;
use super::preflight::{Head, ServerInfo, head, mariadb_gtids};
use crate::binlog::place::Place;
use crate::bootstrap::describe::{IndexColumn, RawColumn};
use crate::bootstrap::plan::quoted;
use crate::schema::catalog::CatalogTable;

const COLUMNS: &str = "SELECT COLUMN_NAME, LOWER(DATA_TYPE), COLUMN_TYPE, CHARACTER_SET_NAME \
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
/// Between two looks at what is visible.
const PAUSE: Duration = Duration::from_millis(1);
/// After this long the connection is taken as dead.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two names that differ in case only are one table on some servers: the exact one goes first.
const NAME: &str = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
    ORDER BY BINARY TABLE_SCHEMA = ? DESC, BINARY TABLE_NAME = ? DESC LIMIT 1";

/// No row for a view.
const ENGINE: &str = "SELECT e.TRANSACTIONS, t.TABLE_ROWS FROM information_schema.TABLES t JOIN information_schema.ENGINES e \
    ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = ? AND t.TABLE_NAME = ?";

type ColumnRow = (String, String, String, Option<String>);

/// A table as it is found.
pub struct Found {
    /// Its database, as the binlog spells it.
    pub database: String,
    /// Its name, as the binlog spells it.
    pub table: String,
    /// Its columns and key.
    pub catalog: CatalogTable,
    /// What else is known of its columns.
    pub columns: Vec<RawColumn>,
    /// The columns of its indexes, in the server's order.
    pub indexes: Vec<IndexColumn>,
    /// Whether its engine has snapshots; a view has none.
    pub transactional: bool,
    /// Rows that the server reckons it to have.
    pub estimated_rows: u64,
}

/// A side connection for copies.
pub struct CopySession {
    conn: Conn,
    server: ServerInfo,
    /// MariaDB: where the snapshot of the open window is.
    snapshot: Option<Place>,
}

fn failed(error: mysql_async::Error) -> SourceError {
    SourceError::failed("copy a table", "", error)
}

async fn in_time<T>(asked: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(SourceError::Silent(PATIENCE.as_secs())))
}

impl CopySession {
    /// Opens a session whose results are the columns' own bytes and UTC times. `server` is where the stream comes from.
    pub async fn open(settings: &MySql, server: &ServerInfo) -> Result<Self, SourceError> {
        in_time(async {
            let mut conn = connect(settings).await?;
            let id: Option<String> = match server.mariadb {
                true => conn.query_first("SELECT CONCAT('mariadb-', @@server_id)").await.map_err(failed)?,
                false => conn.query_first("SELECT @@server_uuid").await.map_err(failed)?,
            };
            if id.as_deref() != Some(server.id.as_str()) {
                return Err(SourceError::Unfit {
                    problem: format!("{} is not the server that is streamed from", settings.host),
                    mend: "let mysql.host name one server".into(),
                });
            }
            for statement in [
                "SET SESSION time_zone='+00:00', sql_mode='', character_set_results=NULL, net_write_timeout=3600",
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            ] {
                conn.query_drop(statement).await.map_err(failed)?;
            }
            Ok(Self { conn, server: server.clone(), snapshot: None })
        })
        .await
    }

    /// Whether chunks have to lock the rows that they read.
    pub fn locking(&self) -> bool {
        !self.server.gtid && !self.server.mariadb
    }

    /// Why no snapshot can be placed in the binlog, if so.
    pub fn without_snapshots(&self) -> Option<&'static str> {
        self.locking().then_some("without GTIDs the server does not tell what a snapshot has")
    }

    /// The table as it is now; `None` if it does not exist.
    pub async fn describe(&mut self, database: &str, table: &str) -> Result<Option<Found>, SourceError> {
        in_time(async {
            let conn = &mut self.conn;
            let named: Option<(String, String)> =
                conn.exec_first(NAME, (database, table, database, table)).await.map_err(failed)?;
            let Some((database, table)) = named else { return Ok(None) };
            let catalog = capture::table(conn, self.server.mariadb, &database, &table).await?;
            let rows: Vec<ColumnRow> = conn.exec(COLUMNS, (&database, &table)).await.map_err(failed)?;
            let raw =
                |(name, data_type, column_type, charset)| RawColumn { name, data_type, column_type, charset };
            let columns: Vec<RawColumn> = rows.into_iter().map(raw).collect();
            // Between the two questions it may have been changed: then it is as if it were not there yet.
            let catalog = catalog.filter(|catalog| catalog.columns.len() == columns.len());
            let Some(catalog) = catalog else { return Ok(None) };
            let indexes = indexes(conn, &database, &table).await?;
            let engine: Option<(Option<String>, Option<u64>)> =
                conn.exec_first(ENGINE, (&database, &table)).await.map_err(failed)?;
            let (transactions, rows) = engine.unwrap_or_default();
            let (transactional, estimated_rows) = (transactions.as_deref() == Some("YES"), rows.unwrap_or(0));
            Ok(Some(Found { database, table, catalog, columns, indexes, transactional, estimated_rows }))
        })
        .await
    }

    /// Waits until everything that the stream has passed is visible to what is read next.
    pub async fn begin(&mut self, passed: &Position) -> Result<(), SourceError> {
        in_time(async {
            loop {
                let visible = match (self.server.mariadb, self.server.gtid) {
                    (true, _) => self.take_snapshot(passed).await?,
                    (false, true) => self.executed().await?.contains(&gtids(&passed.gtid_set)),
                    (false, false) => true,
                };
                if visible {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await
    }

    async fn executed(&mut self) -> Result<GtidSet, SourceError> {
        let executed: Option<String> =
            self.conn.query_first("SELECT @@GLOBAL.gtid_executed").await.map_err(failed)?;
        Ok(gtids(&executed.unwrap_or_default()))
    }

    async fn take_snapshot(&mut self, passed: &Position) -> Result<bool, SourceError> {
        self.conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT").await.map_err(failed)?;
        let status: Vec<(String, String)> =
            self.conn.query("SHOW STATUS LIKE 'binlog_snapshot_%'").await.map_err(failed)?;
        let find = |wanted: &str| {
            status.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone())
        };
        let file = find("binlog_snapshot_file").unwrap_or_default();
        let offset = find("binlog_snapshot_position").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let place = Place { file, offset };
        let visible = if passed.file.is_empty() {
            let text = mariadb_gtids(&mut self.conn, &place.file, place.offset).await?;
            gtids(&text).contains(&gtids(&passed.gtid_set))
        } else {
            place.has_reached(&Place { file: passed.file.clone(), offset: passed.offset })
        };
        self.snapshot = Some(place);
        Ok(visible)
    }

    /// Begins a transaction that locks what it reads, until [`CopySession::commit`].
    pub async fn begin_locking(&mut self) -> Result<(), SourceError> {
        // Rows, and nothing between them.
        self.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        self.run("START TRANSACTION").await
    }

    /// Begins to read one state of the database, until [`CopySession::commit`]. It has everything up to `passed`, and of
    /// what is behind the place that is returned nothing.
    pub async fn freeze(&mut self, passed: &Position) -> Result<Head, SourceError> {
        self.begin(passed).await?;
        if self.server.mariadb {
            let place = self.snapshot.take().ok_or(SourceError::Ended)?;
            return self.mariadb_head(Some(place)).await;
        }
        self.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        self.head().await
    }

    /// Where the binlog ends.
    pub async fn head(&mut self) -> Result<Head, SourceError> {
        if self.server.mariadb {
            return self.mariadb_head(None).await;
        }
        in_time(head(&mut self.conn, &self.server)).await
    }

    /// A place, by default where MariaDB's binlog ends. Its GTIDs are those of a moment later, which at worst is waited
    /// for: for its own the server would read the binlog file from its start.
    async fn mariadb_head(&mut self, place: Option<Place>) -> Result<Head, SourceError> {
        in_time(async {
            let Place { file, offset } = match place {
                Some(place) => place,
                None => {
                    let row: Option<mysql_async::Row> =
                        self.conn.query_first("SHOW MASTER STATUS").await.map_err(failed)?;
                    let row = row.ok_or(SourceError::Ended)?;
                    Place { file: row.get(0).unwrap_or_default(), offset: row.get(1).unwrap_or_default() }
                }
            };
            let text: Option<String> =
                self.conn.query_first("SELECT @@GLOBAL.gtid_binlog_pos").await.map_err(failed)?;
            Ok(Head { file, offset, gtids: gtids(&text.unwrap_or_default()) })
        })
        .await
    }

    /// Ends a transaction.
    pub async fn commit(&mut self) -> Result<(), SourceError> {
        self.snapshot = None;
        self.run("COMMIT").await
    }

    async fn run(&mut self, statement: &str) -> Result<(), SourceError> {
        in_time(async { self.conn.query_drop(statement).await.map_err(failed) }).await
    }

    /// Whether the server understands a statement.
    pub async fn check(&mut self, sql: &str) -> Result<(), SourceError> {
        in_time(async { self.conn.prep(sql).await.map(drop).map_err(failed) }).await
    }

    /// Runs a statement that selects rows.
    pub async fn select(&mut self, sql: &str) -> Result<Rows<'_>, SourceError> {
        let result = in_time(async { self.conn.exec_iter(sql, ()).await.map_err(failed) }).await?;
        Ok(Rows(result))
    }

    /// Where the binlog ended after everything that was read: nothing of it is behind that place.
    pub async fn end(&mut self) -> Result<Head, SourceError> {
        let Some(place) = self.snapshot.take() else { return self.head().await };
        self.commit().await?;
        self.mariadb_head(Some(place)).await
    }
}

/// Rows as they come.
pub struct Rows<'a>(QueryResult<'a, 'static, BinaryProtocol>);

impl Rows<'_> {
    /// The next one's values.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, SourceError> {
        let row = in_time(async { self.0.next().await.map_err(failed) }).await?;
        Ok(row.map(mysql_async::Row::unwrap))
    }

    /// Leaves the others unread.
    pub async fn finish(self) -> Result<(), SourceError> {
        in_time(async { self.0.drop_result().await.map_err(failed) }).await
    }
}

async fn indexes(conn: &mut Conn, database: &str, table: &str) -> Result<Vec<IndexColumn>, SourceError> {
    let sql = format!("SHOW INDEX FROM {}.{}", quoted(database), quoted(table));
    let rows: Vec<mysql_async::Row> = conn.query(sql).await.map_err(failed)?;
    let text = |row: &mysql_async::Row, name: &str| row.get::<Option<String>, _>(name).flatten();
    let column = |row: &mysql_async::Row| {
        let is_hidden =
            text(row, "Visible").as_deref() == Some("NO") || text(row, "Ignored").as_deref() == Some("YES");
        let unique = row.get::<u8, _>("Non_unique") == Some(0);
        let nullable = text(row, "Null").as_deref() == Some("YES");
        let whole = matches!(row.get::<Option<u64>, _>("Sub_part"), None | Some(None));
        IndexColumn {
            index: text(row, "Key_name").unwrap_or_default(),
            column: text(row, "Column_name"),
            telling: unique && !nullable && whole && !is_hidden,
        }
    };
    Ok(rows.iter().map(column).collect())
}

/// A set that the server or the stream printed.
fn gtids(text: &str) -> GtidSet {
    text.parse().unwrap_or_default()
}
