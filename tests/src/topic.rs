//! Topics of the tests.

use anyhow::Context;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::lab::brokers;

fn admin() -> anyhow::Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", brokers()).create()?)
}

/// Makes a topic with one replica and this `cleanup.policy`.
pub async fn make(name: &str, partitions: i32, cleanup: &str) -> anyhow::Result<()> {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("cleanup.policy", cleanup);
    let made = admin()?.create_topics(&[topic], &AdminOptions::new()).await?;
    made.into_iter()
        .next()
        .context("no answer")?
        .map_err(|(name, code)| anyhow::anyhow!("{name}: {code}"))?;
    Ok(())
}

/// Deletes topics, so that one run's data does not weigh on the next.
pub async fn delete(names: &[&str]) -> anyhow::Result<()> {
    for deleted in admin()?.delete_topics(names, &AdminOptions::new()).await? {
        deleted.map_err(|(name, code)| anyhow::anyhow!("{name}: {code}"))?;
    }
    Ok(())
}

/// Records of a topic's first partition, the ends of transactions among them.
pub async fn length(name: &str) -> anyhow::Result<usize> {
    let admin = admin()?;
    let name = name.to_owned();
    let bounds = tokio::task::spawn_blocking(move || {
        admin.inner().fetch_watermarks(&name, 0, std::time::Duration::from_secs(10))
    });
    Ok(usize::try_from(bounds.await??.1)?)
}

/// Whether there is a topic of that name.
pub async fn exists(name: &str) -> anyhow::Result<bool> {
    let admin = admin()?;
    let name = name.to_owned();
    // Asked for by name it might be made.
    let all = tokio::task::spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(None, std::time::Duration::from_secs(10))?;
        Ok::<_, rdkafka::error::KafkaError>(metadata.topics().iter().any(|topic| topic.name() == name))
    });
    Ok(all.await??)
}
