//! Any bytes as MySQL's binary JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maxwell_worker::encode::jsonb::json;

fuzz_target!(|bytes: &[u8]| {
    let mut out = Vec::new();
    if json(&mut out, bytes).is_some() {
        assert!(std::str::from_utf8(&out).is_ok(), "not UTF-8");
    }
});
