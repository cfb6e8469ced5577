//! The workers' identity. Workers never speak to Kubernetes, so it has no rights, and no pod gets its token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::labels;
use crate::cluster::validate::Validated;

pub(super) fn service_account(cluster: &Validated) -> ServiceAccount {
    ServiceAccount {
        metadata: labels::metadata(cluster, cluster.name.clone()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
