//! What is wrong is named with its mend, and what is right gets a digest that follows settings and credentials alone.

use maxwell_protocol::settings::Mode;
use serde_json::json;

use super::*;
use crate::cluster::fixtures;

fn verdict(cluster: &MaxwellCluster) -> Verdict {
    validate(cluster, &fixtures::secrets(), "maxwell:0.0.0")
}

fn messages(verdict: &Verdict) -> String {
    let texts: Vec<&str> = verdict.problems.iter().map(|problem| problem.message.as_str()).collect();
    texts.join("\n")
}

#[test]
fn wrong_settings_are_named_by_field_value_and_mend() {
    let mut cluster = fixtures::cluster();
    cluster.spec.filter = "nonsense".into();
    cluster.spec.kafka.properties.insert("acks".into(), "1".into());
    let verdict = verdict(&cluster);
    assert!(verdict.validated.is_none());
    assert!(verdict.problems.iter().all(|problem| problem.condition == ConditionType::ConfigValid));
    let messages = messages(&verdict);
    assert!(messages.contains("spec.filter: 'nonsense'"), "{messages}");
    assert!(messages.contains("spec.kafka.properties: 'acks=1'") && messages.contains("leave it out"));
}

#[test]
fn a_pin_names_a_member_that_there_is() {
    let mut cluster = fixtures::cluster();
    cluster.spec.mode = Mode::Sharded;
    let pins = json!({"shards": 2, "pins": [{"shard": "0", "member": "orders-7"}, {"shard": "1", "member": "orders-1"}]});
    cluster.spec.sharding = Some(serde_json::from_value(pins).unwrap());
    let verdict = verdict(&cluster);
    assert_eq!(
        messages(&verdict),
        "spec.sharding.pins.member: 'orders-7' is no member; name one of orders-0 to orders-1, or leave it out"
    );
}

#[test]
fn secrets_with_certificates_are_looked_into() {
    let cluster = fixtures::parse(fixtures::FULL);
    let mut secrets = fixtures::secrets();
    secrets.insert("mysql-ca".into(), None);
    secrets.insert("maxwell-mysql".into(), fixtures::secret(&[("tls.crt", "PEM")]));
    let verdict = validate(&cluster, &secrets, "maxwell:0.0.0");
    let messages: Vec<&str> = verdict.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "spec.mysql.tls.caSecretRef.name: Secret 'mysql-ca' does not exist; make it with the keys ca.crt",
            "spec.mysql.tls.clientCertificateSecretRef.name: Secret 'maxwell-mysql' has no key 'tls.key'; add it, in PEM",
        ]
    );
}

#[test]
fn credentials_in_the_clear_are_refused_and_not_repeated() {
    for name in SECRET_PROPERTIES {
        let mut cluster = fixtures::cluster();
        cluster.spec.kafka.properties.insert("sasl.username".into(), "maxwell".into());
        cluster.spec.kafka.properties.insert(name.into(), "s3cret".into());
        let verdict = verdict(&cluster);
        assert!(verdict.validated.is_none(), "{name}");
        assert_eq!(verdict.problems[0].reason, "CredentialsInClear");
        let messages = messages(&verdict);
        assert!(messages.contains(&format!("'{name}'")) && !messages.contains("s3cret"), "{messages}");
    }
}

#[test]
fn a_missing_secret_comes_with_the_command_that_makes_it() {
    let mut secrets = fixtures::secrets();
    secrets.insert("orders-mysql".into(), None);
    let verdict = validate(&fixtures::cluster(), &secrets, "maxwell:0.0.0");
    assert_eq!(verdict.validated.as_ref().map(|validated| validated.digest), Some(None));
    assert_eq!(
        messages(&verdict),
        "spec.mysql.credentialsSecretRef.name: Secret 'orders-mysql' does not exist; make it with: \
         kubectl -n cdc create secret generic orders-mysql \
         --from-literal=username=<user> --from-literal=password=<password>"
    );
}

#[test]
fn a_secret_without_a_key_is_told_from_a_missing_one() {
    let mut secrets = fixtures::secrets();
    let data = secrets.get_mut("orders-zookeeper").and_then(Option::as_mut).expect("a Secret");
    data.0.remove("password");
    let cluster = fixtures::parse(fixtures::FULL);
    let verdict = validate(&cluster, &secrets, "maxwell:0.0.0");
    assert_eq!(verdict.problems[0].reason, "SecretIncomplete");
    assert!(messages(&verdict).contains("has no key 'password'"));
    assert!(target(&cluster, &secrets, None).is_err());
    let known = Some("zk:zk-s3cret".to_owned());
    let found = target(&cluster, &secrets, known.clone()).expect("the credentials that served until now");
    assert_eq!((found.root.as_str(), found.digest), ("/cdc/shop", known));
}

#[test]
fn the_digest_follows_settings_and_credentials_alone() {
    let digest = |cluster: &MaxwellCluster, secrets: &Secrets| {
        let validated = validate(cluster, secrets, "maxwell:0.0.0").validated.expect("valid");
        validated.digest.expect("the Secrets are there")
    };
    let (mut cluster, mut secrets) = (fixtures::cluster(), fixtures::secrets());
    let first = digest(&cluster, &secrets);
    cluster.spec.replicas = 5;
    secrets.insert("unrelated".into(), None);
    secrets.insert("orders-mysql".into(), fixtures::credentials("maxwell", "s3cret"));
    assert_eq!(digest(&cluster, &secrets), first, "a line's end at the end of a password is no change");
    secrets.insert("orders-mysql".into(), fixtures::credentials("maxwell", "changed"));
    let second = digest(&cluster, &secrets);
    assert_ne!(second, first);
    cluster.spec.filter = "exclude: a.b".into();
    cluster.spec.kafka.commit.interval_milliseconds = 50;
    assert_eq!(digest(&cluster, &secrets), second, "what changes without a restart replaces no pod");
    cluster.spec.output.ddl = true;
    assert_ne!(digest(&cluster, &secrets), second);
}

#[test]
fn the_target_is_the_tree_with_its_credentials() {
    let found = target(&fixtures::cluster(), &fixtures::secrets(), None).expect("a target");
    assert_eq!(found.hosts, "zk-0.zk.svc:2181,zk-1.zk.svc:2181,zk-2.zk.svc:2181");
    assert_eq!((found.root.as_str(), found.digest), ("/maxwell/cdc/orders", None));
    let found = target(&fixtures::parse(fixtures::FULL), &fixtures::secrets(), Some("old:old".into()))
        .expect("a target");
    assert_eq!((found.root.as_str(), found.digest.as_deref()), ("/cdc/shop", Some("zk:zk-s3cret")));
}

#[test]
fn a_pod_template_is_checked_since_its_schema_is_open() {
    for (template, words) in [
        (json!({"spec": {"tolerationz": [{}]}}), "spec.podTemplate.spec.tolerationz: is no field"),
        (
            json!({"spec": {"containers": [{"name": "maxwell", "envs": [1]}]}}),
            "containers[0].envs: is no field",
        ),
        (json!({"spec": {"tolerations": "all"}}), "is not a pod template"),
        (json!({"metadata": {"labels": {"app.kubernetes.io/instance": "x"}}}), "the operator's own"),
        (json!({"metadata": {"labels": {"maxwell-cdc.io/role": "leader"}}}), "the operator's own"),
    ] {
        let mut cluster = fixtures::cluster();
        cluster.spec.pod_template = serde_json::from_value(template.clone()).expect("an object");
        let verdict = verdict(&cluster);
        assert!(verdict.validated.is_none());
        assert!(messages(&verdict).contains(words), "{template}: {}", messages(&verdict));
    }
}

#[test]
fn a_key_for_encryption_is_as_long_as_aes_wants_it() {
    let cluster = fixtures::parse(fixtures::FULL);
    let digest = |secrets: &Secrets| {
        let verdict = validate(&cluster, secrets, "maxwell:0.0.0");
        let said: Vec<String> = verdict.problems.iter().map(|problem| problem.message.clone()).collect();
        (verdict.validated.and_then(|validated| validated.digest), said.concat())
    };
    let mut secrets = fixtures::secrets();
    let (before, said) = digest(&secrets);
    assert!(before.is_some(), "{said}");
    secrets.insert("orders-encryption".into(), fixtures::encryption("fedcba9876543210"));
    assert_ne!(digest(&secrets).0, before);
    for (key, words) in [(fixtures::encryption("short"), "5 bytes"), (None, "does not exist")] {
        secrets.insert("orders-encryption".into(), key);
        let (none, said) = digest(&secrets);
        assert!(none.is_none() && said.contains(words), "{said}");
        assert!(said.contains("spec.output.encryption.keySecretRef.name"), "{said}");
    }
}
