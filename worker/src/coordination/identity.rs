//! The cluster's identity: random, or that of a cluster that is gone, whose positions are then this one's.

use maxwell_protocol::id::ClusterId;

use super::error::{CoordinationError, Failure};
use super::store::{Change, Store, encode};

/// Agrees with the other members on the identity; `wanted` is what the settings say, if anything.
pub(super) async fn agree(store: &Store, wanted: Option<ClusterId>) -> Result<ClusterId, Failure> {
    let path = store.tree().cluster_id();
    store.ensure(&path, &encode(&wanted.unwrap_or_else(ClusterId::random))).await?;
    let Some((found, version)) = store.read::<ClusterId>(&path).await? else {
        return Err(CoordinationError::ClusterId { path }.into());
    };
    match wanted {
        Some(wanted) if wanted != found => replace(store, path, (found, version), wanted).await,
        _ => Ok(found),
    }
}

/// An identity under which nothing was ever committed gives way. Members that still bear it cannot commit either: the
/// position topic holds another's records.
async fn replace(
    store: &Store,
    path: String,
    (found, version): (ClusterId, i32),
    wanted: ClusterId,
) -> Result<ClusterId, Failure> {
    if !store.children(&store.tree().positions()).await?.is_empty() {
        return Err(CoordinationError::OtherIdentity { found, wanted }.into());
    }
    store.commit(&[Change::Set(path, encode(&wanted), Some(version))]).await?;
    tracing::info!(%wanted, before = %found, "the cluster takes the identity of one that is gone");
    Ok(wanted)
}
