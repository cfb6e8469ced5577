//! Takes a [`Change`] into the [`Catalog`] as MySQL would, and says what Maxwell would tell of it.

use super::catalog::{ColumnDef, TableDef, position};
use super::kind::{binary_twin, is_text};
use super::{
    Alteration, Body, Catalog, Change, ChangedColumn, ColumnAdd, ColumnChange, ColumnPlace, ColumnStep,
    TableName,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A database came.
    DatabaseCreate {
        /// Its name.
        database: String,
        /// Its charset.
        charset: String,
    },
    /// A database's charset was set.
    DatabaseAlter {
        /// Its name.
        database: String,
        /// Its charset, if the statement said.
        charset: Option<String>,
    },
    /// A database went.
    DatabaseDrop {
        /// Its name.
        database: String,
    },
    /// A table came.
    TableCreate {
        /// The table.
        def: TableDef,
    },
    /// A table changed, or its name did.
    TableAlter {
        /// The table before.
        old: TableDef,
        /// The table now.
        def: TableDef,
    },
    /// A table went.
    TableDrop {
        /// Its name.
        name: TableName,
    },
}

/// The outcome of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It did nothing.
    Nothing,
    /// This.
    Event(Event),
    /// What the table is now cannot be told from the statement; it is forgotten.
    Unclear {
        /// The table's name before.
        before: TableName,
        /// Its name now.
        name: TableName,
        /// Whether it is new.
        created: bool,
    },
}

impl Catalog {
    /// Takes `change` in. New tables are kept if `keep` says so.
    pub fn apply(&mut self, change: &Change, keep: &dyn Fn(&TableName) -> bool) -> Applied {
        match change {
            Change::CreateDatabase { name, replace, tolerant, charset } => {
                if *tolerant && !replace && self.databases.contains_key(name) {
                    return Applied::Nothing;
                }
                let charset = charset.clone().unwrap_or_else(|| self.server_charset.clone());
                self.forget_database(name);
                self.put_database(name, &charset);
                Applied::Event(Event::DatabaseCreate { database: name.clone(), charset })
            }
            Change::AlterDatabase { name, charset } => {
                if let Some(charset) = charset {
                    self.put_database(name, charset);
                }
                Applied::Event(Event::DatabaseAlter { database: name.clone(), charset: charset.clone() })
            }
            Change::DropDatabase { name } => match self.forget_database(name) {
                true => Applied::Event(Event::DatabaseDrop { database: name.clone() }),
                false => Applied::Nothing,
            },
            Change::CreateTable { name, replace, tolerant, body } => {
                if *tolerant && !replace && self.get(name).is_some() {
                    return Applied::Nothing;
                }
                self.create(name, body, keep)
            }
            Change::AlterTable { name, alteration } => self.alter(name, alteration, keep),
            Change::DropTable { name } => match self.take(name) {
                Some(_) => Applied::Event(Event::TableDrop { name: name.clone() }),
                None => Applied::Nothing,
            },
            Change::RenameTable { from, to } => {
                let alteration = Alteration { rename: Some(to.clone()), ..Alteration::default() };
                self.alter(from, &alteration, keep)
            }
            Change::Obscure(name) => {
                self.forget(name);
                Applied::Nothing
            }
        }
    }

    fn create(&mut self, name: &TableName, body: &Body, keep: &dyn Fn(&TableName) -> bool) -> Applied {
        self.forget(name);
        match self.created(name, body) {
            Some(def) => {
                if keep(name) || self.follows(&name.database) {
                    self.put(def.clone());
                }
                Applied::Event(Event::TableCreate { def })
            }
            None => Applied::Unclear { before: name.clone(), name: name.clone(), created: true },
        }
    }

    fn created(&self, name: &TableName, body: &Body) -> Option<TableDef> {
        let TableName { database, table } = name.clone();
        match body {
            Body::Like(other) => Some(TableDef { database, table, ..self.get(other)?.clone() }),
            Body::Query => None,
            Body::Columns { columns, primary_key, charset } => {
                let charset = match charset {
                    Some(charset) => charset.clone(),
                    None => self.charset(&database)?.to_owned(),
                };
                let mut columns = columns.clone();
                columns.iter_mut().for_each(|column| settle(column, &charset));
                let primary_key = spelt(&columns, primary_key)?;
                Some(TableDef { database, charset, table, columns, primary_key })
            }
        }
    }

    fn alter(
        &mut self,
        name: &TableName,
        alteration: &Alteration,
        keep: &dyn Fn(&TableName) -> bool,
    ) -> Applied {
        let after = alteration.rename.clone().unwrap_or_else(|| name.clone());
        let old = self.take(name);
        let charset = self.charset(&name.database).map(str::to_owned);
        let altered = old.and_then(|old| {
            let mut def = altered(&old, alteration, charset.as_deref())?;
            def.database.clone_from(&after.database);
            def.table.clone_from(&after.table);
            Some((old, def))
        });
        let Some((old, def)) = altered else {
            self.forget(&after);
            return Applied::Unclear { before: name.clone(), name: after, created: false };
        };
        // A table that does not pass may be renamed to one that does.
        if keep(&after) || self.follows(&after.database) {
            self.put(def.clone());
        }
        Applied::Event(Event::TableAlter { old, def })
    }
}

/// The names as the columns spell them; `None` if one is not there.
fn spelt(columns: &[ColumnDef], names: &[String]) -> Option<Vec<String>> {
    names.iter().map(|name| Some(columns.get(position(columns, name)?)?.name.clone())).collect()
}

/// The table after `alteration`; `None` if the two do not fit together.
fn altered(old: &TableDef, alteration: &Alteration, database_charset: Option<&str>) -> Option<TableDef> {
    let mut def = old.clone();
    let convert = match &alteration.convert {
        Some(Some(charset)) => Some(charset.as_str()),
        Some(None) => Some(database_charset?),
        None => None,
    };
    if let Some(charset) = alteration.charset.as_deref().or(convert) {
        charset.clone_into(&mut def.charset);
    }
    for (name, tolerant) in &alteration.drops {
        match def.column(name) {
            Some(at) => {
                let gone = def.columns.remove(at);
                def.primary_key.retain(|key| *key != gone.name);
            }
            None if *tolerant => {}
            None => return None,
        }
    }
    if let Some(charset) = convert {
        for column in &mut def.columns {
            convert_column(column, charset);
        }
    }
    take_steps(&mut def, &alteration.steps)?;
    if alteration.drops_key {
        def.primary_key.clear();
    }
    if !alteration.adds_key.is_empty() {
        def.primary_key = spelt(&def.columns, &alteration.adds_key)?;
    }
    Some(def)
}

/// As MySQL does it: what stays in its place is replaced first, what moves or comes is put in afterwards, in the
/// statement's order.
fn take_steps(def: &mut TableDef, steps: &[ColumnStep]) -> Option<()> {
    // Names are looked up before any of them changes: two columns may swap theirs.
    let mut changes = Vec::new();
    for step in steps {
        if let ColumnStep::Change(change) = step {
            match def.column(&change.from) {
                Some(at) => changes.push((at, change)),
                None if change.tolerant => {}
                None => return None,
            }
        }
    }
    for (at, change) in &changes {
        def.columns[*at] = changed(&def.columns[*at], &change.to, &def.charset);
    }
    rename_keys(&mut def.primary_key, &changes);
    let mut moved: Vec<(&ColumnChange, ColumnDef)> = Vec::new();
    changes.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, change) in changes {
        if change.place.is_some() {
            moved.push((change, def.columns.remove(at)));
        }
    }
    for step in steps {
        match step {
            ColumnStep::Add(add) => insert(def, add)?,
            ColumnStep::Change(change) => {
                if let Some((_, column)) = moved.iter().find(|(of, _)| std::ptr::eq(*of, change)) {
                    put(&mut def.columns, change.place.as_ref(), column.clone())?;
                }
            }
        }
    }
    Some(())
}

fn changed(before: &ColumnDef, to: &ChangedColumn, charset: &str) -> ColumnDef {
    let mut after = match to {
        ChangedColumn::Named(name) => ColumnDef { name: name.clone(), ..before.clone() },
        ChangedColumn::Defined(column) => column.clone(),
    };
    if after.name.is_empty() {
        after.name.clone_from(&before.name);
    }
    settle(&mut after, charset);
    after
}

fn rename_keys(key: &mut [String], changes: &[(usize, &ColumnChange)]) {
    for name in key {
        let change = changes.iter().find(|(_, change)| change.from.to_lowercase() == name.to_lowercase());
        match change.map(|(_, change)| &change.to) {
            Some(ChangedColumn::Named(to)) => name.clone_from(to),
            Some(ChangedColumn::Defined(column)) if !column.name.is_empty() => name.clone_from(&column.name),
            _ => {}
        }
    }
}

fn insert(def: &mut TableDef, add: &ColumnAdd) -> Option<()> {
    if def.column(&add.column.name).is_some() {
        return add.tolerant.then_some(());
    }
    let mut column = add.column.clone();
    settle(&mut column, &def.charset);
    put(&mut def.columns, add.place.as_ref(), column)
}

fn put(columns: &mut Vec<ColumnDef>, place: Option<&ColumnPlace>, column: ColumnDef) -> Option<()> {
    let at = match place {
        None => columns.len(),
        Some(ColumnPlace::First) => 0,
        Some(ColumnPlace::After(name)) => position(columns, name)? + 1,
    };
    columns.insert(at, column);
    Some(())
}

/// Text of a table whose charset is binary is bytes.
fn settle(column: &mut ColumnDef, default: &str) {
    column.settle(default);
    if column.charset.as_deref() == Some("binary") {
        to_binary(column);
    }
}

fn to_binary(column: &mut ColumnDef) {
    if let Some(twin) = binary_twin(&column.kind) {
        twin.clone_into(&mut column.kind);
        column.charset = None;
    }
}

/// `CONVERT TO CHARACTER SET`: text whose characters may need more bytes gets the type that holds them.
fn convert_column(column: &mut ColumnDef, charset: &str) {
    if !is_text(&column.kind) {
        return;
    }
    if charset == "binary" {
        return to_binary(column);
    }
    let before = column.charset.replace(charset.to_owned()).map_or(1, |before| bytes_per_character(&before));
    let after = bytes_per_character(charset);
    let holds = |kind: &str| match kind {
        "tinytext" => Some(0xff_u64),
        "text" => Some(0xffff),
        "mediumtext" => Some(0xff_ffff),
        _ => None,
    };
    if let Some(length) = holds(&column.kind).filter(|_| after > before) {
        let needed = length / before * after;
        let kind = ["tinytext", "text", "mediumtext"].into_iter().find(|kind| holds(kind) >= Some(needed));
        kind.unwrap_or("longtext").clone_into(&mut column.kind);
    }
}

fn bytes_per_character(charset: &str) -> u64 {
    match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => 4,
        "utf8" | "utf8mb3" | "ujis" | "eucjpms" => 3,
        "big5" | "gbk" | "gb2312" | "sjis" | "cp932" | "euckr" | "ucs2" => 2,
        _ => 1,
    }
}
