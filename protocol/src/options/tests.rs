use proptest::prelude::*;

use super::*;
use crate::settings::{Balance, Mode, MovePolicy, Strategy};

const HERE: Place<'_> = Place { hostname: "here", terminal: false };

fn draft(pairs: &[(&str, &str)]) -> Draft {
    let mut draft = Draft::new(&HERE);
    for (name, value) in pairs {
        draft.apply(name, value, "in a test").unwrap();
    }
    draft
}

#[test]
fn the_driver_says_whether_to_encrypt() {
    for (options, mode) in [
        ("autoReconnect=true&useSSL=true", TlsMode::Required),
        ("?sslMode=VERIFY_IDENTITY", TlsMode::VerifyIdentity),
        ("useSSL=true&verifyServerCertificate=true", TlsMode::VerifyCa),
        ("serverTimezone=UTC", TlsMode::Disabled),
    ] {
        assert_eq!(draft(&[("jdbc_options", options)]).settings.mysql.tls.mode, mode, "{options}");
    }
}

#[test]
fn what_has_no_meaning_is_said_once() {
    let draft =
        draft(&[("max_schemas", "5"), ("max_schemas", "5"), ("kafka.acks", "1"), ("metrics_jvm", "true")]);
    assert_eq!(draft.notices.len(), 3);
    assert!(draft.kafka.properties.is_empty());
}

#[test]
fn properties_of_the_java_client_are_translated() {
    let draft = draft(&[
        ("kafka.max.request.size", "1000"),
        ("kafka.compression.type", "lz4"),
        ("kafka.client.id", "a"),
    ]);
    assert_eq!(draft.kafka.properties["message.max.bytes"], "1000");
    assert_eq!(draft.kafka.properties["client.id"], "a");
    assert_eq!(draft.kafka.compression, crate::settings::Compression::Lz4);
}

#[test]
fn the_java_clients_way_in_is_ours() {
    let jaas = r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="me" password="s3cret";"#;
    let draft = draft(&[
        ("kafka.security.protocol", "SASL_SSL"),
        ("kafka.sasl.mechanism", "SCRAM-SHA-512"),
        ("kafka.sasl.jaas.config", jaas),
        ("kafka.ssl.ca.location", "/ca.crt"),
    ]);
    let kafka = &draft.kafka;
    let sasl = kafka.sasl.as_ref().unwrap();
    assert_eq!((sasl.user.as_str(), sasl.password.0.as_str()), ("me", "s3cret"));
    assert_eq!(sasl.mechanism, crate::settings::SaslMechanism::ScramSha512);
    assert!(kafka.tls.enabled && kafka.tls.ca_file.as_deref() == Some("/ca.crt"));
    assert!(kafka.properties.is_empty());
    assert!(!serde_json::to_string(&draft.kafka).unwrap().contains("s3cret"));
}

#[test]
fn a_trailing_comment_belongs_to_no_value_of_the_names_that_are_documented_with_one() {
    let draft = draft(&[("ha.heartbeat.interval", "3000   # ms"), ("filter", "include: a.b # c")]);
    assert_eq!(draft.settings.failover.heartbeat_interval_milliseconds, 3000);
    assert_eq!(draft.settings.filter, "include: a.b # c");
}

#[test]
fn a_properties_file_is_read_as_java_does() {
    let text = "# a\n! b\n\na = b \\\n   c\nd:e\nf g\nh\\=i=\\u00e9\\t.\n";
    let entries = properties::parse(text);
    let entries: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(entries, [("a", "b c"), ("d", "e"), ("f", "g"), ("h=i", "é\t.")]);
}

proptest! {
    #[test]
    fn no_properties_file_panics(text in "\\PC{0,200}") {
        for (name, value) in properties::parse(&text) {
            let _ = Draft::new(&HERE).apply(&name, &value, "in a test");
        }
    }

    #[test]
    fn no_value_panics(name in prop::sample::select(vec!["jdbc_options", "failover_hosts", "init_position", "filter"]),
                       value in "\\PC{0,60}") {
        let _ = Draft::new(&HERE).apply(name, &value, "in a test");
    }
}

#[test]
fn shards_are_named_as_they_always_were() {
    let settings = draft(&[
        ("producer", "kafka"),
        ("kafka.bootstrap.servers", "k:1"),
        ("ha.zookeeper.hosts", "z:2181"),
        ("maxwell.shard.enabled", "true   # several members"),
        ("maxwell.shard.strategy", "database"),
        ("maxwell.shard.databases", "a,b"),
        ("maxwell.instance.shard.m-0", "a"),
        ("maxwell.instance.shard.hot", "shop,stock.items"),
        ("maxwell.load_balance.enabled", "false"),
        ("maxwell.load_balance.algorithm", "least_loaded"),
    ])
    .finish()
    .unwrap()
    .settings;
    assert_eq!((settings.mode, settings.rebalancing.policy), (Mode::Sharded, MovePolicy::Disabled));
    let sharding = settings.sharding.unwrap();
    assert_eq!((sharding.strategy, sharding.balance), (Strategy::Database, Balance::LeastLoaded));
    assert_eq!(sharding.named(), ["a", "b", "hot"]);
    let [moved, hot] = &sharding.pins[..] else { panic!("{:?}", sharding.pins) };
    assert_eq!((moved.shard.as_str(), moved.member.as_deref()), ("a", Some("m-0")));
    assert_eq!((hot.databases[0].as_str(), hot.tables[0].as_str()), ("shop", "stock.items"));

    let off = draft(&[("maxwell.shard.enabled", "false"), ("maxwell.shard.strategy", "table")]);
    assert_eq!(off.settle().settings.sharding, None);
}
