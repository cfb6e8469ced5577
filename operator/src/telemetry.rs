//! Logs: one JSON object a line on standard error.

use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Why logging cannot start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error(
        "--log-level {level:?} is not error, warn, info, debug or trace, nor a filter such as info,kube=debug"
    )]
    Level {
        /// What was given.
        level: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Starts logging at `level`: one level for the operator, with only warnings of the libraries, or a whole filter.
/// Panics are logged too.
pub fn init(level: &str) -> Result<(), TelemetryError> {
    let filter = filter(level)?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(panic = %panic, "a thread panicked");
    }));
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let own = level.parse::<tracing::level_filters::LevelFilter>();
    let directives = match own {
        Ok(own) => format!("warn,maxwell_operator={own},maxwell_protocol={own}"),
        Err(_) => level.to_owned(),
    };
    EnvFilter::try_new(directives).map_err(|source| TelemetryError::Level { level: level.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_the_operator_and_a_filter_for_all() {
        assert!(filter("debug").unwrap().to_string().contains("maxwell_operator=debug"));
        assert_eq!(filter("info,kube=debug").unwrap().to_string(), "kube=debug,info");
        let refused = filter("kube=loud").unwrap_err();
        assert!(refused.to_string().contains("--log-level \"kube=loud\""), "{refused}");
    }
}
