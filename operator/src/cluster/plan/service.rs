//! The Services: one that names the pods, one that leads to the leader.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use maxwell_crds::names::{ROLE_LABEL, ROLE_LEADER};

use super::pod_template::{HTTP, PROBE, PROBE_PORT};
use super::{labels, names};
use crate::cluster::validate::Validated;

/// The headless Service. Members find one another while they are not ready yet.
pub(super) fn members(cluster: &Validated) -> Service {
    Service {
        metadata: labels::metadata(cluster, names::members_service(&cluster.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::selector(&cluster.name)),
            ports: Some(vec![port(HTTP, cluster.port.into()), port(PROBE, PROBE_PORT)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The leader's Service: the operator moves the label that it selects by.
pub(super) fn leader(cluster: &Validated) -> Service {
    let mut selector = labels::selector(&cluster.name);
    selector.insert(ROLE_LABEL.to_owned(), ROLE_LEADER.to_owned());
    Service {
        metadata: labels::metadata(cluster, names::leader_service(&cluster.name)),
        spec: Some(ServiceSpec {
            selector: Some(selector),
            ports: Some(vec![port(HTTP, cluster.port.into())]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
