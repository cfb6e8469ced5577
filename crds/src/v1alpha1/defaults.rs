//! The defaults that the protocol's settings do not know.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub(super) fn yes() -> bool {
    true
}

pub(super) fn standbys() -> u32 {
    1
}

pub(super) fn replicas() -> i32 {
    2
}

pub(super) fn mysql_port() -> u16 {
    3306
}

pub(super) fn mysql_heartbeat_seconds() -> u32 {
    5
}

pub(super) fn topic() -> String {
    "maxwell".into()
}

pub(super) fn transaction_timeout_seconds() -> u32 {
    30
}

pub(super) fn monitoring_port() -> u16 {
    9090
}

/// A worker needs less than a core at a few thousand changes a second, and its buffers are bounded.
pub(super) fn resources() -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| -> BTreeMap<String, Quantity> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect()
    };
    ResourceRequirements {
        requests: Some(quantities(&[("cpu", "250m"), ("memory", "256Mi")])),
        limits: Some(quantities(&[("memory", "512Mi")])),
        ..ResourceRequirements::default()
    }
}
