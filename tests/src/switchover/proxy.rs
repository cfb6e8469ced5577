//! A way to a server that can be cut: bytes stop, connections stay, as in a network that drops packets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A local port that leads to one server.
pub(super) struct Proxy {
    pub(super) port: u16,
    cut: watch::Sender<bool>,
}

impl Proxy {
    pub(super) async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let cut = watch::Sender::new(false);
        let seen = cut.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target, seen.clone()));
            }
        });
        Ok(Self { port, cut })
    }

    /// Cuts or heals it.
    pub(super) fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

/// An error on either side ends both: there is nothing else to do about it.
async fn relay(client: TcpStream, target: SocketAddr, mut cut: watch::Receiver<bool>) -> std::io::Result<()> {
    if cut.wait_for(|cut| !cut).await.is_err() {
        return Ok(());
    }
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let other = cut.clone();
    tokio::select! {
        ended = pass(&mut from_client, &mut to_server, cut) => ended,
        ended = pass(&mut from_server, &mut to_client, other) => ended,
    }
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut cut: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16_384];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 || cut.wait_for(|cut| !cut).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}
