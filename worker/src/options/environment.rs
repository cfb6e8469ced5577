//! Options from the environment: a variable each, or JSON in one.

use std::collections::BTreeMap;

use maxwell_protocol::options::{Draft, OptionError};

/// Prefix of the variables that need no option to be read, for example `MAXWELL_MEMBER_ID`.
const PREFIX: &str = "MAXWELL_";
const ORIGIN: &str = "in the environment";

/// What the original takes from the environment below everything else.
pub(super) fn apply_defaults(
    draft: &mut Draft,
    environment: &BTreeMap<String, String>,
) -> Result<(), OptionError> {
    match environment.contains_key("GTID_MODE") {
        true => draft.apply("gtid_mode", "true", ORIGIN),
        false => Ok(()),
    }
}

/// JSON in the variable `json`, then variables that begin with ours, then those that begin with `prefix`.
pub(super) fn apply(
    draft: &mut Draft,
    environment: &BTreeMap<String, String>,
    json: Option<&String>,
    prefix: Option<&String>,
) -> Result<(), OptionError> {
    if let Some(variable) = json {
        for (name, value) in document(variable, environment)? {
            draft.apply(&name, &value, ORIGIN)?;
        }
    }
    for (prefix, chosen) in [(Some(PREFIX), false), (prefix.map(String::as_str), true)] {
        for (name, value) in environment {
            if let Some(name) = prefix.and_then(|prefix| without_prefix(name, prefix)) {
                one(draft, &name, value, chosen)?;
            }
        }
    }
    Ok(())
}

/// The option that a variable names; the case does not matter.
fn without_prefix(name: &str, prefix: &str) -> Option<String> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    (head.eq_ignore_ascii_case(prefix) && !rest.is_empty()).then(|| rest.to_lowercase())
}

/// The environment is shared with whatever else begins with these letters: an unknown name is no mistake, and a
/// property of the Kafka client only where the user chose the prefix: Kubernetes names Services in the same way.
fn one(draft: &mut Draft, name: &str, value: &str, chosen: bool) -> Result<(), OptionError> {
    let applied = draft.apply(name, value, ORIGIN);
    if !matches!(applied, Err(OptionError::Unknown { .. })) {
        return applied;
    }
    match name.strip_prefix("kafka_").filter(|_| chosen) {
        // A dot cannot be in a variable's name.
        Some(property) => draft.apply(&format!("kafka.{}", property.replace('_', ".")), value, ORIGIN),
        None => Ok(()),
    }
}

fn document(
    variable: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, OptionError> {
    let file = |reason: String| OptionError::File { path: format!("the variable {variable}"), reason };
    let text = environment.get(variable).ok_or_else(|| file("it is not set".into()))?;
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| file(format!("it is not a JSON object: {error}")))?;
    Ok(object
        .into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })
        .collect())
}
