//! After a lost position: every table that may miss changes is copied again.

use maxwell_protocol::bootstrap::{BootstrapPhase, BootstrapRequest, BootstrapState, MOST_TASKS};

use crate::engine::error::EngineError;
use crate::schema::ddl::TableName;

/// What the ids of such copies begin with.
pub(in crate::engine) const PREFIX: &str = "lost/";

/// `state` with a copy of each of `tables`; copies that were under way begin anew, since they miss the same changes.
/// `sequence` tells this loss from others.
pub(in crate::engine) fn again(
    mut state: BootstrapState,
    tables: Vec<TableName>,
    sequence: u64,
) -> Result<BootstrapState, EngineError> {
    let whole = |task: &BootstrapRequest| task.condition.is_none();
    state.tasks.retain(|task| !whole(&task.request));
    for task in &mut state.tasks {
        task.phase = BootstrapPhase::Waiting;
        task.cursor.clear();
        task.rows = 0;
    }
    let wanted = tables.len() + state.tasks.len();
    if wanted > MOST_TASKS {
        return Err(EngineError::TooMuchToCopy { tables: tables.len() });
    }
    for TableName { database, table } in tables {
        let id = format!("{PREFIX}{sequence}/{database}.{table}");
        let comment = Some("the position was lost".to_owned());
        state.add(&id, BootstrapRequest { database, table, comment, ..BootstrapRequest::default() });
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(table: &str) -> TableName {
        TableName { database: "shop".into(), table: table.into() }
    }

    fn request(table: &str, condition: Option<&str>) -> BootstrapRequest {
        let condition = condition.map(str::to_owned);
        BootstrapRequest {
            database: "shop".into(),
            table: table.into(),
            condition,
            ..BootstrapRequest::default()
        }
    }

    #[test]
    fn what_was_under_way_begins_anew() {
        let mut state = BootstrapState::default();
        state.add("table/1", request("item", None));
        state.add("table/2", request("orders", Some("id > 5")));
        for id in ["table/1", "table/2"] {
            state.started(id, 0);
            state.advanced(id, vec!["7".into()], 7);
        }
        state.finished("request/3", true);
        let state = again(state, vec![name("item"), name("orders")], 9).unwrap();
        let tasks: Vec<_> =
            state.tasks.iter().map(|task| (task.id.as_str(), task.rows, task.phase)).collect();
        assert_eq!(
            tasks,
            [
                ("table/2", 0, BootstrapPhase::Waiting),
                ("lost/9/shop.item", 0, BootstrapPhase::Waiting),
                ("lost/9/shop.orders", 0, BootstrapPhase::Waiting),
            ]
        );
        assert_eq!(state.done, ["request/3"]);
    }

    #[test]
    fn more_than_can_be_kept_is_refused() {
        let tables = (0..=MOST_TASKS).map(|number| name(&number.to_string())).collect();
        let refused = again(BootstrapState::default(), tables, 1).unwrap_err();
        assert!(refused.to_string().contains("mysql.onPositionLost"), "{refused}");
    }
}
