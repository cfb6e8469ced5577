//! `kubectl`, `helm` and `ctr`, as a user types them. `KUBECONFIG` and `PATH` come from `tests/suite`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

/// Runs a command to its end; its output, or an error that holds what it said.
pub(super) fn command(program: &str, arguments: &[&str], input: Option<&str>) -> anyhow::Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    anyhow::ensure!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// `kubectl` with these arguments.
pub(super) fn kubectl(arguments: &[&str]) -> anyhow::Result<String> {
    command("kubectl", arguments, None)
}

/// `kubectl apply --server-side` of an object.
pub(super) fn apply(object: &Value) -> anyhow::Result<String> {
    command("kubectl", &["apply", "--server-side", "-f", "-"], Some(&object.to_string()))
}

/// `kubectl patch` of a MaxwellCluster's spec.
pub(super) fn patch(namespace: &str, name: &str, spec: &Value) -> anyhow::Result<()> {
    let patch = serde_json::json!({"spec": spec}).to_string();
    kubectl(&["-n", namespace, "patch", "maxwellcluster", name, "--type=merge", "-p", &patch]).map(drop)
}

/// An object; [`Value::Null`] if it does not exist.
pub(super) fn get(namespace: &str, kind: &str, name: &str) -> anyhow::Result<Value> {
    let text = kubectl(&["-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found"])?;
    if text.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}

/// The status of a MaxwellCluster.
pub(super) fn status(namespace: &str, name: &str) -> anyhow::Result<Value> {
    Ok(get(namespace, "maxwellcluster", name)?["status"].take())
}

/// Asks until the answer is there; an error that names `what` after `patience`.
pub(super) async fn until<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: not after {patience:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Of a MaxwellCluster's status, whether a condition holds, and its message.
pub(super) fn condition(status: &Value, kind: &str) -> Option<(bool, String)> {
    let conditions = status["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some((found["status"] == "True", found["message"].as_str().unwrap_or_default().to_owned()))
}
