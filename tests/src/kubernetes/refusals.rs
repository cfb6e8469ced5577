//! What is wrong in a resource.

use anyhow::Context;
use serde_json::{Value, json};

use super::kubectl::{apply, kubectl};
use super::{PATIENCE, setup};
use crate::lab::{Server, unique};

/// Tries what must not work, and looks at what is said.
pub(super) async fn refusals(namespace: &str, server: Server) -> anyhow::Result<()> {
    refused(namespace, server)?;
    named(namespace, server).await
}

/// What the API server itself refuses, with words that name the field and the mend.
fn refused(namespace: &str, server: Server) -> anyhow::Result<()> {
    let cases: [(Value, &str); 6] = [
        (json!({"replicas": 1}), "singleReplica"),
        (json!({"failover": {"sessionTimeoutMilliseconds": 5000}}), "heartbeatIntervalMilliseconds"),
        (json!({"mode": "Sometimes"}), "mode"),
        (json!({"nonsense": true}), "nonsense"),
        (json!({"mode": "Sharded"}), "sharding: mode Sharded and Hybrid need it"),
        (json!({"mode": "Sharded", "sharding": {"shards": 1000}}), "sharding.shards"),
    ];
    for (more, words) in cases {
        let tried = apply(&setup::manifest(namespace, "refused", server, "refused", &more));
        let said = tried.err().with_context(|| format!("accepted: {more}"))?.to_string();
        anyhow::ensure!(said.contains(words), "{more} was refused without naming {words}: {said}");
    }
    Ok(())
}

/// What only the operator or a worker can find becomes a condition that says what to do.
async fn named(namespace: &str, server: Server) -> anyhow::Result<()> {
    let secret = |name: &str| json!({"mysql": {"credentialsSecretRef": {"name": name}}});
    let pin = json!({"mode": "Sharded", "sharding": {"shards": 2, "strategy": "Table",
        "pins": [{"shard": "0", "tables": ["shop.orders"], "member": "pinned-7"}]}});
    let cases = [
        ("absent", secret("no-such-secret"), ("ConfigValid", false, "kubectl")),
        ("wrong", secret("wrong"), ("SourceReachable", false, "maxwell")),
        ("pinned", pin, ("ConfigValid", false, "pinned-7")),
    ];
    for (name, more, _) in &cases {
        apply(&setup::manifest(namespace, name, server, &unique(name), more))?;
    }
    for (name, _, condition) in &cases {
        setup::until_condition(namespace, name, *condition, PATIENCE).await?;
    }
    let told = kubectl(&["-n", namespace, "get", "maxwellcluster,configmap,pod", "-o", "yaml"])?;
    anyhow::ensure!(!told.contains("not-the-password"), "a password is shown");
    cases.iter().try_for_each(|(name, ..)| setup::delete(namespace, name))
}
