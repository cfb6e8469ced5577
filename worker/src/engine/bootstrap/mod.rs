//! Copies of tables beside the stream: `desk` is the pump's side, `runner` decides which tables are copied when,
//! `copier` copies one.
//!
//! ```text
//!            ◀── state ── desk (pump's thread) ──pieces▶ committer
//! runner ─▶ copier ─orders▶  │ opens and closes windows, notes what the stream touches,
//!              └─ reads      │ lets pieces go when the stream has passed their place
//! ```
//!
//! Three ways to keep a copy and the stream apart, [`Guard`]: windows; locks at the source where the stream shows rows in
//! part and a window finds no quiet moment; for a table without a key, the stream's rows of it held back (`whole`).

pub(super) mod again;
mod copier;
mod counter;
mod cutter;
pub mod desk;
mod outbox;
pub mod runner;
mod whole;

use maxwell_protocol::bootstrap::BootstrapRequest;
use maxwell_protocol::position::Position;
use tokio::sync::oneshot;

use crate::bootstrap::piece::Piece;
use crate::bootstrap::window::{TableName, WindowId};
use crate::source::preflight::Head;

/// What the desk is asked to do, at the next end of a transaction.
#[derive(Debug)]
pub enum Order {
    /// Open a window on a table.
    Open {
        /// The table.
        table: TableName,
        /// The columns that tell its rows apart.
        key: Vec<String>,
        /// Where the answer goes.
        reply: oneshot::Sender<Opened>,
    },
    /// Hold the stream's rows of a table back from here on.
    Hold {
        /// The table.
        table: TableName,
        /// Where the answer goes: what the stream has passed.
        reply: oneshot::Sender<Position>,
    },
    /// Let them go.
    Release {
        /// The table.
        table: TableName,
    },
    /// Close a window whose chunk was not read.
    Close {
        /// The table.
        table: TableName,
        /// The window.
        window: WindowId,
    },
    /// Let rows go.
    Deliver(Delivery),
    /// Take a request in.
    Ask {
        /// Its id.
        id: String,
        /// The request.
        request: BootstrapRequest,
    },
    /// A request is gone from where it came from.
    Withdraw {
        /// Its id.
        id: String,
    },
}

/// An open window.
#[derive(Debug)]
pub struct Opened {
    /// The window.
    pub window: WindowId,
    /// What the stream had passed when it was opened.
    pub passed: Position,
}

/// Rows that wait for the stream.
#[derive(Debug)]
pub struct Delivery {
    /// The task's id.
    pub task: String,
    /// What keeps them and the stream apart.
    pub guard: Guard,
    /// The cursor that they go on from.
    pub from: Vec<String>,
    /// They leave once the stream has passed this place; `None` is at once.
    pub until: Option<Head>,
    /// The rows.
    pub pieces: Vec<Piece>,
    /// What they mean for the task.
    pub then: Then,
    /// Where the answer goes.
    pub verdict: Option<oneshot::Sender<Verdict>>,
}

/// What keeps rows that were read and the stream apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: they are no rows of the table.
    None,
    /// Those that the stream showed since the window was opened are left out.
    Window(TableName, WindowId),
    /// They are locked at the source until the verdict.
    Locks,
    /// The stream's rows of the table are held back.
    Hold(TableName),
}

/// What a delivery means for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: it asks where the stream is.
    Asked,
    /// It has begun; the server reckons the table to have so many rows.
    Started(u64),
    /// It begins anew: what was copied before does not count.
    Restarted(u64),
    /// Rows are copied.
    Advanced,
    /// It is over.
    Finished,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is on its way to the sink.
    Taken,
    /// It has to be read again, from the task's cursor.
    Again,
    /// The task was taken back.
    Gone,
}
