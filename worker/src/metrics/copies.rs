//! How far each copy of a table is.

use std::sync::atomic::AtomicI64;

use maxwell_protocol::bootstrap::{BootstrapState, CopyState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    table: String,
}

type Rows = Family<Labels, Gauge<i64, AtomicI64>>;

/// The figures of the tables that are being copied; those that are not have none.
#[derive(Debug, Default)]
pub(super) struct Copies {
    rows: Rows,
    estimated: Rows,
}

impl Copies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let copies = Self::default();
        let help = "Rows of a table that is being copied, so far";
        registry.register("bootstrap_table_rows", help, copies.rows.clone());
        let help =
            "Rows that the source reckons a table that is being copied to have; 0 if that is not known";
        registry.register("bootstrap_table_estimated_rows", help, copies.estimated.clone());
        copies
    }

    /// A record with this state was committed.
    pub(super) fn committed(&self, state: &BootstrapState) {
        self.rows.clear();
        self.estimated.clear();
        for copy in state.progress() {
            if matches!(copy.state, CopyState::Copying | CopyState::Aborting) {
                let labels = Labels { table: copy.table };
                self.rows.get_or_create(&labels).set(signed(copy.rows));
                self.estimated.get_or_create(&labels).set(signed(copy.estimated_rows));
            }
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::bootstrap::BootstrapRequest;
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn a_table_has_figures_while_it_is_copied() {
        let mut registry = Registry::default();
        let copies = Copies::register(&mut registry);
        let shown = |state: &BootstrapState| {
            copies.committed(state);
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let mut state = BootstrapState::default();
        state.add(
            "table/1",
            BootstrapRequest { database: "shop".into(), table: "item".into(), ..Default::default() },
        );
        assert!(!shown(&state).contains("shop.item"));
        state.started("table/1", 1000);
        state.advanced("table/1", vec!["7".into()], 7);
        assert!(shown(&state).contains("bootstrap_table_rows{table=\"shop.item\"} 7\n"));
        state.finished("table/1", false);
        assert!(!shown(&state).contains("shop.item"));
    }
}
