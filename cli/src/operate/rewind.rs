//! `rewind`.

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::request::Ask;
use maxwell_protocol::settings::{Start, StartFrom};

use super::{Sure, Where};

/// A shard goes back to an earlier position.
#[derive(Debug, Args)]
pub(crate) struct Rewind {
    /// The shard.
    shard: String,
    /// Where to: earliest, FILE:OFFSET, gtid:SET or a time as 2026-09-01T10:00:00Z.
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// The server_uuid that FILE:OFFSET belongs to; of MariaDB mariadb-SERVER_ID. Default: the server that is read.
    #[arg(long, value_name = "UUID")]
    server: Option<String>,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    at: Where,
}

pub(crate) async fn rewind(asked: Rewind) -> anyhow::Result<()> {
    let ask = Ask::Rewind { shard: ShardId(asked.shard), to: place(&asked.to)?, server: asked.server };
    asked.sure.confirm(&format!(
        "{ask}: every consumer sees again all changes after that place, those that are read_committed too"
    ))?;
    asked.at.ask(ask).await
}

fn place(text: &str) -> anyhow::Result<Start> {
    if text == "earliest" {
        return Ok(Start { from: StartFrom::Earliest, ..Start::default() });
    }
    if let Some(set) = text.strip_prefix("gtid:") {
        let parsed: GtidSet = set.parse().with_context(|| format!("--to {text}"))?;
        anyhow::ensure!(!parsed.is_empty(), "--to {text}: the set is empty; say earliest");
        return Ok(Start { from: StartFrom::Gtid, set: Some(set.to_owned()), ..Start::default() });
    }
    if text.parse::<Timestamp>().is_ok() {
        return Ok(Start { from: StartFrom::Timestamp, time: Some(text.to_owned()), ..Start::default() });
    }
    match text.rsplit_once(':').map(|(file, offset)| (file, offset.parse::<u64>())) {
        Some((file, Ok(offset))) if !file.is_empty() && !file.contains(':') => Ok(Start {
            from: StartFrom::Position,
            file: Some(file.to_owned()),
            offset: Some(offset),
            ..Start::default()
        }),
        _ => {
            bail!("--to {text} is none of earliest, FILE:OFFSET, gtid:SET and a time as 2026-09-01T10:00:00Z")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_place_is_told_from_the_others() {
        assert_eq!(place("earliest").unwrap().from, StartFrom::Earliest);
        assert_eq!(place("2026-09-01T10:00:00Z").unwrap().from, StartFrom::Timestamp);
        let by_file = place("binlog.000003:157").unwrap();
        assert_eq!((by_file.file.as_deref(), by_file.offset), (Some("binlog.000003"), Some(157)));
        let by_set = place("gtid:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5").unwrap();
        assert_eq!(by_set.set.as_deref(), Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"));
        for wrong in ["", "gtid:", "gtid:x", "binlog.000003", "binlog.000003:x", "yesterday"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
