//! A table as its writer knows it: columns, rows, and what random statements make of them. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::Rng;
use rand::rngs::StdRng;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    BigInt,
    /// Characters at the most, and whether in latin1.
    Text(u32, bool),
    Decimal,
    /// Digits behind the point.
    DateTime(usize),
    /// Number of its values: v1, v2, …
    Enum(u32),
}

impl Kind {
    pub(super) fn random(random: &mut StdRng) -> Self {
        match random.random_range(0..6) {
            0 => Self::Int,
            1 => Self::BigInt,
            2 => Self::Text(random.random_range(10..60), random.random()),
            3 => Self::Decimal,
            4 => Self::DateTime(random.random_range(0..=6)),
            _ => Self::Enum(random.random_range(1..5)),
        }
    }

    /// One that holds every value of this one with the same text.
    fn wider(&self) -> Self {
        match self {
            Self::Int => Self::BigInt,
            // From 256 bytes on the length takes two bytes.
            Self::Text(length, latin1) => Self::Text(length + 40, !latin1),
            Self::Enum(values) => Self::Enum(values + 2),
            other => other.clone(),
        }
    }

    fn sql(&self) -> String {
        match self {
            Self::Int => "INT".into(),
            Self::BigInt => "BIGINT".into(),
            Self::Text(length, true) => format!("VARCHAR({length}) CHARACTER SET latin1"),
            Self::Text(length, false) => format!("VARCHAR({length}) CHARACTER SET utf8mb4"),
            Self::Decimal => "DECIMAL(12,3)".into(),
            Self::DateTime(digits) => format!("DATETIME({digits})"),
            Self::Enum(count) => {
                let values: Vec<String> = (1..=*count).map(|value| format!("'v{value}'")).collect();
                format!("ENUM({})", values.join(","))
            }
        }
    }

    /// A value in SQL and in JSON.
    fn value(&self, random: &mut StdRng) -> (String, String) {
        if random.random_range(0..8) == 0 {
            return ("NULL".into(), "null".into());
        }
        let text = |text: String| (format!("'{text}'"), format!("\"{text}\""));
        let number = |number: String| (number.clone(), number);
        match self {
            Self::Int => number(random.random::<i32>().to_string()),
            Self::BigInt => number(random.random::<i64>().to_string()),
            Self::Text(..) => text("é".repeat(random.random_range(0..10))),
            Self::Decimal => {
                number(format!("{}.{:03}", random.random_range(1..1_000_000), random.random_range(0..1000)))
            }
            Self::DateTime(digits) => {
                let fraction = format!(".{:06}", random.random_range(0..1_000_000));
                let shown = if *digits == 0 { "" } else { &fraction[..=*digits] };
                text(format!("2024-0{}-11 12:13:14{shown}", random.random_range(1..10)))
            }
            Self::Enum(values) => text(format!("v{}", random.random_range(1..=*values))),
        }
    }
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: Kind,
}

/// A row's values as JSON, but for its id.
type Row = Vec<String>;

/// A statement and, if it changes a row, what it is to look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) sql: String,
    pub(super) id: u64,
    pub(super) kind: &'static str,
    /// The row with the columns that the table has at the moment.
    pub(super) data: String,
    /// What it replaces; empty for nothing.
    pub(super) old: String,
}

/// A table with its rows.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<Column>,
    /// The columns' places when `id` is one of them.
    key_at: usize,
    rows: BTreeMap<u64, Row>,
}

impl Table {
    /// Of a few random columns.
    pub(super) fn random(name: String, numbers: &mut u64, random: &mut StdRng) -> Self {
        let mut table = Self { name, columns: Vec::new(), key_at: 0, rows: BTreeMap::new() };
        for _ in 0..random.random_range(1..6) {
            let column = table.column(numbers, random);
            table.columns.push(column);
        }
        table.key_at = random.random_range(0..=table.columns.len());
        table
    }

    fn column(&self, numbers: &mut u64, random: &mut StdRng) -> Column {
        *numbers += 1;
        Column { name: format!("c{numbers}"), kind: Kind::random(random) }
    }

    /// The statement that makes it.
    pub(super) fn create(&self) -> String {
        let mut columns: Vec<String> =
            self.columns.iter().map(|column| format!("{} {}", column.name, column.kind.sql())).collect();
        columns.insert(self.key_at, "id BIGINT PRIMARY KEY".into());
        format!("CREATE TABLE {} ({})", self.name, columns.join(", "))
    }

    /// The same without rows, under another name.
    pub(super) fn like(&self, name: String) -> Self {
        Self { name, rows: BTreeMap::new(), ..self.clone() }
    }

    /// Forgets its rows.
    pub(super) fn truncate(&mut self) {
        self.rows.clear();
    }

    fn shown(&self, id: u64, row: &Row) -> String {
        let named = self.columns.iter().zip(row);
        let mut members: Vec<String> =
            named.map(|(column, value)| format!("\"{}\":{value}", column.name)).collect();
        members.insert(self.key_at, format!("\"id\":{id}"));
        format!("{{{}}}", members.join(","))
    }

    /// A random change of a row; `id` is that of a new one.
    pub(super) fn change(&mut self, id: u64, random: &mut StdRng) -> Change {
        let chosen = self.rows.keys().nth(random.random_range(0..self.rows.len().max(1))).copied();
        match (chosen, random.random_range(0..4)) {
            (Some(id), 0) => self.delete(id),
            (Some(id), 1) => self.update(id, random).unwrap_or_else(|| self.delete(id)),
            _ => self.insert(id, random),
        }
    }

    fn insert(&mut self, id: u64, random: &mut StdRng) -> Change {
        let values: Vec<(String, String)> =
            self.columns.iter().map(|column| column.kind.value(random)).collect();
        let (mut sql, row): (Vec<String>, Row) = values.into_iter().unzip();
        sql.insert(self.key_at, id.to_string());
        let sql = format!("INSERT INTO {} VALUES ({})", self.name, sql.join(", "));
        let data = self.shown(id, &row);
        self.rows.insert(id, row);
        Change { sql, id, kind: "insert", data, old: String::new() }
    }

    /// `None` if the chosen column has the new value already: the server logs no such update.
    fn update(&mut self, id: u64, random: &mut StdRng) -> Option<Change> {
        let at = random.random_range(0..self.columns.len());
        let Column { name, kind } = &self.columns[at];
        let (sql, value) = kind.value(random);
        let sql = format!("UPDATE {} SET {name} = {sql} WHERE id = {id}", self.name);
        let row = self.rows.get_mut(&id)?;
        let before = std::mem::replace(&mut row[at], value);
        if before == row[at] {
            return None;
        }
        let old = format!("{{\"{name}\":{before}}}");
        let row = row.clone();
        Some(Change { sql, id, kind: "update", data: self.shown(id, &row), old })
    }

    fn delete(&mut self, id: u64) -> Change {
        let row = self.rows.remove(&id).unwrap_or_default();
        let sql = format!("DELETE FROM {} WHERE id = {id}", self.name);
        Change { sql, id, kind: "delete", data: self.shown(id, &row), old: String::new() }
    }

    /// A random ALTER TABLE.
    pub(super) fn alter(&mut self, numbers: &mut u64, random: &mut StdRng) -> String {
        let mut sql = format!("ALTER TABLE {} ", self.name);
        let clause = match random.random_range(0..10) {
            0..4 => self.add(numbers, random),
            4 | 5 if self.columns.len() > 1 => self.drop(random),
            6 => self.rename(numbers, random),
            7 => self.widen(random),
            8 if self.columns.len() > 1 => format!("{}, {}", self.drop(random), self.add(numbers, random)),
            _ => format!("COMMENT = '{}'", random.random::<u16>()),
        };
        sql.push_str(&clause);
        sql
    }

    fn add(&mut self, numbers: &mut u64, random: &mut StdRng) -> String {
        let column = self.column(numbers, random);
        let (mut default, mut value) = column.kind.value(random);
        if random.random() {
            (default, value) = ("NULL".into(), "null".into());
        }
        let mut clause = format!("ADD COLUMN {} {} DEFAULT {default}", column.name, column.kind.sql());
        // Behind the last column, before the first, or behind the key.
        let at = match random.random_range(0..3) {
            0 => self.columns.len(),
            1 => {
                clause.push_str(" FIRST");
                self.key_at += 1;
                0
            }
            _ => {
                clause.push_str(" AFTER id");
                self.key_at
            }
        };
        self.columns.insert(at, column);
        self.rows.values_mut().for_each(|row| row.insert(at, value.clone()));
        clause
    }

    fn drop(&mut self, random: &mut StdRng) -> String {
        let at = random.random_range(0..self.columns.len());
        let column = self.columns.remove(at);
        self.key_at -= usize::from(at < self.key_at);
        self.rows.values_mut().for_each(|row| drop(row.remove(at)));
        format!("DROP COLUMN {}", column.name)
    }

    fn rename(&mut self, numbers: &mut u64, random: &mut StdRng) -> String {
        *numbers += 1;
        let at = random.random_range(0..self.columns.len());
        let column = &mut self.columns[at];
        let before = std::mem::replace(&mut column.name, format!("c{numbers}"));
        column.kind = column.kind.wider();
        format!("CHANGE COLUMN {before} {} {}", column.name, column.kind.sql())
    }

    fn widen(&mut self, random: &mut StdRng) -> String {
        let at = random.random_range(0..self.columns.len());
        let column = &mut self.columns[at];
        column.kind = column.kind.wider();
        let mut clause = String::new();
        write!(clause, "MODIFY {} {}", column.name, column.kind.sql())
            .expect("a String takes every character");
        clause
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn rows_follow_their_table() {
        let (mut random, mut numbers) = (StdRng::seed_from_u64(1), 10);
        let columns = vec![Column { name: "c1".into(), kind: Kind::Int }];
        let mut table = Table { name: "t".into(), columns, key_at: 0, rows: BTreeMap::new() };
        assert_eq!(table.create(), "CREATE TABLE t (id BIGINT PRIMARY KEY, c1 INT)");
        table.rows.insert(7, vec!["5".into()]);
        assert_eq!(table.shown(7, &table.rows[&7].clone()), r#"{"id":7,"c1":5}"#);
        table.rename(&mut numbers, &mut random);
        assert_eq!(table.delete(7).data, r#"{"id":7,"c11":5}"#);
        table.rows.insert(8, vec!["null".into()]);
        assert_eq!(table.drop(&mut random), "DROP COLUMN c11");
        assert_eq!(table.delete(8).data, r#"{"id":8}"#);
    }
}
