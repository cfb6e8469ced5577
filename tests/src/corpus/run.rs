//! Runs the cases of one group: one worker, one case after the other, a marker row behind each.

use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::Conn;
use serde_json::Value;

use super::case::statements;
use super::compare::{Record, differences};
use super::expand;
use super::feed::{Feed, cluster};
use super::kafka::Topics;
use super::plan::{Group, MARKER, Placed};
use super::session::{Sessions, make_databases, mark};
use super::{Asked, print};
use crate::lab::{Server, admin};

/// How long a worker may take to stream.
const START: Duration = Duration::from_secs(60);
/// How long one marker is waited for before another is written.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a record that may come after the marker is waited for.
const LATE: Duration = Duration::from_secs(3);

/// How many cases of the group passed; those that did not are reported.
pub(super) async fn run(server: Server, group: &Group<'_>, asked: &Asked) -> anyhow::Result<usize> {
    let mut running = Running::new(server, group, asked).await?;
    let mut passed = 0;
    for placed in &group.cases {
        match running.case(placed).await {
            Ok(lines) if lines.is_empty() => passed += 1,
            Ok(lines) => report(server, placed, &lines.join("\n  ")),
            Err(error) => {
                report(server, placed, &format!("{error:#}"));
                // The worker may be stuck at what the case did: the next one begins behind it.
                running.restart().await?;
            }
        }
    }
    running.end().await?;
    Ok(passed)
}

fn report(server: Server, placed: &Placed<'_>, what: &str) {
    print(&format!("corpus: {} {} failed\n  {what}", server.name, placed.case.name));
}

/// Makes what the group's cases begin with.
pub(super) async fn prepare(server: Server, group: &Group<'_>) -> anyhow::Result<()> {
    make_databases(server, group).await?;
    for placed in &group.cases {
        let mut sessions = Sessions::new(server, placed).await?;
        let setup = statements(placed.case.section("setup", server.name));
        let ran = sessions.run(&setup, |sql| placed.fill(sql, &group.name)).await;
        ran.with_context(|| format!("{}: setup", placed.case.name))?;
        sessions.close().await?;
    }
    Ok(())
}

struct Running<'a> {
    server: Server,
    group: &'a Group<'a>,
    asked: &'a Asked,
    topics: Option<Topics>,
    marking: Conn,
    /// Number of the last marker.
    marks: u32,
    feed: Feed,
    /// Whether the worker is known to stream.
    streams: bool,
    /// Workers before this one.
    restarts: usize,
}

/// The number of a marker's row of the group, whatever the options make of the rest.
fn marker(record: &str, group: &Group<'_>) -> Option<u64> {
    let record: Value = serde_json::from_str(record).ok()?;
    let field = |name: &str| record.get(name).or_else(|| record["encrypted"].get(name));
    let ours = field("database")? == group.name.as_str() && field("table")? == MARKER;
    if ours { field("data")?.get("n")?.as_u64() } else { None }
}

impl<'a> Running<'a> {
    async fn new(server: Server, group: &'a Group<'a>, asked: &'a Asked) -> anyhow::Result<Self> {
        let marking = admin(server).await?;
        let topics = match group.partitions {
            Some(partitions) => {
                let mut names = group.topics();
                names.push(group.name.clone());
                Some(Topics::new(names, partitions).await?)
            }
            None => None,
        };
        let feed = Feed::start(server, group, 0)?;
        Ok(Self { server, group, asked, topics, marking, marks: 0, feed, streams: false, restarts: 0 })
    }

    /// Starts another worker, which knows nothing of the one before.
    async fn restart(&mut self) -> anyhow::Result<()> {
        self.restarts += 1;
        self.streams = false;
        self.feed.end().await?;
        self.feed = Feed::start(self.server, self.group, self.restarts)?;
        Ok(())
    }

    /// Waits until the worker streams: it gives a marker. Those written before it has begun, it does not see.
    async fn streaming(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while !self.streams {
            self.mark().await?;
            let outcome = self.until_marker(&mut Vec::new(), AGAIN).await;
            self.streams = outcome.is_ok();
            if self.feed.has_ended() || Instant::now() > deadline {
                return outcome;
            }
        }
        Ok(())
    }

    async fn mark(&mut self) -> anyhow::Result<()> {
        self.marks += 1;
        mark(&mut self.marking, self.group, self.marks).await
    }

    /// Collects what comes before the last marker.
    async fn until_marker(&mut self, came: &mut Vec<Record>, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let record = self.feed.next(self.topics.as_ref(), left).await?;
            match marker(&record.value, self.group) {
                Some(number) if number == u64::from(self.marks) => return Ok(()),
                Some(_) => {}
                None => came.push(record),
            }
        }
    }

    /// The records of a case. Those of other partitions, and of bootstraps, may come after the marker.
    async fn records(&mut self, wanted: usize) -> anyhow::Result<Vec<Record>> {
        self.mark().await?;
        let mut came = Vec::new();
        let outcome = self.until_marker(&mut came, self.asked.patience).await;
        if let Err(error) = outcome {
            let came: Vec<String> = came.into_iter().map(|record| format!("+ {}", record.value)).collect();
            return Err(error.context(format!(
                "{} of {wanted} records came\n  {}",
                came.len(),
                came.join("\n  ")
            )));
        }
        while came.len() < wanted {
            let Ok(record) = self.feed.next(self.topics.as_ref(), LATE).await else { break };
            came.push(record);
        }
        Ok(came)
    }

    /// What differs in the case; an error if its records did not come.
    async fn case(&mut self, placed: &Placed<'_>) -> anyhow::Result<Vec<String>> {
        self.streaming().await.context("the worker does not stream")?;
        let fill = |text: &str| placed.fill(text, &self.group.name);
        let name = self.server.name;
        let wanted = expand::wanted(placed.case.section("records", name))?;
        let wanted: Vec<_> = wanted.into_iter().map(|wanted| wanted.filled(fill)).collect();
        let mut sessions = Sessions::new(self.server, placed).await?;
        let mut bound = sessions.bound().await?;
        sessions.run(&statements(placed.case.section("sql", name)), fill).await?;
        sessions.close().await?;
        let came = self.records(wanted.len()).await?;
        Ok(differences(&wanted, &came, self.group.partitions, &mut bound))
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.feed.end().await?;
        self.marking.disconnect().await?;
        if let Some(topics) = self.topics {
            let positions: Vec<String> = (0..=self.restarts)
                .map(|restart| format!("{}.positions", cluster(self.group, restart)))
                .collect();
            topics.delete(&positions).await?;
        }
        Ok(())
    }
}
