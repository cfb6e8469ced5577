//! Which module of the worker may use which: vocabulary and pure modules below, adapters with one client library each
//! above them, then the engine, then the wiring. The tables are the rule; the code is compared with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module and the modules that it uses, lowest layer first. An entry that no code needs any more fails too.
const USES: &[(&str, &[&str])] = &[
    // Pure: no client, no clock, no task.
    ("schema", &[]),
    ("filter", &[]),
    ("binlog", &["schema"]),
    ("shard", &[]),
    ("encode", &["binlog", "filter", "schema", "shard"]),
    ("bootstrap", &["binlog", "encode", "schema"]),
    ("options", &[]),
    // Where the simulation makes the code go wrong.
    ("mistake", &[]),
    // Adapters, and the clock and files that they read. A sink proves the ownership of its shard through the traits in `coordination`.
    ("clock", &[]),
    ("credentials", &[]),
    ("coordination", &["clock", "credentials", "mistake"]),
    ("source", &["binlog", "bootstrap", "clock", "credentials", "schema"]),
    ("sink", &["clock", "coordination", "credentials", "encode", "mistake"]),
    ("telemetry", &[]),
    ("failpoint", &[]),
    // The engine, and what counts its progress through `engine::status::Observer`.
    (
        "engine",
        &[
            "binlog",
            "bootstrap",
            "clock",
            "coordination",
            "encode",
            "filter",
            "mistake",
            "schema",
            "shard",
            "sink",
            "source",
        ],
    ),
    ("simulation", &["clock", "coordination", "engine", "mistake", "sink", "source"]),
    ("metrics", &["clock", "engine"]),
    ("http", &["failpoint", "filter", "metrics"]),
    // Wiring.
    ("vitals", &["coordination", "metrics", "sink", "source"]),
    ("app", &["coordination", "engine", "filter", "http", "metrics", "options", "sink", "vitals"]),
];

/// A library and the modules that may name it.
const CLIENTS: &[(&str, &[&str])] = &[
    ("axum", &["failpoint", "http"]),
    ("kube", &[]),
    ("k8s_openapi", &[]),
    // The engine hands a session that `source` opened from one of its functions to the next.
    ("mysql_async", &["engine", "source"]),
    ("mysql_common", &["binlog", "bootstrap", "encode", "engine", "schema", "source"]),
    ("prometheus_client", &["metrics"]),
    ("rdkafka", &["sink"]),
    ("sqlparser", &["schema"]),
    ("zookeeper_client", &["coordination", "simulation"]),
];

#[test]
fn modules_use_what_the_table_says_and_nothing_else() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, file, code) in sources() {
        assert!(!code.contains("crate::{"), "{file}: name the module in each `use crate::…`");
        let used = found.entry(module.clone()).or_default();
        used.extend(names_after(&code, "crate::").filter(|name| *name != module));
    }
    let table: BTreeMap<String, BTreeSet<String>> = USES
        .iter()
        .map(|(module, uses)| ((*module).to_owned(), uses.iter().map(|used| (*used).to_owned()).collect()))
        .collect();
    assert_eq!(found, table, "left: the code; right: the table in this file");
}

#[test]
fn a_module_uses_only_modules_above_its_own_line_in_the_table() {
    for (at, (module, uses)) in USES.iter().enumerate() {
        for used in *uses {
            let place = USES.iter().position(|(name, _)| name == used);
            assert!(
                place.is_some_and(|place| place < at),
                "{used} must stand before {module}, which uses it"
            );
        }
    }
}

#[test]
fn client_libraries_stay_in_their_adapters() {
    for (module, file, code) in sources() {
        for (library, allowed) in CLIENTS {
            let named = code.contains(&format!("{library}::")) || code.contains(&format!("use {library};"));
            assert!(!named || allowed.contains(&module.as_str()), "{file} names {library}");
        }
    }
}

/// Module, file and code of everything but the crate's root and the binary's.
fn sources() -> Vec<(String, String, String)> {
    let this = std::env::var_os("CARGO_MANIFEST_DIR").expect("Cargo says where the crate is");
    let root = Path::new(&this).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut sources = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("found below it");
        let first = path.iter().next().expect("not empty").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        if module != "lib" && module != "main" {
            let text = std::fs::read_to_string(&file).expect("readable");
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            sources.push((module, path.display().to_string(), code.join("\n")));
        }
    }
    sources
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The identifiers that follow `prefix`.
fn names_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(prefix)
        .filter(move |(at, _)| !code[..*at].ends_with(identifier))
        .map(move |(at, _)| code[at + prefix.len()..].chars().take_while(|c| identifier(*c)).collect())
}
