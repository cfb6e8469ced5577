//! What a shard of a layout inherits from the last record under its name, which may be of another layout. Pure.

use maxwell_protocol::bootstrap::OF_SETTINGS;
use maxwell_protocol::layout::Layout;
use maxwell_protocol::position::{Position, PositionRecord, Seal};
use maxwell_protocol::settings::Bootstrap;

use super::committer::RecordBase;
use super::error::EngineError;

/// How the last record relates to the layout that its shard is part of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heritage {
    /// It is of this layout, or there is none and nothing to go by: the shard goes on as ever.
    Own,
    /// It is the one that ended the layout before this one: what it tells holds where this layout begins.
    Sealed,
    /// It is of some layout before: the shard begins where this layout does.
    Past,
}

/// What `last` is to a shard of the layout of `generation`. A record of a newer one shows that this member's view of the
/// layout is an old one.
pub(super) fn heritage(last: Option<&PositionRecord>, generation: u64) -> Result<Heritage, EngineError> {
    match last {
        Some(last) if last.generation > generation => {
            Err(EngineError::StaleLayout { ours: generation, theirs: last.generation })
        }
        Some(last) if last.generation < generation => {
            let sealed = last.sealed == Some(Seal::Layout { generation });
            Ok(if sealed { Heritage::Sealed } else { Heritage::Past })
        }
        _ => Ok(Heritage::Own),
    }
}

/// Where a shard of `layout` begins, of which it has no record yet. The tables that the settings name were copied by the
/// layout before.
pub(super) fn first_of(
    layout: &Layout,
    base: &mut RecordBase,
    (heritage, settings): (Heritage, &Bootstrap),
) -> Result<Position, EngineError> {
    let generation = layout.generation;
    let begins = layout.begins.clone().ok_or(EngineError::NoBeginning { generation })?;
    if heritage != Heritage::Sealed {
        base.source_time = 0;
    }
    base.bootstrap.tasks.clear();
    if settings.enabled {
        for table in &settings.tables {
            let id = format!("{OF_SETTINGS}{table}");
            if !base.bootstrap.done.contains(&id) {
                base.bootstrap.done.push(id);
            }
        }
    }
    Ok(begins)
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::id::Epoch;

    use super::*;

    fn record(generation: u64, sealed: Option<Seal>) -> PositionRecord {
        let mut base = RecordBase::following(None, generation);
        base.sequence = 41;
        PositionRecord { sealed, ..base.next(Position::default(), 7) }
    }

    #[test]
    fn the_generation_decides_what_a_record_is() {
        let seal = |generation| Some(Seal::Layout { generation });
        let of = |generation, sealed, ours| heritage(Some(&record(generation, sealed)), ours).ok();
        assert_eq!(of(2, None, 2), Some(Heritage::Own));
        assert_eq!(of(2, seal(3), 2), Some(Heritage::Own));
        assert_eq!(of(2, seal(3), 3), Some(Heritage::Sealed));
        assert_eq!(of(2, seal(3), 4), Some(Heritage::Past), "its layout came to nothing or is gone");
        assert_eq!(of(1, None, 4), Some(Heritage::Past));
        assert_eq!(of(3, None, 2), None);
        assert_eq!(heritage(None, 5).ok(), Some(Heritage::Own));
    }

    #[test]
    fn a_shard_begins_where_its_layout_does_and_counts_on() {
        let begins = Position { file: "binlog.000009".into(), offset: 500, ..Position::default() };
        let layout = Layout { generation: 3, begins: Some(begins.clone()), ..Layout::default() };
        let mut base = RecordBase::following(Some(&record(2, None)), 3);
        let settings = Bootstrap { tables: vec!["shop.items".into()], ..Bootstrap::default() };
        assert_eq!(first_of(&layout, &mut base, (Heritage::Past, &settings)).unwrap(), begins);
        assert_eq!((base.epoch, base.sequence, base.generation), (Epoch(2), 42, 3));
        assert_eq!((base.bootstrap.done, base.source_time), (vec!["settings/shop.items".to_owned()], 0));
        let without = Layout { begins: None, ..layout };
        let mut base = RecordBase::following(None, 3);
        assert!(first_of(&without, &mut base, (Heritage::Own, &settings)).is_err());
    }
}
