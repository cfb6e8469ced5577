//! A copy's deliveries to the desk that are not decided yet.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::copier::CopyError;
use super::runner::Shop;
use super::{Delivery, Guard, Order, Then, Verdict};
use crate::bootstrap::piece::Piece;
use crate::source::preflight::Head;

/// See the module.
pub(super) struct Outbox<'a> {
    pub(super) shop: &'a Shop,
    task: String,
    /// The cursor behind what was delivered.
    pub(super) cursor: Vec<String>,
    pending: VecDeque<oneshot::Receiver<Verdict>>,
}

impl<'a> Outbox<'a> {
    /// Goes on from `cursor`.
    pub(super) fn new(shop: &'a Shop, task: &str, cursor: Vec<String>) -> Self {
        Self { shop, task: task.to_owned(), cursor, pending: VecDeque::new() }
    }

    /// Hands pieces over; they leave once the stream has passed `until`.
    pub(super) fn deliver(&mut self, guard: Guard, until: Option<Head>, pieces: Vec<Piece>, then: Then) {
        let from = match pieces.last() {
            Some(piece) if then == Then::Advanced => {
                std::mem::replace(&mut self.cursor, piece.cursor.clone())
            }
            _ => Vec::new(),
        };
        let (verdict, answer) = oneshot::channel();
        let (task, verdict) = (self.task.clone(), Some(verdict));
        self.shop.order(Order::Deliver(Delivery { task, guard, from, until, pieces, then, verdict }));
        self.pending.push_back(answer);
    }

    /// Waits until no more than `left` deliveries are undecided, or one did not leave.
    pub(super) async fn settle(&mut self, left: usize) -> Result<Verdict, CopyError> {
        while self.pending.len() > left {
            let Some(first) = self.pending.pop_front() else { break };
            match first.await.map_err(|_| CopyError::Closed)? {
                Verdict::Taken => {}
                other => return Ok(other),
            }
        }
        Ok(Verdict::Taken)
    }

    /// Waits for the last delivery, but not for ever: what is not decided by then does not leave.
    pub(super) async fn settle_within(&mut self, patience: Duration) -> Result<Verdict, CopyError> {
        let Some(mut last) = self.pending.pop_back() else { return Ok(Verdict::Taken) };
        if let Ok(verdict) = tokio::time::timeout(patience, &mut last).await {
            return verdict.map_err(|_| CopyError::Closed);
        }
        last.close();
        Ok(last.try_recv().unwrap_or(Verdict::Again))
    }
}
