//! How a server stands to what was streamed already.

use maxwell_protocol::gtid::GtidSet;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::preflight::ServerInfo;

/// How a server stands to our GTID set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has all of it.
    Complete,
    /// It lacks some, and will get it from the server that it replicates.
    Behind,
    /// It lacks some, or has something else in its place, and that stays so.
    Diverged,
}

/// Judges by what we have, what the server has, and whether it still gets transactions from another one.
pub(super) fn judge(ours: &GtidSet, theirs: &GtidSet, replicates: bool) -> Standing {
    if others_in_place(ours, theirs) {
        return Standing::Diverged;
    }
    match (theirs.contains(ours), replicates) {
        (true, _) => Standing::Complete,
        (false, true) => Standing::Behind,
        (false, false) => Standing::Diverged,
    }
}

/// MariaDB: the same number of a domain was given by another server.
fn others_in_place(ours: &GtidSet, theirs: &GtidSet) -> bool {
    let (GtidSet::MariaDb(ours), GtidSet::MariaDb(theirs)) = (ours, theirs) else { return false };
    ours.iter().any(|(domain, (server, sequence))| {
        theirs.get(domain).is_some_and(|(other, same)| same == sequence && other != server)
    })
}

/// Whether the server replicates another one. Where it may not be asked it is taken to: waiting harms nobody.
pub(super) async fn replicates(conn: &mut Conn, server: &ServerInfo) -> bool {
    let query = match server {
        ServerInfo { mariadb: true, .. } => "SHOW ALL SLAVES STATUS",
        ServerInfo { version, .. } if *version >= (8, 0, 22) => "SHOW REPLICA STATUS",
        _ => "SHOW SLAVE STATUS",
    };
    match conn.query_first::<mysql_async::Row, _>(query).await {
        Ok(row) => row.is_some(),
        Err(error) => {
            tracing::debug!(%error, "cannot ask whether the server is a replica");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_complete_behind_or_diverged() {
        let set = |text: &str| text.parse::<GtidSet>().unwrap();
        let mysql = |numbers: &str| set(&format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:{numbers}"));
        for (ours, theirs, replicates, standing) in [
            (mysql("1-5"), mysql("1-9"), false, Standing::Complete),
            (mysql("1-9"), mysql("1-5"), true, Standing::Behind),
            (mysql("1-9"), mysql("1-5"), false, Standing::Diverged),
            (set("0-1-9"), set("0-1-9"), false, Standing::Complete),
            (set("0-1-9"), set("0-2-11"), false, Standing::Complete),
            (set("0-1-9"), set("0-2-9"), true, Standing::Diverged),
            (set("0-1-9"), set("0-1-8"), true, Standing::Behind),
        ] {
            assert_eq!(judge(&ours, &theirs, replicates), standing, "{ours} {theirs}");
        }
    }
}
