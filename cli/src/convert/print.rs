//! The documents as YAML: without what is the default anyway, with the notes above them.

use std::collections::BTreeMap;

use anyhow::Context;
use maxwell_crds::v1alpha1::MaxwellClusterSpec;
use serde_json::{Map, Value, json};

use super::notes::Notes;
use super::{SecretDocument, Wishes};

/// What is printed.
pub(super) struct Documents<'a> {
    pub(super) name: &'a str,
    pub(super) wishes: &'a Wishes,
    pub(super) spec: &'a MaxwellClusterSpec,
    pub(super) secrets: &'a [SecretDocument],
}

pub(super) fn print(documents: &Documents<'_>, notes: &Notes) -> anyhow::Result<String> {
    let mut text = String::new();
    for (at, note) in notes.lines().enumerate() {
        if at == 0 {
            text.push_str("# To look at; what is not named here does the same as before:\n");
        }
        text.push_str(&format!("#   {note}\n"));
    }
    for secret in documents.secrets {
        let data: BTreeMap<_, _> = secret.data.iter().cloned().collect();
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(&secret.name, documents.wishes),
            "type": "Opaque",
            "stringData": data,
        });
        text.push_str(&serde_yaml::to_string(&secret).context("a Secret")?);
        text.push_str("---\n");
    }
    let cluster = json!({
        "apiVersion": "maxwell-cdc.io/v1alpha1",
        "kind": "MaxwellCluster",
        "metadata": metadata(documents.name, documents.wishes),
        "spec": concise(documents.spec)?,
    });
    text.push_str(&serde_yaml::to_string(&cluster).context("the resource")?);
    Ok(text)
}

fn metadata(name: &str, wishes: &Wishes) -> Value {
    let mut metadata = json!({"name": name});
    if let Some(namespace) = &wishes.namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

/// The spec without what the resource's own defaults say.
fn concise(spec: &MaxwellClusterSpec) -> anyhow::Result<Value> {
    let required = json!({
        "mysql": {"host": "", "credentialsSecretRef": {"name": ""}},
        "kafka": {"brokers": []},
        "zookeeper": {"hosts": []},
    });
    let defaults: MaxwellClusterSpec = serde_json::from_value(required).context("the defaults")?;
    let defaults = serde_json::to_value(defaults).context("the defaults")?;
    let mut spec = serde_json::to_value(spec).context("the spec")?;
    prune(&mut spec, &defaults);
    Ok(spec)
}

fn prune(value: &mut Value, default: &Value) {
    let (Some(fields), Some(defaults)) = (value.as_object_mut(), default.as_object()) else { return };
    for (name, field) in fields.iter_mut() {
        prune(field, defaults.get(name).unwrap_or(&Value::Null));
    }
    let empty = Value::Object(Map::new());
    fields.retain(|name, field| !field.is_null() && *field != empty && defaults.get(name) != Some(field));
}
