//! How long a position will last: when the server will purge the binlog file that it is in.

use maxwell_protocol::position::Position;
use mysql_async::Conn;

use super::SourceError;
use super::connect::connect;
use super::preflight::{files, variable};
use super::scan::SideDump;
use crate::clock::at_source;

/// Watches the file of a position. What was found out about a file is kept.
#[derive(Debug)]
pub struct Retention {
    side: SideDump,
    /// A file, and when the next one was begun: since then nothing is written to it.
    closed: Option<(String, u64)>,
}

impl Retention {
    /// Of positions on the server of `side`.
    pub fn new(side: SideDump) -> Self {
        Self { side, closed: None }
    }

    /// Seconds until the server may purge what follows `position`; infinite if it never does, 0 if it has.
    pub async fn left(&mut self, position: &Position) -> Result<f64, SourceError> {
        let mut conn = connect(&self.side.settings).await?;
        let expiry = expiry(&mut conn).await?;
        let files: Vec<String> = files(&mut conn).await?.into_iter().map(|(file, _)| file).collect();
        let needed = needed(position);
        let Some(at) = files.iter().position(|file| *file == needed) else { return Ok(0.0) };
        let closed = match (files.get(at + 1), &self.closed) {
            (None, _) => None,
            (Some(_), Some((file, closed))) if *file == needed => Some(*closed),
            (Some(next), _) => {
                let closed = self.side.begun(next).await?;
                self.closed = Some((needed.to_owned(), closed));
                Some(closed)
            }
        };
        Ok(left(at_source().cast_unsigned() / 1_000, expiry, closed))
    }
}

/// The oldest file that is still read: that of the position, or one where an XA transaction waits for its outcome.
fn needed(position: &Position) -> &str {
    let waiting = position.prepared.iter().filter(|prepared| prepared.server == position.server);
    let files = waiting.map(|prepared| prepared.file.as_str());
    files.fold(
        &position.file,
        |oldest, file| {
            if (file.len(), file) < (oldest.len(), oldest) { file } else { oldest }
        },
    )
}

/// A file may go once its last event is older than `expiry`; the file in use never does.
fn left(now: u64, expiry: Option<f64>, closed: Option<u64>) -> f64 {
    match (expiry, closed) {
        (None, _) => f64::INFINITY,
        (Some(expiry), None) => expiry,
        (Some(expiry), Some(closed)) => (expiry - now.saturating_sub(closed) as f64).max(0.0),
    }
}

/// Seconds that the server keeps a file; `None` means for ever.
async fn expiry(conn: &mut Conn) -> Result<Option<f64>, SourceError> {
    let purges = variable(conn, "binlog_expire_logs_auto_purge").await?;
    let seconds = variable(conn, "binlog_expire_logs_seconds").await?;
    let days = variable(conn, "expire_logs_days").await?;
    Ok(kept(purges.as_deref(), seconds.as_deref(), days.as_deref()))
}

fn kept(purges: Option<&str>, seconds: Option<&str>, days: Option<&str>) -> Option<f64> {
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).filter(|number| *number > 0.0);
    if purges == Some("OFF") {
        return None;
    }
    number(seconds).or_else(|| number(days).map(|days: f64| days * 86_400.0))
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::position::Prepared;

    use super::*;

    #[test]
    fn a_closed_file_goes_when_it_is_old_enough() {
        assert_eq!(left(1000, Some(600.0), Some(900)), 500.0);
        assert_eq!(left(2000, Some(600.0), Some(900)), 0.0);
        assert_eq!(left(2000, Some(600.0), None), 600.0);
        assert_eq!(left(2000, None, Some(900)), f64::INFINITY);
    }

    #[test]
    fn a_prepared_transaction_needs_its_file() {
        let waiting = |server: &str, file: &str| Prepared {
            name: "x'61',x'',1".into(),
            server: server.into(),
            file: file.into(),
            offset: 4,
            gtid: String::new(),
            gtid_set: String::new(),
        };
        let mut position = Position { server: "a".into(), file: "f.000009".into(), ..Position::default() };
        assert_eq!(needed(&position), "f.000009");
        position.prepared =
            vec![waiting("b", "f.000001"), waiting("a", "f.000007"), waiting("a", "f.000008")];
        assert_eq!(needed(&position), "f.000007");
    }

    #[test]
    fn servers_name_the_expiry_differently() {
        assert_eq!(kept(Some("ON"), Some("2592000"), Some("0")), Some(2_592_000.0));
        assert_eq!(kept(Some("OFF"), Some("2592000"), None), None);
        assert_eq!(kept(None, None, Some("10")), Some(864_000.0));
        assert_eq!(kept(None, Some("0"), Some("0.000000")), None);
    }
}
