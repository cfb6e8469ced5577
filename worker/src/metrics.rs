//! Every metric, by name. Names are an interface: rules, dashboards and documents use them.

mod copies;
mod original;
mod shard;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use self::copies::Copies;

use crate::clock::at_source;
use crate::engine::status::{Observer, Observers};
use shard::{ShardFigures, ShardMeter};

type FloatGauge = Gauge<f64, AtomicU64>;
type IntegerGauge = Gauge<i64, AtomicI64>;

/// The process's metrics.
pub struct Metrics {
    registry: Registry,
    rows: Counter,
    transactions: Counter,
    bytes: Counter,
    commits: Counter,
    aborts: Counter,
    resumed_inside: Counter,
    fenced: Counter,
    locks_lost: Counter,
    wrong_verdicts: Counter,
    failovers: Counter,
    bootstrap_rows: Counter,
    row_less_statements: Counter,
    failovers_of_session: AtomicU64,
    sync_delay: FloatGauge,
    publish_delay: FloatGauge,
    retention: FloatGauge,
    leader: IntegerGauge,
    epoch: IntegerGauge,
    owned: IntegerGauge,
    unsent: IntegerGauge,
    bootstrap_tables: IntegerGauge,
    copies: Copies,
    mysql_up: IntegerGauge,
    kafka_up: IntegerGauge,
    zookeeper_up: IntegerGauge,
    resident: IntegerGauge,
    /// The shards that this process runs.
    shards: Mutex<Vec<Weak<ShardMeter>>>,
    connections: Mutex<Connections>,
}

/// What MySQL and Kafka last said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    /// MySQL.
    pub mysql: maxwell_protocol::member::Connection,
    /// Kafka.
    pub kafka: maxwell_protocol::member::Connection,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("maxwell");
        let mut counters = [const { None }; 12];
        let named = [
            ("rows", "Rows committed to the sink"),
            ("transactions", "MySQL transactions passed"),
            ("bytes", "Bytes of keys and values committed to the sink"),
            ("kafka_commits", "Kafka transactions committed"),
            ("kafka_aborts", "Kafka transactions given up with rows in them"),
            ("resumed_inside_transaction", "Runs that went on in the middle of a MySQL transaction"),
            ("fenced", "Times that a successor fenced this member"),
            ("locks_lost", "Locks of shards that this member held, had not given up and found gone"),
            ("wrong_verdicts", "Members that this one took for dead while they lived"),
            ("failovers", "Shards that this member took over from another"),
            ("bootstrap_rows", "Rows copied from tables and committed to the sink"),
            ("row_less_statements", "Statements whose rows are not in the binlog and were not streamed"),
        ];
        for (slot, (name, help)) in counters.iter_mut().zip(named) {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            *slot = Some(counter);
        }
        let [
            rows,
            transactions,
            bytes,
            commits,
            aborts,
            resumed_inside,
            fenced,
            locks_lost,
            wrong_verdicts,
            failovers,
            bootstrap_rows,
            row_less_statements,
        ] = counters.map(|counter| counter.expect("as many names as counters"));
        let mut float = |name, help| {
            let gauge = FloatGauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let sync_delay =
            float("sync_delay_seconds", "Seconds that the committed stream is behind the source");
        let publish_delay = float(
            "publish_delay_seconds",
            "Seconds from the last transaction's commit to its commit in Kafka",
        );
        let retention = float(
            "binlog_retention_seconds",
            "Seconds until the source may purge what follows the position; infinite if it never does",
        );
        retention.set(f64::INFINITY);
        let mut integer = |name, help| {
            let gauge = IntegerGauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            leader: integer("cluster_leader_count", "1 while this member leads"),
            epoch: integer("shard_epoch", "Highest epoch of a shard that this member owns; 0 without one"),
            owned: integer("shards_owned", "Shards that this member owns"),
            unsent: integer(
                "unsent_bytes",
                "Bytes of keys and values that are encoded and not committed yet",
            ),
            bootstrap_tables: integer("bootstrap_tables", "Tables that are being copied or wait for it"),
            mysql_up: integer("mysql_up", "1 while MySQL answers"),
            kafka_up: integer("kafka_up", "1 while Kafka answers"),
            zookeeper_up: integer("zookeeper_up", "1 while the ZooKeeper session is connected"),
            resident: integer("resident_memory_bytes", "Resident memory"),
            copies: Copies::register(&mut registry),
            registry,
            rows,
            transactions,
            bytes,
            commits,
            aborts,
            resumed_inside,
            fenced,
            locks_lost,
            wrong_verdicts,
            failovers,
            bootstrap_rows,
            row_less_statements,
            failovers_of_session: AtomicU64::new(0),
            sync_delay,
            publish_delay,
            retention,
            shards: Mutex::default(),
            connections: Mutex::default(),
        }
    }
}

impl Metrics {
    /// The exposition in OpenMetrics' text form.
    pub fn encode(&self) -> String {
        let shards = self.figures();
        self.sync_delay.set(worst_delay(&shards) as f64 / 1000.0);
        self.retention.set(shards.iter().map(|one| one.retention).fold(f64::INFINITY, f64::min));
        self.epoch.set(shards.iter().map(|one| one.epoch).max().unwrap_or(0) as i64);
        self.owned.set(shards.iter().filter(|one| one.epoch > 0).count() as i64);
        self.unsent.set(shards.iter().map(|one| one.unsent).sum::<u64>() as i64);
        self.bootstrap_tables.set(shards.iter().map(|one| one.copies).sum::<usize>() as i64);
        self.resident.set(memory().0 as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every character");
        text
    }

    /// The same, and behind it what the original calls by names of its own that begin with `prefix`.
    pub fn encode_with_original(&self, prefix: &str) -> String {
        let text = self.encode();
        let own = text.strip_suffix("# EOF\n").unwrap_or(&text);
        let (rows, lag) = (self.rows.get(), worst_delay(&self.figures()));
        format!("{own}{}", original::encode(prefix, rows, lag))
    }

    /// Seconds that the worst shard of this process is behind the source.
    pub fn delay_seconds(&self) -> f64 {
        worst_delay(&self.figures()) as f64 / 1000.0
    }

    fn figures(&self) -> Vec<ShardFigures> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.retain(|shard| shard.strong_count() > 0);
        shards.iter().filter_map(Weak::upgrade).map(|shard| shard.figures().clone()).collect()
    }

    /// Whether this member leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Whether the ZooKeeper session is connected.
    pub fn set_zookeeper(&self, connected: bool) {
        self.zookeeper_up.set(i64::from(connected));
    }

    /// How many shards this session has taken over from members that failed.
    pub fn set_failovers(&self, of_session: u64) {
        let before = self.failovers_of_session.swap(of_session, Ordering::Relaxed);
        // A new session counts from zero again.
        self.failovers.inc_by(if of_session >= before { of_session - before } else { of_session });
    }

    /// How many members this process has taken for dead while they lived.
    pub fn set_wrong_verdicts(&self, of_process: u64) {
        // Between two sessions nothing is said of it.
        self.wrong_verdicts.inc_by(of_process.saturating_sub(self.wrong_verdicts.get()));
    }

    /// What MySQL and Kafka last said.
    pub fn connections(&self) -> Connections {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether MySQL answered, with what it said if not.
    pub fn mysql(&self, said: Result<(), &str>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        outcome(&self.mysql_up, &mut connections.mysql, said);
    }

    /// Whether Kafka answered, with what was said if not.
    pub fn kafka(&self, said: Result<(), &str>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        outcome(&self.kafka_up, &mut connections.kafka, said);
    }

    /// Rows committed since the start, and the bytes of their keys and values.
    pub fn sent(&self) -> (u64, u64) {
        (self.rows.get(), self.bytes.get())
    }

    /// Bytes of keys and values that are encoded and not committed yet.
    pub fn unsent(&self) -> u64 {
        self.figures().iter().map(|one| one.unsent).sum()
    }
}

fn worst_delay(shards: &[ShardFigures]) -> u64 {
    let now = at_source();
    shards.iter().map(|one| one.delay.milliseconds(now)).max().unwrap_or(0)
}

/// Resident and peak resident memory in bytes; 0 where the system does not tell.
pub fn memory() -> (u64, u64) {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    let Ok(status) = status else { return (0, 0) };
    (status.vmrss.unwrap_or(0) * 1024, status.vmhwm.unwrap_or(0) * 1024)
}

/// What the process's control group may use of memory, in bytes; 0 where nothing limits it or the system does not tell.
pub fn memory_limit() -> u64 {
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let told = limits.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let limit = told.and_then(|limit| limit.trim().parse::<u64>().ok()).unwrap_or(0);
    // The older kind of group writes "no limit" as the largest number of pages.
    if limit < 1 << 60 { limit } else { 0 }
}

/// CPU time that this process has used; zero where the system does not tell.
pub fn cpu_time() -> Duration {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat());
    let ticks = stat.map_or(0, |stat| stat.utime + stat.stime);
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}

fn outcome(
    gauge: &IntegerGauge,
    connection: &mut maxwell_protocol::member::Connection,
    said: Result<(), &str>,
) {
    gauge.set(i64::from(said.is_ok()));
    connection.reachable = Some(said.is_ok());
    connection.error = said.err().unwrap_or_default().to_owned();
}

impl Observers for Metrics {
    fn shard(self: Arc<Self>) -> Arc<dyn Observer> {
        let meter = Arc::new(ShardMeter::new(Arc::clone(&self)));
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&meter));
        meter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_names_stand_beside_ours() {
        let text = Metrics::default().encode_with_original("MaxwellMetrics");
        assert!(text.contains("maxwell_rows_total 0\n") && text.contains("MaxwellMetrics_row_count 0\n"));
        assert_eq!(text.matches("# EOF").count(), 1);
    }

    #[test]
    fn wrong_verdicts_are_those_of_the_process() {
        let metrics = Metrics::default();
        [1, 0, 1, 3].into_iter().for_each(|known| metrics.set_wrong_verdicts(known));
        assert!(metrics.encode().contains("maxwell_wrong_verdicts_total 3\n"));
    }

    #[test]
    fn the_names_that_others_use_are_there() {
        let text = Metrics::default().encode();
        for name in [
            "maxwell_rows_total",
            "maxwell_transactions_total",
            "maxwell_bytes_total",
            "maxwell_kafka_commits_total",
            "maxwell_kafka_aborts_total",
            "maxwell_resumed_inside_transaction_total",
            "maxwell_fenced_total",
            "maxwell_locks_lost_total",
            "maxwell_wrong_verdicts_total",
            "maxwell_failovers_total",
            "maxwell_row_less_statements_total",
            "maxwell_bootstrap_rows_total",
            "maxwell_bootstrap_tables",
            "maxwell_sync_delay_seconds",
            "maxwell_publish_delay_seconds",
            "maxwell_binlog_retention_seconds",
            "maxwell_cluster_leader_count",
            "maxwell_shard_epoch",
            "maxwell_shards_owned",
            "maxwell_unsent_bytes",
            "maxwell_mysql_up",
            "maxwell_kafka_up",
            "maxwell_zookeeper_up",
            "maxwell_resident_memory_bytes",
        ] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} in {text}");
        }
    }
}
