//! Copies of whole tables: what is asked for, and how far each copy is. The state is part of the position record, so
//! that a copied row, the cursor behind it and the position commit together.

use serde::{Deserialize, Serialize};

use crate::id::ShardId;

/// More requests than this are not kept at a time: they are part of every position record.
pub const MOST_TASKS: usize = 256;

/// A wish to copy a table. In ZooKeeper it is a node below `cluster/requests`, in the original's way a row of
/// `<schema_database>.bootstrap`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapRequest {
    /// Database.
    pub database: String,
    /// Table.
    pub table: String,
    /// Condition on the rows, as in SQL behind WHERE.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Printed as `comment` on every message of the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The copy does not begin before, milliseconds since the epoch; 0 is at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_before: i64,
    /// Shards that have copied their part, of a table that is divided by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied_by: Vec<ShardId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BootstrapPhase {
    /// `bootstrap-start` is not written yet.
    #[default]
    Waiting,
    /// `bootstrap-start` is written.
    Copying,
    /// It was taken back while it ran: only `bootstrap-complete` is missing.
    Aborting,
}

/// A request that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapTask {
    /// Where the request came from and its number there.
    pub id: String,
    /// The request.
    #[serde(flatten)]
    pub request: BootstrapRequest,
    /// How far it is.
    #[serde(default)]
    pub phase: BootstrapPhase,
    /// Key of the last copied row as SQL literals; empty at the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cursor: Vec<String>,
    /// Rows passed so far.
    #[serde(default)]
    pub rows: u64,
    /// Rows that the server reckoned the table to have when the copy began; 0 if that says nothing.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub estimated_rows: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

/// Copies that are shown outside the position record; what waits behind them is not.
pub const MOST_SHOWN: usize = 64;

/// Ids of tables that the settings name begin with this.
pub const OF_SETTINGS: &str = "settings/";
/// Ids of requests below `cluster/requests` begin with this.
pub const OF_REQUESTS: &str = "request/";

/// A copy as it is shown beside the mirror of the position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyProgress {
    /// Where the request came from and its number there.
    pub id: String,
    /// `database.table`.
    pub table: String,
    /// How far it is.
    pub state: CopyState,
    /// Rows passed so far.
    #[serde(default)]
    pub rows: u64,
    /// Rows that the server reckoned the table to have when the copy began; 0 if that says nothing.
    #[serde(default)]
    pub estimated_rows: u64,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyState {
    /// It has not begun.
    Waiting,
    /// Rows are copied.
    Copying,
    /// It was taken back, and ends.
    Aborting,
    /// It is over.
    Complete,
}

/// Every copy of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapState {
    /// What is not finished, in the order of arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<BootstrapTask>,
    /// Requests that are finished, but still there where they came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
}

/// What became of a new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    New,
    /// It is known, or was finished before.
    Known,
    /// There are too many.
    TooMany,
}

impl BootstrapState {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.done.is_empty()
    }

    /// The task of that id.
    pub fn task(&self, id: &str) -> Option<&BootstrapTask> {
        self.tasks.iter().find(|task| task.id == id)
    }

    fn task_mut(&mut self, id: &str) -> Option<&mut BootstrapTask> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// Takes a request in.
    pub fn add(&mut self, id: &str, request: BootstrapRequest) -> Added {
        if self.task(id).is_some() || self.done.iter().any(|done| done == id) {
            return Added::Known;
        }
        if self.tasks.len() >= MOST_TASKS {
            return Added::TooMany;
        }
        let phase = BootstrapPhase::Waiting;
        let cursor = Vec::new();
        self.tasks.push(BootstrapTask {
            id: id.to_owned(),
            request,
            phase,
            cursor,
            rows: 0,
            estimated_rows: 0,
        });
        Added::New
    }

    /// Takes a request back. One that has not begun is forgotten; whether the state changed.
    pub fn abort(&mut self, id: &str) -> bool {
        match self.task_mut(id).map(|task| task.phase) {
            None | Some(BootstrapPhase::Aborting) => false,
            Some(BootstrapPhase::Waiting) => {
                self.tasks.retain(|task| task.id != id);
                true
            }
            Some(BootstrapPhase::Copying) => {
                if let Some(task) = self.task_mut(id) {
                    task.phase = BootstrapPhase::Aborting;
                }
                true
            }
        }
    }

    /// `bootstrap-start` is written, and nothing is copied, or nothing that counts.
    pub fn started(&mut self, id: &str, estimated_rows: u64) {
        if let Some(task) = self.task_mut(id) {
            (task.phase, task.rows, task.estimated_rows) = (BootstrapPhase::Copying, 0, estimated_rows);
            task.cursor.clear();
        }
    }

    /// Rows up to `cursor` are written.
    pub fn advanced(&mut self, id: &str, cursor: Vec<String>, rows: u64) {
        if let Some(task) = self.task_mut(id) {
            task.cursor = cursor;
            task.rows += rows;
        }
    }

    /// The copy is over. With `remember` the same id is not taken in again, unless it was taken back.
    pub fn finished(&mut self, id: &str, remember: bool) {
        let aborted = self.task(id).is_some_and(|task| task.phase == BootstrapPhase::Aborting);
        let remember = remember && !aborted;
        self.tasks.retain(|task| task.id != id);
        if remember && !self.done.iter().any(|done| done == id) {
            self.done.push(id.to_owned());
        }
    }

    /// What is shown outside: what runs, what waits, and which of the settings' tables are done.
    pub fn progress(&self) -> Vec<CopyProgress> {
        let running = self.tasks.iter().map(|task| CopyProgress {
            id: task.id.clone(),
            table: format!("{}.{}", task.request.database, task.request.table),
            state: match task.phase {
                BootstrapPhase::Waiting => CopyState::Waiting,
                BootstrapPhase::Copying => CopyState::Copying,
                BootstrapPhase::Aborting => CopyState::Aborting,
            },
            rows: task.rows,
            estimated_rows: task.estimated_rows,
        });
        let done = self.done.iter().filter_map(|id| {
            let table = id.strip_prefix(OF_SETTINGS)?.to_owned();
            let state = CopyState::Complete;
            Some(CopyProgress { id: id.clone(), table, state, rows: 0, estimated_rows: 0 })
        });
        let mut shown: Vec<CopyProgress> = running.chain(done).collect();
        // What moves goes first.
        shown.sort_by_key(|copy| copy.state == CopyState::Waiting);
        shown.truncate(MOST_SHOWN);
        shown
    }

    /// The request is gone from where it came from.
    pub fn forget(&mut self, id: &str) -> bool {
        let before = self.done.len();
        self.done.retain(|done| done != id);
        self.done.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> BootstrapRequest {
        BootstrapRequest { database: "shop".into(), table: "item".into(), ..BootstrapRequest::default() }
    }

    #[test]
    fn a_finished_request_is_not_taken_in_again_until_it_is_gone() {
        let mut state = BootstrapState::default();
        assert_eq!(state.add("request/1", request()), Added::New);
        assert_eq!(state.add("request/1", request()), Added::Known);
        state.finished("request/1", true);
        assert_eq!(state.add("request/1", request()), Added::Known);
        assert!(state.forget("request/1"));
        assert!(state.is_empty());
        assert_eq!(state.add("request/1", request()), Added::New);
    }

    #[test]
    fn a_request_that_has_begun_ends_in_good_order() {
        let mut state = BootstrapState::default();
        state.add("table/1", request());
        state.add("table/2", request());
        assert!(state.abort("table/1"));
        assert_eq!(state.task("table/1"), None);
        state.started("table/2", 10);
        state.advanced("table/2", vec!["7".into()], 3);
        assert!(state.abort("table/2"));
        assert!(!state.abort("table/2"));
        assert_eq!(state.task("table/2").map(|task| task.phase), Some(BootstrapPhase::Aborting));
        // Nobody can ask for it again under this id: there is nothing to remember.
        state.finished("table/2", true);
        assert!(state.is_empty());
    }

    #[test]
    fn what_is_shown_is_bounded_and_begins_with_what_moves() {
        let mut state = BootstrapState::default();
        for number in 0..MOST_TASKS {
            state.add(&format!("request/{number}"), request());
        }
        state.started("request/200", 1000);
        state.advanced("request/200", vec!["7".into()], 3);
        state.finished("request/100", true);
        state.add("settings/shop.item", request());
        state.finished("settings/shop.item", true);
        let shown = state.progress();
        assert_eq!(shown.len(), MOST_SHOWN);
        assert_eq!((shown[0].id.as_str(), shown[0].rows, shown[0].estimated_rows), ("request/200", 3, 1000));
        assert_eq!((shown[1].table.as_str(), shown[1].state), ("shop.item", CopyState::Complete));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut state = BootstrapState::default();
        for number in 0..MOST_TASKS {
            assert_eq!(state.add(&format!("table/{number}"), request()), Added::New);
        }
        assert_eq!(state.add("table/x", request()), Added::TooMany);
    }

    #[test]
    fn a_record_without_copies_stays_as_it_was() {
        let state = BootstrapState::default();
        assert_eq!(serde_json::to_string(&state).unwrap(), "{}");
        let text = r#"{"tasks":[{"id":"table/1","database":"a","table":"b","where":"x > 1","cursor":["5"],"rows":9}]}"#;
        let state: BootstrapState = serde_json::from_str(text).unwrap();
        assert_eq!(state.tasks[0].request.condition.as_deref(), Some("x > 1"));
        assert_eq!(
            serde_json::from_str::<BootstrapState>(&serde_json::to_string(&state).unwrap()).unwrap(),
            state
        );
    }
}
