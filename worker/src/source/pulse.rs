//! Whether the source answers, asked all the time over one connection.

use std::time::Duration;

use maxwell_protocol::settings::MySql;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SourceError;
use super::connect::connect_any;

/// Asks one source.
pub struct Pulse {
    settings: MySql,
    patience: Duration,
    held: Option<Conn>,
}

impl Pulse {
    /// Of the servers in `settings`, which answer a question within `patience`.
    pub fn new(settings: MySql, patience: Duration) -> Self {
        Self { settings, patience, held: None }
    }

    /// Asks over the connection that is held. That one may have ended for a reason of its own, so then over another.
    pub async fn feel(&mut self) -> Result<(), SourceError> {
        if let Some(mut conn) = self.held.take()
            && let Ok(Ok(())) = tokio::time::timeout(self.patience, conn.ping()).await
        {
            self.held = Some(conn);
            return Ok(());
        }
        let servers = u32::try_from(self.settings.candidates().len()).unwrap_or(1);
        let opened = tokio::time::timeout(self.patience * servers, connect_any(&self.settings)).await;
        self.held =
            Some(opened.unwrap_or_else(|_| Err(SourceError::Silent(self.patience.as_secs().max(1))))?);
        Ok(())
    }
}
