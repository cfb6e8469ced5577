//! The settings of this process that change without a restart.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use maxwell_protocol::live::Tuning;
use maxwell_protocol::settings::{LogLevel, Settings};
use tokio::sync::watch;

use crate::filter::TableFilter;

/// What runs look at while they stream.
#[derive(Debug)]
pub struct Knobs {
    version: AtomicU64,
    rows_per_second: AtomicU32,
    commit_interval_milliseconds: AtomicU32,
}

impl Knobs {
    /// The version of the settings that holds.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Rows of copies a second over all tables; 0 is no limit.
    pub fn rows_per_second(&self) -> u32 {
        self.rows_per_second.load(Ordering::Relaxed)
    }

    /// After this long a Kafka transaction closes.
    pub fn commit_interval_milliseconds(&self) -> u32 {
        self.commit_interval_milliseconds.load(Ordering::Relaxed)
    }
}

/// Takes changes on.
pub struct Tunables {
    /// What the process was started with.
    own: Settings,
    now: Mutex<Tuning>,
    filter: watch::Sender<TableFilter>,
    set_level: Box<dyn Fn(LogLevel) + Send + Sync>,
    knobs: Arc<Knobs>,
}

impl Tunables {
    /// As `settings` say; `filter` has the filter of these, `set_level` changes the least level that is logged.
    pub fn new(
        settings: &Settings,
        filter: watch::Sender<TableFilter>,
        set_level: impl Fn(LogLevel) + Send + Sync + 'static,
    ) -> Self {
        let now = Tuning::of(settings);
        let knobs = Knobs {
            version: AtomicU64::new(0),
            rows_per_second: AtomicU32::new(now.max_rows_per_second.unwrap_or_default()),
            commit_interval_milliseconds: AtomicU32::new(
                now.commit_interval_milliseconds.unwrap_or_default(),
            ),
        };
        Self {
            own: settings.clone(),
            now: Mutex::new(now),
            filter,
            set_level: Box::new(set_level),
            knobs: Arc::new(knobs),
        }
    }

    /// The filter, which runs follow at the end of the transaction that they are in.
    pub fn filters(&self) -> watch::Receiver<TableFilter> {
        self.filter.subscribe()
    }

    /// The rest of what runs look at.
    pub fn knobs(&self) -> Arc<Knobs> {
        Arc::clone(&self.knobs)
    }

    /// What holds.
    pub fn now(&self) -> Tuning {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes `wanted` on, which leaves out what is to be as at the start; or nothing of it, and says what is wrong.
    pub fn take_on(&self, version: u64, wanted: &Tuning) -> Result<(), String> {
        let mut settings = self.own.clone();
        wanted.put_into(&mut settings);
        let problems: Vec<String> = settings.validate().iter().map(ToString::to_string).collect();
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let filter = self.filter.borrow().replaced_by(&settings.filter).map_err(|error| error.to_string())?;
        let new = Tuning::of(&settings);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        // What was set otherwise, such as the filter through HTTP, stays while nothing else is asked for.
        if new.filter != now.filter {
            self.filter.send_replace(filter);
        }
        if new.log_level != now.log_level {
            (self.set_level)(settings.logging.level);
        }
        if new != *now {
            tracing::info!(version, settings = %serde_json::Value::Object(new.fields()), "settings have changed");
        }
        self.knobs.rows_per_second.store(settings.bootstrap.max_rows_per_second, Ordering::Relaxed);
        let interval = new.commit_interval_milliseconds.unwrap_or_default();
        self.knobs.commit_interval_milliseconds.store(interval, Ordering::Relaxed);
        self.knobs.version.store(version, Ordering::Relaxed);
        *now = new;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn all_of_a_change_is_taken_on_or_nothing() {
        let text = r#"{"mysql":{"host":"db"},"producer":"Stdout","filter":"exclude: a.*"}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        let (filter, seen) = watch::channel(TableFilter::read(&settings.filter, "maxwell").unwrap());
        let debug = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&debug);
        let set_level = move |level| told.store(level == LogLevel::Debug, Ordering::Relaxed);
        let tunables = Tunables::new(&settings, filter, set_level);
        let wanted = Tuning {
            filter: Some("exclude: b.*".into()),
            log_level: Some(LogLevel::Debug),
            max_rows_per_second: Some(7),
            ..Tuning::default()
        };
        let wrong = Tuning { filter: Some("include: a./(/".into()), ..wanted.clone() };
        assert!(tunables.take_on(1, &wrong).unwrap_err().contains("is not a regular expression"));
        assert!(!debug.load(Ordering::Relaxed) && tunables.knobs().rows_per_second() == 0);
        tunables.take_on(2, &wanted).unwrap();
        assert!(debug.load(Ordering::Relaxed) && !seen.borrow().passes("b", "t"));
        assert_eq!((tunables.knobs().rows_per_second(), tunables.knobs().version()), (7, 2));
        assert_eq!(tunables.now().filter, wanted.filter);
        tunables.take_on(3, &Tuning::default()).unwrap();
        assert!(!debug.load(Ordering::Relaxed) && !seen.borrow().passes("a", "t"));
        assert_eq!(tunables.now(), Tuning::of(&settings));
    }
}
