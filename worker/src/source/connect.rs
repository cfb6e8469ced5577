//! Opens sessions. Credentials are read anew each time, so that a rotation needs no restart.

use std::path::Path;
use std::time::Duration;

use maxwell_protocol::settings::MySql;
use mysql_async::{Conn, OptsBuilder};

use super::SourceError;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The protocol's own limit.
const LARGEST_PACKET: usize = 1 << 30;

/// User and password in force now.
fn credentials(settings: &MySql) -> Result<(String, String), SourceError> {
    let Some(directory) = &settings.credentials_directory else {
        return Ok((settings.user.clone(), settings.password.0.clone()));
    };
    let read = |name: &str| {
        let path = Path::new(directory).join(name);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|source| SourceError::Credentials { path: path.display().to_string(), source })
    };
    Ok((read("username")?, read("password")?))
}

/// Opens a session.
pub async fn connect(settings: &MySql) -> Result<Conn, SourceError> {
    let (user, password) = credentials(settings)?;
    let address = format!("{}:{}", settings.host, settings.port);
    let options = OptsBuilder::default()
        .ip_or_hostname(settings.host.clone())
        .tcp_port(settings.port)
        .user(Some(user.clone()))
        .pass(Some(password))
        .prefer_socket(false)
        // Binlog events may be larger than the server lets statements be.
        .max_allowed_packet(Some(LARGEST_PACKET))
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .tcp_nodelay(true);
    let timed_out = || mysql_async::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
    let opened =
        tokio::time::timeout(CONNECT_TIMEOUT, Conn::new(options)).await.unwrap_or_else(|_| Err(timed_out()));
    opened.map_err(|source| match &source {
        mysql_async::Error::Server(error) if matches!(error.code, 1044 | 1045 | 1698 | 1130) => {
            SourceError::Denied { address, user, message: error.message.clone() }
        }
        _ => SourceError::Connect { address, source: Box::new(source) },
    })
}
