//! The tables for people. Pure.

use std::fmt::Display;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use maxwell_protocol::history::History;
use maxwell_protocol::live::InForce;
use maxwell_protocol::member::Connection;

use super::picture::{Member, Picture, Shard};

const MEBIBYTE: u64 = 1 << 20;

/// An empty table.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied());
    table
}

/// As text.
pub(crate) fn lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn seconds(milliseconds: Option<u64>) -> String {
    or_dash(milliseconds.map(|lag| format!("{:.1}", lag as f64 / 1_000.0)))
}

/// Everything that `status` says.
pub(super) fn status(picture: &Picture) -> String {
    let mut head =
        table(&["CLUSTER", "LEADER", "STATE", "LAYOUT", "SHARDS", "LAG (s)", "FAILOVERS", "SETTINGS"]);
    let state = match (picture.dividing, picture.paused) {
        (Some(phase), _) => format!("Dividing, {phase:?}"),
        (None, true) => "Paused".to_owned(),
        (None, false) => "Running".to_owned(),
    };
    head.add_row([
        picture.root.clone(),
        or_dash(picture.leader.as_ref()),
        state,
        picture.layout.to_string(),
        format!("{}/{}", picture.streaming, picture.shards.len()),
        seconds(picture.lag_milliseconds),
        picture.failovers.to_string(),
        picture.settings_version.to_string(),
    ]);
    [lines(&head), members(&picture.members), shards(&picture.shards)].join("\n")
}

/// The members.
pub(super) fn members(members: &[Member]) -> String {
    let mut rows = table(&[
        "MEMBER",
        "ROLE",
        "STATE",
        "SHARDS",
        "CPU (%)",
        "MEMORY (MiB)",
        "ROWS/S",
        "MYSQL",
        "KAFKA",
        "SETTINGS",
        "VERSION",
    ]);
    for member in members {
        let shards: Vec<&str> = member.shards.iter().map(|shard| shard.as_str()).collect();
        rows.add_row([
            member.name.to_string(),
            member.role.to_owned(),
            member.state.to_owned(),
            or_dash((!shards.is_empty()).then(|| shards.join(","))),
            format!("{:.0}", member.cpu_percent),
            (member.memory_bytes / MEBIBYTE).to_string(),
            format!("{:.0}", member.rows_per_second),
            connection(&member.mysql),
            connection(&member.kafka),
            settings(&member.settings),
            or_dash((!member.version.is_empty()).then_some(&member.version)),
        ]);
    }
    lines(&rows)
}

/// The version that it has taken on, or why not.
fn settings(settings: &InForce) -> String {
    match settings.refused.as_str() {
        "" => settings.version.to_string(),
        why => format!("{}: refused: {why}", settings.version),
    }
}

fn connection(connection: &Connection) -> String {
    match connection.reachable {
        None => "-".to_owned(),
        Some(true) => "ok".to_owned(),
        Some(false) => connection.error.clone(),
    }
}

fn shards(shards: &[Shard]) -> String {
    let mut rows = table(&["SHARD", "OWNER", "STATE", "EPOCH", "LAG (s)", "FILE", "OFFSET", "ERROR"]);
    for shard in shards {
        rows.add_row([
            shard.name.to_string(),
            or_dash(shard.owner.as_ref()),
            format!("{:?}", shard.state),
            or_dash((shard.epoch.0 > 0).then_some(shard.epoch)),
            seconds(shard.lag_milliseconds),
            or_dash(shard.position.as_ref().map(|position| &position.binlog_file)),
            or_dash(shard.position.as_ref().map(|position| position.binlog_position)),
            shard.last_error.clone(),
        ]);
    }
    lines(&rows)
}

/// The last changes of owner, newest last.
pub(super) fn history(history: &History) -> String {
    let mut rows = table(&[
        "TIME",
        "SHARD",
        "FROM",
        "TO",
        "TRIGGER",
        "BY",
        "GAP (ms)",
        "DETECTION",
        "ELECTION",
        "SYNC",
        "RESUMPTION",
    ]);
    for entry in &history.entries {
        rows.add_row([
            or_dash(Timestamp::from_millisecond(entry.time).ok()),
            entry.shard.to_string(),
            or_dash(entry.from.as_ref()),
            entry.to.to_string(),
            format!("{:?}", entry.trigger),
            or_dash((!entry.by.is_empty()).then_some(&entry.by)),
            or_dash(entry.gap_milliseconds),
            entry.phases.detection_milliseconds.to_string(),
            entry.phases.election_milliseconds.to_string(),
            entry.phases.sync_milliseconds.to_string(),
            entry.phases.resume_milliseconds.to_string(),
        ]);
    }
    lines(&rows)
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::history::{Phases, Transition, Trigger};

    use super::*;

    #[test]
    fn a_line_for_every_change_of_owner() {
        let mut told = History::default();
        told.record(Transition {
            time: 1_764_000_000_000,
            shard: "0".into(),
            from: Some("a".into()),
            to: "b".into(),
            trigger: Trigger::Requested,
            by: "anna@desk".into(),
            gap_milliseconds: Some(120),
            phases: Phases { election_milliseconds: 40, ..Phases::default() },
        });
        let text = history(&told);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected =
            ["2025-11-24T16:00:00Z", "0", "a", "b", "Requested", "anna@desk", "120", "0", "40", "0", "0"];
        assert_eq!(words, expected);
    }
}
