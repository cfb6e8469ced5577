//! Checks `spec.podTemplate`: its schema is open, so the API server let everything pass.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use maxwell_crds::names::ROLE_LABEL;
use maxwell_crds::v1alpha1::PodTemplate;
use serde_json::Value;

use crate::cluster::plan::labels;

/// The template as Kubernetes' own type, or every field that is wrong.
pub(super) fn parse(written: Option<&PodTemplate>) -> Result<Option<PodTemplateSpec>, Vec<String>> {
    let Some(PodTemplate(written)) = written else { return Ok(None) };
    let written = Value::Object(written.clone());
    let parsed: PodTemplateSpec = serde_json::from_value(written.clone()).map_err(|error| {
        vec![format!("spec.podTemplate: is not a pod template: {error}; see kubectl explain pod")]
    })?;
    let mut wrong = Vec::new();
    let understood = serde_json::to_value(&parsed).unwrap_or_default();
    unknown(&written, &understood, "spec.podTemplate", &mut wrong);
    let reserved = labels::RESERVED.iter().copied().chain([ROLE_LABEL]);
    let labelled = parsed.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    for label in reserved.filter(|label| labelled.is_some_and(|labels| labels.contains_key(*label))) {
        wrong.push(format!(
            "spec.podTemplate.metadata.labels: '{label}' is the operator's own; choose another label"
        ));
    }
    if wrong.is_empty() { Ok(Some(parsed)) } else { Err(wrong) }
}

/// Collects what was written and not understood: a misspelt field would be dropped without a word.
fn unknown(written: &Value, understood: &Value, path: &str, wrong: &mut Vec<String>) {
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => {
            for (key, value) in written {
                let path = format!("{path}.{key}");
                match understood.get(key) {
                    Some(below) => unknown(value, below, &path, wrong),
                    None if is_empty(value) => {}
                    None => {
                        wrong.push(format!("{path}: is no field of a pod template; correct or remove it"));
                    }
                }
            }
        }
        (Value::Array(written), Value::Array(understood)) => {
            for (at, (value, below)) in written.iter().zip(understood).enumerate() {
                unknown(value, below, &format!("{path}[{at}]"), wrong);
            }
        }
        _ => {}
    }
}

/// What Kubernetes' types leave out when they are printed.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(array) => array.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}
