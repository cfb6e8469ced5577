//! Opens sessions. Credentials and certificates are read anew each time, so that a rotation needs no restart.

use std::time::Duration;

use maxwell_protocol::settings::{MySql, MySqlTls, TlsMode};
use mysql_async::{ClientIdentity, Conn, OptsBuilder, SslOpts};

use super::SourceError;
use crate::credentials::{Unreadable, read};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The protocol's own limit.
const LARGEST_PACKET: usize = 1 << 30;

/// User and password in force now.
fn credentials(settings: &MySql) -> Result<(String, String), SourceError> {
    let Some(directory) = &settings.credentials_directory else {
        return Ok((settings.user.clone(), settings.password.0.clone()));
    };
    read(directory).map_err(|Unreadable { path, source }| SourceError::Credentials { path, source })
}

/// What is encrypted and checked; `None` for a connection in clear.
fn encryption(tls: &MySqlTls) -> Option<SslOpts> {
    let path = |file: &String| std::path::PathBuf::from(file).into();
    let checked = matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
    let identity = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => Some(ClientIdentity::new(path(certificate), path(key))),
        _ => None,
    };
    let options = SslOpts::default()
        .with_client_identity(identity)
        .with_danger_accept_invalid_certs(!checked)
        .with_danger_skip_domain_validation(tls.mode != TlsMode::VerifyIdentity);
    let options = match &tls.ca_file {
        Some(file) => options.with_root_certs(vec![path(file)]).with_disable_built_in_roots(true),
        None => options,
    };
    (tls.mode != TlsMode::Disabled).then_some(options)
}

/// Opens a session.
pub async fn connect(settings: &MySql) -> Result<Conn, SourceError> {
    let ssl = encryption(&settings.tls);
    match open(settings, ssl).await {
        // Not offered, or in no form that both know.
        Err(SourceError::Connect { .. }) if settings.tls.mode == TlsMode::Preferred => {
            open(settings, None).await
        }
        opened => opened,
    }
}

async fn open(settings: &MySql, ssl: Option<SslOpts>) -> Result<Conn, SourceError> {
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
        .ssl_opts(ssl)
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
