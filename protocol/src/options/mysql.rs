//! Options about the source.

use super::table::{Entry, flag, list, number, option, put};
use super::{Draft, boolean};
use crate::settings::{GtidUse, MySqlHost, OnPositionLost, Secret, Start, StartFrom, TlsMode};

pub(super) const OPTIONS: &[Entry] = &[
    option("host", "HOST", "MySQL server (localhost)", |d, v| put(&mut d.settings.mysql.host, v)),
    option("port", "PORT", "its port (3306)", |d, v| number(&mut d.settings.mysql.port, v)),
    option("user", "USER", "user name", |d, v| put(&mut d.settings.mysql.user, v)),
    option(
        "password",
        "PASSWORD",
        "password; better in MAXWELL_PASSWORD, which the process list does not show",
        |d, v| {
            d.settings.mysql.password = Secret(v.into());
            Ok(())
        },
    ),
    option("credentials_directory", "DIRECTORY", "holds the files username and password instead", |d, v| {
        d.settings.mysql.credentials_directory = Some(v.into());
        Ok(())
    }),
    option("replication_host", "HOST", "server to read, if host only holds the maxwell database", |d, v| {
        d.replication.host = Some(v.into());
        Ok(())
    }),
    option("replication_port", "PORT", "its port (3306)", |d, v| {
        number(d.replication.port.get_or_insert(0), v)
    }),
    option("replication_user", "USER", "user name there (user)", |d, v| {
        d.replication.user = Some(v.into());
        Ok(())
    }),
    option("replication_password", "PASSWORD", "password there (password)", |d, v| {
        d.replication.password = Some(Secret(v.into()));
        Ok(())
    }),
    option("failover_hosts", "HOST:PORT,…", "servers to read when that one cannot be, by GTID", |d, v| {
        d.settings.mysql.failover_hosts =
            list(v).iter().map(|host| address(host)).collect::<Result<_, _>>()?;
        Ok(())
    }),
    option(
        "ssl",
        "MODE",
        "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY (DISABLED)",
        |d, v| {
            d.settings.mysql.tls.mode = tls(v)?;
            Ok(())
        },
    ),
    option("replication_ssl", "MODE", "the same, wins over ssl", |d, v| {
        d.replication.tls = Some(tls(v)?);
        Ok(())
    }),
    option(
        "ssl_ca",
        "FILE",
        "certificates that the server's is signed by (the public authorities')",
        |d, v| {
            d.settings.mysql.tls.ca_file = Some(v.into());
            Ok(())
        },
    ),
    option("ssl_cert", "FILE", "this client's certificate", |d, v| {
        d.settings.mysql.tls.certificate_file = Some(v.into());
        Ok(())
    }),
    option("ssl_key", "FILE", "its key", |d, v| {
        d.settings.mysql.tls.key_file = Some(v.into());
        Ok(())
    }),
    option("jdbc_options", "NAME=VALUE&…", "sslMode and its like are read, others not", jdbc),
    option("replication_jdbc_options", "NAME=VALUE&…", "the same", jdbc),
    option("replica_server_id", "ID", "server id of the binlog dump (derived)", |d, v| {
        number(&mut d.settings.mysql.server_id_base, v)
    }),
    option("gtid_mode", "", "require GTIDs", |d, v| {
        d.settings.mysql.gtid = if boolean(v)? { GtidUse::On } else { GtidUse::Auto };
        Ok(())
    }),
    option("heartbeat_seconds", "SECONDS", "between the heartbeats asked of the server (5)", |d, v| {
        number(&mut d.settings.mysql.heartbeat_seconds, v)
    }),
    option(
        "init_position",
        "FILE:OFFSET",
        "where to begin while no position is stored (start)",
        init_position,
    ),
    option(
        "start",
        "WHERE",
        "or there: latest, earliest or maxwell (maxwell's position, else latest)",
        start,
    ),
    option("start_gtid", "SET", "or behind a GTID set", |d, v| {
        begin(d, Start { from: StartFrom::Gtid, set: Some(v.into()), ..Start::default() })
    }),
    option("start_time", "TIME", "or at a time, as 2026-09-01T10:00:00Z", |d, v| {
        begin(d, Start { from: StartFrom::Timestamp, time: Some(v.into()), ..Start::default() })
    }),
    option(
        "client_id",
        "NAME",
        "whose position and requests are ours; also the cluster's name (maxwell)",
        |d, v| {
            d.settings.bootstrap.client_id = v.into();
            d.client_id = Some(v.into());
            Ok(())
        },
    ),
    option(
        "schema_database",
        "DATABASE",
        "the original's: its position and requests to copy tables (maxwell)",
        |d, v| {
            d.settings.bootstrap.schema_database = v.into();
            d.settings.mysql.start.database = Some(v.into());
            Ok(())
        },
    ),
    option("on_position_lost", "WHAT", "when the server has purged it: halt or latest (halt)", |d, v| {
        d.settings.mysql.on_position_lost = match v.to_lowercase().as_str() {
            "halt" => OnPositionLost::Halt,
            "bootstrap" => OnPositionLost::Bootstrap,
            "latest" => OnPositionLost::Latest,
            _ => return Err("is neither halt nor latest".into()),
        };
        Ok(())
    }),
    option("binlog_heartbeat", "", "heartbeats are always asked for", |_, v| flag(&mut false, v)),
    option("filter", "RULES", "Maxwell's filter language (everything)", |d, v| {
        put(&mut d.settings.filter, v)
    }),
];

/// Chooses where to begin; which state of the original is meant was or will be said elsewhere.
fn begin(draft: &mut Draft, start: Start) -> Result<(), String> {
    draft.start_chosen = true;
    let database = draft.settings.mysql.start.database.take();
    draft.settings.mysql.start = Start { database, ..start };
    Ok(())
}

fn start(draft: &mut Draft, value: &str) -> Result<(), String> {
    let from = match value.to_lowercase().as_str() {
        "latest" => StartFrom::Latest,
        "earliest" => StartFrom::Earliest,
        "maxwell" => StartFrom::Maxwell,
        _ => return Err("is none of latest, earliest, maxwell".into()),
    };
    begin(draft, Start { from, ..Start::default() })
}

/// `FILE:OFFSET[:HEARTBEAT]`, as the original writes it.
fn init_position(draft: &mut Draft, value: &str) -> Result<(), String> {
    let mut parts = value.split(':');
    let (file, offset) = (parts.next().unwrap_or(""), parts.next().and_then(|offset| offset.parse().ok()));
    if file.is_empty() || offset.is_none() {
        return Err("is not FILE:OFFSET".into());
    }
    begin(draft, Start { from: StartFrom::Position, file: Some(file.into()), offset, ..Start::default() })
}

fn address(text: &str) -> Result<MySqlHost, String> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without a port has colons of its own.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().map_err(|_| format!("has no port in '{text}'; write HOST:PORT"))?)
        }
        _ => (text, 3306),
    };
    Ok(MySqlHost { host: host.trim_matches(['[', ']']).into(), port })
}

fn tls(value: &str) -> Result<TlsMode, String> {
    Ok(match value.to_uppercase().as_str() {
        "DISABLED" => TlsMode::Disabled,
        "PREFERRED" => TlsMode::Preferred,
        "REQUIRED" => TlsMode::Required,
        "VERIFY_CA" => TlsMode::VerifyCa,
        "VERIFY_IDENTITY" => TlsMode::VerifyIdentity,
        _ => return Err("is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY".into()),
    })
}

/// Of the options of the original's driver, encryption matters here; the others are named.
fn jdbc(draft: &mut Draft, value: &str) -> Result<(), String> {
    let mut idle = Vec::new();
    for pair in value.split(['&', '?']).map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
        let mode = &mut draft.settings.mysql.tls.mode;
        match name {
            "sslMode" => *mode = tls(value)?,
            "useSSL" | "requireSSL" if boolean(value)? => *mode = (*mode).max(TlsMode::Required),
            "verifyServerCertificate" if boolean(value)? => *mode = TlsMode::VerifyCa,
            "useSSL" | "requireSSL" | "verifyServerCertificate" => {}
            "trustCertificateKeyStoreUrl" | "clientCertificateKeyStoreUrl" => {
                return Err(format!(
                    "names a Java key store ({name}); use ssl_ca, ssl_cert and ssl_key (PEM)"
                ));
            }
            _ => idle.push(name),
        }
    }
    if !idle.is_empty() {
        let words = format!("{} concern a driver that is not used", idle.join(", "));
        draft.notice("jdbc_options", &words);
    }
    Ok(())
}
