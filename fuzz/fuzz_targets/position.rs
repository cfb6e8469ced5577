//! Any text as a GTID set and as a position record; what is printed of a set reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::{PositionKey, PositionMirror, PositionRecord};
use maxwell_worker::options::{Place, read};

fuzz_target!(|text: &str| {
    let _key: Result<PositionKey, _> = serde_json::from_str(text);
    let _record: Result<PositionRecord, _> = serde_json::from_str(text);
    let _mirror: Result<PositionMirror, _> = serde_json::from_str(text);
    let place = Place { hostname: "host", terminal: false };
    let _asked = read(&[format!("--init_position={text}")], &Default::default(), &place);
    let Ok(set) = text.parse::<GtidSet>() else { return };
    assert_eq!(set.to_string().parse::<GtidSet>().as_ref(), Ok(&set), "{text:?} is printed as {set}");
    assert!(set.contains(&set), "{set} does not contain itself");
});
