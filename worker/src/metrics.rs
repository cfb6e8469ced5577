//! Every metric, by name. Names are an interface: rules, dashboards and documents use them.

mod copies;
mod original;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use maxwell_protocol::id::Epoch;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use self::copies::Copies;

use crate::clock::milliseconds;
use crate::engine::delay::Delay;
use crate::engine::status::{Committed, Observer};

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
    failovers: Counter,
    bootstrap_rows: Counter,
    row_less_statements: Counter,
    failovers_of_session: AtomicU64,
    sync_delay: FloatGauge,
    publish_delay: FloatGauge,
    retention: FloatGauge,
    leader: IntegerGauge,
    epoch: IntegerGauge,
    bootstrap_tables: IntegerGauge,
    copies: Copies,
    mysql_up: IntegerGauge,
    kafka_up: IntegerGauge,
    zookeeper_up: IntegerGauge,
    resident: IntegerGauge,
    delay: Mutex<Delay>,
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
        let mut counters = [const { None }; 10];
        let named = [
            ("rows", "Rows committed to the sink"),
            ("transactions", "MySQL transactions passed"),
            ("bytes", "Bytes of keys and values committed to the sink"),
            ("kafka_commits", "Kafka transactions committed"),
            ("kafka_aborts", "Kafka transactions given up with rows in them"),
            ("resumed_inside_transaction", "Runs that went on in the middle of a MySQL transaction"),
            ("fenced", "Times that a successor fenced this member"),
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
            epoch: integer("shard_epoch", "Epoch of the shard that this member owns; 0 without one"),
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
            failovers,
            bootstrap_rows,
            row_less_statements,
            failovers_of_session: AtomicU64::new(0),
            sync_delay,
            publish_delay,
            retention,
            delay: Mutex::default(),
            connections: Mutex::default(),
        }
    }
}

impl Metrics {
    /// The exposition in OpenMetrics' text form.
    pub fn encode(&self) -> String {
        self.sync_delay.set(self.delay_seconds());
        self.resident.set(memory().0 as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every character");
        text
    }

    /// The same, and behind it what the original calls by names of its own that begin with `prefix`.
    pub fn encode_with_original(&self, prefix: &str) -> String {
        let text = self.encode();
        let own = text.strip_suffix("# EOF\n").unwrap_or(&text);
        let (rows, lag) = (self.rows.get(), self.with_delay(|delay| delay.milliseconds(milliseconds())));
        format!("{own}{}", original::encode(prefix, rows, lag))
    }

    /// Seconds behind the source.
    pub fn delay_seconds(&self) -> f64 {
        self.with_delay(|delay| delay.milliseconds(milliseconds())) as f64 / 1000.0
    }

    fn with_delay<T>(&self, act: impl FnOnce(&mut Delay) -> T) -> T {
        act(&mut self.delay.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this member leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The epoch of the owned shard.
    pub fn set_epoch(&self, epoch: u64) {
        self.epoch.set(epoch as i64);
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

    /// What MySQL and Kafka last said.
    pub fn connections(&self) -> Connections {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Rows committed since the start.
    pub fn rows(&self) -> u64 {
        self.rows.get()
    }
}

/// Resident and peak resident memory in bytes; 0 where the system does not tell.
pub fn memory() -> (u64, u64) {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    let Ok(status) = status else { return (0, 0) };
    (status.vmrss.unwrap_or(0) * 1024, status.vmhwm.unwrap_or(0) * 1024)
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

impl Observer for Metrics {
    fn received(&self, source_time: i64) {
        self.with_delay(|delay| delay.received(source_time));
    }

    fn committed(&self, committed: &Committed) {
        self.rows.inc_by(committed.rows);
        self.bootstrap_rows.inc_by(committed.copied);
        let tables = committed.record.bootstrap.tasks.len() as i64;
        if tables > 0 || self.bootstrap_tables.get() > 0 {
            self.copies.committed(&committed.record.bootstrap);
        }
        self.bootstrap_tables.set(tables);
        self.transactions.inc_by(committed.transactions);
        self.bytes.inc_by(committed.bytes);
        self.commits.inc();
        self.epoch.set(committed.record.epoch.0 as i64);
        let source_time = committed.record.source_time;
        self.with_delay(|delay| delay.committed(source_time, committed.drained));
        if committed.rows > committed.copied && source_time > 0 {
            self.publish_delay.set((milliseconds() - source_time).max(0) as f64 / 1000.0);
        }
    }

    fn resumed(&self, epoch: Epoch, source_time: i64, inside: bool) {
        self.set_epoch(epoch.0);
        self.with_delay(|delay| delay.resumed(source_time));
        self.resumed_inside.inc_by(u64::from(inside));
    }

    fn aborted(&self) {
        self.aborts.inc();
    }

    fn row_less(&self) {
        self.row_less_statements.inc();
    }

    fn fenced(&self) {
        self.fenced.inc();
    }

    fn mysql(&self, said: Result<(), &str>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        outcome(&self.mysql_up, &mut connections.mysql, said);
    }

    fn retention(&self, seconds: f64) {
        self.retention.set(seconds);
    }

    fn kafka(&self, said: Result<(), &str>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        outcome(&self.kafka_up, &mut connections.kafka, said);
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
            "maxwell_failovers_total",
            "maxwell_row_less_statements_total",
            "maxwell_bootstrap_rows_total",
            "maxwell_bootstrap_tables",
            "maxwell_sync_delay_seconds",
            "maxwell_publish_delay_seconds",
            "maxwell_binlog_retention_seconds",
            "maxwell_cluster_leader_count",
            "maxwell_shard_epoch",
            "maxwell_mysql_up",
            "maxwell_kafka_up",
            "maxwell_zookeeper_up",
            "maxwell_resident_memory_bytes",
        ] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} in {text}");
        }
    }
}
