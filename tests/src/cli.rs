//! `maxwell-cli`, which is built beside the worker.

use std::process::Stdio;

use anyhow::Context;

use crate::lab::ZOOKEEPER;
use crate::worker::binary;

/// Runs it on the cluster at `root`; what it prints. The error is what it says when it fails.
pub(crate) async fn cli(root: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(binary()?.with_file_name("maxwell-cli"))
        .args(arguments)
        .args(["--zookeeper", ZOOKEEPER, "--root", root])
        .stdin(Stdio::null())
        .output()
        .await
        .context("maxwell-cli cannot be run")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs what must be refused, with `words` in the reason.
pub(crate) async fn refused(root: &str, arguments: &[&str], words: &str) -> anyhow::Result<()> {
    let said = cli(root, arguments).await.err().map(|error| error.to_string()).unwrap_or_default();
    anyhow::ensure!(said.contains(words), "{arguments:?}: '{said}' instead of '{words}'");
    Ok(())
}
