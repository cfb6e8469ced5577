//! Any text as a filter; what is printed of one reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maxwell_protocol::filter::Filter;
use maxwell_worker::filter::TableFilter;

fuzz_target!(|text: &str| {
    let Ok(filter) = Filter::parse(text) else { return };
    assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(&filter), "{text:?} is printed as {filter}");
    if let Ok(filter) = TableFilter::read(&filter.to_string(), "maxwell") {
        let _passes = filter.passes("database", "table");
    }
});
