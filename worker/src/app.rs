//! Wiring: makes the adapters from the options, starts the tasks, ends them in order.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use maxwell_protocol::id::{ClusterId, MemberId};
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::settings::Producer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::coordination::{ShardEnd, ShardHost, embedded};
use crate::engine::run::Engine;
use crate::engine::status::Observer;
use crate::http::{self, Readiness};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::sink::Sink;
use crate::sink::kafka::KafkaSink;
use crate::sink::stdout::StdoutSink;

/// Runs the worker until it is told to stop.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone())?;
    let metrics = Arc::new(Metrics::default());
    let (readiness_tx, readiness) = watch::channel(Err("starting".to_owned()));
    let serving = CancellationToken::new();
    let address = SocketAddr::from(([0, 0, 0, 0], options.settings.port));
    let served = http::serve(address, Arc::clone(&metrics), readiness, serving.clone()).await;
    match served {
        // A second newcomer's experiment on one host is not stopped by a port that it does not need.
        Err(error) if options.settings.producer == Producer::Stdout => {
            tracing::warn!(%error, "no HTTP endpoint");
        }
        served => served?,
    }
    let observer: Arc<dyn Observer> = Arc::clone(&metrics) as Arc<dyn Observer>;
    let engine: Arc<dyn ShardHost> =
        Arc::new(Engine::new(options.settings.clone(), sink(&options)?, observer).context("the settings")?);
    let ended = alone(&options, engine, readiness_tx, shutdown).await;
    serving.cancel();
    ended
}

fn sink(options: &Options) -> anyhow::Result<Arc<dyn Sink>> {
    let settings = &options.settings;
    Ok(match settings.producer {
        Producer::Stdout => Arc::new(StdoutSink { state_file: options.process.state_file.clone() }),
        Producer::Kafka => {
            let kafka = settings.kafka.clone().context("the kafka producer needs kafka.brokers")?;
            Arc::new(KafkaSink::new(kafka, &settings.cluster))
        }
    })
}

/// Without ZooKeeper. The cluster's id comes from its name, so that a restart finds its positions again and two
/// processes of one name fence each other.
async fn alone(
    options: &Options,
    engine: Arc<dyn ShardHost>,
    readiness: watch::Sender<Readiness>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let cluster = ClusterId(Uuid::new_v5(&Uuid::NAMESPACE_OID, options.settings.cluster.as_bytes()));
    let member = MemberId(options.process.member_id.clone());
    let (report, mut reports) = watch::channel(ShardReport::default());
    tokio::spawn(async move {
        while reports.changed().await.is_ok() {
            let _before = readiness.send_replace(ready(&reports.borrow_and_update()));
        }
    });
    match embedded::run(engine, cluster, member, report, shutdown).await {
        ShardEnd::Relinquished { reason } => anyhow::bail!("another process took over: {reason}"),
        _ => Ok(()),
    }
}

fn ready(report: &ShardReport) -> Readiness {
    match report.state {
        ShardState::Streaming => Ok(()),
        _ if report.last_error.is_empty() => Err("not streaming yet".into()),
        _ => Err(report.last_error.clone()),
    }
}

fn stop_on_signals(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(())
}
