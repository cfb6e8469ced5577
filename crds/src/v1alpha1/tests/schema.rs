//! The definition itself: documented, defaulted, with the columns that the documentation shows.

use serde_json::Value;

use crate::generate::definition;

/// Optional fields whose absence means something that a constant cannot say.
const WITHOUT_DEFAULT: [&str; 17] = [
    "spec.clusterId",
    "spec.image",
    "spec.kafka.ddlTopic",
    "spec.kafka.deadLetterTopic",
    "spec.kafka.positionTopic",
    "spec.mysql.start.clientId",
    "spec.mysql.start.database",
    "spec.mysql.start.file",
    "spec.mysql.start.host",
    "spec.mysql.start.offset",
    "spec.mysql.start.port",
    "spec.mysql.start.set",
    "spec.mysql.start.time",
    "spec.podTemplate",
    "spec.sharding",
    "spec.sharding.timeWindowSeconds",
    "spec.zookeeper.root",
];

/// Optional fields for credentials: absent means none.
const CREDENTIALS: [&str; 7] = [
    "spec.kafka.sasl",
    "spec.kafka.tls.caSecretRef",
    "spec.kafka.tls.clientCertificateSecretRef",
    "spec.mysql.tls.caSecretRef",
    "spec.mysql.tls.clientCertificateSecretRef",
    "spec.output.encryption.keySecretRef",
    "spec.zookeeper.credentialsSecretRef",
];

fn definition_json() -> Value {
    serde_json::to_value(definition().expect("a definition")).expect("JSON")
}

/// Visits every property of an object schema with its path, below Kubernetes' own types excepted.
fn visit(schema: &Value, path: &str, found: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in properties {
        let path = format!("{path}.{name}");
        if property["description"].as_str().unwrap_or("").is_empty() {
            found.push(format!("{path} has no description"));
        }
        let exempt = WITHOUT_DEFAULT.contains(&path.as_str()) || CREDENTIALS.contains(&path.as_str());
        let optional = !required.contains(&name.as_str());
        if optional && property.get("default").is_none() && !exempt {
            found.push(format!("{path} is optional without a default"));
        }
        if path != "spec.resources" {
            visit(property, &path, found);
        }
    }
}

#[test]
fn every_field_is_described_and_every_optional_one_defaulted() {
    let definition = definition_json();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = Vec::new();
    visit(spec, "spec", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn formats_are_those_that_kubernetes_knows() {
    assert!(!definition_json().to_string().contains("\"format\":\"uint"));
}

#[test]
fn columns_and_names_are_those_of_the_documentation() {
    let definition = definition_json();
    let columns: Vec<String> = definition["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| {
            format!("{} {}", column["name"].as_str().unwrap_or(""), column["jsonPath"].as_str().unwrap_or(""))
        })
        .collect();
    assert_eq!(
        columns,
        [
            "Mode .spec.mode",
            "Leader .status.leader",
            "Shards .status.owned",
            "Ready .status.ready",
            "Lag .status.lagSeconds",
            "Phase .status.phase",
            "Age .metadata.creationTimestamp",
        ]
    );
    let names = &definition["spec"]["names"];
    assert_eq!(names["plural"], "maxwellclusters");
    assert_eq!(names["shortNames"][0], "mxc");
    assert_eq!(names["categories"][0], "all");
    assert!(definition["spec"]["versions"][0]["subresources"]["status"].is_object());
    assert!(definition["spec"]["versions"][0]["subresources"]["scale"].is_object());
}
