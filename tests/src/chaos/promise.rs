//! What the product promises of the gaps, beside what was measured. Pure.

/// Milliseconds that the gap of a kind of fault shall not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// In the median.
    pub median: u64,
    /// In nineteen of twenty cases.
    pub p95: u64,
    /// Ever.
    pub worst: u64,
}

/// Between two heartbeats of ZooKeeper's servers in the lab.
const TICK: u64 = 500;

/// What is promised of the kind of fault with this name, if anything is; `session`: milliseconds that ZooKeeper waits for a
/// member that is silent.
pub fn promise(kind: &str, session: u64) -> Option<Promise> {
    let of = |median, p95, worst| Some(Promise { median, p95, worst });
    match kind {
        "kill" => of(500, 1_000, 2_000),
        "terminate" | "switchover" | "shards_terminate" | "shards_moved" => of(200, 500, 1_000),
        "cut_from_mysql" | "cut_from_kafka" => of(3_000, 5_000, 6_000),
        "freeze_long" | "cut" => {
            let worst = session + TICK + 1_000;
            of(session + 500, worst, worst)
        }
        "zookeeper_quorum_away" | "zookeeper_quorum_away_long" | "clock_ahead" | "clock_back" => {
            of(500, 1_000, 1_000)
        }
        "shards_kill_owner_and_leader" => of(1_500, 4_000, 4_000),
        "kafka_coordinator_killed" | "kafka_position_leader_killed" => of(5_000, 10_000, 10_000),
        _ => None,
    }
}

impl Promise {
    /// Whether these milliseconds keep it: the median, the 95th percentile, the worst.
    pub fn is_kept(self, median: u64, p95: u64, worst: u64) -> bool {
        median <= self.median && p95 <= self.p95 && worst <= self.worst
    }
}

impl std::fmt::Display for Promise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.median, self.p95, self.worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_three_figures_counts() {
        let promise = promise("kill", 15_000).expect("it is promised");
        assert!(promise.is_kept(500, 1_000, 2_000));
        assert!(!promise.is_kept(501, 1_000, 2_000));
        assert!(!promise.is_kept(500, 1_001, 2_000));
        assert!(!promise.is_kept(500, 1_000, 2_001));
    }

    #[test]
    fn a_silent_member_costs_its_session() {
        assert_eq!(promise("cut", 15_000).map(|promise| promise.median), Some(15_500));
        assert_eq!(promise("narrow_line", 15_000), None);
    }
}
