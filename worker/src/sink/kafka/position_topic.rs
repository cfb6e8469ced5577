//! Makes the position topic: compacted, one partition per shard, and on as many brokers that any of them may end.

use std::time::Duration;

use maxwell_protocol::settings::Kafka;
use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;

use super::super::SinkError;
use super::admin::Admin;
use super::classify;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAKING: &str = "make the position topic";
/// With two of them in sync any one may be away.
const REPLICAS: i32 = 3;
/// As many as the brokers give a topic that does not say.
const BY_DEFAULT: i32 = -1;

/// Makes the topic if it is not there, and refuses one whose records Kafka might drop.
pub(super) async fn ensure_topic(settings: &Kafka, topic: &str, shards: u32) -> Result<(), SinkError> {
    let admin = Admin::new(settings)?;
    make(&admin, (topic, shards)).await?;
    let metadata = admin
        .inner()
        .fetch_metadata(Some(topic), TIMEOUT)
        .map_err(|error| classify("ask for the position topic's partitions", &error))?;
    grow(&admin, (topic, shards), &metadata).await?;
    verify(&admin, topic, &metadata).await
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}

/// On three brokers, or as many as there are. A broker that is away counts as well: who is there at this moment says
/// nothing about that.
async fn make(admin: &Admin, of: (&str, u32)) -> Result<(), SinkError> {
    let mut replicas = REPLICAS;
    loop {
        let refused = match create(admin, &options(), of, replicas).await? {
            None | Some(RDKafkaErrorCode::TopicAlreadyExists) => return Ok(()),
            Some(refused) => refused,
        };
        if refused != RDKafkaErrorCode::InvalidReplicationFactor || replicas == 1 {
            let (topic, shards) = of;
            return Err(SinkError::Unfit {
                problem: format!("the position topic {topic} cannot be made: {refused}"),
                mend: format!(
                    "kafka-topics.sh --create --topic {topic} --partitions {shards} --config cleanup.policy=compact"
                ),
            });
        }
        if replicas == REPLICAS {
            refuse_incomplete(admin, of).await?;
        }
        replicas -= 1;
    }
}

/// A topic keeps the replicas that it is made with: one that was made while a new cluster of brokers is about to start
/// would have too few for ever.
async fn refuse_incomplete(admin: &Admin, of: (&str, u32)) -> Result<(), SinkError> {
    let trial = options().validate_only(true);
    match create(admin, &trial, of, BY_DEFAULT).await? {
        Some(RDKafkaErrorCode::InvalidReplicationFactor) => Err(SinkError::Failed {
            doing: MAKING,
            reason: "there are fewer brokers than their default.replication.factor says; if these are all, lower that, \
                     or make the topic with kafka-topics.sh and cleanup.policy=compact"
                .into(),
        }),
        _ => Ok(()),
    }
}

/// Why the topic could not be made.
async fn create(
    admin: &Admin,
    options: &AdminOptions,
    (topic, shards): (&str, u32),
    replicas: i32,
) -> Result<Option<RDKafkaErrorCode>, SinkError> {
    let in_sync = if replicas == 1 { "1" } else { "2" };
    let new = NewTopic::new(topic, shards as i32, TopicReplication::Fixed(replicas))
        .set("cleanup.policy", "compact")
        .set("min.insync.replicas", in_sync)
        .set("segment.ms", "3600000")
        .set("segment.bytes", "16777216");
    let results = admin.create_topics([&new], options).await.map_err(|error| classify(MAKING, &error))?;
    Ok(results.into_iter().find_map(Result::err).map(|(_, code)| code))
}

/// Adds the partitions that a topic of fewer shards lacks.
async fn grow(admin: &Admin, (topic, shards): (&str, u32), metadata: &Metadata) -> Result<(), SinkError> {
    let there = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    // A topic that was made just now may not be known everywhere yet, and has what it was made with.
    if there == 0 || there >= shards as usize {
        return Ok(());
    }
    let more = NewPartitions::new(topic, shards as usize);
    let results = admin
        .create_partitions([&more], &options())
        .await
        .map_err(|error| classify("add partitions to the position topic", &error))?;
    match results.into_iter().find_map(Result::err) {
        Some((_, code)) => Err(SinkError::Unfit {
            problem: format!("the position topic {topic} has {there} partitions for {shards} shards: {code}"),
            mend: format!("kafka-topics.sh --alter --topic {topic} --partitions {shards}"),
        }),
        None => Ok(()),
    }
}

async fn verify(admin: &Admin, topic: &str, metadata: &Metadata) -> Result<(), SinkError> {
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &options())
        .await
        .map_err(|error| classify("describe the position topic", &error))?;
    let described: Vec<_> = described.into_iter().filter_map(Result::ok).collect();
    let configured = |name: &str| {
        described.iter().find_map(|resource| resource.get(name).and_then(|entry| entry.value.clone()))
    };
    match configured("cleanup.policy") {
        Some(policy) if policy != "compact" => {
            return Err(SinkError::Unfit {
                problem: format!(
                    "the position topic {topic} has cleanup.policy={policy}: Kafka would drop positions"
                ),
                mend: format!(
                    "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
                ),
            });
        }
        _ => {}
    }
    let in_sync = configured("min.insync.replicas").and_then(|count| count.parse().ok()).unwrap_or(1);
    warn_of_few_replicas(topic, metadata, in_sync);
    Ok(())
}

/// A topic that needs each of its brokers stops with any of them, which more brokers would avert.
fn warn_of_few_replicas(topic: &str, metadata: &Metadata, in_sync: usize) {
    let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
    let fewest = partitions.iter().map(|partition| partition.replicas().len()).min();
    if let Some(replicas) = fewest.filter(|fewest| *fewest <= in_sync && *fewest < metadata.brokers().len()) {
        tracing::warn!(
            %topic,
            replicas,
            min_insync_replicas = in_sync,
            "nothing is committed while one of the position topic's brokers is away: give it three replicas with \
             kafka-reassign-partitions.sh"
        );
    }
}
