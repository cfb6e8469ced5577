//! The names under which Maxwell's daemon tells what is counted here too.

use prometheus_client::encoding::text::encode as encode_all;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// `rows` sent and `lag` in milliseconds as the original exposes them: its counters are gauges, its meters counters.
pub(super) fn encode(prefix: &str, rows: u64, lag: u64) -> String {
    let mut registry = Registry::with_prefix(prefix);
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for (name, help, value) in [
        ("messages_succeeded", "Rows committed to the sink", signed(rows)),
        ("messages_failed", "Rows dropped; none ever are", 0),
        ("row_count", "Rows committed to the sink", signed(rows)),
        ("replication_lag", "Milliseconds behind the source", signed(lag)),
    ] {
        registry.register(name, help, ConstGauge::new(value));
    }
    for (name, help, value) in [
        ("messages_succeeded_meter", "Rows committed to the sink", rows),
        ("messages_failed_meter", "Rows dropped; none ever are", 0),
        ("row_meter", "Rows committed to the sink", rows),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let mut text = String::new();
    encode_all(&mut text, &registry).expect("a String takes every character");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_gauges_and_meters_count() {
        let text = encode("Mine", 7, 1500);
        for line in [
            "# TYPE Mine_messages_succeeded gauge",
            "Mine_messages_succeeded 7",
            "Mine_row_meter_total 7",
            "Mine_replication_lag 1500",
            "Mine_messages_failed 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
