//! What is asked of a cluster that nothing ails.

use anyhow::Context;
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::Ask;

use super::Scene;
use crate::ask::done;
use crate::chaos::cluster::root;
use crate::lab::ZOOKEEPER;

/// Another member takes the owner's place.
pub(super) async fn switchover(scene: &Scene) -> anyhow::Result<()> {
    done(&tree(scene).await?, Ask::Switchover { from: None, to: None }).await
}

/// A shard goes to another member; what is uneven then is evened out by the cluster itself.
pub(super) async fn moved(scene: &Scene) -> anyhow::Result<()> {
    let tree = tree(scene).await?;
    let shard = ShardId::from("0");
    let seen = tree.snapshot().await?;
    let owner: MemberId = seen.owner(&shard).context("shard 0 has no owner")?.0.id.clone();
    let to = seen.members.keys().find(|member| **member != owner).context("there is one member only")?;
    done(&tree, Ask::Move { shard, to: to.clone() }).await
}

async fn tree(scene: &Scene) -> anyhow::Result<TreeReader> {
    Ok(TreeReader::connect(ZOOKEEPER, &root(&scene.cluster.name), None).await?)
}
