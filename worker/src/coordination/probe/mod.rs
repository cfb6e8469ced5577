//! Noticing a process's end faster than its session: members hold a TCP connection to every owner. A connection that
//! ends, and then is refused or answered by another incarnation, means that the process is gone. Silence never does.
//! The same door is where an owner in doubt asks whether another member reaches what it does not.

mod ask;
mod listener;
mod prober;
mod verdict;

pub(super) use ask::{Answer, ask, reaches};
pub(super) use listener::Listener;
pub(super) use prober::{Prober, watch_owners};
pub(super) use verdict::Record;
