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
