//! Options of copies of whole tables.

use super::table::{Entry, flag, list, number, option};

pub(super) const OPTIONS: &[Entry] = &[
    option("bootstrapper", "HOW", "async, sync (both copy beside the stream) or none (async)", |d, v| {
        d.settings.bootstrap.enabled = match v {
            "async" | "sync" => true,
            "none" => false,
            _ => return Err("is none of async, sync, none".into()),
        };
        Ok(())
    }),
    option("bootstrap.tables", "DATABASE.TABLE,…", "tables that are copied once", |d, v| {
        d.settings.bootstrap.tables = list(v);
        Ok(())
    }),
    option("bootstrap.chunk_rows", "NUMBER", "rows that one statement reads (5000)", |d, v| {
        number(&mut d.settings.bootstrap.chunk_rows, v)
    }),
    option("bootstrap.max_rows_per_second", "NUMBER", "rows copied a second; 0 is no limit (0)", |d, v| {
        number(&mut d.settings.bootstrap.max_rows_per_second, v)
    }),
    option("bootstrap.parallel_tables", "NUMBER", "tables copied at a time (2)", |d, v| {
        number(&mut d.settings.bootstrap.parallel_tables, v)
    }),
    option(
        "bootstrap.like_stream",
        "",
        "copied values print as the stream's, not as the original's copies",
        |d, v| flag(&mut d.settings.bootstrap.like_stream, v),
    ),
];
