//! What a shard of a layout inherits from the last record under its name, which may be of another layout. All but the first
//! question is pure.

use maxwell_protocol::bootstrap::{BootstrapState, OF_SETTINGS};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::position::{Position, PositionRecord, Seal};
use maxwell_protocol::settings::Bootstrap;

use super::committer::RecordBase;
use super::error::EngineError;
use super::runs::Run;
use crate::sink::SinkError;

/// How the last record relates to the layout that its shard is part of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heritage {
    /// It is of this layout, or there is none and nothing to go by: the shard goes on as ever.
    Own,
    /// It is the one that ended the layout before this one: what it tells holds where this layout begins.
    Sealed,
    /// It is of some layout before: the shard begins where this layout does.
    Past,
}

/// What `last` is to the run's shard; `None` if nothing may follow it yet.
pub(crate) async fn inherited(
    run: &Run<'_>,
    last: Option<&PositionRecord>,
) -> Result<Option<Heritage>, EngineError> {
    let found = heritage(last, run.context.layout.generation);
    if let Err(EngineError::StaleLayout { theirs, .. }) = found {
        run.ownership.know_of(theirs).await.map_err(SinkError::from)?;
    }
    let found = found?;
    let seal = last.filter(|_| found == Heritage::Own).and_then(|last| last.sealed);
    let holds = match seal {
        Some(seal) => run.ownership.is_sealed(seal).await.map_err(SinkError::from)?,
        None => false,
    };
    Ok((!holds).then_some(found))
}

/// Where the shard goes on, and whether no record has said so yet; `None` if the source is to be asked for a first place.
pub(crate) fn goes_on_at(
    layout: &Layout,
    (last, heritage): (Option<&PositionRecord>, Heritage),
    base: &mut RecordBase,
) -> Result<Option<(Position, bool)>, EngineError> {
    match last {
        Some(last) if heritage == Heritage::Own => Ok(Some((last.position.clone(), false))),
        last if last.is_some() || layout.origin.is_some() => {
            first_of(layout, (last, heritage), base).map(|first| Some((first, true)))
        }
        _ => Ok(None),
    }
}

/// What `last` is to a shard of the layout of `generation`. A record of a newer one shows that this member's view of the
/// layout is an old one.
fn heritage(last: Option<&PositionRecord>, generation: u64) -> Result<Heritage, EngineError> {
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

/// Where a shard of `layout` begins that has no record of it yet, only `last` of another one, or none.
fn first_of(
    layout: &Layout,
    (last, heritage): (Option<&PositionRecord>, Heritage),
    base: &mut RecordBase,
) -> Result<Position, EngineError> {
    let sealed = last.filter(|_| heritage == Heritage::Sealed);
    if sealed.is_none() {
        base.source_time = 0;
    }
    // Every shard is sealed at the same place.
    let begins = layout.begins.as_ref().or(sealed.map(|last| &last.position));
    begins.cloned().ok_or(EngineError::NoBeginning { generation: layout.generation })
}

/// What the shards of the layout before have copied is not copied again: the tables that the settings name.
pub(super) fn take_for_copied(copies: &mut BootstrapState, settings: &Bootstrap) {
    copies.tasks.clear();
    for table in settings.tables.iter().filter(|_| settings.enabled) {
        let id = format!("{OF_SETTINGS}{table}");
        if !copies.done.contains(&id) {
            copies.done.push(id);
        }
    }
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
        let at = |offset| Position { file: "binlog.000009".into(), offset, ..Position::default() };
        let layout = Layout { generation: 3, begins: Some(at(500)), ..Layout::default() };
        let last = PositionRecord { position: at(500), ..record(2, Some(Seal::Layout { generation: 3 })) };
        let mut base = RecordBase::following(Some(&last), 3);
        let first = first_of(&layout, (Some(&last), Heritage::Past), &mut base).unwrap();
        assert_eq!((first, base.source_time), (at(500), 0));
        assert_eq!((base.epoch, base.sequence, base.generation), (Epoch(2), 42, 3));
        let without = Layout { begins: None, ..layout };
        let mut base = RecordBase::following(Some(&last), 3);
        let first = first_of(&without, (Some(&last), Heritage::Sealed), &mut base).unwrap();
        assert_eq!((first, base.source_time), (at(500), 7));
        assert!(first_of(&without, (Some(&last), Heritage::Past), &mut base).is_err());
        assert!(first_of(&without, (None, Heritage::Own), &mut base).is_err());
    }

    #[test]
    fn tables_of_the_settings_are_not_copied_again() {
        let settings = Bootstrap { tables: vec!["shop.items".into()], ..Bootstrap::default() };
        let mut copies = BootstrapState::default();
        take_for_copied(&mut copies, &settings);
        take_for_copied(&mut copies, &settings);
        assert_eq!(copies.done, ["settings/shop.items"]);
        let mut copies = BootstrapState::default();
        take_for_copied(&mut copies, &Bootstrap { enabled: false, ..settings });
        assert!(copies.is_empty());
    }
}
