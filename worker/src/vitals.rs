//! How this process is: whether MySQL and Kafka answer it, its CPU, memory and throughput. A standby must know that
//! it can take over, so it asks too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use maxwell_protocol::settings::MySql;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::coordination::{Health, Vitals};
use crate::metrics::{Metrics, cpu_time, memory, memory_limit};
use crate::sink::kafka::KafkaSink;
use crate::source::pulse::Pulse;

/// How often MySQL and Kafka are asked whether they answer, and how long they may take: an owner that they leave hands
/// over within three seconds.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(800);
/// CPU and throughput are means over at least this long.
const LEAST_SPAN: Duration = Duration::from_secs(1);

/// What was counted at one moment, and the rates up to it.
struct Counted {
    at: Instant,
    cpu: Duration,
    rows: u64,
    bytes: u64,
    rates: Rates,
}

#[derive(Clone, Copy, Default)]
struct Rates {
    cpu_percent: f64,
    rows_per_second: f64,
    bytes_per_second: f64,
}

/// The vital signs of this process.
pub struct VitalSigns {
    metrics: Arc<Metrics>,
    mysql: MySql,
    kafka: Arc<KafkaSink>,
    shards: u32,
    memory_limit_bytes: u64,
    counted: Mutex<Counted>,
    /// When MySQL and Kafka last answered.
    answered: Mutex<[Instant; 2]>,
    /// Told when one of them came or went.
    changed: Notify,
}

impl VitalSigns {
    /// Of a process that streams `mysql` to `kafka`, divided into `shards` shards unless the cluster has a layout already.
    pub fn new(metrics: Arc<Metrics>, mysql: MySql, kafka: Arc<KafkaSink>, shards: u32) -> Self {
        let (at, cpu, rates) = (Instant::now(), cpu_time(), Rates::default());
        Self {
            metrics,
            mysql,
            kafka,
            shards,
            memory_limit_bytes: memory_limit(),
            counted: Mutex::new(Counted { at, cpu, rows: 0, bytes: 0, rates }),
            answered: Mutex::new([Instant::now(); 2]),
            changed: Notify::new(),
        }
    }

    /// Asks MySQL and Kafka all the time, for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut pulse = Pulse::new(self.mysql.clone(), ANSWER);
        let mysql = async {
            let mut tick = tokio::time::interval(CHECK_INTERVAL);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let said = pulse.feel().await.map_err(|error| error.to_string());
                self.tell(|metrics| metrics.mysql(said.as_ref().map(drop).map_err(String::as_str)), 0);
            }
        };
        let kafka = async {
            let mut tick = tokio::time::interval(CHECK_INTERVAL);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let said = self.ask_kafka().await;
                self.tell(|metrics| metrics.kafka(said.as_ref().map(drop).map_err(String::as_str)), 1);
            }
        };
        tokio::join!(mysql, kafka);
    }

    /// Passes on what one of them said.
    fn tell(&self, tell: impl FnOnce(&Metrics), which: usize) {
        let reachable = || {
            let connections = self.metrics.connections();
            [connections.mysql.reachable, connections.kafka.reachable]
        };
        let before = reachable();
        tell(&self.metrics);
        let now = reachable();
        if now[which] == Some(true) {
            self.answered.lock().unwrap_or_else(PoisonError::into_inner)[which] = Instant::now();
        }
        if now != before {
            self.changed.notify_one();
        }
    }

    /// Twice, before it counts.
    async fn ask_kafka(&self) -> Result<(), String> {
        self.kafka.prepare(self.shards).await.map_err(|error| error.to_string())?;
        let kafka = Arc::clone(&self.kafka);
        let asked = tokio::task::spawn_blocking(move || {
            kafka.check(ANSWER).or_else(|_| kafka.check(ANSWER)).map_err(|error| error.to_string())
        });
        asked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn silent(&self) -> Duration {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().map(Instant::elapsed).max().unwrap_or_default()
    }

    /// CPU in percent of one core, rows and bytes per second, since they were last measured.
    fn rates(&self) -> Rates {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let span = counted.at.elapsed();
        if span >= LEAST_SPAN {
            let (cpu, (rows, bytes)) = (cpu_time(), self.metrics.sent());
            let busy = cpu.saturating_sub(counted.cpu).as_secs_f64();
            let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / span.as_secs_f64();
            let rates = Rates {
                cpu_percent: busy * 100.0 / span.as_secs_f64(),
                rows_per_second: per_second(rows, counted.rows),
                bytes_per_second: per_second(bytes, counted.bytes),
            };
            *counted = Counted { at: Instant::now(), cpu, rows, bytes, rates };
        }
        counted.rates
    }
}

#[async_trait]
impl Health for VitalSigns {
    fn vitals(&self) -> Vitals {
        let connections = self.metrics.connections();
        let (memory_bytes, _) = memory();
        let Rates { cpu_percent, rows_per_second, bytes_per_second } = self.rates();
        Vitals {
            mysql: connections.mysql,
            kafka: connections.kafka,
            memory_bytes,
            memory_limit_bytes: self.memory_limit_bytes,
            cpu_percent,
            rows_per_second,
            bytes_per_second,
            unsent_bytes: self.metrics.unsent(),
            silent: self.silent(),
        }
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}
