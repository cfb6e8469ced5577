//! How this process is: whether MySQL and Kafka answer it, its CPU, memory and throughput. A standby must know that
//! it can take over, so it asks too.

mod questions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use maxwell_protocol::settings::MySql;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

use self::questions::{Questions, System};
use crate::coordination::{Health, Vitals};
use crate::metrics::{Metrics, cpu_time, memory, memory_limit};
use crate::sink::kafka::KafkaSink;
use crate::source::pulse::Pulse;

/// How often MySQL and Kafka are asked whether they answer, and how long they may take. What is not answered is asked once
/// more over another connection: an owner that one of them leaves is known to be left within a second and a half.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(500);
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

/// What was last heard of a system.
#[derive(Clone, Copy)]
struct Heard {
    /// When it last answered.
    answered: Instant,
    /// Whether it did the last time.
    reachable: Option<bool>,
}

/// The vital signs of this process.
pub struct VitalSigns {
    metrics: Arc<Metrics>,
    mysql: MySql,
    kafka: Arc<KafkaSink>,
    shards: u32,
    memory_limit_bytes: u64,
    counted: Mutex<Counted>,
    /// What was last heard of MySQL and Kafka.
    heard: Mutex<[Heard; 2]>,
    /// Told when one of them came or went.
    changed: Notify,
    questions: Questions,
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
            heard: Mutex::new([Heard { answered: at, reachable: None }; 2]),
            changed: Notify::new(),
            questions: Questions::default(),
        }
    }

    /// Asks MySQL and Kafka all the time, for ever.
    pub async fn watch(self: Arc<Self>) {
        tokio::join!(self.watch_mysql(), self.watch_kafka());
    }

    async fn watch_mysql(&self) {
        let mut pulse = Pulse::new(self.mysql.clone(), ANSWER);
        let mut tick = ticks();
        loop {
            self.questions.due(System::MySql, &mut tick).await;
            self.questions.put(System::MySql);
            let felt = pulse.feel().await;
            if felt == Some(false) {
                self.questions.doubt(System::MySql);
            }
            let said = if felt == Some(true) { Ok(()) } else { pulse.connect().await };
            self.tell(System::MySql, said.map_err(|error| error.to_string()));
        }
    }

    async fn watch_kafka(&self) {
        let mut tick = ticks();
        loop {
            tokio::select! {
                () = self.questions.due(System::Kafka, &mut tick) => {}
                () = self.kafka.keeps_waiting() => {}
            }
            self.questions.put(System::Kafka);
            let mut said = self.ask_kafka(false).await;
            if said.is_err() {
                self.questions.doubt(System::Kafka);
                said = self.ask_kafka(true).await;
            }
            self.tell(System::Kafka, said);
        }
    }

    /// Passes on what one of them said.
    fn tell(&self, system: System, said: Result<(), String>) {
        let outcome = said.as_ref().map(drop).map_err(String::as_str);
        match system {
            System::MySql => self.metrics.mysql(outcome),
            System::Kafka => self.metrics.kafka(outcome),
        }
        let reachable = said.is_ok();
        let changed = {
            let heard = &mut self.heard()[system as usize];
            if reachable {
                heard.answered = Instant::now();
            }
            heard.reachable.replace(reachable) != Some(reachable)
        };
        if changed {
            self.changed.notify_one();
        }
        self.questions.settle(system, reachable);
    }

    fn heard(&self) -> MutexGuard<'_, [Heard; 2]> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `again`: behind a question in vain.
    async fn ask_kafka(&self, again: bool) -> Result<(), String> {
        self.kafka.prepare(self.shards).await.map_err(|error| error.to_string())?;
        let kafka = Arc::clone(&self.kafka);
        let asked = tokio::task::spawn_blocking(move || {
            kafka.check(ANSWER, again).map_err(|error| error.to_string())
        });
        asked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn silent(&self) -> Duration {
        self.heard().iter().map(|heard| heard.answered.elapsed()).max().unwrap_or_default()
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

    async fn ask_anew(&self) -> bool {
        self.questions.ask_anew().await
    }

    async fn doubted(&self) {
        self.questions.doubted().await;
    }

    async fn trusted(&self) {
        self.questions.trusted().await;
    }
}

fn ticks() -> Interval {
    let mut tick = tokio::time::interval(CHECK_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
