//! What a `read_committed` consumer finds of a copy and of the stream beside it.

use std::sync::atomic::AtomicBool;

use anyhow::Context;
use rdkafka::Message as _;
use serde::Deserialize;

use super::check::{Event, Kind};
use crate::consumer::{Isolation, Reader};

#[derive(Deserialize)]
struct Message<'a> {
    table: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    data: Row,
    old: Option<Old>,
}

#[derive(Deserialize)]
struct Old {
    id: Option<i64>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    id: i64,
    k: Option<i64>,
    pad: Option<serde::de::IgnoredAny>,
}

/// Reads `topic` from its beginning to its end; messages of other tables than `table` are left out.
pub(super) fn read(topic: &str, table: &str) -> anyhow::Result<Vec<Event>> {
    let mut seen = Vec::new();
    // What is deleted with a minimal image has no value: it is as old as what came before.
    let mut latest = 0;
    let reader = Reader::new(topic, Isolation::Committed)?;
    reader.each(&AtomicBool::new(true), |message| {
        let text = message.payload().context("a message without a value")?;
        let message: Message<'_> = serde_json::from_slice(text)
            .with_context(|| format!("not a change: {}", String::from_utf8_lossy(text)))?;
        if message.table != table {
            return Ok(());
        }
        let value = message.data.k.unwrap_or(latest);
        latest = value.max(latest);
        // The row was moved: its old key is gone.
        if let Some(id) = message.old.as_ref().and_then(|old| old.id) {
            seen.push(Event { kind: Kind::Deleted, id, value });
        }
        seen.push(Event { kind: kind(&message)?, id: message.data.id, value });
        Ok(())
    })?;
    Ok(seen)
}

fn kind(message: &Message<'_>) -> anyhow::Result<Kind> {
    Ok(match message.kind {
        "update" if message.data.pad.is_none() => Kind::Changed,
        "insert" | "update" => Kind::Written,
        "delete" => Kind::Deleted,
        "bootstrap-insert" => Kind::Copied,
        "bootstrap-start" => Kind::Start,
        "bootstrap-complete" => Kind::Complete,
        other => anyhow::bail!("a message of type {other}"),
    })
}
