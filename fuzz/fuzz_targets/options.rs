//! Any text as a properties file, and what it says as a command line and as an environment.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use maxwell_protocol::options::properties;
use maxwell_worker::options::{Place, read};

/// Names of files would be opened.
const FILES: [&str; 2] = ["config", "settings"];

fuzz_target!(|text: &str| {
    let place = Place { hostname: "host", terminal: false };
    let entries = properties::parse(text);
    let plain = entries.iter().filter(|(name, _)| !FILES.contains(&name.as_str()));
    let arguments: Vec<String> = plain.map(|(name, value)| format!("--{name}={value}")).collect();
    let _asked = read(&arguments, &BTreeMap::new(), &place);
    let words: Vec<String> = text
        .split(' ')
        .filter(|word| !FILES.iter().any(|file| word.contains(file)))
        .map(str::to_owned)
        .collect();
    let _asked = read(&words, &BTreeMap::new(), &place);
    let environment = entries.into_iter().map(|(name, value)| (format!("MAXWELL_{name}"), value)).collect();
    let _asked = read(&[], &environment, &place);
});
