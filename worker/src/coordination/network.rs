//! The network between members, as far as they notice each other's end by it.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A way to other processes.
#[async_trait]
pub(crate) trait Network: Send + Sync + 'static {
    /// Connects to `host:port`.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>>;

    /// Listens on an address; port 0 takes a free one.
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listening>>;
}

/// A connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

/// A listening socket.
#[async_trait]
pub(crate) trait Listening: Send + Sync {
    /// The port.
    fn port(&self) -> io::Result<u16>;

    /// The next connection, and who made it.
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)>;
}

/// The host's own.
pub(super) struct Tcp;

#[async_trait]
impl Network for Tcp {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        tune(&stream);
        Ok(Box::new(stream))
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listening>> {
        Ok(Box::new(TcpListener::bind(address).await?))
    }
}

impl Stream for TcpStream {}

#[async_trait]
impl Listening for TcpListener {
    fn port(&self) -> io::Result<u16> {
        Ok(self.local_addr()?.port())
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        tune(&stream);
        Ok((Box::new(stream), peer))
    }
}

/// Small packets at once; an end that never arrived is found by keepalive.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(std::time::Duration::from_secs(5))
        .with_interval(std::time::Duration::from_secs(2));
    let tuned = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!(%error, "cannot tune a probe connection");
    }
}
