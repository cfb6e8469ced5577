//! The side that is probed: says its incarnation, keeps the connection open, and says when asked what it reaches.

use std::net::SocketAddr;
use std::sync::Arc;

use maxwell_protocol::id::Incarnation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ask::{NO, QUESTION, YES};
use crate::coordination::config::{Health, ProbeConfig};
use crate::coordination::error::CoordinationError;
use crate::coordination::network::{Listening, Network, Stream};

/// More peers than this are turned away.
const CONNECTIONS: usize = 1024;

/// Listens for as long as the process lives: a socket that closes is what peers take for its death.
pub(in crate::coordination) struct Listener {
    address: String,
    incarnation: watch::Sender<Incarnation>,
    _tasks: JoinSet<()>,
}

impl Listener {
    /// Starts to listen.
    pub(in crate::coordination) async fn bind(
        network: &dyn Network,
        config: &ProbeConfig,
        health: Arc<dyn Health>,
    ) -> Result<Self, CoordinationError> {
        let failed = |source| CoordinationError::Listen { address: config.listen, source };
        let socket = network.listen(config.listen).await.map_err(failed)?;
        let port = socket.port().map_err(failed)?;
        let (incarnation, current) = watch::channel(Incarnation::random());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(socket, current, health));
        Ok(Self { address: advertised(&config.advertise, port), incarnation, _tasks: tasks })
    }

    /// Where peers reach it.
    pub(in crate::coordination) fn address(&self) -> &str {
        &self.address
    }

    /// Begins to answer as `incarnation`.
    pub(in crate::coordination) fn speak_for(&self, incarnation: Incarnation) {
        self.incarnation.send_replace(incarnation);
    }
}

/// `host:port`, with the brackets that an IPv6 address needs.
fn advertised(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

async fn accept(
    socket: Box<dyn Listening>,
    incarnation: watch::Receiver<Incarnation>,
    health: Arc<dyn Health>,
) {
    let mut peers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) if peers.len() < CONNECTIONS => {
                    peers.spawn(answer(stream, peer, *incarnation.borrow(), Arc::clone(&health)));
                }
                Ok((_, peer)) => tracing::warn!(%peer, "too many probe connections, turned away"),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a probe connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = peers.join_next() => {}
        }
    }
}

async fn answer(
    mut stream: Box<dyn Stream>,
    peer: SocketAddr,
    incarnation: Incarnation,
    health: Arc<dyn Health>,
) {
    let line = format!("{incarnation}\n");
    let mut heard = [0; 64];
    let held = async {
        stream.write_all(line.as_bytes()).await?;
        loop {
            match stream.read(&mut heard).await? {
                0 => return Ok::<(), std::io::Error>(()),
                read if heard[..read].contains(&QUESTION) => {
                    let said = if health.ask_anew().await { YES } else { NO };
                    stream.write_all(&[said]).await?;
                }
                _ => {}
            }
        }
    };
    if let Err(error) = held.await {
        tracing::debug!(%peer, %error, "probe connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_get_brackets() {
        assert_eq!(advertised("10.0.0.1", 9091), "10.0.0.1:9091");
        assert_eq!(advertised("fd00::1", 9091), "[fd00::1]:9091");
        assert_eq!(advertised("[fd00::1]", 9091), "[fd00::1]:9091");
    }
}
