//! One attempt to reach a process and hear its incarnation, or what it reaches itself.

use std::io::ErrorKind;
use std::time::Duration;

use maxwell_protocol::id::Incarnation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::coordination::network::{Network, Stream};

/// A process that does not answer within this time is silent.
const PATIENCE: Duration = Duration::from_secs(1);
/// An incarnation as text, and the end of the line.
const LINE: usize = 33;

/// Asked behind that line: whether the process reaches MySQL and Kafka. And what it says to it.
pub(super) const QUESTION: u8 = b'?';
pub(super) const YES: u8 = b'+';
pub(super) const NO: u8 = b'-';
/// A process that is asked may be waiting for earlier answers yet, each of which takes a second at the most.
const THOUGHT: Duration = Duration::from_millis(2_500);

/// What an attempt showed.
pub(in crate::coordination) enum Answer {
    /// Nobody listens there.
    Refused,
    /// This incarnation answered; the connection can be held.
    From(Incarnation, Box<dyn Stream>),
    /// The connection was accepted and ended before an answer, as by a process that is just ending.
    Ended,
    /// Nothing that would show anything: no answer in time, no way to the host, or not one of ours.
    Silent,
}

/// Asks who is at `address`.
pub(in crate::coordination) async fn ask(network: &dyn Network, address: &str) -> Answer {
    tokio::time::timeout(PATIENCE, attempt(network, address)).await.unwrap_or(Answer::Silent)
}

/// Whether `incarnation`, which listens at `address`, reaches MySQL and Kafka, both of which it then asks anew. `None` if
/// it does not say: out of reach, ended, or of a version that does not know the question.
pub(in crate::coordination) async fn reaches(
    network: &dyn Network,
    address: &str,
    incarnation: Incarnation,
) -> Option<bool> {
    let asked = async {
        let Answer::From(found, mut stream) = attempt(network, address).await else { return None };
        if found != incarnation {
            return None;
        }
        stream.write_all(&[QUESTION]).await.ok()?;
        let mut said = [0];
        stream.read_exact(&mut said).await.ok()?;
        match said {
            [YES] => Some(true),
            [NO] => Some(false),
            _ => None,
        }
    };
    tokio::time::timeout(THOUGHT, asked).await.ok().flatten()
}

async fn attempt(network: &dyn Network, address: &str) -> Answer {
    let mut stream = match network.connect(address).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Answer::Refused,
        Err(error) => {
            tracing::debug!(address, %error, "probe without an answer");
            return Answer::Silent;
        }
    };
    let mut line = [0; LINE];
    match stream.read_exact(&mut line).await {
        Ok(_) => parse(&line).map_or(Answer::Silent, |incarnation| Answer::From(incarnation, stream)),
        Err(error) if ended(&error) => Answer::Ended,
        Err(_) => Answer::Silent,
    }
}

fn parse(line: &[u8]) -> Option<Incarnation> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    uuid::Uuid::try_parse(text).ok().map(Incarnation)
}

/// Whether the other side's kernel ended the connection, which it does when the process ends. A time-out is not that.
pub(super) fn ended(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_incarnation() {
        let incarnation = Incarnation::random();
        let line = format!("{incarnation}\n");
        assert_eq!(line.len(), LINE);
        assert_eq!(parse(line.as_bytes()), Some(incarnation));
        assert_eq!(parse(b"HTTP/1.1 400 Bad Request\r\n......."), None);
    }
}
