use maxwell_crds::v1alpha1::MaxwellCluster;
use maxwell_protocol::settings::{Compression, GtidUse, TlsMode};
use proptest::prelude::*;

use super::*;

/// The comments and the resource, which went through the definition's own types and rules.
fn converted(text: &str, wishes: &Wishes) -> (String, String, MaxwellCluster) {
    let all = convert(text, wishes).unwrap();
    let comments: String = all.lines().filter(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let (secret, cluster) = all.rsplit_once("\n---\n").unwrap();
    let cluster: MaxwellCluster = serde_yaml::from_str(cluster).unwrap();
    cluster.validate_cel().unwrap();
    (comments, secret.to_owned(), cluster)
}

#[test]
fn a_file_as_the_original_ships_it() {
    let text = include_str!("../../../worker/tests/fixtures/config.properties");
    let (comments, secret, cluster) = converted(text, &Wishes::default());
    let spec = &cluster.spec;
    assert_eq!(cluster.metadata.name.as_deref(), Some("maxwell-1"));
    assert_eq!(spec.mysql.credentials_secret_ref.name, "maxwell-1-mysql");
    assert_eq!((spec.mysql.server_id_base, spec.mysql.start.from), (64, StartFrom::Maxwell));
    assert_eq!(spec.mysql.start.client_id.as_deref(), Some("maxwell_1"));
    assert_eq!(spec.kafka.brokers, ["localhost:9092"]);
    assert_eq!(spec.kafka.compression, Compression::Snappy);
    assert_eq!(spec.monitoring.port, 8080);
    assert!(spec.output.binlog_position && spec.filter.contains("include: foo.*"));
    assert!(secret.contains("username: maxwell") && secret.contains("password: maxwell"));
    for said in ["kafka.acks", "max_schemas", "host: in a pod", "ha.zookeeper.hosts", "maxwell.shard.enabled"]
    {
        assert!(comments.contains(said), "{said} in {comments}");
    }
}

#[test]
fn nothing_but_what_differs_is_printed() {
    let text = "producer=kafka\nkafka.bootstrap.servers=k:9092\nhost=db\nuser=u\npassword=p\nha.zookeeper.hosts=z:2181\n";
    let printed = convert(text, &Wishes { namespace: Some("cdc".into()), ..Wishes::default() }).unwrap();
    let expected = "\
#   mysql.start: takes over the original's position: stop the original first; if it never ran, leave mysql.start out
apiVersion: v1
kind: Secret
metadata:
  name: maxwell-mysql
  namespace: cdc
stringData:
  password: p
  username: u
type: Opaque
---
apiVersion: maxwell-cdc.io/v1alpha1
kind: MaxwellCluster
metadata:
  name: maxwell
  namespace: cdc
spec:
  kafka:
    brokers:
    - k:9092
  mysql:
    credentialsSecretRef:
      name: maxwell-mysql
    host: db
    start:
      from: Maxwell
  zookeeper:
    hosts:
    - z:2181
";
    assert_eq!(printed.split_once('\n').unwrap().1, expected);
}

#[test]
fn what_needs_a_hand_is_said_and_secrets_are_not() {
    let text = "producer=redis\nredis_host=r\njavascript=f.js\nkafka.sasl.password=hush\nkafka.sasl.username=u\n\
                kafka.bootstrap.servers=k:1\nssl=VERIFY_CA\ngtid_mode=true\nhttp_port=80\nhttp_path_prefix=/x\n\
                nonsense=1\ninit_position=b.000001:4\nschema_database=m\npassword=hush\n\
                encrypt=data\nsecret_key=aaaaaaaaaaaaaaaa\n";
    let wishes = Wishes { zookeeper: vec!["z:1".into()], name: Some("orders".into()), ..Wishes::default() };
    let (comments, secret, cluster) = converted(text, &wishes);
    for said in [
        "producer: 'redis'",
        "redis_host",
        "javascript",
        "caSecretRef",
        "http_port",
        "unknown option 'nonsense'",
        "user, password",
    ] {
        assert!(comments.contains(said), "{said} in {comments}");
    }
    assert!(!comments.contains("hush") && secret.contains("hush"));
    let spec = &cluster.spec;
    assert_eq!((spec.mysql.tls.mode, spec.mysql.gtid), (TlsMode::VerifyCa, GtidUse::On));
    assert_eq!((spec.mysql.start.from, spec.mysql.start.database.as_deref()), (StartFrom::Position, None));
    assert_eq!(spec.output.encryption.key_secret_ref.as_ref().unwrap().name, "orders-encryption");
    assert!(secret.contains("key: aaaaaaaaaaaaaaaa"));
    assert!(spec.kafka.properties.is_empty());
    assert_eq!(spec.kafka.sasl.as_ref().unwrap().credentials_secret_ref.name, "orders-kafka");
    let pod = &spec.pod_template.as_ref().unwrap().0["spec"]["containers"][0]["env"][0];
    assert_eq!((&pod["name"], &pod["value"]), (&json!("MAXWELL_HTTP_PATH_PREFIX"), &json!("/x")));
}

#[test]
fn names_are_made_fit_for_kubernetes() {
    assert_eq!(name("Shop_EU.1"), "shop-eu-1");
    assert_eq!(name("7"), "maxwell-7");
    assert_eq!(name("--a-"), "a");
}

proptest! {
    #[test]
    fn no_file_panics(text in "([a-z_.]{1,12}=\\PC{0,12}\n){0,6}") {
        let _ = convert(&text, &Wishes::default());
    }
}
