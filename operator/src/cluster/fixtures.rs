//! Clusters for tests: manifests that come in through the front door.

use k8s_openapi::ByteString;
use maxwell_crds::v1alpha1::MaxwellCluster;

use super::fetch::{SecretData, Secrets};

/// A Secret with credentials.
pub(super) fn credentials(username: &str, password: &str) -> Option<SecretData> {
    secret(&[("username", username), ("password", password)])
}

/// A Secret.
pub(super) fn secret(pairs: &[(&str, &str)]) -> Option<SecretData> {
    let value = |text: &str| ByteString(text.as_bytes().to_vec());
    Some(SecretData(pairs.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect()))
}

/// A Secret with a key for encryption.
pub(super) fn encryption(key: &str) -> Option<SecretData> {
    secret(&[("key", key)])
}

/// The Secrets that the manifests refer to.
pub(super) fn secrets() -> Secrets {
    [
        ("orders-mysql".to_owned(), credentials("maxwell", "s3cret\n")),
        ("orders-zookeeper".to_owned(), credentials("zk", "zk-s3cret")),
        ("mysql-ca".to_owned(), secret(&[("ca.crt", "PEM")])),
        ("maxwell-mysql".to_owned(), secret(&[("tls.crt", "PEM"), ("tls.key", "PEM")])),
        ("orders-kafka".to_owned(), credentials("cdc", "kafka-s3cret")),
        ("kafka-ca".to_owned(), secret(&[("ca.crt", "PEM")])),
        ("maxwell-kafka".to_owned(), secret(&[("tls.crt", "PEM"), ("tls.key", "PEM")])),
        ("orders-encryption".to_owned(), encryption("0123456789abcdef\n")),
    ]
    .into()
}

/// The resource in `manifest`, as the API server would hand it out.
pub(super) fn parse(manifest: &str) -> MaxwellCluster {
    let mut cluster: MaxwellCluster = serde_yaml::from_str(manifest).expect("a manifest");
    cluster.metadata.namespace.get_or_insert_with(|| "cdc".to_owned());
    cluster.metadata.uid = Some("6f1f0e0e-4a0c-4e7e-9d5b-0c6a3a4b5c6d".to_owned());
    cluster.validate_cel().expect("the definition's rules let it pass");
    cluster
}

/// The smallest manifest.
pub(super) const SMALLEST: &str = include_str!("plan/golden/smallest.manifest.yaml");
/// One with everything in it.
pub(super) const FULL: &str = include_str!("plan/golden/full.manifest.yaml");

/// The smallest cluster.
pub(super) fn cluster() -> MaxwellCluster {
    parse(SMALLEST)
}
