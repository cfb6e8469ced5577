//! What can go wrong in a reconcile, and what follows from it.

use std::time::Duration;

use kube::runtime::finalizer;
use thiserror::Error;

use super::apply::ApplyError;
use super::ask::AskError;
use super::fetch::FetchError;
use super::finalize::FinalizeError;
use super::pods::PodError;
use super::scale::ScaleError;
use super::status::StatusError;

/// Why a reconcile failed, by step.
#[derive(Debug, Error)]
pub enum Error {
    /// Kubernetes could not be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The plan could not be carried out.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The pods of a stopped cluster could not be ended.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// A pod could not be labelled or replaced.
    #[error(transparent)]
    Pods(#[from] PodError),
    /// The leader could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The status could not be written.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The clean-up of a deleted cluster failed.
    #[error(transparent)]
    Finalize(#[from] FinalizeError),
    /// The finalizer could not be set or taken away.
    #[error("cannot {action} the finalizer")]
    Finalizer {
        /// What was to be done with it.
        action: &'static str,
        /// Why it could not.
        #[source]
        source: Option<kube::Error>,
    },
    /// Not a failure: the clean-up is not done yet, so the finalizer stays.
    #[error("the clean-up is not done")]
    CleanupPending {
        /// When to look again.
        again: Duration,
    },
}

impl From<finalizer::Error<Error>> for Error {
    fn from(error: finalizer::Error<Error>) -> Self {
        let (action, source) = match error {
            finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error) => return error,
            finalizer::Error::AddFinalizer(source) => ("add", Some(source)),
            finalizer::Error::RemoveFinalizer(source) => ("remove", Some(source)),
            finalizer::Error::UnnamedObject | finalizer::Error::InvalidFinalizer => ("name", None),
        };
        Self::Finalizer { action, source }
    }
}

/// The first wait after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// Somebody else was faster: what they wrote is on its way to us.
const CONFLICT: Duration = Duration::from_millis(200);
/// An object in the way belongs to no cluster, so nothing tells when it is gone.
const FOREIGN: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

impl Error {
    /// The kind, as the metric names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "Fetch",
            Self::Apply(_) => "Apply",
            Self::Scale(_) => "Scale",
            Self::Pods(_) => "Pods",
            Self::Ask(_) => "Ask",
            Self::Status(_) => "Status",
            Self::Finalize(_) => "Finalize",
            Self::Finalizer { .. } | Self::CleanupPending { .. } => "Finalizer",
        }
    }

    /// How long to wait after the `failures`-th failure in a row, counted from 1.
    pub fn disposition(&self, failures: u32) -> Duration {
        if matches!(self, Self::Apply(ApplyError::Foreign { .. })) {
            return FOREIGN;
        }
        let first = if self.is_conflict() { CONFLICT } else { FIRST };
        first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST)
    }

    fn is_conflict(&self) -> bool {
        let answer = match self {
            Self::Fetch(FetchError::Read { source, .. })
            | Self::Apply(ApplyError::Write { source, .. })
            | Self::Pods(PodError::Label { source, .. } | PodError::Replace { source, .. })
            | Self::Ask(AskError::Annotation { source, .. })
            | Self::Status(StatusError::Write { source, .. })
            | Self::Finalize(FinalizeError::Release { source, .. })
            | Self::Finalizer { source: Some(source), .. } => source,
            Self::Scale(error) | Self::Finalize(FinalizeError::Scale(error)) => error.answer(),
            Self::Finalize(FinalizeError::Job(error)) => error.answer(),
            Self::Apply(ApplyError::Foreign { .. })
            | Self::Ask(AskError::Write { .. })
            | Self::Finalizer { source: None, .. }
            | Self::CleanupPending { .. } => return false,
        };
        matches!(answer, kube::Error::Api(status) if status.is_conflict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let error = Error::Finalizer { action: "add", source: None };
        let waits: Vec<u64> = (1..=9).map(|failures| error.disposition(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(error.disposition(u32::MAX), LONGEST);
        let foreign = Error::Apply(ApplyError::Foreign { object: "Service cdc/orders-leader".into() });
        assert_eq!((foreign.disposition(1), foreign.disposition(9)), (FOREIGN, FOREIGN));
    }
}
