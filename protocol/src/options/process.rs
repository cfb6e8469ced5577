//! Options about this process alone.

use super::Draft;
use super::table::{Entry, flag, number, option};
use crate::settings::{LogFormat, LogLevel};

pub(super) const OPTIONS: &[Entry] = &[
    option("http_port", "PORT", "port of /livez, /readyz and /metrics (9090)", |d, v| {
        number(&mut d.settings.port, v)
    }),
    option("http_bind_address", "ADDRESS", "address of that port (all)", |d, v| {
        d.process.http.bind_address = Some(v.parse().map_err(|_| "is not an IP address".to_owned())?);
        Ok(())
    }),
    option("http_path_prefix", "PATH", "what every path there begins with (/)", |d, v| {
        d.process.http.path_prefix = format!("/{}", v.trim_matches('/'));
        Ok(())
    }),
    option("http_diagnostic", "", "serve /diagnostic", |d, v| flag(&mut d.process.http.diagnostic, v)),
    option("http_config", "", "let the filter be changed through /config", |d, v| {
        flag(&mut d.process.http.config, v)
    }),
    option("metrics_prefix", "PREFIX", "of the original's metric names (MaxwellMetrics)", metrics_prefix),
    option("output_file", "FILE", "where producer=file writes", |d, v| {
        d.process.output_file = Some(v.into());
        Ok(())
    }),
    option("state_file", "FILE", "the position, without Kafka (./maxwell.position)", |d, v| {
        d.process.state_file = v.into();
        Ok(())
    }),
    option("log_level", "LEVEL", "error, warn, info, debug or trace (info)", log_level),
    option("log_format", "FORM", "json, or text (json; text on a terminal)", |d, v| {
        d.settings.logging.format = match v {
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            _ => return Err("is neither json nor text".into()),
        };
        Ok(())
    }),
];

fn metrics_prefix(draft: &mut Draft, value: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let prefix: String = value.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if prefix.is_empty() || prefix.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("is not the beginning of a metric's name".into());
    }
    draft.process.http.metrics_prefix = prefix;
    Ok(())
}

fn log_level(draft: &mut Draft, value: &str) -> Result<(), String> {
    draft.settings.logging.level = match value.to_lowercase().as_str() {
        "error" => LogLevel::Error,
        "warn" | "warning" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => return Err("is none of error, warn, info, debug, trace".into()),
    };
    Ok(())
}
