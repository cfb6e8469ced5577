//! The pump's side of the copies. Everything here happens on the pump's thread, between two transactions of the
//! stream, so that it has one order with them.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use maxwell_protocol::bootstrap::{Added, BootstrapPhase, BootstrapRequest, BootstrapState};
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::Bootstrap;
use tokio::sync::{oneshot, watch};

use super::{Delivery, Guard, Opened, Order, Then, Verdict, again};
use crate::binlog::event::Operation;
use crate::binlog::place::Place;
use crate::binlog::rows::{Field, Image};
use crate::binlog::table::Table;
use crate::bootstrap::piece::{Piece, key_of};
use crate::bootstrap::request::{self, Asked};
use crate::bootstrap::window::{TableName, Touched, Windows};
use crate::shard::{Divider, Held};
use crate::source::preflight::Head;

/// See the module.
pub struct Desk {
    orders: Receiver<Order>,
    /// Orders that came while the stream was held back, and have to wait until it is between two transactions.
    postponed: VecDeque<Order>,
    state: BootstrapState,
    changed: bool,
    shown: Arc<watch::Sender<BootstrapState>>,
    windows: Windows,
    waiting: VecDeque<Delivery>,
    /// Tables whose rows are held back.
    holds: Vec<TableName>,
    settings: Bootstrap,
    divider: Divider,
}

/// What is to be noted of the stream's rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Whether they are requests.
    requests: bool,
    /// The columns of its windows' key; `None` if the stream's table has not all of them.
    key: Option<Vec<usize>>,
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
            postponed: VecDeque::new(),
            state,
            changed: false,
            shown,
            windows: Windows::default(),
            waiting: VecDeque::new(),
            holds: Vec::new(),
            settings,
            divider,
        }
    }

    /// Whether there is something to do between two transactions. Asked after every event.
    pub fn is_asked(&self) -> bool {
        !self.orders.is_empty() || !self.waiting.is_empty() || !self.postponed.is_empty()
    }

    /// Whether a copy runs or waits.
    pub fn has_tasks(&self) -> bool {
        !self.state.tasks.is_empty()
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

    /// Takes the orders in. `passed` is where the stream is: behind a transaction. Whether rows are held back from here
    /// on, so that everything before has to leave.
    pub fn serve(&mut self, passed: &Position) -> bool {
        let mut held_back = false;
        while let Some(order) = self.postponed.pop_front().or_else(|| self.orders.try_recv().ok()) {
            held_back |= self.take(order, passed);
        }
        held_back
    }

    /// Takes an order in; whether rows are held back from here on.
    fn take(&mut self, order: Order, passed: &Position) -> bool {
        match order {
            Order::Open { table, key, reply } => {
                let window = self.windows.open(&table, &key);
                if reply.send(Opened { window, passed: passed.clone() }).is_err() {
                    self.windows.close(&table, window);
                }
            }
            Order::Close { table, window } => drop(self.windows.close(&table, window)),
            Order::Hold { table, reply } => {
                self.holds.push(table);
                // One that asked and is gone has sent the release, too.
                let _told = reply.send(passed.clone());
                return true;
            }
            Order::Release { table } => {
                if let Some(at) = self.holds.iter().position(|held| *held == table) {
                    self.holds.swap_remove(at);
                }
            }
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
        false
    }

    /// Whether rows of a table are held back.
    pub fn holds(&self, table: &Table) -> bool {
        self.holds.iter().any(|(d, t)| *d == table.database && *t == table.name)
    }

    /// While the stream stands inside a transaction at `read`, whose rows are held back: gives the next delivery
    /// that need not wait for the stream, or waits for an order.
    pub fn wait(&mut self, read: &Place) -> Option<Delivery> {
        // It may have come before the stream met the rows.
        let known = self.next_held(read);
        if known.is_some() {
            return known;
        }
        match self.orders.recv() {
            Ok(order @ (Order::Ask { .. } | Order::Withdraw { .. } | Order::Release { .. })) => {
                self.take(order, &Position::default());
            }
            Ok(Order::Deliver(delivery)) if matches!(delivery.guard, Guard::Hold(_)) => {
                self.waiting.push_back(delivery);
            }
            Ok(order) => self.postponed.push_back(order),
            // Whoever had asked for the hold is gone, too.
            Err(_) => self.holds.clear(),
        }
        None
    }

    /// The next delivery of rows whose like are held back.
    fn next_held(&mut self, read: &Place) -> Option<Delivery> {
        let is_held = |delivery: &Delivery| matches!(delivery.guard, Guard::Hold(_));
        while let Some(at) = self.waiting.iter().position(is_held) {
            let delivery = self.waiting.remove(at)?;
            // Behind the transaction that is held back, the rows may have been read with or without it.
            let before = delivery
                .until
                .as_ref()
                .is_none_or(|head| !Place { file: head.file.clone(), offset: head.offset }.has_reached(read));
            let verdict = if before { None } else { Some(Verdict::Again) };
            if let Some(delivery) = self.decide(delivery, verdict) {
                return Some(delivery);
            }
        }
        None
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

    /// What is to be noted of the stream's rows of a table, if anything.
    pub fn watch(&self, table: &Table) -> Option<Watch> {
        let requests = self.is_request(table);
        let Some(names) = self.windows.key(&table.database, &table.name) else {
            return requests.then_some(Watch { requests, key: Some(Vec::new()) });
        };
        let at = |name: &String| table.columns.iter().position(|column| column.name == *name);
        Some(Watch { requests, key: names.iter().map(at).collect() })
    }

    fn is_request(&self, table: &Table) -> bool {
        self.settings.enabled
            && table.name == request::TABLE
            && table.database == self.settings.schema_database
    }

    /// The stream passed a row of a table that is watched; `shown` if it emitted it.
    pub fn passed(
        &mut self,
        (table, watch): (&Table, &Watch),
        (operation, shown): (Operation, bool),
        body: &[u8],
        images: (&Image, &Image),
    ) {
        if watch.requests
            && let Some(asked) = request::asked(table, operation, body, images, &self.settings.client_id)
        {
            self.ask_in_stream(asked);
        }
        let (before, after) = images;
        let is_there = |field: &Field| matches!(field, Field::Value(..) | Field::Null);
        let full = shown && (operation == Operation::Delete || after.iter().all(is_there));
        let key = |one, other| key_of(watch.key.as_ref()?, (one, other), body);
        let first = if operation == Operation::Insert { after } else { before };
        let Some(touched) = key(first, first) else {
            return self.windows.give_up(&table.database, &table.name);
        };
        self.windows.touch(&table.database, &table.name, touched, full);
        if let Some(moved) = key(after, before).filter(|key| *key != touched) {
            self.windows.touch(&table.database, &table.name, moved, full);
        }
    }

    /// A request in the stream is seen by one shard only, which can copy what is its own.
    fn ask_in_stream(&mut self, asked: Asked) {
        if let Asked::Copy { id, .. } = &asked
            && !self.divider.copies()
        {
            return tracing::error!(
                id,
                "no table is copied under sharding.strategy Time: the request is left alone"
            );
        }
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
            let delivery = self.waiting.pop_front()?;
            if let Some(delivery) = self.decide(delivery, None) {
                return Some(delivery);
            }
        }
        None
    }

    /// Gives a delivery back if it is to leave; else its copier is told why not.
    fn decide(&mut self, mut delivery: Delivery, known: Option<Verdict>) -> Option<Delivery> {
        let verdict = known.unwrap_or_else(|| self.judge(&mut delivery));
        let is_taken = verdict == Verdict::Taken;
        match delivery.guard {
            // A copier that is gone has let the stream go, too.
            Guard::Hold(_) if delivery.verdict.as_ref().is_none_or(oneshot::Sender::is_closed) => None,
            Guard::None | Guard::Window(..) | Guard::Hold(_) if is_taken => Some(delivery),
            // A copier that cannot be told has given its locks up; one that is told keeps them until then only.
            _ => {
                let told = delivery.verdict.take().is_some_and(|copier| copier.send(verdict).is_ok());
                (is_taken && told).then_some(delivery)
            }
        }
    }

    fn judge(&mut self, delivery: &mut Delivery) -> Verdict {
        let touched = match &delivery.guard {
            Guard::Window(table, window) => self.windows.close(table, *window),
            Guard::Hold(table) if !self.holds.contains(table) => return Verdict::Again,
            _ => Some(Touched::default()),
        };
        if delivery.then == Then::Asked {
            return Verdict::Taken;
        }
        let Some(task) = self.state.task(&delivery.task) else { return Verdict::Gone };
        if task.phase == BootstrapPhase::Aborting && delivery.then != Then::Finished {
            return Verdict::Gone;
        }
        if task.phase != BootstrapPhase::Waiting && matches!(delivery.then, Then::Started(_)) {
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
            Then::Asked => return,
            Then::Started(rows) | Then::Restarted(rows) => self.state.started(task, rows),
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
        self.state.finished(task, !(task.starts_with(request::IDS) || task.starts_with(again::PREFIX)));
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
