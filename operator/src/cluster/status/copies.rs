//! Draws the copies of tables as the mirrors of the positions tell them. Pure.

use std::collections::BTreeMap;

use maxwell_crds::v1alpha1::{BootstrapState, BootstrapStatus, MaxwellClusterStatus};
use maxwell_protocol::bootstrap::{CopyProgress, CopyState, MOST_SHOWN};
use maxwell_protocol::snapshot::ClusterSnapshot;

/// The copies of all shards, by name; of many the first.
pub(super) fn draw(
    snapshot: &ClusterSnapshot,
    before: Option<&MaxwellClusterStatus>,
) -> Vec<BootstrapStatus> {
    let told = snapshot.positions.values().flat_map(|mirror| &mirror.copies);
    let copies: BTreeMap<&str, &CopyProgress> =
        told.take(MOST_SHOWN).map(|copy| (copy.id.as_str(), copy)).collect();
    let known = |id: &str| before.and_then(|before| before.bootstrap.iter().find(|known| known.name == id));
    copies.into_iter().map(|(id, copy)| draw_copy(copy, known(id))).collect()
}

fn draw_copy(copy: &CopyProgress, known: Option<&BootstrapStatus>) -> BootstrapStatus {
    let drawn = BootstrapStatus {
        name: copy.id.clone(),
        table: copy.table.clone(),
        state: match copy.state {
            CopyState::Waiting => BootstrapState::Waiting,
            CopyState::Copying => BootstrapState::Copying,
            CopyState::Aborting => BootstrapState::Aborting,
            CopyState::Complete => BootstrapState::Complete,
        },
        rows_copied: signed(copy.rows),
        rows_estimated: (copy.estimated_rows > 0).then(|| signed(copy.estimated_rows)),
    };
    match known {
        // Of what is over, the cluster remembers that it is over.
        Some(known) if drawn.state == BootstrapState::Complete => {
            let (rows_copied, rows_estimated) = (known.rows_copied, known.rows_estimated);
            BootstrapStatus { rows_copied, rows_estimated, ..drawn }
        }
        _ => drawn,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::status::testing::{snapshot, streaming_member};

    fn copy(state: CopyState, rows: u64) -> CopyProgress {
        let (id, table) = ("settings/shop.item".to_owned(), "shop.item".to_owned());
        CopyProgress { id, table, state, rows, estimated_rows: if rows > 0 { 1000 } else { 0 } }
    }

    #[test]
    fn a_finished_copy_keeps_its_figures() {
        let mut tree = snapshot([streaming_member("orders-0")]);
        assert_eq!(draw(&tree, None), []);
        let mut show = |copies| {
            tree.positions.get_mut(&"0".into()).unwrap().copies = copies;
            tree.clone()
        };
        let running = draw(&show(vec![copy(CopyState::Copying, 900)]), None);
        assert_eq!((running[0].rows_copied, running[0].rows_estimated), (900, Some(1000)));
        let before = MaxwellClusterStatus { bootstrap: running, ..MaxwellClusterStatus::default() };
        let over = draw(&show(vec![copy(CopyState::Complete, 0)]), Some(&before));
        assert_eq!((over[0].state, over[0].rows_copied), (BootstrapState::Complete, 900));
    }
}
