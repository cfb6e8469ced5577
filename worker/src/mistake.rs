//! Mistakes that the simulation plants in the worker, to show that it finds them. Every other build has none of them.

use maxwell_protocol::id::Epoch;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "simulation", derive(clap::ValueEnum))]
pub enum Mistake {
    /// No proof of the lock before `init_transactions`.
    UnprovedBefore,
    /// None after it.
    UnprovedAfter,
    /// The last stable offset taken for the high watermark.
    LastStableOffset,
    /// The leader's epoch used as the shard's.
    LeadersEpoch,
    /// Locks deleted by their path, whoever holds them.
    LockByPath,
}

#[cfg(not(feature = "simulation"))]
pub(crate) const fn planted(_: Mistake) -> bool {
    false
}

/// The epoch that an owner takes for its own.
pub(crate) fn epoch(own: Epoch) -> Epoch {
    #[cfg(feature = "simulation")]
    if planted(Mistake::LeadersEpoch) {
        return simulated::LEADER.get();
    }
    own
}

#[cfg(feature = "simulation")]
pub use simulated::{note_leader, plant, planted};

#[cfg(feature = "simulation")]
mod simulated {
    use std::cell::Cell;

    use super::{Epoch, Mistake};

    impl Mistake {
        /// Each of them.
        pub const ALL: [Self; 5] = [
            Self::UnprovedBefore,
            Self::UnprovedAfter,
            Self::LastStableOffset,
            Self::LeadersEpoch,
            Self::LockByPath,
        ];
    }

    thread_local! {
        static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
        pub(super) static LEADER: Cell<Epoch> = const { Cell::new(Epoch(0)) };
    }

    /// Plants a mistake on this thread, in place of any other.
    pub fn plant(mistake: Option<Mistake>) {
        PLANTED.set(mistake);
        LEADER.set(Epoch(0));
    }

    /// Somebody leads with this epoch.
    pub fn note_leader(epoch: Epoch) {
        LEADER.set(epoch);
    }

    /// Whether the mistake is planted on this thread.
    pub fn planted(mistake: Mistake) -> bool {
        PLANTED.get() == Some(mistake)
    }
}
