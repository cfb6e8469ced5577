//! The lone worker: no ZooKeeper, no peers. It owns its shard for as long as it runs.

use std::sync::Arc;

use async_trait::async_trait;
use maxwell_protocol::id::{ClusterId, Incarnation, MemberId, SINGLE_SHARD, ShardId};
use maxwell_protocol::member::ShardReport;
use maxwell_protocol::position::PositionMirror;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Ownership, ProofError, Resumption, ShardContext, ShardEnd, ShardHost};

/// Ownership that nobody else can have.
struct Alone {
    report: watch::Sender<ShardReport>,
}

#[async_trait]
impl Ownership for Alone {
    async fn prove(&self) -> Result<(), ProofError> {
        Ok(())
    }

    async fn lost(&self) {
        std::future::pending::<()>().await;
    }

    /// Nobody tells who is right; the process that came later goes on.
    async fn may_still_own(&self) -> bool {
        false
    }

    async fn another_can(&self) {
        std::future::pending::<()>().await;
    }

    fn report(&self, report: ShardReport) {
        self.report.send_replace(report);
    }

    async fn mirror(&self, _: PositionMirror) {}

    fn resumed(&self, _: Resumption) {}

    async fn mirrored(&self) -> Result<Option<PositionMirror>, ProofError> {
        Ok(None)
    }
}

/// Runs the only shard until `shutdown`.
pub async fn run(
    host: Arc<dyn ShardHost>,
    cluster: ClusterId,
    member: MemberId,
    report: watch::Sender<ShardReport>,
    shutdown: CancellationToken,
) -> ShardEnd {
    let context = ShardContext {
        cluster,
        member,
        incarnation: Incarnation::random(),
        shard: ShardId::from(SINGLE_SHARD),
        number: 0,
        layout: Arc::default(),
    };
    host.run(context, Arc::new(Alone { report }), shutdown).await
}
