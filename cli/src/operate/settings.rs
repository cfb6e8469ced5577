//! `settings get`, `set` and `unset`: those that change without a restart.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use maxwell_protocol::id::MemberId;
use maxwell_protocol::live::{FIELDS, Tuning};
use maxwell_protocol::request::Ask;
use maxwell_protocol::snapshot::ClusterSnapshot;
use serde::Serialize;
use serde_json::Value;

use super::Where;
use crate::status::{Look, lines, table};

/// Settings that change without a restart. In Kubernetes the resource decides: what is set here is set back.
#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// Shows them, as the cluster changed them and as they are at each member.
    Get(Look),
    /// Changes some.
    Set(Set),
    /// Makes some what each member was started with.
    Unset(Unset),
}

/// What they become.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// As logging.level=Debug.
    #[arg(required = true, value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    at: Where,
}

/// Which.
#[derive(Debug, Args)]
pub(crate) struct Unset {
    /// As logging.level.
    #[arg(required = true)]
    fields: Vec<String>,
    #[command(flatten)]
    at: Where,
}

pub(crate) async fn settings(asked: Settings) -> anyhow::Result<()> {
    match asked {
        Settings::Get(look) => {
            let shown = Shown::of(&look.snapshot().await?);
            look.show(&shown, || shown.table())
        }
        Settings::Set(asked) => {
            let set = read(&asked.settings)?;
            asked.at.ask(Ask::Configure { set, unset: Vec::new() }).await
        }
        Settings::Unset(asked) => {
            let ask = Ask::Configure { set: Tuning::default(), unset: asked.fields };
            asked.at.ask(ask).await
        }
    }
}

fn read(texts: &[String]) -> anyhow::Result<Tuning> {
    let mut set = Tuning::default();
    for text in texts {
        let (field, value) = text.split_once('=').with_context(|| format!("'{text}' is not FIELD=VALUE"))?;
        match Tuning::parse(field.trim(), value) {
            Ok(one) => set = set.changed(&one, &[]),
            Err(problem) => bail!("{problem}"),
        }
    }
    Ok(set)
}

/// The settings of a cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    version: u64,
    /// What was changed since the members were started.
    changed: Tuning,
    members: BTreeMap<MemberId, Tuning>,
}

impl Shown {
    fn of(seen: &ClusterSnapshot) -> Self {
        let members = seen.members.iter().map(|(id, member)| (id.clone(), member.settings.settings.clone()));
        Self { version: seen.live.version, changed: seen.live.settings.clone(), members: members.collect() }
    }

    /// A line for every setting, and for every value that members run with.
    fn table(&self) -> String {
        let mut rows = table(&["SETTING", "CHANGED TO", "IN FORCE", "AT"]);
        let text = |value: Option<&Value>| match value {
            None => "-".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "''".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        for field in FIELDS {
            let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (id, settings) in &self.members {
                values.entry(text(settings.fields().get(field))).or_default().push(id.as_str());
            }
            let changed = text(self.changed.fields().get(field));
            for (value, members) in &values {
                let all = members.len() == self.members.len();
                let at = if all { "all".to_owned() } else { members.join(",") };
                rows.add_row([field.to_owned(), changed.clone(), value.clone(), at]);
            }
        }
        lines(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_differ_have_lines_of_their_own() {
        let settings = |filter: &str| Tuning { filter: Some(filter.into()), ..Tuning::default() };
        let members = [("a", ""), ("b", ""), ("c", "exclude: x.*")];
        let members = members.map(|(id, filter)| (id.into(), settings(filter))).into();
        let shown = Shown { version: 4, changed: Tuning::default(), members };
        let text = shown.table();
        let of_filter: Vec<&str> = text.lines().filter(|line| line.trim().starts_with("filter")).collect();
        assert_eq!(of_filter.len(), 2);
        assert!(of_filter[0].ends_with("a,b") && of_filter[1].contains("exclude: x.*"), "{text}");
        let set = read(&["logging.level=Debug".into(), "filter=".into()]).unwrap();
        assert_eq!(set.fields().len(), 2);
        assert!(read(&["logging.level".into()]).unwrap_err().to_string().contains("is not FIELD=VALUE"));
    }
}
