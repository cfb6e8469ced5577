//! A shard that streams changes hands: it streams on at the one until the other is ready for it.

use std::time::Duration;

use maxwell_protocol::member::MemberState;
use maxwell_protocol::settings::Mode;
use tokio_util::sync::CancellationToken;

use super::ShardContext;
use super::election::others;
use super::lead::stands_by_itself;
use super::life::Life;
use super::observed::Observed;

/// How long a member may take to get ready. One that cannot has to try all the same: whoever has the shard may be no
/// better off.
const READY: Duration = Duration::from_secs(2);
/// How long a member that is told to end streams on for those that come next: longer than they need, and far less than it
/// is given to end.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Makes the host ready for a shard that is to come here, for as long as another member has it. That one streams on until
/// this one stands in line.
pub(super) async fn get_ready(life: &Life, context: &ShardContext) {
    let (me, shard) = (&context.member, &context.shard);
    let lives_elsewhere = |observed: &Observed| {
        let comes = observed.assignments.get(shard).is_some_and(|assignment| assignment.member == *me);
        comes && observed.owner(shard).is_some_and(|owner| owner.id != *me)
    };
    if !lives_elsewhere(&life.observation.borrow()) {
        return;
    }
    let mut observation = life.observation.clone();
    tokio::select! {
        () = life.host.warm(context) => {}
        _ = observation.wait_for(|observed| !lives_elsewhere(observed)) => {}
        () = tokio::time::sleep(READY) => {}
    }
}

/// Completes when what this member has shall end because it is `leaving`, whether another one awaits it or not.
pub(super) async fn last_call(life: &Life, leaving: &CancellationToken) {
    leaving.cancelled().await;
    let mut observation = life.observation.clone();
    let alone = observation.wait_for(|observed| !has_heirs(life, observed));
    let _ = tokio::time::timeout(LAST_CALL, alone).await;
}

/// Where whoever owns leads, gives the lead up once all can see that this member leaves: who is elected then awaits what
/// this one still streams. Never completes.
pub(super) async fn offer_lead(life: &Life) {
    if life.config.policy.mode == Mode::ActiveStandby {
        let me = &life.config.member;
        let leaves = |observed: &Observed| {
            let mine = observed.members.get(me).filter(|one| one.incarnation == life.incarnation);
            mine.is_some_and(|one| one.state == MemberState::Draining) && has_heirs(life, observed)
        };
        if life.observation.clone().wait_for(|observed| leaves(observed)).await.is_ok() {
            life.step_down.notify_waiters();
        }
    }
    std::future::pending::<()>().await;
}

fn has_heirs(life: &Life, observed: &Observed) -> bool {
    others(observed, &life.config.member, stands_by_itself(life)).next().is_some()
}
