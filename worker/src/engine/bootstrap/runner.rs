//! Which tables are copied when: requests that are due, in the order of their arrival, some at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use maxwell_protocol::bootstrap::{
    BootstrapRequest, BootstrapState, BootstrapTask, OF_REQUESTS, OF_SETTINGS,
};
use maxwell_protocol::position::PositionRecord;
use maxwell_protocol::settings::{Bootstrap, MySql};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use super::copier::{CopyError, Ended, copy};
use super::desk::Desk;
use super::{Delivery, Guard, Order, Then};
use crate::bootstrap::BootstrapError;
use crate::clock::milliseconds;
use crate::coordination::Ownership;
use crate::encode::style::Style;
use crate::engine::tuning::Knobs;
use crate::shard::{Divider, Held};
use crate::source::SourceError;
use crate::source::dump::Batch;
use crate::source::preflight::ServerInfo;

/// How often requests from elsewhere are looked for, and scheduled ones for their time.
const LOOK: Duration = Duration::from_secs(1);
/// What a server says to what is no SQL.
const PARSE_ERROR: u16 = 1064;
/// Between two attempts on a table.
const PAUSE: Duration = Duration::from_millis(500);
/// Refusals by the server that a copy survives without progress: the table may be changing at that moment.
const REFUSALS: u32 = 5;

/// Chunks that are read with their rows locked after a window that found no quiet moment: more every time.
const LEAST_CAREFUL: u32 = 8;
const MOST_CAREFUL: u32 = 1024;

/// Why copies that are asked for are refused.
const NO_COPIES: &str =
    "no table is copied under sharding.strategy Time: a copy takes longer than a shard's turn may";

/// What every copier needs.
pub struct Shop {
    /// How tables are copied.
    pub settings: Bootstrap,
    /// What of them changes meanwhile.
    pub knobs: Arc<Knobs>,
    /// The source.
    pub mysql: MySql,
    /// What it is.
    pub server: ServerInfo,
    /// Where requests come from, and what came of them goes.
    pub ownership: Arc<dyn Ownership>,
    /// How messages look.
    pub style: Style,
    /// Which rows are this shard's.
    pub divider: Divider,
    /// Records of a piece at the most.
    pub piece_records: usize,
    /// To the desk.
    pub orders: Sender<Order>,
    /// An empty batch makes the pump look at the orders.
    pub wake: mpsc::Sender<Batch>,
    /// When the next row may be read, if there is a limit.
    pub next_row: Mutex<Instant>,
}

impl Shop {
    /// Hands an order to the desk.
    pub(super) fn order(&self, order: Order) {
        // A desk that is gone took the pipeline with it, and this task ends too; a full queue wakes the pump anyway.
        if self.orders.send(order).is_ok() {
            let _full_or_closed = self.wake.try_send(Batch::default());
        }
    }

    /// Whether a table has rows of this shard.
    fn holds(&self, request: &BootstrapRequest) -> bool {
        self.divider.table(&request.database, &request.table) != Held::Not
    }

    /// Rows of a chunk at the most. With a limit they are few, so that neither another table nor an abort waits long.
    pub(super) fn chunk_rows(&self) -> u64 {
        let limited = match self.knobs.rows_per_second() {
            0 => u32::MAX,
            limit => limit / 10,
        };
        u64::from(self.settings.chunk_rows.min(limited).max(1))
    }

    /// Waits as long as the limit asks for after `rows` rows.
    pub(super) async fn pace(&self, rows: u64) {
        let limit = self.knobs.rows_per_second();
        if limit == 0 {
            return;
        }
        let until = {
            let mut next = self.next_row.lock().unwrap_or_else(PoisonError::into_inner);
            *next = (*next).max(Instant::now()) + Duration::from_secs_f64(rows as f64 / f64::from(limit));
            *next
        };
        tokio::time::sleep_until(until.into()).await;
    }
}

/// The last committed record.
type Progress = watch::Receiver<Option<PositionRecord>>;

/// What the runner and the desk of one run share.
pub struct Copies {
    /// To the desk.
    pub orders: Sender<Order>,
    /// Which rows are this shard's.
    pub divider: Divider,
    /// The state as the desk shows it.
    state: Arc<watch::Sender<BootstrapState>>,
}

impl Copies {
    /// Goes on from `state`.
    pub fn new(state: BootstrapState, settings: &Bootstrap, divider: Divider) -> (Self, Desk) {
        // Bounded by what the copiers wait for: a window or two each.
        let (orders, received) = crossbeam_channel::unbounded();
        let state = Arc::new(watch::Sender::new(state));
        let desk = Desk::new(received, Arc::clone(&state), settings.clone(), divider.clone());
        (Self { orders, divider, state }, desk)
    }

    /// Starts to copy tables.
    pub fn run(self, shop: Shop, committed: Progress) -> JoinHandle<()> {
        let span = tracing::Span::current();
        tokio::spawn(
            async move {
                match shop.settings.enabled {
                    true if shop.divider.copies() => run(shop, self.state, committed).await,
                    true => refuse(shop.ownership.as_ref()).await,
                    false => {}
                }
            }
            .instrument(span),
        )
    }
}

/// Refuses what is asked for, until it is dropped.
async fn refuse(ownership: &dyn Ownership) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        for (request, _) in ownership.copies_asked_for().await.unwrap_or_default() {
            ownership.copy_has_ended(&request, Some(NO_COPIES), 1).await;
        }
    }
}

/// Copies tables until it is dropped.
async fn run(shop: Shop, state: Arc<watch::Sender<BootstrapState>>, committed: Progress) {
    let shop = Arc::new(shop);
    of_settings(&shop, &state.borrow());
    let mut shown = state.subscribe();
    let mut running = HashSet::new();
    let mut copies: JoinSet<String> = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        let due = due(&shown.borrow_and_update(), &running, milliseconds());
        let room = (shop.settings.parallel_tables.max(1) as usize).saturating_sub(running.len());
        for task in due.into_iter().take(room) {
            running.insert(task.id.clone());
            let (shop, state) = (Arc::clone(&shop), state.subscribe());
            let span = tracing::info_span!("bootstrap", id = task.id);
            copies.spawn(persist(shop, state, task.id).instrument(span));
        }
        tokio::select! {
            changed = shown.changed() => if changed.is_err() { return },
            Some(ended) = copies.join_next(), if !copies.is_empty() => match ended {
                Ok(id) => drop(running.remove(&id)),
                Err(error) => {
                    tracing::error!(%error, "a copy died");
                    running.clear();
                    copies.abort_all();
                }
            },
            _ = look.tick() => elsewhere(&shop, &state, &committed).await,
        }
    }
}

/// Takes the settings' tables in, and those back that are no longer among them: one that comes back later is copied again.
fn of_settings(shop: &Shop, state: &BootstrapState) {
    let tables = &shop.settings.tables;
    let known = state.tasks.iter().map(|task| &task.id).chain(&state.done);
    let is_gone = |id: &&String| {
        id.strip_prefix(OF_SETTINGS).is_some_and(|table| !tables.iter().any(|wished| wished == table))
    };
    for id in known.filter(is_gone) {
        shop.order(Order::Withdraw { id: id.clone() });
    }
    for table in tables {
        let (database, name) = table.split_once('.').unwrap_or(("", table));
        let request =
            BootstrapRequest { database: database.into(), table: name.into(), ..BootstrapRequest::default() };
        if shop.holds(&request) {
            shop.order(Order::Ask { id: format!("{OF_SETTINGS}{table}"), request });
        }
    }
}

/// Requests that wait for a copier.
fn due(state: &BootstrapState, running: &HashSet<String>, now: i64) -> Vec<BootstrapTask> {
    let ready = |task: &&BootstrapTask| task.request.not_before <= now && !running.contains(&task.id);
    state.tasks.iter().filter(ready).cloned().collect()
}

/// Takes requests in that are not in the stream, and those back that are gone.
async fn elsewhere(shop: &Shop, state: &watch::Sender<BootstrapState>, committed: &Progress) {
    let Some(requests) = shop.ownership.copies_asked_for().await else { return };
    let (known, done) = {
        let state = state.borrow();
        (state.tasks.iter().map(|task| task.id.clone()).collect::<HashSet<_>>(), state.done.clone())
    };
    let there: HashSet<String> = requests.iter().map(|(id, _)| format!("{OF_REQUESTS}{id}")).collect();
    for (name, request) in requests.into_iter().filter(|(_, request)| shop.holds(request)) {
        let id = format!("{OF_REQUESTS}{name}");
        if done.contains(&id) {
            // Not before that is committed: after a crash the copy would pass for one that was taken back.
            let is_committed = |record: &PositionRecord| record.bootstrap.done.contains(&id);
            if committed.borrow().as_ref().is_some_and(is_committed) {
                let parts = shop.divider.parts(&request.database, &request.table);
                shop.ownership.copy_has_ended(&name, None, parts).await;
            }
        } else if !known.contains(&id) {
            shop.order(Order::Ask { id, request });
        }
    }
    let gone = |id: &&String| id.starts_with(OF_REQUESTS) && !there.contains(*id);
    for id in known.iter().chain(&done).filter(gone) {
        shop.order(Order::Withdraw { id: id.clone() });
    }
}

/// Copies a table through errors that may heal, until it is complete or refused.
async fn persist(shop: Arc<Shop>, state: watch::Receiver<BootstrapState>, id: String) -> String {
    let mut refusals = (0, Vec::new());
    let mut careful = 0;
    loop {
        let Some(task) = state.borrow().task(&id).cloned() else { return id };
        if refusals.1 != task.cursor {
            refusals = (0, task.cursor.clone());
        }
        let (database, table) = (task.request.database.clone(), task.request.table.clone());
        tracing::info!(database, table, rows = task.rows, "copying the table");
        let ended = copy(&shop, &task, careful).await;
        match ended {
            Ok(Ended::Complete { rows }) => {
                tracing::info!(database, table, rows, "the table is copied");
                return id;
            }
            Ok(Ended::Aborted) => return id,
            Ok(Ended::Missing) => {
                tracing::error!(database, table, "there is no such table: the request is dropped");
                drop_task(&shop, &id, "there is no such table").await;
                return id;
            }
            Ok(Ended::Again) => {
                tracing::debug!(database, table, "reading again from the cursor");
                careful = (careful * 2).clamp(LEAST_CAREFUL, MOST_CAREFUL);
            }
            Err(CopyError::Closed) => return id,
            Err(error) => {
                refusals.0 += u32::from(is_refusal(&error));
                if is_final(&error) || refusals.0 > REFUSALS {
                    tracing::error!(database, table, %error, "the table cannot be copied: the request is dropped");
                    drop_task(&shop, &id, &error.to_string()).await;
                    return id;
                }
                tracing::warn!(database, table, %error, "the copy is interrupted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether trying again cannot help: the table is none that can be copied, or the condition no SQL.
fn is_final(error: &CopyError) -> bool {
    match error {
        CopyError::Table(error) => !matches!(error, BootstrapError::Value { .. }),
        CopyError::Source(SourceError::Failed { source, .. }) => {
            matches!(&**source, mysql_async::Error::Server(error) if error.code == PARSE_ERROR)
        }
        _ => false,
    }
}

/// Whether the server answered, and refused.
fn is_refusal(error: &CopyError) -> bool {
    match error {
        CopyError::Source(SourceError::Failed { source, .. }) => {
            matches!(**source, mysql_async::Error::Server(_))
        }
        CopyError::Source(SourceError::Unfit { .. }) | CopyError::Table(_) => true,
        _ => false,
    }
}

/// Ends a task without a message.
async fn drop_task(shop: &Shop, id: &str, why: &str) {
    if let Some(request) = id.strip_prefix(OF_REQUESTS) {
        shop.ownership.copy_has_ended(request, Some(why), 1).await;
    }
    let (verdict, answer) = oneshot::channel();
    shop.order(Order::Deliver(Delivery {
        task: id.to_owned(),
        guard: Guard::None,
        from: Vec::new(),
        until: None,
        pieces: Vec::new(),
        then: Then::Finished,
        verdict: Some(verdict),
    }));
    // An error means that the pipeline is gone.
    let _answer = answer.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_for_its_time_and_runs_once() {
        let mut state = BootstrapState::default();
        let at = |not_before| BootstrapRequest { not_before, ..BootstrapRequest::default() };
        state.add("a", at(0));
        state.add("b", at(2000));
        state.add("c", at(1000));
        let ids = |running: &[&str], now| {
            let running = running.iter().map(|id| (*id).to_owned()).collect();
            due(&state, &running, now).into_iter().map(|task| task.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[], 1000), ["a", "c"]);
        assert_eq!(ids(&["a"], 3000), ["b", "c"]);
    }
}
