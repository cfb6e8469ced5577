//! Where Maxwell's daemon left off, from its `positions` table. The table is only read.

use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::{GtidUse, MySql, Start};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SourceError;
use super::connect::connect;
use super::preflight::{ServerInfo, variable};
use super::start::{FIRST_EVENT, gtids_at, position as at};

/// A row of the table. With GTIDs the original keeps it under server id 0.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    server_id: u64,
    file: Option<String>,
    offset: Option<u64>,
    gtid_set: Option<String>,
}

type Columns = (u64, Option<String>, Option<u64>, Option<String>);

fn database(start: &Start) -> &str {
    start.database.as_deref().unwrap_or("maxwell")
}

fn client_id(start: &Start) -> &str {
    start.client_id.as_deref().unwrap_or("maxwell")
}

/// Where it is looked for, in words.
pub(super) fn place(start: &Start) -> String {
    format!("client_id '{}' in {}.positions", client_id(start), database(start))
}

/// The position that the original would go on from on this server; `None` if it never stored one.
pub(super) async fn position(
    conn: &mut Conn,
    server: &ServerInfo,
    settings: &MySql,
) -> Result<Option<Position>, SourceError> {
    let server_id = variable(conn, "server_id").await?.and_then(|id| id.parse().ok()).unwrap_or(0);
    let rows = match &settings.start.host {
        Some(host) => {
            let port = settings.start.port.unwrap_or(3306);
            let elsewhere = MySql { host: host.clone(), port, ..settings.clone() };
            stored(&mut connect(&elsewhere).await?, &settings.start, server_id).await?
        }
        None => stored(conn, &settings.start, server_id).await?,
    };
    let Some(found) = choose(&rows, settings.gtid == GtidUse::On) else { return Ok(None) };
    tracing::info!(looked_in = place(&settings.start), ?found, "taking over from the original");
    match found {
        Stored { server_id: 0, gtid_set: Some(set), .. } => {
            let gtids: GtidSet = set.replace('\n', "").parse().map_err(|error| SourceError::Unfit {
                problem: format!("{}: {error}", place(&settings.start)),
                mend: "choose another mysql.start.from".into(),
            })?;
            Ok(Some(at(server, &gtids, String::new(), FIRST_EVENT)))
        }
        Stored { file: Some(file), offset: Some(offset), .. } => {
            let gtids = gtids_at(conn, server, settings, file, *offset).await?;
            Ok(Some(at(server, &gtids, file.clone(), *offset)))
        }
        _ => Ok(None),
    }
}

/// Of the rows, the one of the mode that the original ran in.
fn choose(rows: &[Stored], gtid: bool) -> Option<&Stored> {
    let by_gtid = rows.iter().find(|row| row.server_id == 0 && row.gtid_set.is_some());
    let by_file = rows.iter().find(|row| row.server_id != 0);
    if gtid { by_gtid } else { by_file.or(by_gtid) }
}

async fn stored(conn: &mut Conn, start: &Start, server_id: u64) -> Result<Vec<Stored>, SourceError> {
    let failed = |error| SourceError::failed("read the position of Maxwell's daemon", "", error);
    // Without a privilege on the table it cannot be told from one that is not there.
    let seen: Option<u64> = conn
        .exec_first(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'positions'",
            (database(start),),
        )
        .await
        .map_err(failed)?;
    if seen.unwrap_or(0) == 0 {
        return Ok(Vec::new());
    }
    let query = format!(
        "SELECT server_id, binlog_file, binlog_position, gtid_set FROM `{}`.positions \
         WHERE client_id = ? AND server_id IN (0, ?)",
        database(start).replace('`', "``")
    );
    let rows: Vec<Columns> = conn.exec(query, (client_id(start), server_id)).await.map_err(failed)?;
    let row = |(server_id, file, offset, gtid_set)| Stored { server_id, file, offset, gtid_set };
    Ok(rows.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(server_id: u64, gtid_set: Option<&str>) -> Stored {
        let gtid_set = gtid_set.map(str::to_owned);
        Stored { server_id, file: Some("b.000001".into()), offset: Some(4), gtid_set }
    }

    #[test]
    fn the_row_of_the_mode_counts() {
        let both = [row(0, Some("0-1-2")), row(7, None)];
        assert_eq!(choose(&both, true).map(|row| row.server_id), Some(0));
        assert_eq!(choose(&both, false).map(|row| row.server_id), Some(7));
        assert_eq!(choose(&both[..1], false).map(|row| row.server_id), Some(0));
        assert_eq!(choose(&both[1..], true), None);
        assert_eq!(choose(&[], false), None);
    }
}
