//! Which of the operator's replicas works: the holder of a Lease. What is decided is [`elector`]'s; here are the calls.
//!
//! A holder that cannot renew in time reports [`Leadership::lost`], and the process must end: another replica may
//! hold the Lease from then on.

mod elector;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use elector::{Action, Elector};

/// A Lease that is not renewed for this long may be taken.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for this long has lost it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease.
const RETRY: Duration = Duration::from_secs(2);
/// How long an answer of the API server is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// Which Lease, and who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The Lease's namespace: the operator's own.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// This replica: the pod's name.
    pub identity: String,
}

/// The Lease is held.
#[derive(Debug)]
pub struct Leadership {
    lost: CancellationToken,
    release: CancellationToken,
    keeper: JoinHandle<()>,
}

/// Waits until the Lease is held, for as long as that takes. Cancel safe: an abandoned attempt that was just granted
/// runs out by itself.
pub async fn acquire(client: &Client, settings: LeaseSettings) -> Leadership {
    let mut candidate = Candidate::new(client, settings);
    loop {
        if let Some(until) = candidate.turn().await {
            let (lost, release) = (CancellationToken::new(), CancellationToken::new());
            let keeper = tokio::spawn(candidate.keep(until, lost.clone(), release.clone()));
            return Leadership { lost, release, keeper };
        }
        sleep(RETRY).await;
    }
}

impl Leadership {
    /// Completes when the Lease is no longer held, or may be held by another one. Cancel safe.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Gives the Lease back, so that another replica need not wait until it runs out.
    pub async fn release(self) {
        self.release.cancel();
        if let Err(error) = self.keeper.await {
            tracing::error!(%error, "the Lease was not given back");
        }
    }
}

struct Candidate {
    api: Api<Lease>,
    elector: Elector,
    settings: LeaseSettings,
}

impl Candidate {
    fn new(client: &Client, settings: LeaseSettings) -> Self {
        let api = Api::namespaced(client.clone(), &settings.namespace);
        let elector = Elector::new(&settings.name, &settings.identity, DURATION);
        Self { api, elector, settings }
    }

    /// One look at the Lease, and what follows from it. Until when it is held, if it is.
    async fn turn(&mut self) -> Option<Instant> {
        match timeout(ANSWER, self.try_turn()).await {
            Ok(Ok(held)) => held,
            Ok(Err(Error::Api(answer))) if answer.is_conflict() || answer.is_already_exists() => {
                tracing::debug!("another replica was faster at the Lease");
                None
            }
            Ok(Err(error)) => {
                self.complain(&error.to_string());
                None
            }
            Err(_) => {
                self.complain("the API server does not answer");
                None
            }
        }
    }

    fn complain(&self, error: &str) {
        tracing::warn!(
            namespace = self.settings.namespace,
            lease = self.settings.name,
            error,
            "the Lease cannot be used; the operator needs get, create and update on leases in its namespace"
        );
    }

    async fn try_turn(&mut self) -> Result<Option<Instant>, Error> {
        // Measured from before the call: the Lease runs from when the server takes it.
        let begun = Instant::now();
        let found = self.api.get_opt(&self.settings.name).await?;
        match self.elector.decide(found, begun, Timestamp::now()) {
            Action::Wait => return Ok(None),
            Action::Create(lease) => self.api.create(&PostParams::default(), &lease).await?,
            Action::Replace(lease) => {
                self.api.replace(&self.settings.name, &PostParams::default(), &lease).await?
            }
        };
        Ok(Some(begun + DEADLINE))
    }

    /// Renews the Lease until it is lost or given back.
    async fn keep(mut self, mut until: Instant, lost: CancellationToken, release: CancellationToken) {
        tracing::info!(lease = self.settings.name, identity = self.settings.identity, "this replica works");
        loop {
            tokio::select! {
                () = release.cancelled() => return self.give_back().await,
                () = sleep_until(until.min(Instant::now() + RETRY)) => {}
            }
            let turn = tokio::select! {
                turn = self.turn() => turn,
                () = sleep_until(until) => None,
            };
            if let Some(renewed) = turn {
                until = renewed;
            } else if Instant::now() >= until || self.elector.is_taken() {
                tracing::error!(lease = self.settings.name, "the Lease is lost");
                lost.cancel();
                return;
            }
        }
    }

    async fn give_back(&mut self) {
        let release = async {
            let found = self.api.get_opt(&self.settings.name).await?;
            if let Some(lease) = found.and_then(|lease| self.elector.release(lease, Timestamp::now())) {
                self.api.replace(&self.settings.name, &PostParams::default(), &lease).await?;
            }
            Ok::<_, Error>(())
        };
        match timeout(ANSWER, release).await {
            Ok(Ok(())) => tracing::info!(lease = self.settings.name, "the Lease is given back"),
            Ok(Err(error)) => self.complain(&error.to_string()),
            Err(_) => self.complain("the API server does not answer"),
        }
    }
}
