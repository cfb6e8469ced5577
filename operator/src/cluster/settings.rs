//! From the resource's spec to the worker's settings: the document that the workers mount. Pure.

use maxwell_crds::v1alpha1::MaxwellClusterSpec;
use maxwell_protocol::id::ClusterId;
use maxwell_protocol::live::Tuning;
use maxwell_protocol::settings::{
    Bootstrap, Encryption, Kafka, KafkaSasl, KafkaTls, LogLevel, MovePolicy, MySql, MySqlTls, Output, Pin,
    Producer, Secret, Settings, Sharding, ZooKeeper,
};
use maxwell_protocol::tree::Tree;

/// Where the worker finds what is mounted.
pub(super) const DIRECTORY: &str = "/etc/maxwell";

/// The settings' key in the ConfigMap and their file's name below [`DIRECTORY`].
pub(super) const FILE: &str = "settings.yaml";

/// Where MySQL's credentials are, below [`DIRECTORY`].
pub(super) const MYSQL_CREDENTIALS: &str = "credentials/mysql";

/// Where ZooKeeper's credentials are, below [`DIRECTORY`].
pub(super) const ZOOKEEPER_CREDENTIALS: &str = "credentials/zookeeper";

/// Where the certificates for MySQL are, below [`DIRECTORY`], and their files' names, which are the Secrets' keys too.
pub(super) const MYSQL_CERTIFICATES: &str = "certificates/mysql";
pub(super) const CA: &str = "ca.crt";
pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";

/// Where Kafka's credentials and the certificates for it are, below [`DIRECTORY`].
pub(super) const KAFKA_CREDENTIALS: &str = "credentials/kafka";
pub(super) const KAFKA_CERTIFICATES: &str = "certificates/kafka";

/// Where the key for encryption is, below [`DIRECTORY`].
pub(super) const ENCRYPTION_KEY: &str = "credentials/encryption";

/// The cluster's root node.
pub(super) fn root(namespace: &str, name: &str, spec: &MaxwellClusterSpec) -> String {
    spec.zookeeper.root.clone().unwrap_or_else(|| Tree::default_root(namespace, name))
}

/// Those of the settings that change without a restart.
pub(super) fn tuning(spec: &MaxwellClusterSpec) -> Tuning {
    Tuning {
        filter: Some(spec.filter.clone()),
        log_level: Some(spec.logging.level),
        max_rows_per_second: Some(spec.bootstrap.max_rows_per_second),
        max_lag_seconds: Some(spec.failover.max_lag_seconds),
        rebalancing: Some(spec.rebalancing.policy),
        commit_interval_milliseconds: Some(spec.kafka.commit.interval_milliseconds),
    }
}

/// The settings without those that change without a restart: what pods are replaced for.
pub(super) fn fixed(mut settings: Settings) -> Settings {
    let neutral = Tuning {
        filter: Some(String::new()),
        log_level: Some(LogLevel::default()),
        max_rows_per_second: Some(0),
        max_lag_seconds: Some(1),
        rebalancing: Some(MovePolicy::default()),
        commit_interval_milliseconds: Some(1),
    };
    neutral.put_into(&mut settings);
    settings.sharding = settings.sharding.map(undivided);
    settings
}

/// Without what divides rows, which the leader is asked for: where shards run is left.
fn undivided(sharding: Sharding) -> Sharding {
    let at_member = |pin: Pin| Pin { databases: Vec::new(), tables: Vec::new(), ..pin };
    let pins = sharding.pins.into_iter().filter(|pin| pin.member.is_some()).map(at_member).collect();
    Sharding { balance: sharding.balance, pins, ..Sharding::default() }
}

/// What the workers of `name` run with.
pub(super) fn settings(namespace: &str, name: &str, spec: &MaxwellClusterSpec) -> Settings {
    Settings {
        cluster: name.to_owned(),
        // The definition's pattern lets nothing else pass.
        cluster_id: spec.cluster_id.as_deref().and_then(|id| id.parse().ok()).map(ClusterId),
        producer: Producer::Kafka,
        mysql: mysql(spec),
        kafka: Some(kafka(name, spec)),
        zookeeper: Some(zookeeper(namespace, name, spec)),
        failover: spec.failover.clone(),
        mode: spec.mode,
        standbys: spec.standbys,
        sharding: spec.sharding.clone(),
        rebalancing: spec.rebalancing.clone(),
        filter: spec.filter.clone(),
        output: output(spec),
        bootstrap: bootstrap(spec),
        port: spec.monitoring.port,
        logging: spec.logging.clone(),
    }
}

/// Beside the stream, requests of Maxwell's table among them, which its default client makes.
fn bootstrap(spec: &MaxwellClusterSpec) -> Bootstrap {
    let bootstrap = &spec.bootstrap;
    Bootstrap {
        tables: bootstrap.tables.clone(),
        chunk_rows: bootstrap.chunk_rows,
        max_rows_per_second: bootstrap.max_rows_per_second,
        ..Bootstrap::default()
    }
}

fn mysql(spec: &MaxwellClusterSpec) -> MySql {
    let mysql = &spec.mysql;
    let (ca, own) = (&mysql.tls.ca_secret_ref, &mysql.tls.client_certificate_secret_ref);
    let file = |name: &str| format!("{DIRECTORY}/{MYSQL_CERTIFICATES}/{name}");
    MySql {
        host: mysql.host.clone(),
        port: mysql.port,
        user: String::new(),
        password: Secret::default(),
        credentials_directory: Some(format!("{DIRECTORY}/{MYSQL_CREDENTIALS}")),
        tls: MySqlTls {
            mode: mysql.tls.mode,
            ca_file: ca.as_ref().map(|_| file(CA)),
            certificate_file: own.as_ref().map(|_| file(CERTIFICATE)),
            key_file: own.as_ref().map(|_| file(KEY)),
        },
        failover_hosts: mysql.failover_hosts.clone(),
        on_position_lost: mysql.on_position_lost,
        flavor: mysql.flavor,
        gtid: mysql.gtid,
        server_id_base: mysql.server_id_base,
        heartbeat_seconds: mysql.heartbeat_seconds,
        start: mysql.start.clone(),
    }
}

fn kafka(name: &str, spec: &MaxwellClusterSpec) -> Kafka {
    let kafka = &spec.kafka;
    let (ca, own) = (&kafka.tls.ca_secret_ref, &kafka.tls.client_certificate_secret_ref);
    let file = |name: &str| format!("{DIRECTORY}/{KAFKA_CERTIFICATES}/{name}");
    Kafka {
        brokers: kafka.brokers.clone(),
        tls: KafkaTls {
            enabled: kafka.tls.enabled,
            ca_file: ca.as_ref().map(|_| file(CA)),
            certificate_file: own.as_ref().map(|_| file(CERTIFICATE)),
            key_file: own.as_ref().map(|_| file(KEY)),
        },
        sasl: kafka.sasl.as_ref().map(|sasl| KafkaSasl {
            mechanism: sasl.mechanism,
            credentials_directory: Some(format!("{DIRECTORY}/{KAFKA_CREDENTIALS}")),
            ..KafkaSasl::default()
        }),
        topic: kafka.topic.clone(),
        ddl_topic: kafka.ddl_topic.clone(),
        dead_letter_topic: kafka.dead_letter_topic.clone(),
        position_topic: Some(kafka.position_topic.clone().unwrap_or_else(|| format!("{name}.positions"))),
        partition_by: kafka.partition_by,
        partition_columns: kafka.partition_columns.clone(),
        partition_by_fallback: kafka.partition_by_fallback,
        partition_hash: kafka.partition_hash,
        key_format: kafka.key_format,
        delivery: kafka.delivery,
        commit: kafka.commit,
        transaction_timeout_seconds: kafka.transaction_timeout_seconds,
        compression: kafka.compression,
        properties: kafka.properties.clone(),
    }
}

fn output(spec: &MaxwellClusterSpec) -> Output {
    let output = &spec.output;
    let keyed = output.encryption.key_secret_ref.is_some();
    Output {
        commit_info: output.commit_info,
        xoffset: output.xoffset,
        nulls: output.nulls,
        ddl: output.ddl,
        binlog_position: output.binlog_position,
        gtid: output.gtid,
        server_id: output.server_id,
        thread_id: output.thread_id,
        schema_id: output.schema_id,
        row_query: output.row_query,
        row_query_max_length: output.row_query_max_length,
        primary_keys: output.primary_keys,
        primary_key_columns: output.primary_key_columns,
        push_timestamp: output.push_timestamp,
        null_zero_dates: output.null_zero_dates,
        exclude_columns: output.exclude_columns.clone(),
        naming_strategy: output.naming_strategy,
        compatibility: output.compatibility,
        encryption: Encryption {
            mode: output.encryption.mode,
            key: Secret::default(),
            key_directory: keyed.then(|| format!("{DIRECTORY}/{ENCRYPTION_KEY}")),
        },
    }
}

fn zookeeper(namespace: &str, name: &str, spec: &MaxwellClusterSpec) -> ZooKeeper {
    let zookeeper = &spec.zookeeper;
    let guarded = zookeeper.credentials_secret_ref.is_some();
    ZooKeeper {
        hosts: zookeeper.hosts.clone(),
        root: root(namespace, name, spec),
        user: String::new(),
        password: Secret::default(),
        credentials_directory: guarded.then(|| format!("{DIRECTORY}/{ZOOKEEPER_CREDENTIALS}")),
    }
}
