//! Going back to an earlier position because somebody asked for it: consumers see again what came after it.

use super::committer::RecordBase;
use super::error::EngineError;
use super::prepare::{SEARCH, answered, within};
use super::run::Engine;
use super::runs::Run;
use crate::coordination::Rewind;
use crate::source::rewind::{Way, way_back};

impl Engine {
    /// Takes the shard over, and commits the earlier position as its last; or says why not. Whoever runs the shard next
    /// goes on from there.
    pub(super) async fn rewind(&self, run: &Run<'_>, asked: &Rewind) -> Result<(), EngineError> {
        let (mut taken, (mut conn, server)) =
            tokio::try_join!(self.take_over(run), answered(self.inspect_source(run)))?;
        let generation = run.context.layout.generation;
        let Some(last) = taken.last.take().filter(|last| last.generation == generation) else {
            let reason = "the shard has no position yet to go back from".into();
            run.ownership.rewound(&asked.request, Err(reason));
            return Ok(());
        };
        if last.rewind.as_ref() == Some(&asked.request) {
            // An owner before did it, and could not say so any more.
            run.ownership.rewound(&asked.request, Ok(()));
            return Ok(());
        }
        let (start, of) = (&asked.to, asked.server.as_deref());
        let mysql = self.reactions.sources.current();
        let way = way_back(&mut conn, &server, mysql, (start, of), &last.position);
        let place = match within(SEARCH, async { Ok(way.await?) }).await? {
            Way::Back(place) => place,
            Way::Refused(reason) => {
                tracing::warn!(request = asked.request, reason, "the shard does not go back");
                run.ownership.rewound(&asked.request, Err(reason));
                return Ok(());
            }
        };
        tracing::warn!(
            request = asked.request,
            file = place.file,
            offset = place.offset,
            gtid_set = place.gtid_set,
            "going back as was asked for: consumers see again what comes after this place"
        );
        let mut base = RecordBase::following(Some(&last), generation);
        base.source_time = 0;
        base.rewind = Some(asked.request.clone());
        let writer = self.begin(run, taken.writer, &mut base, (place, Vec::new())).await?;
        drop(writer);
        run.farewell().await;
        run.ownership.rewound(&asked.request, Ok(()));
        Ok(())
    }
}
