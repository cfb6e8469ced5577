//! What is wrong with modes and shards.

use std::collections::BTreeSet;

use super::{Invalid, invalid};
use crate::settings::{Mode, OnPositionLost, Pin, Rebalancing, Settings, Sharding, Strategy, is_number};

/// More shards than this are refused: each reads the source's whole binlog.
const MOST_SHARDS: u32 = 256;

/// What is wrong with the mode of `settings` and what belongs to it.
pub(super) fn validate(settings: &Settings, found: &mut Vec<Invalid>) {
    let mode = settings.mode;
    match (&settings.sharding, mode) {
        (None, Mode::ActiveStandby) => {}
        (Some(_), Mode::ActiveStandby) => found.push(invalid(
            "sharding",
            "",
            "contradicts mode ActiveStandby, which has one shard",
            "set mode to Sharded or Hybrid, or leave sharding out",
        )),
        (None, _) => {
            found.push(invalid("sharding", "", "is missing", "say how many: sharding: {shards: 4}"));
        }
        (Some(sharding), _) => found.extend(sharding.problems()),
    }
    if mode != Mode::ActiveStandby && settings.zookeeper.is_none() {
        found.push(invalid(
            "mode",
            format!("{mode:?}"),
            "needs members",
            "name zookeeper.hosts, or set mode to ActiveStandby",
        ));
    }
    validate_copies(settings, found);
    validate_rebalancing(&settings.rebalancing, found);
    if mode == Mode::Hybrid && settings.standbys == 0 {
        found.push(invalid(
            "standbys",
            0,
            "leaves no member free",
            "set it to 1 or more, or mode to Sharded",
        ));
    }
}

impl Sharding {
    /// What is wrong with it.
    pub fn problems(&self) -> Vec<Invalid> {
        let mut found = Vec::new();
        validate_count(self, &mut found);
        validate_strategy(self, &mut found);
        validate_names(self, &mut found);
        validate_pinned(self, &mut found);
        validate_turns(self, &mut found);
        found
    }
}

fn validate_rebalancing(rebalancing: &Rebalancing, found: &mut Vec<Invalid>) {
    let percent = rebalancing.imbalance_percent;
    if !(5..=100).contains(&percent) {
        let (problem, mend) = match percent {
            0..5 => ("moves shards for what is no more than noise", "set it to 5 or more"),
            _ => ("is more than a member can have to do", "set it to 100 or less, or policy to Disabled"),
        };
        found.push(invalid("rebalancing.imbalancePercent", percent, problem, mend));
    }
    for (field, value) in [
        ("rebalancing.minIntervalSeconds", rebalancing.min_interval_seconds),
        ("rebalancing.maxConcurrentMoves", rebalancing.max_concurrent_moves),
    ] {
        if value == 0 {
            found.push(invalid(field, value, "is too little", "set it to 1 or more"));
        }
    }
}

fn validate_count(sharding: &Sharding, found: &mut Vec<Invalid>) {
    let (count, named) = (sharding.count(), sharding.named().len());
    if count > MOST_SHARDS {
        found.push(invalid(
            "sharding.shards",
            count,
            &format!("is more than {MOST_SHARDS}, and each shard makes the source send its whole binlog"),
            "a few for each member are enough",
        ));
    } else if (count as usize) <= named {
        found.push(invalid(
            "sharding.shards",
            count,
            &format!("leaves no shard for what none of the {named} with names holds"),
            &format!("set it to {} or more, or to 0", named + 1),
        ));
    }
}

fn validate_strategy(sharding: &Sharding, found: &mut Vec<Invalid>) {
    if !sharding.databases.is_empty() && sharding.strategy != Strategy::Database {
        found.push(invalid(
            "sharding.databases",
            sharding.databases.join(","),
            &format!("contradicts strategy {:?}", sharding.strategy),
            "set sharding.strategy to Database, or pin the databases: sharding.pins",
        ));
    }
    let problem = match (sharding.strategy, sharding.time_window_seconds) {
        (Strategy::Time, None) => ("is missing".to_owned(), "strategy Time needs it: 3600 is an hour"),
        (Strategy::Time, Some(0)) => ("is too little".to_owned(), "set it to 1 or more: 3600 is an hour"),
        (Strategy::Time, Some(_)) | (_, None) => return,
        (other, Some(_)) => (format!("contradicts strategy {other:?}"), "leave it out"),
    };
    let seconds = sharding.time_window_seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
    found.push(invalid("sharding.timeWindowSeconds", seconds, &problem.0, problem.1));
}

/// Under strategy Time shards without a name hold windows and nothing else.
fn validate_turns(sharding: &Sharding, found: &mut Vec<Invalid>) {
    if sharding.strategy != Strategy::Time {
        return;
    }
    let holds = |pin: &&Pin| !pin.databases.is_empty() || !pin.tables.is_empty();
    for pin in sharding.pins.iter().filter(holds).filter(|pin| is_number(&pin.shard)) {
        found.push(invalid(
            "sharding.pins.shard",
            &pin.shard,
            "takes turns with others under strategy Time, and streams what is pinned to it only meanwhile",
            "pin it to a shard with a name, which streams all the time",
        ));
    }
}

/// Under strategy Time no table is copied: its rows have no commit time.
fn validate_copies(settings: &Settings, found: &mut Vec<Invalid>) {
    if settings.sharding.as_ref().is_none_or(|sharding| sharding.strategy != Strategy::Time) {
        return;
    }
    if !settings.bootstrap.tables.is_empty() {
        found.push(invalid(
            "bootstrap.tables",
            settings.bootstrap.tables.join(","),
            "cannot be copied under strategy Time: a copy takes longer than a shard's turn may",
            "leave it out, or divide by PrimaryKey",
        ));
    }
    if settings.mysql.on_position_lost == OnPositionLost::Bootstrap {
        found.push(invalid(
            "mysql.onPositionLost",
            "Bootstrap",
            "copies tables, which strategy Time cannot",
            "set it to Halt or Latest",
        ));
    }
}

/// Names of shards become nodes of the tree and parts of transactional ids.
fn validate_names(sharding: &Sharding, found: &mut Vec<Invalid>) {
    let fits = |name: &str| {
        !matches!(name, "" | "." | "..") && name.chars().all(|c| c.is_alphanumeric() || "_-.$".contains(c))
    };
    let mut databases = BTreeSet::new();
    for database in &sharding.databases {
        if !fits(database) || is_number(database) {
            found.push(invalid(
                "sharding.databases",
                database,
                "cannot be a shard's name",
                "pin it to a shard of another name: sharding.pins",
            ));
        }
        if !databases.insert(database) {
            found.push(invalid("sharding.databases", database, "stands there twice", "name it once"));
        }
    }
    let hashed = sharding.count().saturating_sub(sharding.named().len() as u32);
    let mut shards = BTreeSet::new();
    for pin in &sharding.pins {
        let shard = &pin.shard;
        if !fits(shard) {
            found.push(invalid(
                "sharding.pins.shard",
                shard,
                "cannot be a shard's name",
                "use letters, digits, '_', '-', '.' and '$'",
            ));
        } else if is_number(shard) && !is_shard(shard, hashed) {
            found.push(invalid(
                "sharding.pins.shard",
                shard,
                &format!("is no shard: rows are hashed to 0 to {}", hashed.max(1) - 1),
                "take one of these, or a name for a shard of its own",
            ));
        }
        if !shards.insert(shard) {
            found.push(invalid("sharding.pins.shard", shard, "is pinned twice", "write it in one pin"));
        }
    }
}

fn is_shard(number: &str, hashed: u32) -> bool {
    number.parse::<u32>().is_ok_and(|at| at < hashed.max(1) && at.to_string() == number)
}

fn validate_pinned(sharding: &Sharding, found: &mut Vec<Invalid>) {
    let (mut databases, mut tables) = (BTreeSet::new(), BTreeSet::new());
    databases.extend(sharding.databases.iter());
    for pin in &sharding.pins {
        validate_content(pin, sharding, found);
        for database in &pin.databases {
            let twice = !databases.insert(database);
            // A pin may say again what gave the shard its name.
            if twice && pin.shard != *database {
                found.push(invalid(
                    "sharding.pins.databases",
                    database,
                    "is in two shards",
                    "pin it to one of them",
                ));
            }
        }
        for table in &pin.tables {
            let named = table.split_once('.').is_some_and(|(d, t)| !d.is_empty() && !t.is_empty());
            if !named {
                found.push(invalid(
                    "sharding.pins.tables",
                    table,
                    "is no table",
                    "write it as database.table",
                ));
            } else if !tables.insert(table) {
                found.push(invalid("sharding.pins.tables", table, "is pinned twice", "pin it to one shard"));
            }
        }
    }
}

fn validate_content(pin: &Pin, sharding: &Sharding, found: &mut Vec<Invalid>) {
    let holds = !pin.databases.is_empty() || !pin.tables.is_empty();
    let exists = is_number(&pin.shard) || sharding.databases.contains(&pin.shard);
    if !holds && !exists {
        found.push(invalid(
            "sharding.pins.shard",
            &pin.shard,
            "would hold nothing",
            "give it databases or tables",
        ));
    } else if !holds && pin.member.as_deref().unwrap_or_default().is_empty() {
        found.push(invalid(
            "sharding.pins.shard",
            &pin.shard,
            "is pinned to nothing",
            "give it databases, tables or a member",
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wrong(mode: &str, sharding: Value) -> Vec<String> {
        let mut document = json!({
            "mysql": {"host": "m"}, "kafka": {"brokers": ["k"]}, "zookeeper": {"hosts": ["z"]}, "mode": mode,
        });
        if !sharding.is_null() {
            document["sharding"] = sharding;
        }
        let settings: Settings = serde_json::from_value(document).unwrap();
        settings.validate().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_holds_is_taken() {
        for (mode, sharding) in [
            ("ActiveStandby", Value::Null),
            ("Sharded", json!({"shards": 6})),
            ("Hybrid", json!({"shards": 6, "strategy": "PrimaryKey", "balance": "LeastLoaded"})),
            ("Sharded", json!({"strategy": "Database", "databases": ["a", "b"]})),
            ("Sharded", json!({"shards": 2, "pins": [{"shard": "hot", "tables": ["a.b"], "member": "m-0"}]})),
            ("Sharded", json!({"shards": 2, "pins": [{"shard": "1", "member": "m-0"}]})),
            (
                "Sharded",
                json!({"shards": 3, "strategy": "Time", "timeWindowSeconds": 3600, "pins": [
                    {"shard": "hot", "tables": ["a.b"]}, {"shard": "1", "member": "m-0"},
                ]}),
            ),
            (
                "Sharded",
                json!({"strategy": "Database", "databases": ["a"], "pins": [{"shard": "a", "member": "m-1"}]}),
            ),
        ] {
            assert_eq!(wrong(mode, sharding.clone()), Vec::<String>::new(), "{sharding}");
        }
    }

    #[test]
    fn what_contradicts_is_named_with_its_mend() {
        let pinned = |pins: Value| json!({"shards": 4, "pins": pins});
        for (mode, sharding, said) in [
            ("ActiveStandby", json!({"shards": 2}), "sharding: '' contradicts mode ActiveStandby"),
            ("Sharded", Value::Null, "sharding: '' is missing"),
            ("Sharded", json!({"shards": 300}), "sharding.shards: '300' is more than 256"),
            ("Sharded", json!({"strategy": "Time"}), "sharding.timeWindowSeconds: '' is missing"),
            (
                "Sharded",
                json!({"strategy": "Time", "timeWindowSeconds": 0}),
                "sharding.timeWindowSeconds: '0' is too little",
            ),
            (
                "Sharded",
                json!({"shards": 2, "strategy": "Time", "timeWindowSeconds": 60, "pins": [{"shard": "1", "tables": ["a.b"]}]}),
                "sharding.pins.shard: '1' takes turns with others under strategy Time",
            ),
            ("Sharded", json!({"timeWindowSeconds": 60}), "sharding.timeWindowSeconds: '60' contradicts"),
            ("Sharded", json!({"databases": ["a"]}), "sharding.databases: 'a' contradicts strategy Table"),
            (
                "Sharded",
                json!({"strategy": "Database", "shards": 1, "databases": ["a"]}),
                "sharding.shards: '1' leaves no shard",
            ),
            (
                "Sharded",
                json!({"strategy": "Database", "databases": ["a", "a"]}),
                "sharding.databases: 'a' stands there twice",
            ),
            (
                "Sharded",
                json!({"strategy": "Database", "databases": ["a/b"]}),
                "sharding.databases: 'a/b' cannot be",
            ),
            (
                "Sharded",
                pinned(json!([{"shard": "7", "member": "m"}])),
                "'7' is no shard: rows are hashed to 0 to 3",
            ),
            ("Sharded", pinned(json!([{"shard": "x", "member": "m"}])), "'x' would hold nothing"),
            ("Sharded", pinned(json!([{"shard": "1"}])), "'1' is pinned to nothing"),
            ("Sharded", pinned(json!([{"shard": "x", "tables": ["b"]}])), "'b' is no table"),
            (
                "Sharded",
                pinned(json!([{"shard": "x", "tables": ["a.b"]}, {"shard": "y", "tables": ["a.b"]}])),
                "sharding.pins.tables: 'a.b' is pinned twice",
            ),
            (
                "Sharded",
                pinned(json!([{"shard": "x", "databases": ["a"]}, {"shard": "y", "databases": ["a"]}])),
                "sharding.pins.databases: 'a' is in two shards",
            ),
            (
                "Sharded",
                pinned(json!([{"shard": "1", "member": "m"}, {"shard": "1", "member": "n"}])),
                "sharding.pins.shard: '1' is pinned twice",
            ),
        ] {
            let found = wrong(mode, sharding.clone());
            assert!(found.iter().any(|line| line.contains(said)), "{sharding}: {found:?}");
        }
    }

    #[test]
    fn who_takes_turns_copies_no_tables() {
        let settings: Settings = serde_json::from_value(json!({
            "mysql": {"host": "m", "onPositionLost": "Bootstrap"}, "kafka": {"brokers": ["k"]},
            "zookeeper": {"hosts": ["z"]}, "mode": "Sharded", "bootstrap": {"tables": ["a.b"]},
            "sharding": {"shards": 2, "strategy": "Time", "timeWindowSeconds": 60},
        }))
        .unwrap();
        let found: Vec<String> = settings.validate().iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|line| line.contains("bootstrap.tables: 'a.b' cannot be copied")),
            "{found:?}"
        );
        assert!(
            found.iter().any(|line| line.contains("mysql.onPositionLost: 'Bootstrap' copies")),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_moved_for_nothing_is_refused() {
        let rebalancing: Rebalancing = serde_json::from_value(
            json!({"imbalancePercent": 0, "minIntervalSeconds": 0, "maxConcurrentMoves": 0}),
        )
        .unwrap();
        let mut found = Vec::new();
        validate_rebalancing(&rebalancing, &mut found);
        assert_eq!(found.len(), 3);
        assert!(found[0].to_string().contains("rebalancing.imbalancePercent: '0' moves shards for"));
        found.clear();
        validate_rebalancing(&Rebalancing::default(), &mut found);
        assert!(found.is_empty());
    }

    #[test]
    fn members_need_a_place_to_meet_and_standbys_to_be() {
        let settings = |more: Value| {
            let mut document = json!({"mysql": {"host": "m"}, "kafka": {"brokers": ["k"]}, "sharding": {}});
            document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let settings: Settings = serde_json::from_value(document).unwrap();
            settings.validate().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(settings(json!({"mode": "Sharded"})).contains("mode: 'Sharded' needs members"));
        assert!(
            settings(json!({"mode": "Hybrid", "standbys": 0})).contains("standbys: '0' leaves no member")
        );
    }
}
