//! Connections between members. The kernel of a process that dies resets them and refuses new ones; a frozen process
//! is silent, and so is a cut link.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

use super::process::{Condition, Process};
use super::world::{Peer, lock};
use crate::coordination::network::{Listening, Network, Stream};

/// Every member listens here.
pub(super) const PORT: u16 = 9091;
/// A connection over which nothing gets for this long is given up.
const KEEPALIVE: Duration = Duration::from_secs(11);

type Waiting = mpsc::UnboundedSender<Wire>;

/// Who listens where.
#[derive(Default)]
pub(super) struct Switchboard {
    listening: Mutex<BTreeMap<String, (Arc<Process>, Waiting)>>,
}

/// A member's name, which is its address too.
pub(super) fn name(member: usize) -> String {
    format!("member-{member}")
}

/// The network as one process reaches it.
pub(super) struct Cable {
    pub(super) process: Arc<Process>,
    pub(super) switchboard: Arc<Switchboard>,
}

#[async_trait]
impl Network for Cable {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let (me, world) = (&self.process, &self.process.world);
        me.runs().await;
        let found = lock(&self.switchboard.listening).get(address).cloned();
        let Some((peer, waiting)) = found else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        world.joined(me.member, Peer::Member(peer.member)).await;
        world.travel().await;
        me.runs().await;
        // Another process may have begun to listen meanwhile; that one is met the next time.
        if peer.is(Condition::Dead) || waiting.is_closed() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (mine, theirs) = duplex(256);
        if waiting.send(Wire::new(theirs, &peer, me)).is_err() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(Box::new(Wire::new(mine, me, &peer)))
    }

    async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listening>> {
        let (waiting, accepted) = mpsc::unbounded_channel();
        let address = format!("{}:{PORT}", name(self.process.member));
        lock(&self.switchboard.listening).insert(address, (Arc::clone(&self.process), waiting));
        let accepted = tokio::sync::Mutex::new(accepted);
        Ok(Box::new(Door { process: Arc::clone(&self.process), accepted }))
    }
}

struct Door {
    process: Arc<Process>,
    accepted: tokio::sync::Mutex<mpsc::UnboundedReceiver<Wire>>,
}

#[async_trait]
impl Listening for Door {
    fn port(&self) -> io::Result<u16> {
        Ok(PORT)
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let accepted = self.accepted.lock().await.recv().await;
        // Only a process that follows a dead one at the address ends the line of those who wait.
        let Some(wire) = accepted else { return std::future::pending().await };
        self.process.runs().await;
        Ok((Box::new(wire), ([127, 0, 0, 1], PORT).into()))
    }
}

/// One end of a connection.
struct Wire {
    stream: DuplexStream,
    /// How it ends when nobody closes it.
    end: Pin<Box<dyn Future<Output = io::ErrorKind> + Send>>,
}

impl Wire {
    fn new(stream: DuplexStream, me: &Arc<Process>, peer: &Arc<Process>) -> Self {
        let (me, peer) = (Arc::clone(me), Arc::clone(peer));
        let end = async move {
            let link = Peer::Member(peer.member);
            let reset = async {
                peer.died().await;
                me.world.joined(me.member, link).await;
                me.world.travel().await;
            };
            tokio::select! {
                biased;
                () = reset => io::ErrorKind::ConnectionReset,
                () = me.world.apart_for(me.member, link, KEEPALIVE) => io::ErrorKind::TimedOut,
            }
        };
        Self { stream, end: Box::pin(end) }
    }
}

impl Stream for Wire {}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, into) {
            return Poll::Ready(read);
        }
        this.end.as_mut().poll(context).map(|kind| Err(kind.into()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
