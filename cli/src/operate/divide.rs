//! `divide`: another division of rows into shards.

use anyhow::bail;
use clap::{Args, ValueEnum};
use maxwell_protocol::request::Ask;
use maxwell_protocol::settings::{Pin, Sharding, Strategy};

use super::Where;

/// How rows are divided. What is not given is not part of the new division, whatever the old one has. Every shard stops
/// at one place, and those of the new division go on from there; the settings of the members are to say the same when
/// they are started again.
#[derive(Debug, Args)]
pub(crate) struct Divide {
    /// What decides which shard a row belongs to.
    #[arg(long)]
    strategy: By,
    /// How many shards there are, those with names among them. Default: those with names and one for the rest.
    #[arg(long, default_value_t = 0)]
    shards: u32,
    /// A database with a shard of its own, with --strategy database.
    #[arg(long = "database", value_name = "DATABASE")]
    databases: Vec<String>,
    /// What a shard holds whatever it is hashed to, as hot=shop.orders,stock: databases and tables.
    #[arg(long = "pin", value_name = "SHARD=NAME,…")]
    pins: Vec<String>,
    #[command(flatten)]
    at: Where,
}

/// `sharding.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Its database.
    Database,
    /// Its database and table.
    Table,
    /// The values of its primary key.
    #[value(name = "primary-key", alias = "PrimaryKey")]
    PrimaryKey,
}

pub(crate) async fn divide(asked: Divide) -> anyhow::Result<()> {
    let sharding = Box::new(asked.sharding()?);
    asked.at.ask(Ask::Divide { sharding }).await
}

impl Divide {
    fn sharding(&self) -> anyhow::Result<Sharding> {
        let sharding = Sharding {
            strategy: match self.strategy {
                By::Database => Strategy::Database,
                By::Table => Strategy::Table,
                By::PrimaryKey => Strategy::PrimaryKey,
            },
            databases: self.databases.clone(),
            shards: self.shards,
            pins: self.pins.iter().map(|text| pin(text)).collect::<anyhow::Result<_>>()?,
            ..Sharding::default()
        };
        match sharding.problems().first() {
            Some(problem) => bail!("{problem}"),
            None => Ok(sharding),
        }
    }
}

fn pin(text: &str) -> anyhow::Result<Pin> {
    let Some((shard, names)) = text.split_once('=').filter(|(_, names)| !names.is_empty()) else {
        bail!("--pin '{text}' is not SHARD=NAME,…: write it as hot=shop.orders,stock");
    };
    let (tables, databases) =
        names.split(',').map(|name| name.trim().to_owned()).partition(|it| it.contains('.'));
    Ok(Pin { shard: shard.trim().to_owned(), databases, tables, member: None })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        asked: Divide,
    }

    fn sharding(text: &str) -> anyhow::Result<Sharding> {
        let words = format!("maxwell-cli --zookeeper zk:2181 {text}");
        Line::try_parse_from(words.split(' ')).unwrap().asked.sharding()
    }

    #[test]
    fn a_division_is_read_from_the_line() {
        let read =
            sharding("--strategy table --shards 4 --pin hot=shop.orders,stock --pin 1=shop.items").unwrap();
        assert_eq!((read.shards, read.strategy, read.pins.len()), (4, Strategy::Table, 2));
        assert_eq!(
            (read.pins[0].tables[0].as_str(), read.pins[0].databases[0].as_str()),
            ("shop.orders", "stock")
        );
        let read = sharding("--strategy database --database shop").unwrap();
        assert_eq!((read.count(), read.databases.len()), (2, 1));
        assert_eq!(sharding("--strategy primary-key --shards 8").unwrap().strategy, Strategy::PrimaryKey);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problem = |text: &str| sharding(text).unwrap_err().to_string();
        assert!(problem("--strategy table --shards 2 --pin hot").contains("'hot' is not SHARD=NAME"));
        assert!(problem("--strategy table --shards 4000").contains("sharding.shards"));
        assert!(problem("--strategy primary-key --shards 2 --database shop").contains("sharding.databases"));
    }
}
