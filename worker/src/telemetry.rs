//! Logs: to standard error, so that standard output carries data only.

use maxwell_protocol::settings::{LogFormat, LogLevel, Logging};
use tracing_subscriber::EnvFilter;

/// Changes the level.
pub type SetLevel = Box<dyn Fn(LogLevel) + Send + Sync>;

/// Starts logging; how its level is changed. Panics are logged too.
pub fn init(logging: &Logging) -> SetLevel {
    let first = filter(logging.level);
    let subscriber = tracing_subscriber::fmt().with_env_filter(first).with_writer(std::io::stderr);
    let set_level: SetLevel = match logging.format {
        // The spans carry `cluster` and `member`, and around a shard `shard` and `epoch`.
        LogFormat::Json => {
            let json = subscriber.json().flatten_event(true).with_current_span(false).with_span_list(true);
            let subscriber = json.with_filter_reloading();
            let handle = subscriber.reload_handle();
            subscriber.init();
            Box::new(move |level| report(handle.reload(filter(level))))
        }
        LogFormat::Text => {
            let subscriber = subscriber.with_filter_reloading();
            let handle = subscriber.reload_handle();
            subscriber.init();
            Box::new(move |level| report(handle.reload(filter(level))))
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(panic = %panic, "a thread panicked");
    }));
    set_level
}

fn report(changed: Result<(), tracing_subscriber::reload::Error>) {
    if let Err(error) = changed {
        tracing::error!(%error, "the log level could not be changed");
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    EnvFilter::new(format!("warn,maxwell={level},maxwell_worker={level}"))
}
