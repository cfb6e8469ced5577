//! How this process is: whether MySQL and Kafka answer it, its CPU, memory and throughput. A standby must know that
//! it can take over, so it asks too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use maxwell_protocol::settings::MySql;

use crate::coordination::{Health, Vitals};
use crate::metrics::{Metrics, cpu_time, memory};
use crate::sink::kafka::KafkaSink;
use crate::source::connect::connect_any;

/// How often MySQL and Kafka are asked whether they answer.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// CPU and throughput are means over at least this long.
const LEAST_SPAN: Duration = Duration::from_secs(1);

/// What was counted at one moment, and the rates up to it.
struct Counted {
    at: Instant,
    cpu: Duration,
    rows: u64,
    cpu_percent: f64,
    rows_per_second: f64,
}

/// The vital signs of this process.
pub struct VitalSigns {
    metrics: Arc<Metrics>,
    mysql: MySql,
    kafka: Arc<KafkaSink>,
    shards: u32,
    counted: Mutex<Counted>,
}

impl VitalSigns {
    /// Of a process that streams `mysql` to `kafka`, divided into `shards` shards unless the cluster has a layout already.
    pub fn new(metrics: Arc<Metrics>, mysql: MySql, kafka: Arc<KafkaSink>, shards: u32) -> Self {
        let counted =
            Counted { at: Instant::now(), cpu: cpu_time(), rows: 0, cpu_percent: 0.0, rows_per_second: 0.0 };
        Self { metrics, mysql, kafka, shards, counted: Mutex::new(counted) }
    }

    /// Asks MySQL and Kafka every few seconds, for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut tick = tokio::time::interval(CHECK_INTERVAL);
        loop {
            tick.tick().await;
            let (mysql, kafka) = tokio::join!(self.ask_mysql(), self.ask_kafka());
            self.metrics.mysql(mysql.as_ref().map(drop).map_err(String::as_str));
            self.metrics.kafka(kafka.as_ref().map(drop).map_err(String::as_str));
        }
    }

    async fn ask_mysql(&self) -> Result<(), String> {
        let conn = connect_any(&self.mysql).await.map_err(|error| error.to_string())?;
        conn.disconnect().await.map_err(|error| error.to_string())
    }

    async fn ask_kafka(&self) -> Result<(), String> {
        self.kafka.prepare(self.shards).await.map_err(|error| error.to_string())?;
        let kafka = Arc::clone(&self.kafka);
        let asked = tokio::task::spawn_blocking(move || kafka.check().map_err(|error| error.to_string()));
        asked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// CPU in percent of one core and rows per second, since they were last measured.
    fn rates(&self) -> (f64, f64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let span = counted.at.elapsed();
        if span >= LEAST_SPAN {
            let (cpu, rows) = (cpu_time(), self.metrics.rows());
            let busy = cpu.saturating_sub(counted.cpu).as_secs_f64();
            let cpu_percent = busy * 100.0 / span.as_secs_f64();
            let rows_per_second = rows.saturating_sub(counted.rows) as f64 / span.as_secs_f64();
            *counted = Counted { at: Instant::now(), cpu, rows, cpu_percent, rows_per_second };
        }
        (counted.cpu_percent, counted.rows_per_second)
    }
}

impl Health for VitalSigns {
    fn vitals(&self) -> Vitals {
        let connections = self.metrics.connections();
        let (memory_bytes, _) = memory();
        let (cpu_percent, rows_per_second) = self.rates();
        Vitals {
            mysql: connections.mysql,
            kafka: connections.kafka,
            memory_bytes,
            cpu_percent,
            rows_per_second,
        }
    }
}
