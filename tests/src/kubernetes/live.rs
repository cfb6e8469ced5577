//! What changes without a restart: every worker takes it on, and no pod is replaced.

use maxwell_protocol::live::Tuning;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::settings::LogLevel;

use super::kubectl::{get, kubectl};
use super::{NAME, PATIENCE};
use crate::lab::ZOOKEEPER;

/// Changes the resource, and waits until all three members run with that.
pub(super) async fn changes_live(namespace: &str, topic: &str) -> anyhow::Result<()> {
    let before = pods(namespace)?;
    let patch = r#"{"spec": {"bootstrap": {"maxRowsPerSecond": 700}, "logging": {"level": "Debug"}}}"#;
    kubectl(&["-n", namespace, "patch", "maxwellcluster", NAME, "--type=merge", "-p", patch])?;
    let tree = TreeReader::connect(ZOOKEEPER, &format!("/tests/{topic}"), None).await?;
    let wanted = |settings: &Tuning| {
        (settings.max_rows_per_second, settings.log_level) == (Some(700), Some(LogLevel::Debug))
    };
    let heeded = async {
        loop {
            let members = tree.snapshot().await?.members;
            if members.values().filter(|member| wanted(&member.settings.settings)).count() == 3 {
                return anyhow::Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, heeded).await??;
    let status = get(namespace, "statefulset", NAME)?["status"].take();
    anyhow::ensure!(
        status["currentRevision"] == status["updateRevision"],
        "pods are to be replaced: {status}"
    );
    anyhow::ensure!(pods(namespace)? == before, "pods were replaced");
    Ok(())
}

/// The identities of the pods.
fn pods(namespace: &str) -> anyhow::Result<String> {
    kubectl(&["-n", namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"])
}
