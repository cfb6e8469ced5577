use proptest::prelude::*;

use maxwell_protocol::settings::{GtidUse, Producer, StartFrom, TlsMode};

use super::*;

const HERE: Place<'_> = Place { hostname: "here", terminal: false };

fn ask(line: &str) -> Result<Asked, OptionError> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    read(&arguments, &BTreeMap::new(), &HERE)
}

fn options(line: &str) -> Options {
    match ask(line) {
        Ok(Asked::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_thing_a_newcomer_types() {
    let options = options("--producer=stdout --host=db --user=maxwell --password=secret");
    assert_eq!(options.settings.mysql.host, "db");
    assert_eq!(options.settings.producer, Producer::Stdout);
    assert!(!format!("{options:?}").contains("secret"));
}

#[test]
fn maxwells_own_names() {
    let options = options(
        "--producer kafka --kafka.bootstrap.servers a:1,b:2 --kafka_topic x --kafka.linger.ms=7 \
         --producer_partition_by primary_key --kafka_partition_hash murmur3 --output_nulls false --gtid_mode \
         --init_position binlog.000003:4711 --filter exclude:*.*",
    );
    let kafka = options.settings.kafka.unwrap();
    assert_eq!(kafka.brokers, ["a:1", "b:2"]);
    assert_eq!(kafka.properties["linger.ms"], "7");
    assert_eq!(kafka.partition_by, maxwell_protocol::settings::PartitionBy::PrimaryKey);
    assert!(!options.settings.output.nulls);
    assert_eq!(options.settings.mysql.start.offset, Some(4711));
}

#[test]
fn what_decides_how_messages_look() {
    use maxwell_protocol::settings::{EncryptionMode, NamingStrategy, PartitionBy};
    let options = options(
        "--producer kafka --kafka.bootstrap.servers a:1 --output_ddl --output_schema_id --output_row_query \
         --row_query_max_length 7 --exclude_columns a,/b.*/ --output_naming_strategy underscore_to_camelcase \
         --encrypt data --secret_key 0123456789abcdef --ddl_kafka_topic d --dead_letter_topic l.%{table} \
         --producer_partition_by column --producer_partition_columns x,y \
         --producer_partition_by_fallback thread_id --http_config",
    );
    assert!(!format!("{options:?}").contains("0123456789abcdef"));
    let (output, kafka) = (options.settings.output, options.settings.kafka.unwrap());
    assert!(output.ddl && output.schema_id && output.row_query && options.process.http.config);
    assert_eq!((output.row_query_max_length, output.exclude_columns.len()), (7, 2));
    assert_eq!(output.naming_strategy, NamingStrategy::UnderscoreToCamelCase);
    assert_eq!(output.encryption.mode, EncryptionMode::Data);
    assert_eq!(kafka.partition_by_fallback, PartitionBy::ThreadId);
    assert_eq!(
        (kafka.ddl_topic.as_deref(), kafka.dead_letter_topic.as_deref()),
        (Some("d"), Some("l.%{table}"))
    );
}

#[test]
fn a_cluster_on_plain_hosts() {
    let options = options(
        "--ha --zookeeper_hosts z1:2181,z2:2181 --zookeeper_root /maxwell/a --member_id m1 --member_priority 5 \
         --producer kafka --kafka.bootstrap.servers k:9092",
    );
    assert_eq!(options.settings.zookeeper.unwrap().root, "/maxwell/a");
    assert_eq!((options.process.member_id.as_str(), options.process.member_priority), ("m1", 5));
}

#[test]
fn errors_name_what_is_wrong_and_the_mend() {
    for (line, words) in [
        ("--hots db", "did you mean 'host'?"),
        ("--javascript f.js", "use filter"),
        ("--kinesis_stream s", "only the kafka, stdout and file producers"),
        ("--port x", "'x' is not a number"),
        ("--host", "needs a value"),
        ("db", "options begin with --"),
        ("--producer=kafka", "name some brokers"),
        ("--ha --producer kafka --kafka.bootstrap.servers k:9092", "zookeeper.hosts"),
        ("--ha --zookeeper_hosts z:1", "cannot be shared between members"),
        ("--producer=kafka --kafka.bootstrap.servers k:1 --kafka.isolation.level=x", "isolation.level"),
        ("--kafka.sasl.jaas.config=secret", "'***' only PlainLoginModule and ScramLoginModule"),
        ("--producer=file", "output_file"),
        ("--start_time=noon", "mysql.start.time"),
        ("--ssl=maybe", "VERIFY_CA"),
        ("--raft_member_id=A", "ZooKeeper"),
        ("--filter=nonsense", "include, exclude or blacklist"),
        ("--encrypt=all --secret_key=short", "'5 bytes' is no length"),
        ("--encrypt=some", "is none of none, data, all"),
        ("--exclude_columns=/a", "neither a name nor"),
        ("--output_naming_strategy=snake", "underscore_to_camelcase"),
        ("--producer=kafka --kafka.bootstrap.servers k:1 --kafka_topic=a/b", "is no topic's name"),
        ("--producer=kafka --kafka.bootstrap.servers k:1 --ddl_kafka_topic=%{table}", "kafka.ddlTopic"),
        (
            "--producer=kafka --kafka.bootstrap.servers k:1 --kafka_topic=%{table} --output_ddl",
            "kafka.ddlTopic",
        ),
        ("--settings /nowhere.yaml", "/nowhere.yaml"),
    ] {
        let error = ask(line).unwrap_err().to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.properties");
    let text = "# a comment\nhost=file\nuser : someone\nha.heartbeat.interval=3000   # milliseconds\npassword=a\\=b\\\n  c\n";
    std::fs::write(&path, text).unwrap();
    let arguments = ["--config".to_owned(), path.display().to_string(), "--port=1".to_owned()];
    let environment = BTreeMap::from([("MAXWELL_HOST".to_owned(), "env".to_owned())]);
    let Asked::Run(options) = read(&arguments, &environment, &HERE).unwrap() else { panic!("run") };
    let mysql = &options.settings.mysql;
    assert_eq!((mysql.host.as_str(), mysql.user.as_str(), mysql.port), ("env", "someone", 1));
    assert_eq!(mysql.password.0, "a=bc");
    assert_eq!(options.settings.failover.heartbeat_interval_milliseconds, 3000);
}

fn with_file(text: &str, arguments: &str, environment: &[(&str, &str)]) -> Options {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.properties");
    std::fs::write(&path, text).unwrap();
    let mut line = vec![format!("--config={}", path.display())];
    line.extend(arguments.split_whitespace().map(str::to_owned));
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    match read(&line, &environment, &HERE) {
        Ok(Asked::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

/// A file of the shape that the original's package has, every option of it that concerns what is here.
#[test]
fn a_file_as_the_original_ships_it_is_taken() {
    let options = with_file(include_str!("../../tests/fixtures/config.properties"), "", &[]);
    let kafka = options.settings.kafka.as_ref().unwrap();
    assert_eq!(options.settings.producer, Producer::Kafka);
    assert_eq!(kafka.brokers, ["localhost:9092"]);
    assert_eq!(kafka.compression, maxwell_protocol::settings::Compression::Snappy);
    assert_eq!(kafka.properties["batch.size"], "16384");
    assert_eq!(options.settings.cluster, "maxwell_1");
    let start = &options.settings.mysql.start;
    assert_eq!((start.from, start.client_id.as_deref()), (StartFrom::MaxwellOrLatest, Some("maxwell_1")));
    for said in ["kafka.acks", "kafka.retries", "max_schemas", "jdbc_options", "maxwell.shard.enabled"] {
        assert!(
            options.notices.iter().any(|notice| notice.starts_with(said)),
            "{said}: {:?}",
            options.notices
        );
    }
}

#[test]
fn sources_win_in_the_originals_order() {
    let file = "user=file\nport=1\nhost=file\nenv_config_prefix=Mx_\ngtid_mode=false\n";
    let json = r#"{"user": "json", "port": 2, "schema_database": "json"}"#;
    let environment = [
        ("CONF", json),
        ("MX_PORT", "3"),
        ("mx_Kafka_Linger_Ms", "9"),
        ("MX_HOST", "env"),
        ("GTID_MODE", ""),
    ];
    let options = with_file(file, "--env_config=CONF --host=typed", &environment);
    let mysql = &options.settings.mysql;
    assert_eq!((mysql.host.as_str(), mysql.port, mysql.user.as_str()), ("typed", 3, "json"));
    assert_eq!(mysql.start.database.as_deref(), Some("json"));
    assert_eq!(mysql.gtid, GtidUse::Auto);
    assert_eq!(with_file("", "", &environment).settings.mysql.gtid, GtidUse::On);
}

#[test]
fn variables_of_a_service_named_maxwell_kafka_are_nobodys() {
    let environment =
        [("MAXWELL_KAFKA_SERVICE_HOST", "10.0.0.1"), ("MAXWELL_KAFKA_PORT", "tcp://10.0.0.1:9092")];
    let options = with_file("kafka.bootstrap.servers=k:1", "", &environment);
    assert!(options.settings.kafka.unwrap().properties.is_empty());
}

#[test]
fn the_server_to_read_is_the_replication_host() {
    let file = "host=state\nuser=a\npassword=b\nreplication_host=source\nreplication_user=c\nssl=required\n\
                replication_ssl=VERIFY_CA\nreplication_port=3307\n";
    let mysql = with_file(file, "", &[]).settings.mysql;
    assert_eq!((mysql.host.as_str(), mysql.port, mysql.user.as_str()), ("source", 3307, "c"));
    assert_eq!((mysql.start.host.as_deref(), mysql.start.port), (Some("state"), Some(3306)));
    assert_eq!((mysql.password.0.as_str(), mysql.tls.mode), ("b", TlsMode::VerifyCa));
}

#[test]
fn where_to_begin_has_as_many_forms_as_there_are_ways() {
    for (line, from) in [
        ("", StartFrom::MaxwellOrLatest),
        ("--start=latest", StartFrom::Latest),
        ("--start=earliest", StartFrom::Earliest),
        ("--start=maxwell --client_id=x", StartFrom::Maxwell),
        ("--init_position=b.000001:4:17", StartFrom::Position),
        ("--start_gtid=0-1-5", StartFrom::Gtid),
        ("--start_time=2026-09-01T10:00:00Z", StartFrom::Timestamp),
    ] {
        assert_eq!(options(line).settings.mysql.start.from, from, "{line}");
    }
}

#[test]
fn what_is_switched_off_is_no_wish() {
    let options =
        options("--daemon=false --replay false --ignore_producer_error --failover_hosts a,b:3307,[::1]:5");
    assert_eq!(options.notices.len(), 1);
    let hosts: Vec<_> =
        options.settings.mysql.failover_hosts.iter().map(|it| (it.host.as_str(), it.port)).collect();
    assert_eq!(hosts, [("a", 3306), ("b", 3307), ("::1", 5)]);
}

#[test]
fn a_settings_document_is_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settings.yaml");
    std::fs::write(&path, "mysql: {host: db}\nkafka: {brokers: ['k:9092'], commit: {maxRows: 5}}\n").unwrap();
    let options = options(&format!("--settings {} --kafka_topic t", path.display()));
    let kafka = options.settings.kafka.unwrap();
    assert_eq!((kafka.topic.as_str(), kafka.commit.max_rows), ("t", 5));
}

#[test]
fn help_names_every_option() {
    assert_eq!(ask("--help").unwrap(), Asked::Help);
    assert!(help().contains("--producer_partition_columns=COLUMN,…"));
}

proptest! {
    #[test]
    fn no_command_line_panics(arguments in prop::collection::vec("(--)?[a-z_.=%{}:,0-9]{0,20}", 0..6)) {
        let _ = read(&arguments, &BTreeMap::new(), &HERE);
    }
}
