//! Copies a table that has no key. Nothing tells its rows apart, so no row of a copy can be held against one of the
//! stream: all of it is read as it was at one place of the binlog, and leaves at that place.
//!
//! ```text
//! hold the stream's rows of the table back ─▶ take a snapshot ─▶ note the binlog's end
//!      the stream reaches that end without meeting such a row: the snapshot is the table as the stream has shown it
//!      it meets one before: the snapshot may have it or not ─▶ let it go, try again
//! ```
//!
//! A copy that is interrupted has lost its snapshot: it begins anew, with another `bootstrap-start`.

use std::time::Duration;

use maxwell_protocol::bootstrap::BootstrapPhase;
use tokio::sync::oneshot;

use super::copier::{AHEAD, CHUNK_BYTES, Copier, CopyError, Ended};
use super::cutter::Cutter;
use super::runner::Shop;
use super::{Order, Then, Verdict};
use crate::bootstrap::BootstrapError;
use crate::bootstrap::piece::Printer;
use crate::bootstrap::plan::{ChunkPlan, quoted};
use crate::bootstrap::window::TableName;
use crate::source::preflight::Head;

/// Snapshots that are tried, and the pause between two, so that the stream gets on.
const SNAPSHOTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(20);

/// The stream's rows of a table are held back while this lives.
pub(super) struct Holding<'a> {
    shop: &'a Shop,
    table: TableName,
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.shop.order(Order::Release { table: self.table.clone() });
    }
}

impl Copier<'_> {
    /// Reads the table in one go.
    pub(super) async fn whole(&mut self) -> Result<Ended, CopyError> {
        if self.task.phase == BootstrapPhase::Aborting {
            return Ok(Ended::Aborted);
        }
        if let Some(why) = self.session.without_snapshots().or((!self.transactional).then_some(NO_ENGINE)) {
            return Err(self.refused(why));
        }
        let plan = ChunkPlan {
            database: &self.name.0,
            table: &self.name.1,
            columns: &self.copy.expressions,
            index: &self.copy.index,
            key: &[],
            condition: self.task.request.condition.as_deref(),
            after: &[],
            limit: 0,
            locking: false,
        };
        let sql = plan.sql();
        // Not before the condition is known to be one that the server understands.
        self.session.check(&sql).await?;
        for _ in 0..SNAPSHOTS {
            let until = self.hold().await?;
            let start = self.start_piece()?;
            self.out.deliver(
                self.guard(),
                Some(until.clone()),
                vec![start],
                Then::Restarted(self.estimated_rows),
            );
            match self.out.settle(0).await? {
                Verdict::Taken => return self.pour(&sql, &until).await,
                Verdict::Gone => return Ok(Ended::Aborted),
                Verdict::Again => {}
            }
            self.holding = None;
            self.session.commit().await?;
            tokio::time::sleep(PAUSE).await;
        }
        Err(self.refused("it is changed so often that no snapshot could be told from the changes around it"))
    }

    fn refused(&self, why: &'static str) -> CopyError {
        let table = format!("{}.{}", quoted(&self.name.0), quoted(&self.name.1));
        BootstrapError::NoKey { table, why }.into()
    }

    /// Holds the stream's rows back and takes a snapshot; where the binlog ended then.
    async fn hold(&mut self) -> Result<Head, CopyError> {
        let (reply, passed) = oneshot::channel();
        let shop = self.out.shop;
        shop.order(Order::Hold { table: self.name.clone(), reply });
        self.holding = Some(Holding { shop, table: self.name.clone() });
        let passed = passed.await.map_err(|_| CopyError::Closed)?;
        Ok(self.session.freeze(&passed).await?)
    }

    /// Reads the snapshot and hands it over as it comes.
    async fn pour(&mut self, sql: &str, place: &Head) -> Result<Ended, CopyError> {
        // Another attempt has other rows under the same numbers.
        let id = format!("{}/{}:{}", self.task.id, place.file, place.offset);
        let guard = self.guard();
        let shop = self.out.shop;
        let printer = Printer::new(&self.copy, &self.encoder, self.style, &id);
        let mut cutter = Cutter::new(printer, shop.piece_records);
        let mut rows = self.session.select(sql).await?;
        let mut paced = 0;
        while let Some(values) = rows.next().await? {
            cutter.row(values)?;
            if cutter.bytes < CHUNK_BYTES && cutter.rows - paced < shop.chunk_rows() {
                continue;
            }
            self.out.deliver(guard.clone(), None, cutter.take()?, Then::Advanced);
            shop.pace(cutter.rows - paced).await;
            paced = cutter.rows;
            match self.out.settle(AHEAD).await? {
                Verdict::Taken => {}
                Verdict::Gone => return Ok(Ended::Aborted),
                Verdict::Again => return Ok(Ended::Again),
            }
        }
        self.out.deliver(guard, None, cutter.take()?, Then::Advanced);
        let rows = cutter.rows;
        self.session.commit().await?;
        Ok(match self.out.settle(0).await? {
            Verdict::Taken => Ended::Complete { rows },
            Verdict::Gone => Ended::Aborted,
            Verdict::Again => Ended::Again,
        })
    }
}

const NO_ENGINE: &str = "its storage engine has no snapshots";
