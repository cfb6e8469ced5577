//! A connection to a server that may be killed, cut off or frozen: made again when it breaks.

use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::{FromRow, Queryable};
use tokio::time::error::Elapsed;

use crate::lab::{Server, admin};

/// How long a statement may take: then the connection counts as broken.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a server may be away.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

/// An administrator's session.
pub struct Session {
    server: Server,
    conn: Option<Conn>,
    /// The server's number of the last connection: what it still does there must be over before it is asked what came
    /// of it.
    number: u32,
}

impl Session {
    /// On this server.
    pub fn new(server: Server) -> Self {
        Self { server, conn: None, number: 0 }
    }

    /// Goes on at another server.
    pub fn turn_to(&mut self, server: Server) {
        if self.server != server {
            *self = Self::new(server);
        }
    }

    /// Runs statements, once. After a failure the outcome of the last one is unknown.
    pub async fn run(&mut self, statements: &[String]) -> anyhow::Result<()> {
        for statement in statements {
            let conn = self.connected().await?;
            let ran = tokio::time::timeout(ANSWER, conn.query_drop(statement)).await;
            self.judged(ran).with_context(|| shortened(statement))?;
        }
        Ok(())
    }

    /// Asks, as often as it takes, once nothing that was begun before can have an effect any more.
    pub async fn ask<T: FromRow + Send + 'static>(&mut self, question: &str) -> anyhow::Result<Option<T>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = async {
                let conn = self.connected().await?;
                let answer = tokio::time::timeout(ANSWER, conn.query_first(question)).await;
                self.judged(answer)
            };
            match asked.await {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn judged<T>(&mut self, outcome: Result<mysql_async::Result<T>, Elapsed>) -> anyhow::Result<T> {
        if !matches!(outcome, Ok(Ok(_))) {
            self.conn = None;
        }
        outcome.with_context(|| format!("{}: no answer", self.server.name))?.context(self.server.name)
    }

    async fn connected(&mut self) -> anyhow::Result<&mut Conn> {
        if self.conn.is_none() {
            let mut conn = tokio::time::timeout(ANSWER, admin(self.server)).await??;
            if self.number > 0 {
                tokio::time::timeout(ANSWER, end(&mut conn, self.number)).await??;
            }
            self.number = conn.id();
            return Ok(self.conn.insert(conn));
        }
        self.conn.as_mut().context("connected before")
    }
}

/// Ends another connection and waits until it has ended. After a restart of the server the number may be anybody's: of
/// the administrator's sessions only, which are made again.
async fn end(conn: &mut Conn, number: u32) -> anyhow::Result<()> {
    let listed =
        format!("SELECT id FROM information_schema.processlist WHERE id = {number} AND user = 'root'");
    while conn.id() != number && conn.query_first::<u64, _>(&listed).await?.is_some() {
        // It may just have ended by itself.
        let _gone = conn.query_drop(format!("KILL {number}")).await;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn shortened(statement: &str) -> String {
    statement.chars().take(80).collect()
}
