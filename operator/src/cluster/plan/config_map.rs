//! The workers' settings.

use k8s_openapi::api::core::v1::ConfigMap;

use super::{labels, names};
use crate::cluster::settings;
use crate::cluster::validate::Validated;

pub(super) fn config_map(cluster: &Validated) -> ConfigMap {
    ConfigMap {
        metadata: labels::metadata(cluster, names::config_map(&cluster.name)),
        data: Some([(settings::FILE.to_owned(), cluster.settings.clone())].into()),
        ..ConfigMap::default()
    }
}
