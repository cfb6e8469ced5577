//! Copies of tables beside the stream: `desk` is the pump's side, `runner` decides which tables are copied when,
//! `copier` copies one.
//!
//! ```text
//!            ◀── state ── desk (pump's thread) ──pieces▶ committer
//! runner ─▶ copier ─orders▶  │ opens and closes windows, notes what the stream touches,
//!              └─ reads      │ lets pieces go when the stream has passed their place
//! ```

pub(super) mod again;
mod copier;
mod counter;
pub mod desk;
pub mod runner;

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
        /// Where the answer goes.
        reply: oneshot::Sender<Opened>,
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
    /// The window that they were read in.
    pub window: Option<(TableName, WindowId)>,
    /// The cursor that they go on from.
    pub from: Vec<String>,
    /// They leave once the stream has passed this place; `None` is at once.
    pub until: Option<Head>,
    /// The rows.
    pub pieces: Vec<Piece>,
    /// What they mean for the task.
    pub then: Then,
    /// Where the answer goes.
    pub verdict: oneshot::Sender<Verdict>,
}

/// What a delivery means for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It has begun.
    Started,
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
