//! Whether the source answers, asked all the time over one connection.

use std::time::Duration;

use maxwell_protocol::settings::MySql;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SourceError;
use super::connect::connect;
use crate::clock;

/// Asks one source.
pub struct Pulse {
    settings: MySql,
    patience: Duration,
    held: Option<Conn>,
    /// The server that is asked next, of several.
    next: usize,
}

impl Pulse {
    /// Of the servers in `settings`, which answer a question within `patience`.
    pub fn new(settings: MySql, patience: Duration) -> Self {
        Self { settings, patience, held: None, next: 0 }
    }

    /// Asks for the time over the connection that is held; `None` while none is.
    pub async fn feel(&mut self) -> Option<bool> {
        let mut conn = self.held.take()?;
        let asked = tokio::time::timeout(self.patience, conn.query_first("SELECT UNIX_TIMESTAMP()")).await;
        let answered = match asked {
            Ok(Ok(Some(seconds))) => {
                clock::hear(seconds);
                true
            }
            _ => false,
        };
        self.held = answered.then_some(conn);
        Some(answered)
    }

    /// Asks over another one: the one before may have ended for a reason of its own. Of several servers those that refuse
    /// are passed over at once, one that is silent the next time.
    pub async fn connect(&mut self) -> Result<(), SourceError> {
        let servers = self.settings.candidates();
        let (held, next) = (&mut self.held, &mut self.next);
        let opened = async {
            let mut first = None;
            for _ in 0..servers.len() {
                match connect(&servers[*next % servers.len()]).await {
                    Ok(conn) => {
                        *held = Some(conn);
                        return Ok(());
                    }
                    Err(error) => first = first.or(Some(error)),
                }
                *next += 1;
            }
            Err(first.unwrap_or(SourceError::Ended))
        };
        if let Ok(opened) = tokio::time::timeout(self.patience, opened).await {
            return opened;
        }
        self.next += 1;
        Err(SourceError::Silent(self.patience.as_secs().max(1)))
    }
}
