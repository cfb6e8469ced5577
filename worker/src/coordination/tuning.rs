//! The settings that change without a restart: every member takes them on, and says so in its record.

use std::sync::Arc;

use maxwell_protocol::live::InForce;
use maxwell_protocol::settings::MovePolicy;

use super::assign::Policy;
use super::life::Life;
use super::observed::Observed;

impl Life {
    /// Takes on what `cluster/config` says, for as long as the session lives.
    pub(super) async fn follow_settings(&self) {
        let mut observation = self.observation.clone();
        let mut looked_at = None;
        loop {
            let observed = Arc::clone(&observation.borrow_and_update());
            if let Some((live, _)) = &observed.live
                && looked_at != Some(live.version)
            {
                let refused = self.host.tune(live.version, &live.settings).err().unwrap_or_default();
                if !refused.is_empty() {
                    tracing::error!(
                        version = live.version,
                        refused,
                        "new settings are refused, the old ones hold"
                    );
                }
                let settings = self.host.tuning();
                self.membership.set_settings(InForce { version: live.version, settings, refused });
                looked_at = Some(live.version);
            }
            if observation.changed().await.is_err() {
                return;
            }
        }
    }

    /// A shard that is this many seconds behind its source does not keep up.
    pub(super) fn max_lag_seconds(&self, observed: &Observed) -> u32 {
        let changed = observed.live.as_ref().and_then(|(live, _)| live.settings.max_lag_seconds);
        changed.unwrap_or(self.config.failover.max_lag_seconds)
    }

    /// What decides which member a shard belongs to.
    pub(super) fn policy(&self, observed: &Observed) -> Policy {
        let mut policy = self.config.policy.clone();
        if let Some(moves) = observed.live.as_ref().and_then(|(live, _)| live.settings.rebalancing) {
            policy.moves = moves == MovePolicy::Automatic;
        }
        policy
    }
}
