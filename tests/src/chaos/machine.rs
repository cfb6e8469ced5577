//! How busy the machine is: where nothing is left, silences tell of it as much as of the workers.

use procfs::{CurrentSI, KernelStats};

/// What its cores have done since it was started, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Up to now; `None` where the kernel does not tell.
    pub fn now() -> Option<Self> {
        let total = KernelStats::current().ok()?.total;
        let at_rest = total.idle + total.iowait.unwrap_or(0);
        let others = [total.irq, total.softirq, total.steal].into_iter().flatten().sum::<u64>();
        let busy = total.user + total.nice + total.system + others;
        Some(Self { busy, all: busy + at_rest })
    }

    /// Percent of all cores' time since `before` in which they did something.
    pub fn busy_since(self, before: Self) -> u64 {
        (self.busy.saturating_sub(before.busy) * 100)
            .checked_div(self.all.saturating_sub(before.all))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_idle_half_of_the_time_is_half_busy() {
        let before = Ticks { busy: 100, all: 1_000 };
        assert_eq!(Ticks { busy: 150, all: 1_100 }.busy_since(before), 50);
        assert_eq!(before.busy_since(before), 0);
    }
}
