//! What ends a worker's coordination for good, and what merely ends one life of it.

use std::net::SocketAddr;

use maxwell_protocol::id::{ClusterId, MemberId};
use thiserror::Error;

/// A mistake in the configuration: trying again cannot help. Everything else is tried again.
#[derive(Debug, Error)]
pub enum CoordinationError {
    /// The list of hosts is malformed.
    #[error("zookeeper.hosts {hosts:?} is not a list of host:port")]
    Hosts {
        /// What was given.
        hosts: String,
    },
    /// The server refused the credentials.
    #[error(
        "ZooKeeper at {hosts} refuses the credentials: correct zookeeper.user and zookeeper.password, or the files \
         username and password in zookeeper.credentialsDirectory"
    )]
    Refused {
        /// The ensemble.
        hosts: String,
    },
    /// A node belongs to somebody else.
    #[error(
        "no right to use the ZooKeeper node {path}: give the credentials of its owner in zookeeper.user and \
         zookeeper.password (or zookeeper.credentialsDirectory), or choose another zookeeper.root"
    )]
    Denied {
        /// The node.
        path: String,
    },
    /// A credentials file cannot be read.
    #[error("cannot read {path}, which zookeeper.credentialsDirectory promises")]
    Credentials {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The member's name cannot be a node's name.
    #[error("member_id {id:?} must not be empty, '.' or '..', nor contain '/'")]
    MemberId {
        /// The name.
        id: MemberId,
    },
    /// Another process lives under this name.
    #[error("a live process at {address} is already member {id}: give every member a member_id of its own")]
    Duplicate {
        /// The name.
        id: MemberId,
        /// Where the other process listens.
        address: String,
    },
    /// The probe port is taken.
    #[error("cannot listen on {address} for the probes of peers: choose a free probe_port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The tree is another cluster's.
    #[error(
        "clusterId: '{wanted}' is not the identity of the cluster that lives below zookeeper.root, which has positions \
         as {found}: leave clusterId out, or choose another zookeeper.root"
    )]
    OtherIdentity {
        /// Whose tree it is.
        found: ClusterId,
        /// What the settings say.
        wanted: ClusterId,
    },
    /// The cluster's identity is not readable.
    #[error("{path} in ZooKeeper does not hold a cluster id: restore it from the position topic's records")]
    ClusterId {
        /// The node.
        path: String,
    },
}

/// Why a request to the tree, or a whole life of this member, failed.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The session is over: begin a new life.
    #[error("the ZooKeeper session has expired")]
    Expired,
    /// The tree was not as expected: look again.
    #[error("the ZooKeeper tree has changed meanwhile")]
    Conflict,
    /// ZooKeeper answered with an error that is none of the above.
    #[error("ZooKeeper refuses a request on {path}")]
    Broken {
        /// The node.
        path: String,
        /// The client's error.
        #[source]
        source: zookeeper_client::Error,
    },
    /// Trying again cannot help.
    #[error(transparent)]
    Fatal(#[from] CoordinationError),
}

impl Failure {
    /// What `error`, which a request on `path` ended with, means.
    pub(super) fn of(path: &str, error: zookeeper_client::Error) -> Self {
        use zookeeper_client::Error;
        match error {
            Error::SessionExpired | Error::ClientClosed => Self::Expired,
            Error::NoNode | Error::NodeExists | Error::BadVersion | Error::NotEmpty => Self::Conflict,
            Error::NoAuth | Error::InvalidAcl => {
                Self::Fatal(CoordinationError::Denied { path: path.to_owned() })
            }
            source => Self::Broken { path: path.to_owned(), source },
        }
    }
}
