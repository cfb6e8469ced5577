//! What is planned for the manifests in `golden/`, word for word. `UPDATE_GOLDEN=1` writes the files anew.

use std::path::Path;

use serde::Serialize;

use super::{Plan, plan};
use crate::cluster::fixtures;
use crate::cluster::validate::validate;

fn planned(manifest: &str) -> Plan {
    let verdict = validate(&fixtures::parse(manifest), &fixtures::secrets(), "maxwell:0.0.0");
    assert_eq!(verdict.problems, []);
    plan(&verdict.validated.expect("the manifest is valid"))
}

fn yaml(plan: &Plan) -> String {
    fn document(object: &impl Serialize) -> String {
        serde_yaml::to_string(object).expect("an object prints")
    }
    let mut documents = vec![
        document(&plan.service_account),
        document(&plan.config_map),
        document(&plan.members),
        document(&plan.leader),
    ];
    documents.extend(plan.disruption_budget.as_ref().map(document));
    documents.extend(plan.stateful_set.as_ref().map(document));
    documents.join("---\n")
}

fn compare(name: &str, manifest: &str) {
    let this = std::env::var_os("CARGO_MANIFEST_DIR").expect("Cargo says where the crate is");
    let path = Path::new(&this).join(format!("src/cluster/plan/golden/{name}.plan.yaml"));
    let planned = yaml(&planned(manifest));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &planned).expect("the golden file is writable");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(planned == golden, "{name}: UPDATE_GOLDEN=1 writes it anew; planned is\n{planned}");
}

#[test]
fn the_smallest_manifest() {
    compare("smallest", fixtures::SMALLEST);
}

#[test]
fn a_manifest_with_everything() {
    compare("full", fixtures::FULL);
}

#[test]
fn the_mounted_settings_are_what_the_worker_reads() {
    use maxwell_protocol::settings::Settings;
    for manifest in [fixtures::SMALLEST, fixtures::FULL] {
        let config_map = planned(manifest).config_map;
        let document = &config_map.data.expect("data")["settings.yaml"];
        let settings: Settings = serde_yaml::from_str(document).expect("the worker's own type");
        assert_eq!(settings.validate(), []);
        assert!(!document.contains("s3cret"));
    }
}

#[test]
fn a_stopped_or_single_cluster_has_no_disruption_budget() {
    let stopped = fixtures::SMALLEST.replace("spec:", "spec:\n  state: Stopped");
    let plan = planned(&stopped);
    assert_eq!(plan.disruption_budget, None);
    assert_eq!(plan.stateful_set.and_then(|set| set.spec).and_then(|spec| spec.replicas), Some(0));
    let single = fixtures::SMALLEST.replace("spec:", "spec:\n  replicas: 1\n  unsafe: {singleReplica: true}");
    assert_eq!(planned(&single).disruption_budget, None);
}

#[test]
fn a_worker_gets_the_time_that_its_transaction_may_take_and_some() {
    let grace = |seconds: u32| {
        let mut cluster = fixtures::cluster();
        cluster.spec.kafka.transaction_timeout_seconds = seconds;
        let validated = validate(&cluster, &fixtures::secrets(), "maxwell:0.0.0").validated.expect("valid");
        let pod = plan(&validated).stateful_set.and_then(|set| set.spec).and_then(|spec| spec.template.spec);
        pod.and_then(|pod| pod.termination_grace_period_seconds)
    };
    assert_eq!([20, 30, 120].map(grace), [Some(45), Some(45), Some(135)]);
}
