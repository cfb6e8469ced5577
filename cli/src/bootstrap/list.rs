//! The copies of a cluster as a table.

use std::collections::BTreeMap;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use maxwell_protocol::bootstrap::{CopyProgress, OF_REQUESTS};
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::{Ask, Progress, Request};
use maxwell_protocol::snapshot::ClusterSnapshot;

/// What is shown of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    table: String,
    state: String,
    rows: String,
    by: String,
}

/// Prints them.
pub(super) async fn list(reader: &TreeReader) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["ID", "TABLE", "STATE", "ROWS", "BY"]);
    for (id, line) in lines(&reader.snapshot().await?) {
        table.add_row([id, line.table, line.state, line.rows, line.by]);
    }
    super::print(&table)
}

/// The copies that run or wait, those of the settings that are done, and requests that have ended lately, by id.
fn lines(snapshot: &ClusterSnapshot) -> BTreeMap<String, Line> {
    let asked = snapshot.requests.iter().filter_map(|(name, request)| Some((name.clone(), asked(request)?)));
    let mut lines: BTreeMap<String, Line> = asked.collect();
    for copy in copies(snapshot) {
        let id = copy.id.strip_prefix(OF_REQUESTS).unwrap_or(&copy.id);
        let line = lines.entry(id.to_owned()).or_insert_with(|| Line {
            table: copy.table.clone(),
            state: String::new(),
            rows: String::new(),
            by: String::new(),
        });
        if line.state.is_empty() || line.state == ASKED {
            line.state = format!("{:?}", copy.state);
            line.rows = rows(copy);
        }
    }
    lines
}

const ASKED: &str = "Asked";

fn asked(request: &Request) -> Option<Line> {
    let Ask::Bootstrap(copy) = &request.ask else { return None };
    let state = match &request.outcome {
        None => ASKED.to_owned(),
        Some(outcome) if outcome.state == Progress::Refused => format!("Refused: {}", outcome.detail),
        Some(_) => "Complete".to_owned(),
    };
    let table = format!("{}.{}", copy.database, copy.table);
    Some(Line { table, state, rows: String::new(), by: request.by.clone() })
}

/// What the mirrors of the positions tell of copies.
pub(super) fn copies(snapshot: &ClusterSnapshot) -> impl Iterator<Item = &CopyProgress> {
    snapshot.positions.values().flat_map(|mirror| &mirror.copies)
}

fn rows(copy: &CopyProgress) -> String {
    match (copy.rows, copy.estimated_rows) {
        (0, 0) => String::new(),
        (rows, 0) => rows.to_string(),
        (rows, estimated) => format!("{rows} of about {estimated}"),
    }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::bootstrap::{BootstrapRequest, CopyState};
    use maxwell_protocol::id::Epoch;
    use maxwell_protocol::position::PositionMirror;
    use maxwell_protocol::request::Outcome;

    use super::*;

    fn request(outcome: Option<Outcome>) -> Request {
        let (database, table) = ("shop".to_owned(), "item".to_owned());
        let ask = Ask::Bootstrap(BootstrapRequest { database, table, ..BootstrapRequest::default() });
        Request { outcome, ..Request::new(ask, "ann", 7) }
    }

    #[test]
    fn requests_and_what_is_known_of_their_copies_are_one_list() {
        let copy = |id: &str, state, rows| CopyProgress {
            id: id.into(),
            table: "shop.item".into(),
            state,
            rows,
            estimated_rows: 1000,
        };
        let mirror = PositionMirror {
            binlog_file: String::new(),
            binlog_position: 4,
            gtid_set: String::new(),
            server_id: String::new(),
            timestamp: 0,
            epoch: Epoch(1),
            sequence: 1,
            generation: 1,
            copies: vec![
                copy("request/2", CopyState::Copying, 10),
                copy("settings/shop.item", CopyState::Complete, 0),
            ],
        };
        let refused = Outcome {
            state: Progress::Refused,
            detail: "there is no such table".into(),
            at: 9,
            plan: Default::default(),
        };
        let snapshot = ClusterSnapshot {
            positions: [("0".into(), mirror)].into(),
            requests: [("1", None), ("2", None), ("3", Some(refused))]
                .map(|(name, outcome)| (name.to_owned(), request(outcome)))
                .into(),
            ..ClusterSnapshot::default()
        };
        let lines = lines(&snapshot);
        let shown: Vec<(&str, &str, &str)> =
            lines.iter().map(|(id, line)| (id.as_str(), line.state.as_str(), line.rows.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("1", "Asked", ""),
                ("2", "Copying", "10 of about 1000"),
                ("3", "Refused: there is no such table", ""),
                ("settings/shop.item", "Complete", "0 of about 1000"),
            ]
        );
    }
}
