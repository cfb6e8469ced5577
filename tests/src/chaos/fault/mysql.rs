//! The database server: restarted, away, failed over.

use std::time::Duration;

use super::{Hit, Scene};
use crate::chaos::load::Load;
use crate::lab::{REPLICA, SERVERS, Server, lab};
use crate::session::Session;

/// Shorter than anybody's patience.
const SHORT: Duration = Duration::from_secs(2);
/// How long a replica may take to have everything.
const CATCHING_UP: u32 = 60;

/// What is done to the server that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MySqlFault {
    /// It is ended and started again.
    Restarted,
    /// It is killed and started again.
    Killed,
    /// It is off the network, for as long as an outage lasts.
    Away,
    /// It is frozen for a moment.
    FrozenShort,
    /// It is killed, and its replica takes its place.
    FailedOver,
}

use MySqlFault as Kind;

pub(super) const ALL: [Kind; 5] =
    [Kind::Restarted, Kind::Killed, Kind::Away, Kind::FrozenShort, Kind::FailedOver];

impl MySqlFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Restarted => "mysql_restarted",
            Self::Killed => "mysql_killed",
            Self::Away => "mysql_away",
            Self::FrozenShort => "mysql_frozen_short",
            Self::FailedOver => "mysql_failed_over",
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.hit.push(Hit::Definitions { _kept: scene.load.keep_definitions().await });
        let server = scene.load.server().await;
        match self {
            Self::Restarted | Self::Killed => {
                let how = if self == Self::Killed { "kill" } else { "down" };
                scene.hit.push(Hit::Database(server));
                lab(&[how, server.name]).await
            }
            Self::Away => {
                scene.hit.push(Hit::CutDatabase(server));
                lab(&["cut", server.name]).await?;
                tokio::time::sleep(scene.away).await;
                Ok(())
            }
            Self::FrozenShort => {
                scene.hit.push(Hit::Still(server.name.to_owned()));
                lab(&["freeze", server.name]).await?;
                tokio::time::sleep(SHORT).await;
                Ok(())
            }
            Self::FailedOver => fail_over(scene).await,
        }
    }
}

/// The server that takes this one's place.
pub(super) fn other(server: Server) -> Option<Server> {
    match server.name {
        "mysql80" => Some(REPLICA),
        "replica" => SERVERS.into_iter().find(|server| server.name == "mysql80"),
        _ => None,
    }
}

/// Waits until a replica has everything that its source has.
async fn caught_up(new: Server, old: Server) -> anyhow::Result<()> {
    let executed: Option<String> = Session::new(old).ask("SELECT @@GLOBAL.gtid_executed").await?;
    let wait =
        format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{}', {CATCHING_UP})", executed.unwrap_or_default());
    let waited: Option<u8> = Session::new(new).ask(&wait).await?;
    anyhow::ensure!(waited == Some(0), "{} does not catch up with {}", new.name, old.name);
    Ok(())
}

/// Nothing is written until the replica has everything and is written to instead.
async fn fail_over(scene: &mut Scene) -> anyhow::Result<()> {
    let mut writes_to = scene.load.rest().await;
    let old = *writes_to;
    let Some(new) = other(old) else { return Ok(()) };
    caught_up(new, old).await?;
    scene.hit.push(Hit::Database(old));
    lab(&["kill", old.name]).await?;
    lab(&["promote", new.name]).await?;
    *writes_to = new;
    Ok(())
}

/// Once nothing is written any more: `server` is written to again, and the other one is its replica.
pub(in crate::chaos) async fn fail_back(server: Server, current: Server) -> anyhow::Result<()> {
    if current == server {
        return Ok(());
    }
    caught_up(server, current).await?;
    lab(&["promote", server.name]).await?;
    lab(&["follow", current.name, server.name]).await
}

/// Starts it again; one that another has replaced follows that from now on.
pub(super) async fn heal(server: Server, load: &Load) -> anyhow::Result<()> {
    lab(&["up", server.name]).await?;
    let current = load.server().await;
    if current == server { Ok(()) } else { lab(&["follow", server.name, current.name]).await }
}
