//! Options about shards.

use super::Draft;
use super::table::{Entry, flag, list, number, option};
use crate::settings::{Balance, Mode, MovePolicy, Pin, Strategy};

/// What stands before the name of a shard, or of a member.
pub(super) const INSTANCE: &str = "maxwell.instance.shard.";

pub(super) const OPTIONS: &[Entry] = &[
    option("maxwell.shard.enabled", "", "every member streams some shards (false)", |d, v| {
        let mut enabled = false;
        flag(&mut enabled, v)?;
        d.settings.mode = match (enabled, d.settings.mode) {
            (false, _) => Mode::ActiveStandby,
            (true, Mode::ActiveStandby) => Mode::Sharded,
            (true, mode) => mode,
        };
        Ok(())
    }),
    option("maxwell.shard.strategy", "WHAT", "database, table, primary_key or time (table)", |d, v| {
        d.sharding.strategy = match v.to_lowercase().replace('_', "").as_str() {
            "database" => Strategy::Database,
            "table" => Strategy::Table,
            "primarykey" => Strategy::PrimaryKey,
            "time" => Strategy::Time,
            _ => return Err("is none of database, table, primary_key, time".into()),
        };
        Ok(())
    }),
    option("maxwell.shard.databases", "NAME,…", "databases with a shard of their own", |d, v| {
        d.sharding.databases = list(v);
        Ok(())
    }),
    option("maxwell.shard.count", "NUMBER", "shards (those with names and one more)", |d, v| {
        number(&mut d.sharding.shards, v)
    }),
    option("maxwell.shard.time_window_seconds", "SECONDS", "length of a window, for time", |d, v| {
        let mut seconds = 0;
        number(&mut seconds, v)?;
        d.sharding.time_window_seconds = Some(seconds);
        Ok(())
    }),
    option("maxwell.shard.standbys", "NUMBER", "members that are kept free of shards (0)", |d, v| {
        number(&mut d.settings.standbys, v)?;
        d.settings.mode = if d.settings.standbys > 0 { Mode::Hybrid } else { Mode::Sharded };
        Ok(())
    }),
    option("maxwell.load_balance.enabled", "", "move shards to members that join (true)", |d, v| {
        let mut enabled = true;
        flag(&mut enabled, v)?;
        d.settings.rebalancing.policy = if enabled { MovePolicy::Automatic } else { MovePolicy::Disabled };
        Ok(())
    }),
    option(
        "maxwell.load_balance.algorithm",
        "HOW",
        "consistent_hash or least_loaded (consistent_hash)",
        |d, v| {
            d.sharding.balance = match v.to_lowercase().replace('_', "").as_str() {
                "consistenthash" => Balance::ConsistentHash,
                "leastloaded" => Balance::LeastLoaded,
                _ => return Err("is neither consistent_hash nor least_loaded".into()),
            };
            Ok(())
        },
    ),
];

/// `maxwell.instance.shard.NAME=WHAT,…`: what a shard holds; where `WHAT` is a database with a shard of its own, the
/// member that this one runs at.
pub(super) fn instance(draft: &mut Draft, name: &str, value: &str) -> Result<(), String> {
    let held = list(value);
    if name.is_empty() || held.is_empty() {
        return Err("holds nothing: write databases, or tables as database.table".into());
    }
    draft.instances.retain(|(known, _)| known != name);
    draft.instances.push((name.into(), held));
    Ok(())
}

/// Puts together what several options say of shards.
pub(super) fn settle(draft: &mut Draft) {
    let is_alone = draft.settings.zookeeper.is_none() && draft.settings.sharding.is_none();
    if draft.settings.mode != Mode::ActiveStandby && is_alone {
        draft.settings.mode = Mode::ActiveStandby;
        draft.notice(
            "maxwell.shard.enabled",
            "there are no members without ha.zookeeper.hosts: one streams everything",
        );
    }
    let mut sharding = std::mem::take(&mut draft.sharding);
    for (name, held) in std::mem::take(&mut draft.instances) {
        let (shards, held): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|held| sharding.databases.contains(held));
        for shard in shards {
            sharding.pins.push(Pin { shard, member: Some(name.clone()), ..Pin::default() });
        }
        let (tables, databases): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| held.contains('.'));
        if !tables.is_empty() || !databases.is_empty() {
            sharding.pins.push(Pin { shard: name, databases, tables, member: None });
        }
    }
    // With `enabled=false` what else is said of shards is said in vain.
    if draft.settings.mode != Mode::ActiveStandby {
        draft.settings.sharding = Some(sharding);
    }
}
