//! [`Ensemble`] and [`Client`] by the client library.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zookeeper_client::{
    Acls, AddWatchMode, Client as Library, CreateMode, Error, EventType, PersistentWatcher, SessionInfo,
    SessionState, StateWatcher,
};

use super::client::{Change, Client, Ensemble, Happening, States, Watch};

/// The servers, and how to connect to them.
#[derive(Clone)]
pub(super) struct Servers {
    /// `host:port`, comma-separated.
    pub(super) hosts: String,
    /// The session timeout to ask for.
    pub(super) timeout: Duration,
    /// `user:password`; whose nodes are its alone.
    pub(super) digest: Option<String>,
}

impl Servers {
    async fn open(&self, earlier: Option<SessionInfo>) -> Result<Arc<dyn Client>, Error> {
        let mut connector = Library::connector()
            .with_fail_eagerly()
            .with_session_timeout(self.timeout)
            // A server that is silent for this long is left for another one, in time for the session.
            .with_connection_timeout(self.timeout / 4);
        if let Some(digest) = &self.digest {
            connector = connector.with_auth("digest", digest.as_bytes());
        }
        if let Some(session) = earlier {
            connector = connector.with_session(session);
        }
        let client = connector.connect(&self.hosts).await?;
        Ok(Arc::new(Connected { servers: self.clone(), client }))
    }
}

#[async_trait]
impl Ensemble for Servers {
    async fn connect(&self) -> Result<Arc<dyn Client>, Error> {
        self.open(None).await
    }
}

struct Connected {
    servers: Servers,
    client: Library,
}

impl Connected {
    fn acls(&self, shared: bool) -> Acls<'static> {
        match &self.servers.digest {
            Some(_) if !shared => Acls::creator_all(),
            _ => Acls::anyone_all(),
        }
    }
}

#[async_trait]
impl Client for Connected {
    async fn again(&self) -> Result<Arc<dyn Client>, Error> {
        self.servers.open(Some(self.client.session().clone())).await
    }

    fn session(&self) -> String {
        self.client.session_id().to_string()
    }

    fn session_timeout(&self) -> Duration {
        self.client.session_timeout()
    }

    fn states(&self) -> Box<dyn States> {
        Box::new(self.client.state_watcher())
    }

    async fn get(&self, path: &str) -> Result<(Vec<u8>, i32), Error> {
        self.client.get_data(path).await.map(|(data, stat)| (data, stat.version))
    }

    async fn exists(&self, path: &str) -> Result<bool, Error> {
        Ok(self.client.check_stat(path).await?.is_some())
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, Error> {
        self.client.list_children(path).await
    }

    async fn sync(&self, path: &str) -> Result<(), Error> {
        self.client.sync(path).await
    }

    async fn create(&self, path: &str, data: &[u8], mode: CreateMode, shared: bool) -> Result<String, Error> {
        let (_, sequence) = self.client.create(path, data, &mode.with_acls(self.acls(shared))).await?;
        match mode {
            CreateMode::EphemeralSequential | CreateMode::PersistentSequential => {
                Ok(format!("{path}{sequence}"))
            }
            _ => Ok(path.to_owned()),
        }
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let acls = self.acls(false);
        let mut writer = self.client.new_multi_writer();
        for change in changes {
            match change {
                Change::Check(path) => writer.add_check_version(path, -1)?,
                Change::Create(path, data, mode) => writer.add_create(path, data, &mode.with_acls(acls))?,
                Change::Set(path, data, version) => writer.add_set_data(path, data, *version)?,
                Change::Delete(path, version) => writer.add_delete(path, *version)?,
            }
        }
        writer.commit().await?;
        Ok(())
    }

    async fn watch(&self, path: &str) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(self.client.watch(path, AddWatchMode::PersistentRecursive).await?))
    }
}

#[async_trait]
impl States for StateWatcher {
    fn now(&self) -> SessionState {
        self.peek_state()
    }

    async fn changed(&mut self) -> SessionState {
        Self::changed(self).await
    }
}

#[async_trait]
impl Watch for PersistentWatcher {
    async fn next(&mut self) -> Happening {
        let event = self.changed().await;
        match (event.event_type, event.session_state) {
            (EventType::Session, SessionState::SyncConnected) => Happening::Connected,
            (EventType::Session, state) if state.is_terminated() => Happening::Over,
            (EventType::Session, _) => Happening::Disconnected,
            (EventType::NodeDeleted, _) => Happening::Deleted(event.path),
            _ => Happening::Changed(event.path),
        }
    }
}
