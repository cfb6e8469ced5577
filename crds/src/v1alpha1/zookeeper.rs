//! Coordination.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretRef;

/// The ZooKeeper ensemble and the place in it.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ZooKeeperSpec {
    /// The ensemble as host:port.
    #[schemars(
        length(min = 1, max = 15),
        inner(length(max = 260), regex(pattern = r"^[^\s,/]+:[0-9]{1,5}$"))
    )]
    pub hosts: Vec<String>,
    /// The cluster's root node, immutable. Default: /maxwell/ and the resource's namespace and name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = r"^(/[A-Za-z0-9._-]+)+$"))]
    pub root: Option<String>,
    /// The Secret with the keys username and password; with it the tree is readable and writable for that user only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
}
