//! The lab's servers, as `tests/lab/lab up` starts them.

use mysql_async::{Conn, OptsBuilder};

/// A database server of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Its name in the lab.
    pub name: &'static str,
    /// Its address.
    pub address: &'static str,
}

/// The four that are supported.
pub const SERVERS: [Server; 4] = [
    Server { name: "mysql57", address: "10.244.0.3" },
    Server { name: "mysql80", address: "10.244.0.2" },
    Server { name: "mysql97", address: "10.244.0.4" },
    Server { name: "mariadb", address: "10.244.0.5" },
];

/// The lab's broker.
pub const BROKER: &str = "10.244.0.21:9092";
/// The lab's ensemble.
pub const ZOOKEEPER: &str = "10.244.0.11:2181,10.244.0.12:2181,10.244.0.13:2181";

/// A session of the administrator.
pub async fn admin(server: Server) -> anyhow::Result<Conn> {
    let options = OptsBuilder::default()
        .ip_or_hostname(server.address)
        .tcp_port(3306)
        .user(Some("root"))
        .prefer_socket(false);
    Ok(Conn::new(options).await?)
}

/// A name that no run before has used.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", &uuid::Uuid::new_v4().simple().to_string()[..10])
}
