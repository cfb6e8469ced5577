//! Entry point.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
use maxwell_operator::args::Args;
use maxwell_operator::controller::{self, Shared};
use maxwell_operator::leader::{self, LeaseSettings};
use maxwell_operator::metrics::Metrics;
use maxwell_operator::{http, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    telemetry::init(&args.log_level)?;
    let shutdown = end_on_signal()?;
    let client = kube::Client::try_default()
        .await
        .context("no access to Kubernetes: set KUBECONFIG, or run in a pod with a ServiceAccount")?;
    // A replica that stands by for the Lease is ready: a roll of the operator must not wait for it to work.
    let (readiness, ready) = watch::channel(Ok(()));
    let metrics = Arc::new(Metrics::default());
    http::serve(everywhere(args.http_port), Arc::clone(&metrics), ready, shutdown.clone()).await?;

    let lease = LeaseSettings {
        namespace: args.lease_namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned()),
        name: args.lease_name.clone(),
        identity: args.pod_name.clone().unwrap_or_else(|| format!("maxwell-operator-{}", Uuid::new_v4())),
    };
    let identity = lease.identity.clone();
    let leadership = tokio::select! {
        leadership = leader::acquire(&client, lease) => leadership,
        () = shutdown.cancelled() => return Ok(()),
    };
    metrics.set_leader(true);
    let scopes = args.scopes();
    let shared = Shared { client, identity, worker_image: args.worker_image, metrics, readiness, shutdown };
    tokio::select! {
        () = controller::run(shared, scopes) => {}
        () = leadership.lost() => bail!("the Lease is lost: another replica may work from now on"),
    }
    leadership.release().await;
    Ok(())
}

/// Every address of this host: both families where there is IPv6, else IPv4.
fn everywhere(port: u16) -> SocketAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        Err(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

/// A token that SIGTERM and SIGINT cancel.
fn end_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        cancelled.cancel();
    });
    Ok(token)
}
