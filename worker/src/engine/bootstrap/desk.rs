//! The pump's side of the copies. Everything here happens on the pump's thread, between two transactions of the
//! stream, so that it has one order with them.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use maxwell_protocol::bootstrap::{Added, BootstrapPhase, BootstrapRequest, BootstrapState};
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::Bootstrap;
use tokio::sync::watch;

use super::{Delivery, Opened, Order, Then, Verdict};
use crate::binlog::event::Operation;
use crate::binlog::place::Place;
use crate::binlog::rows::{Field, Image};
use crate::binlog::table::Table;
use crate::bootstrap::piece::{Piece, key_of};
use crate::bootstrap::request::{self, Asked};
use crate::bootstrap::window::{Touched, Windows};
use crate::shard::{Divider, Held};
use crate::source::preflight::Head;

/// See the module.
pub struct Desk {
    orders: Receiver<Order>,
    state: BootstrapState,
    changed: bool,
    shown: Arc<watch::Sender<BootstrapState>>,
    windows: Windows,
    waiting: VecDeque<Delivery>,
    settings: Bootstrap,
    divider: Divider,
}

impl Desk {
    /// Goes on from the state that `shown` holds.
    pub fn new(
        orders: Receiver<Order>,
        shown: Arc<watch::Sender<BootstrapState>>,
        settings: Bootstrap,
        divider: Divider,
    ) -> Self {
        let state = shown.borrow().clone();
        Self {
            orders,
            state,
            changed: false,
            shown,
            windows: Windows::default(),
            waiting: VecDeque::new(),
            settings,
            divider,
        }
    }

    /// Whether there is something to do between two transactions. Asked after every event.
    pub fn is_asked(&self) -> bool {
        !self.orders.is_empty() || !self.waiting.is_empty()
    }

    /// Whether the state is news to the sink.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The state, if it changed since the last call.
    pub fn take_change(&mut self) -> Option<BootstrapState> {
        std::mem::take(&mut self.changed).then(|| self.state.clone())
    }

    fn change(&mut self) {
        self.changed = true;
        self.shown.send_replace(self.state.clone());
    }

    /// Takes the orders in. `passed` is where the stream is: behind a transaction.
    pub fn serve(&mut self, passed: &Position) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Open { table, reply } => {
                    let window = self.windows.open(&table);
                    if reply.send(Opened { window, passed: passed.clone() }).is_err() {
                        self.windows.close(&table, window);
                    }
                }
                Order::Close { table, window } => drop(self.windows.close(&table, window)),
                Order::Deliver(delivery) => self.waiting.push_back(delivery),
                Order::Ask { id, request } => self.ask(Asked::Copy { id, request }),
                Order::Withdraw { id } => {
                    if self.state.forget(&id) {
                        self.change();
                    } else {
                        self.ask(Asked::Abort { id });
                    }
                }
            }
        }
    }

    fn ask(&mut self, asked: Asked) {
        let changed = match asked {
            Asked::Copy { id, request } => {
                let (database, table) = (request.database.clone(), request.table.clone());
                let added = self.state.add(&id, request);
                match added {
                    Added::New => tracing::info!(id, database, table, "a copy is asked for"),
                    Added::Known => {}
                    Added::TooMany => {
                        tracing::error!(id, database, table, "too many copies are waiting: ask again later");
                    }
                }
                added == Added::New
            }
            Asked::Abort { id } => {
                let aborted = self.state.abort(&id);
                if aborted {
                    tracing::info!(id, "the copy is taken back");
                }
                aborted
            }
        };
        if changed {
            self.change();
        }
    }

    /// Whether the stream's rows of a table are of interest.
    pub fn watches(&self, table: &Table) -> bool {
        self.windows.watches(&table.database, &table.name) || self.is_request(table)
    }

    fn is_request(&self, table: &Table) -> bool {
        self.settings.enabled
            && table.name == request::TABLE
            && table.database == self.settings.schema_database
    }

    /// The stream emitted a row of a table that is watched.
    pub fn passed(&mut self, table: &Table, operation: Operation, body: &[u8], images: (&Image, &Image)) {
        if self.is_request(table)
            && let Some(asked) = request::asked(table, operation, body, images, &self.settings.client_id)
        {
            self.ask_in_stream(asked);
        }
        let (before, after) = images;
        let is_there = |field: &Field| matches!(field, Field::Value(..) | Field::Null);
        let full = operation == Operation::Delete || after.iter().all(is_there);
        for image in [before, after] {
            if let Some(key) = key_of(&table.primary_key, image, body) {
                self.windows.touch(&table.database, &table.name, key, full);
            }
        }
    }

    /// A request in the stream is seen by one shard only, which can copy what is its own.
    fn ask_in_stream(&mut self, asked: Asked) {
        if let Asked::Copy { id, request: BootstrapRequest { database, table, .. } } = &asked
            && self.divider.table(database, table) != Held::Whole
        {
            tracing::error!(
                id,
                database,
                table,
                "rows of this table are in other shards than the request: ask by bootstrap.tables or cluster/requests"
            );
            return;
        }
        self.ask(asked);
    }

    /// The next delivery that the stream has reached, without the rows that the stream has shown meanwhile.
    pub fn next(&mut self, passed: &Position) -> Option<Delivery> {
        while self.waiting.front().is_some_and(|delivery| has_reached(passed, delivery.until.as_ref())) {
            let mut delivery = self.waiting.pop_front()?;
            match self.judge(&mut delivery) {
                Verdict::Taken => return Some(delivery),
                // The copier may be gone: then nobody has to be told.
                verdict => drop(delivery.verdict.send(verdict)),
            }
        }
        None
    }

    fn judge(&mut self, delivery: &mut Delivery) -> Verdict {
        let touched = match &delivery.window {
            Some((table, window)) => self.windows.close(table, *window),
            None => Some(Touched::default()),
        };
        let Some(task) = self.state.task(&delivery.task) else { return Verdict::Gone };
        if task.phase == BootstrapPhase::Aborting && delivery.then != Then::Finished {
            return Verdict::Gone;
        }
        if task.phase != BootstrapPhase::Waiting && delivery.then == Then::Started {
            // A copier that was interrupted had written it already.
            delivery.pieces.clear();
            return Verdict::Taken;
        }
        if task.cursor != delivery.from && delivery.then == Then::Advanced {
            return Verdict::Again;
        }
        let Some(touched) = touched else { return Verdict::Again };
        let keys = delivery.pieces.iter().flat_map(|piece| piece.records.iter().map(|record| record.key));
        if touched.is_partial(keys) {
            return Verdict::Again;
        }
        delivery.pieces.iter_mut().for_each(|piece| piece.drop_touched(&touched));
        Verdict::Taken
    }

    /// A piece of a delivery is about to leave.
    pub fn leaves(&mut self, task: &str, piece: &Piece, then: Then) {
        match then {
            Then::Started => self.state.started(task),
            Then::Advanced => self.state.advanced(task, piece.cursor.clone(), piece.rows),
            Then::Finished => return self.over(task),
        }
        self.change();
    }

    /// A task is over, unless that is known.
    pub fn over(&mut self, task: &str) {
        if self.state.task(task).is_none() {
            return;
        }
        // A row of the table cannot come twice; what is asked for elsewhere stays there until it is seen as done.
        self.state.finished(task, !task.starts_with("table/"));
        self.change();
    }
}

/// Whether the stream, behind a transaction at `passed`, has passed everything before `until`.
fn has_reached(passed: &Position, until: Option<&Head>) -> bool {
    let Some(head) = until else { return true };
    if passed.file.is_empty() {
        // Opened by GTID and nothing came yet: the place in the file is not known.
        let gtids: GtidSet = passed.gtid_set.parse().unwrap_or_default();
        return gtids.contains(&head.gtids);
    }
    let place = Place { file: passed.file.clone(), offset: passed.offset };
    place.has_reached(&Place { file: head.file.clone(), offset: head.offset })
}
