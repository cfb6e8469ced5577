//! Sessions that run the cases' SQL.

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::case::{Case, Statement};
use super::pattern::Bound;
use super::plan::{Group, MARKER, Names, Placed};
use crate::lab::{Server, admin};

/// A case's sessions; the second is made when it is needed.
pub(super) struct Sessions {
    server: Server,
    database: String,
    open: Vec<Conn>,
}

impl Sessions {
    /// Opens the first, with the case's database as the default.
    pub(super) async fn new(server: Server, placed: &Placed<'_>) -> anyhow::Result<Self> {
        let mut sessions = Self { server, database: placed.database.clone(), open: Vec::new() };
        sessions.add().await?;
        Ok(sessions)
    }

    async fn add(&mut self) -> anyhow::Result<()> {
        let mut conn = admin(self.server).await?;
        conn.query_drop("SET NAMES utf8mb4").await?;
        // The corpus writes what strict servers refuse, to see what becomes of it.
        conn.query_drop("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'").await?;
        conn.query_drop(format!("USE `{}`", self.database)).await?;
        self.open.push(conn);
        Ok(())
    }

    /// What the session knows of the records.
    pub(super) async fn bound(&mut self) -> anyhow::Result<Bound> {
        let row: Option<(u64, u64)> = self.open[0].query_first("SELECT @@server_id, CONNECTION_ID()").await?;
        let (server, thread) = row.context("the server does not tell its id")?;
        Ok(Bound::from([("$server".into(), server.to_string()), ("$thread".into(), thread.to_string())]))
    }

    /// Runs statements in order.
    pub(super) async fn run(
        &mut self,
        statements: &[Statement],
        fill: impl Fn(&str) -> String,
    ) -> anyhow::Result<()> {
        for statement in statements {
            while self.open.len() < statement.session {
                self.add().await?;
            }
            let sql = fill(&statement.sql);
            let outcome = self.open[statement.session - 1].query_drop(&sql).await;
            if !statement.may_fail {
                outcome.with_context(|| sql)?;
            }
        }
        Ok(())
    }

    /// Closes them, so that what a case left open is rolled back now.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        for conn in self.open {
            conn.disconnect().await?;
        }
        Ok(())
    }
}

/// Makes the databases of a group; its marker has one row, whose number grows.
pub(super) async fn make_databases(server: Server, group: &Group<'_>) -> anyhow::Result<()> {
    let mut conn = admin(server).await?;
    let name = &group.name;
    conn.query_drop(format!("CREATE DATABASE `{name}`")).await?;
    conn.query_drop(format!("CREATE TABLE `{name}`.{MARKER} (n INT PRIMARY KEY)")).await?;
    for placed in &group.cases {
        conn.query_drop(format!("DROP DATABASE IF EXISTS `{}`", placed.database)).await?;
        conn.query_drop(format!("CREATE DATABASE `{}`", placed.database)).await?;
    }
    Ok(conn.disconnect().await?)
}

/// Writes the next marker.
pub(super) async fn mark(conn: &mut Conn, group: &Group<'_>, number: u32) -> anyhow::Result<()> {
    Ok(conn.query_drop(format!("INSERT INTO `{}`.{MARKER} VALUES ({number})", group.name)).await?)
}

/// Drops every database of the run.
pub(super) async fn drop_databases(server: Server, names: &Names, cases: &[Case]) -> anyhow::Result<()> {
    let mut conn = admin(server).await?;
    let all: Vec<String> = conn.query("SHOW DATABASES").await?;
    let fixed = |name: &String| cases.iter().any(|case| case.database.as_ref() == Some(name));
    for name in all.iter().filter(|name| name.starts_with(&names.prefix) || fixed(name)) {
        conn.query_drop(format!("DROP DATABASE `{name}`")).await?;
    }
    conn.disconnect().await?;
    Ok(())
}
