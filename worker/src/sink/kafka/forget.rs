//! The end of a cluster's positions: deletes the topic, unless another cluster has positions on it.

use maxwell_protocol::id::ClusterId;
use maxwell_protocol::position::PositionKey;
use maxwell_protocol::settings::Kafka;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;

use super::admin::Admin;
use super::positions::{Readers, TIMEOUT, Until, read_on};
use super::steps::End;
use super::{classify, config};
use crate::sink::SinkError;

/// Deletes `topic`. One that is not there is no error.
pub(super) async fn forget(settings: &Kafka, topic: &str, cluster: ClusterId) -> Result<(), SinkError> {
    let (asked, of) = (settings.clone(), topic.to_owned());
    let others =
        tokio::task::spawn_blocking(move || others(&asked, &of, cluster)).await.map_err(|error| {
            SinkError::Failed { doing: "read the position topic", reason: error.to_string() }
        })??;
    if let Some(other) = others {
        return Err(SinkError::Unfit {
            problem: format!("the position topic {topic} holds the positions of cluster {other} too"),
            mend: "leave it, or delete it by hand once that cluster is gone".into(),
        });
    }
    let admin = Admin::new(settings)?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let deleted = admin
        .delete_topics(&[topic], &options)
        .await
        .map_err(|error| classify("delete the position topic", &error))?;
    for one in deleted {
        match one {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => {
                return Err(SinkError::Unfit {
                    problem: format!("the position topic {topic} cannot be deleted: {code}"),
                    mend: "grant the user Delete on it, or delete it by hand".into(),
                });
            }
        }
    }
    Ok(())
}

/// Another cluster that has positions on the topic. Blocking.
fn others(settings: &Kafka, topic: &str, cluster: ClusterId) -> Result<Option<ClusterId>, SinkError> {
    let consumer: BaseConsumer =
        config::reader(settings, false)?.create().map_err(|error| classify("connect to Kafka", &error))?;
    let metadata = consumer
        .fetch_metadata(Some(topic), TIMEOUT)
        .map_err(|error| classify("ask for the position topic", &error))?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
        .map(|partition| partition.id())
        .collect();
    let readers = Readers::new(settings)?;
    let mut found = None;
    for partition in partitions {
        read_on(&readers, topic, partition, (0, Until::End(End::High)), &mut |message| {
            let key = message.key().and_then(|key| serde_json::from_slice::<PositionKey>(key).ok());
            // A record without a value takes one back.
            let other = key.filter(|key| key.cluster != cluster && message.payload().is_some());
            found = found.or(other.map(|key| key.cluster));
        })?;
    }
    Ok(found)
}
