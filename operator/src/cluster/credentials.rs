//! User names and passwords out of Secrets, and what is wrong when they are not there. Pure.

use maxwell_crds::v1alpha1::ConditionType;

use super::fetch::{SecretData, Secrets};
use super::status::Problem;

/// The keys that a Secret with credentials has.
pub(super) const KEYS: [&str; 2] = ["username", "password"];

/// The key that a Secret with a key for encryption has.
pub(super) const ENCRYPTION: &str = "key";

/// A user name and a password. Without `Debug`, so that it cannot reach a log.
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

/// The credentials in Secret `name`, which `field` of the spec refers to; else what is wrong and the command that
/// mends it.
pub(super) fn credentials(
    secrets: &Secrets,
    namespace: &str,
    name: &str,
    field: &str,
) -> Result<Credentials, Problem> {
    let problem = |reason, found: &str, mend: String| Problem {
        condition: ConditionType::ConfigValid,
        reason,
        message: format!("spec.{field}: Secret '{name}' {found}; {mend}"),
    };
    let make = format!(
        "kubectl -n {namespace} create secret generic {name} --from-literal=username=<user> --from-literal=password=<password>"
    );
    let Some(data) = secrets.get(name).and_then(Option::as_ref) else {
        return Err(problem("SecretMissing", "does not exist", format!("make it with: {make}")));
    };
    let text = |key: &str| {
        text(data, key).ok_or_else(|| {
            problem(
                "SecretIncomplete",
                &format!("has no key '{key}' with text in it"),
                format!("replace it with: {make} --dry-run=client -o yaml | kubectl apply -f -"),
            )
        })
    };
    let [username, password] = KEYS;
    Ok(Credentials { username: text(username)?, password: text(password)? })
}

/// The key for encryption in Secret `name`; else what is wrong and the command that mends it.
pub(super) fn encryption_key(secrets: &Secrets, namespace: &str, name: &str) -> Result<String, Problem> {
    let key = secrets.get(name).and_then(Option::as_ref).and_then(|data| text(data, ENCRYPTION));
    let found = match &key {
        Some(key) if matches!(key.len(), 16 | 24 | 32) => return Ok(key.clone()),
        Some(key) => format!("holds a key of {} bytes, AES takes 16, 24 or 32", key.len()),
        None => format!("does not exist, or has no key '{ENCRYPTION}' with text in it"),
    };
    Err(Problem {
        condition: ConditionType::ConfigValid,
        reason: "SecretIncomplete",
        message: format!(
            "spec.output.encryption.keySecretRef.name: Secret '{name}' {found}; make it with: kubectl -n {namespace} \
             create secret generic {name} --from-literal={ENCRYPTION}=<32 characters>"
        ),
    })
}

/// As the workers read it: without the line's end that an editor leaves.
fn text(data: &SecretData, key: &str) -> Option<String> {
    let text = std::str::from_utf8(&data.0.get(key)?.0).ok()?;
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}
