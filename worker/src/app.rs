//! Wiring: makes the adapters from the options, starts the tasks, ends them in order.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use maxwell_protocol::id::{ClusterId, MemberId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::settings::{LogLevel, Producer};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::coordination::{
    self, CoordinatorConfig, Ended, Link, ProbeConfig, ShardEnd, ShardHost, View, embedded,
};
use crate::engine::run::Engine;
use crate::engine::status::Observers;
use crate::engine::tuning::Tunables;
use crate::filter::TableFilter;
use crate::http::{self, Readiness};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::sink::Sink;
use crate::sink::file::FileSink;
use crate::sink::kafka::KafkaSink;
use crate::sink::stdout::StdoutSink;
use crate::vitals::VitalSigns;

/// Runs the worker until it is told to stop, or to begin anew. `set_level` changes its log level.
pub async fn run(
    options: Options,
    set_level: impl Fn(LogLevel) + Send + Sync + 'static,
) -> anyhow::Result<Ended> {
    if let Some(cluster) = options.process.forget {
        return forget(&options, cluster).await;
    }
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone())?;
    let metrics = Arc::new(Metrics::default());
    let (readiness_tx, readiness) = watch::channel(Err("starting".to_owned()));
    let serving = CancellationToken::new();
    let own_database = &options.settings.bootstrap.schema_database;
    let filter = watch::Sender::new(TableFilter::read(&options.settings.filter, own_database)?);
    let http = &options.process.http;
    let port = options.settings.port;
    let address = http.bind_address.map_or_else(|| everywhere(port), |address| (address, port).into());
    let changed = http.config.then(|| filter.clone());
    let served = http::serve(address, http, Arc::clone(&metrics), readiness, changed, serving.clone()).await;
    match served {
        // A second newcomer's experiment on one host is not stopped by a port that it does not need.
        Err(error) if options.settings.producer != Producer::Kafka => {
            tracing::warn!(%error, "no HTTP endpoint");
        }
        served => served?,
    }
    let observers: Arc<dyn Observers> = Arc::clone(&metrics) as Arc<dyn Observers>;
    let (sink, kafka) = sink(&options)?;
    let tunables = Tunables::new(&options.settings, filter, set_level);
    let engine = Engine::new(options.settings.clone(), tunables, sink, observers).context("the settings")?;
    let engine = Arc::new(engine);
    let host: Arc<dyn ShardHost> = Arc::clone(&engine) as Arc<dyn ShardHost>;
    let ended = match (&options.settings.zookeeper, kafka) {
        (Some(_), Some(kafka)) => {
            let (settings, shards) = (&options.settings, Layout::wanted(&options.settings).shards);
            let vitals =
                Arc::new(VitalSigns::new(Arc::clone(&metrics), settings.mysql.clone(), kafka, shards));
            together(&options, host, (metrics, vitals), readiness_tx, shutdown).await
        }
        _ => alone(&options, host, readiness_tx, shutdown).await.map(|()| Ended::Stopped),
    };
    serving.cancel();
    match ended {
        Err(error) if engine.has_lost_position() => Err(error.context(PositionLost)),
        ended => ended,
    }
}

async fn forget(options: &Options, cluster: ClusterId) -> anyhow::Result<Ended> {
    let kafka = options.settings.kafka.clone().context("only kafka has a position topic")?;
    KafkaSink::new(kafka, &options.settings.cluster).forget(cluster).await?;
    tracing::info!(%cluster, "the position topic is deleted");
    Ok(Ended::Stopped)
}

/// The source no longer has what follows the position: the process ends with a code of its own.
#[derive(Debug, Error)]
#[error("the position is lost")]
pub struct PositionLost;

type Sinks = (Arc<dyn Sink>, Option<Arc<KafkaSink>>);

fn sink(options: &Options) -> anyhow::Result<Sinks> {
    let settings = &options.settings;
    Ok(match settings.producer {
        Producer::Stdout => (Arc::new(StdoutSink { state_file: options.process.state_file.clone() }), None),
        Producer::File => {
            let state_file = options.process.state_file.clone();
            let output =
                options.process.output_file.clone().context("the file producer needs output_file")?;
            (Arc::new(FileSink { output, state_file }), None)
        }
        Producer::Kafka => {
            let kafka = settings.kafka.clone().context("the kafka producer needs kafka.brokers")?;
            let kafka = Arc::new(KafkaSink::new(kafka, &settings.cluster));
            (Arc::clone(&kafka) as Arc<dyn Sink>, Some(kafka))
        }
    })
}

/// As a member of a cluster.
async fn together(
    options: &Options,
    engine: Arc<dyn ShardHost>,
    (metrics, vitals): (Arc<Metrics>, Arc<VitalSigns>),
    readiness: watch::Sender<Readiness>,
    shutdown: CancellationToken,
) -> anyhow::Result<Ended> {
    let process = &options.process;
    let probe =
        ProbeConfig { listen: everywhere(process.probe_port), advertise: process.advertise_host.clone() };
    let address = format!("{}:{}", process.advertise_host, options.settings.port);
    let member = MemberId(process.member_id.clone());
    let mut config = CoordinatorConfig::from_settings(&options.settings, member, address, probe)
        .context("a cluster needs zookeeper.hosts")?;
    if !options.settings.failover.priorities.contains_key(&process.member_id) {
        config.priority = process.member_priority;
    }
    let (view_tx, view) = watch::channel(View::default());
    tokio::spawn(show(view, metrics, readiness));
    let watching = tokio::spawn(Arc::clone(&vitals).watch());
    let ended = coordination::run(config, engine, vitals, view_tx, shutdown).await;
    watching.abort();
    Ok(ended?)
}

/// Readiness: a member that is in the cluster streams or can take over at once.
async fn show(mut view: watch::Receiver<View>, metrics: Arc<Metrics>, readiness: watch::Sender<Readiness>) {
    while view.changed().await.is_ok() {
        let view = view.borrow_and_update().clone();
        metrics.set_leader(view.leads);
        metrics.set_zookeeper(view.link == Link::Connected);
        metrics.set_failovers(view.failovers);
        metrics.set_wrong_verdicts(view.wrong_verdicts);
        let joined = view.leader.is_some();
        let _before =
            readiness.send_replace(if joined { Ok(()) } else { Err("no leader is known yet".into()) });
    }
}

/// Without ZooKeeper. The cluster's id comes from its name, so that a restart finds its positions again and two
/// processes of one name fence each other.
async fn alone(
    options: &Options,
    engine: Arc<dyn ShardHost>,
    readiness: watch::Sender<Readiness>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let named = || ClusterId(Uuid::new_v5(&Uuid::NAMESPACE_OID, options.settings.cluster.as_bytes()));
    let cluster = options.settings.cluster_id.unwrap_or_else(named);
    let member = MemberId(options.process.member_id.clone());
    let (report, mut reports) = watch::channel(ShardReport::default());
    let mut halted = reports.clone();
    tokio::spawn(async move {
        while reports.changed().await.is_ok() {
            let _before = readiness.send_replace(ready(&reports.borrow_and_update()));
        }
    });
    tokio::select! {
        ended = embedded::run(engine, cluster, member, report, shutdown) => match ended {
            ShardEnd::Relinquished { reason } => anyhow::bail!("another process took over: {reason}"),
            _ => Ok(()),
        },
        // Nobody else is there to whom it could be told, or who could mend it while this process runs.
        Ok(report) = halted.wait_for(|report| report.state == ShardState::Halted) => {
            anyhow::bail!("{}", report.last_error)
        }
    }
}

fn ready(report: &ShardReport) -> Readiness {
    match report.state {
        ShardState::Streaming => Ok(()),
        _ if report.last_error.is_empty() => Err("not streaming yet".into()),
        _ => Err(report.last_error.clone()),
    }
}

/// Every address of this host: both families where there is IPv6, else IPv4.
fn everywhere(port: u16) -> SocketAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        Err(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
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
