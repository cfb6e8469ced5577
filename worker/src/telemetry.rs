//! Logs: to standard error, so that standard output carries data only.

use maxwell_protocol::settings::{LogFormat, LogLevel, Logging};
use tracing_subscriber::EnvFilter;

/// Starts logging. Panics are logged too.
pub fn init(logging: &Logging) {
    let level = match logging.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::new(format!("warn,maxwell={level},maxwell_worker={level}"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match logging.format {
        // The spans carry `cluster` and `member`, and around a shard `shard` and `epoch`.
        LogFormat::Json => {
            subscriber.json().flatten_event(true).with_current_span(false).with_span_list(true).init();
        }
        LogFormat::Text => subscriber.init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(panic = %panic, "a thread panicked");
    }));
}
