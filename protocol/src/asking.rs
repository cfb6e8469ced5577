//! Puts a request into the tree and waits for what comes of it.

use std::time::Duration;

use zookeeper_client::{Acls, CreateMode, Error};

use crate::reader::{ReadError, TreeReader};
use crate::request::{Outcome, Request};

impl TreeReader {
    /// Puts `request` into the tree and returns the name of its node. The cluster must have been there before.
    pub async fn ask(&self, request: &Request) -> Result<String, ReadError> {
        let name = request.name();
        let path = self.tree().request(&name);
        let data = serde_json::to_vec(request).expect("a request has text keys and no failing serialisers");
        let acls = if self.owner_only() { Acls::creator_all() } else { Acls::anyone_all() };
        let options = CreateMode::Persistent.with_acls(acls);
        match self.client().create(&path, &data, &options).await {
            Ok(_) => Ok(name),
            Err(source) => Err(ReadError::Write { path, source }),
        }
    }

    /// Waits until nothing more will come of the request `name`. `None` if that takes longer than `patience`, or if
    /// the request was taken back.
    pub async fn outcome(&self, name: &str, patience: Duration) -> Result<Option<Outcome>, ReadError> {
        let settled = async {
            let path = self.tree().request(name);
            loop {
                let (data, _, watcher) = match self.client().get_and_watch_data(&path).await {
                    Ok(found) => found,
                    Err(Error::NoNode) => return Ok(None),
                    Err(source) => return Err(ReadError::Read { path, source }),
                };
                if let Ok(request) = serde_json::from_slice::<Request>(&data)
                    && request.is_settled()
                {
                    return Ok(request.outcome);
                }
                watcher.changed().await;
            }
        };
        tokio::time::timeout(patience, settled).await.unwrap_or(Ok(None))
    }

    /// Takes a request back that nobody has accepted; whether that was so.
    pub async fn take_back(&self, name: &str) -> Result<bool, ReadError> {
        let path = self.tree().request(name);
        // Version 0 is as it was written by whoever asked.
        match self.client().delete(&path, Some(0)).await {
            Ok(()) => Ok(true),
            Err(Error::NoNode | Error::BadVersion) => Ok(false),
            Err(source) => Err(ReadError::Write { path, source }),
        }
    }
}
