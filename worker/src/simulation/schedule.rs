//! One schedule: what chance makes of a seed, from the first process to the proof that everything arrived.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::faults::let_fail;
use super::world::{Counts, World};
use crate::mistake::{self, Mistake};

/// After the end of all faults one owner streams, and everything is in Kafka, within this time.
const BOUND: Duration = Duration::from_secs(60);
/// How long rows come after that end.
const MORE: Duration = Duration::from_secs(2);

/// What a schedule showed.
pub(super) struct Outcome {
    /// The first invariant that did not hold.
    pub(super) violation: Option<String>,
    pub(super) counts: Counts,
    /// The same for every run of the seed.
    pub(super) digest: u64,
}

/// Runs the schedule of a seed, if need be with a mistake in the worker, and tells what happens if it is `traced`.
pub(super) fn run(seed: u64, mistake: Option<Mistake>, traced: bool) -> std::io::Result<Outcome> {
    mistake::plant(mistake);
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    let runtime = builder.build()?;
    Ok(runtime.block_on(async {
        let world = World::new(seed, traced);
        let mut violation = world.violation();
        let violated = violation.wait_for(Option::is_some);
        tokio::select! {
            biased;
            _ = violated => {}
            () = go(&world) => {}
        }
        let violation = world.violation().borrow().clone();
        let counts = *world.counts();
        Outcome { violation, counts, digest: world.digest() }
    }))
}

async fn go(world: &Arc<World>) {
    let cluster = Cluster::new(world);
    for member in 0..cluster.members() {
        let (cluster, after) = (Arc::clone(&cluster), world.time(1, 2_000));
        tokio::spawn(async move {
            sleep(after).await;
            cluster.start(member);
        });
    }
    let growing = tokio::spawn(grow(Arc::clone(&cluster)));
    let dividing = tokio::spawn(divide(Arc::clone(&cluster)));
    sleep(Duration::from_secs(2)).await;
    let_fail(&cluster, Duration::from_millis(2_000 + world.pick(20_000))).await;
    dividing.abort();
    let mended = Instant::now();
    while mended.elapsed() < BOUND {
        (0..cluster.members()).for_each(|member| cluster.start_again(member));
        if mended.elapsed() >= MORE {
            growing.abort();
            if cluster.is_well() {
                world.counts().recovery = mended.elapsed();
                return;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    world.violated(|| format!("{BOUND:?} after all faults had ended: {}", cluster.state()));
}

/// Rows are to be divided in another way, again and again.
async fn divide(cluster: Arc<Cluster>) {
    for number in 0.. {
        sleep(cluster.world.time(500, 10_000)).await;
        cluster.divide(number);
    }
}

/// Transactions are committed at the source.
async fn grow(cluster: Arc<Cluster>) {
    loop {
        cluster.source.grow(1 + cluster.world.pick(5));
        sleep(cluster.world.time(5, 500)).await;
    }
}
