//! What stands behind the name in `ALTER TABLE`.

use sqlparser::tokenizer::Token;

use super::catalog::charset_of_collation;
use super::column::{charset, column};
use super::create::{Options, is_index, option, primary_key};
use super::cursor::{Cursor, Misread, Read};
use super::{Alteration, ChangedColumn, ColumnAdd, ColumnChange, ColumnStep};

/// Reads the rest of the statement.
pub(super) fn alteration(cursor: &mut Cursor<'_>) -> Read<Alteration> {
    let mut found = Alteration::default();
    while !cursor.is_over() {
        if cursor.accept_token(&Token::Comma) {
            continue;
        }
        let word = cursor.keyword().unwrap_or_default();
        match word.as_str() {
            "ADD" => add(cursor, &mut found)?,
            "DROP" => drop(cursor, &mut found)?,
            "CHANGE" | "MODIFY" => change(cursor, &mut found)?,
            "RENAME" => rename(cursor, &mut found)?,
            // MariaDB: a partition becomes a table, or a table a partition.
            "CONVERT" if cursor.keyword_at(1).as_deref() != Some("TO") => cursor.skip_all(),
            "CONVERT" => convert(cursor, &mut found)?,
            // Lists with commas up to the statement's end.
            "ORDER" | "PARTITION" | "REORGANIZE" | "COALESCE" | "EXCHANGE" | "TRUNCATE" | "ANALYZE"
            | "CHECK" | "OPTIMIZE" | "REBUILD" | "REPAIR" => cursor.skip_all(),
            _ => others(cursor, &mut found)?,
        }
    }
    Ok(found)
}

fn end(cursor: &mut Cursor<'_>) -> Read<()> {
    if matches!(cursor.peek(), None | Some(Token::Comma)) { Ok(()) } else { Err(Misread) }
}

fn add(cursor: &mut Cursor<'_>, found: &mut Alteration) -> Read<()> {
    cursor.skip();
    if cursor.sees(&["PARTITION"]) {
        cursor.skip_all();
        return Ok(());
    }
    if is_index(cursor) || cursor.sees(&["SYSTEM", "VERSIONING"]) {
        let key = primary_key(cursor)?;
        if !key.is_empty() {
            found.adds_key = key;
        }
        cursor.skip_element();
        return end(cursor);
    }
    cursor.accept(&["COLUMN"]);
    let tolerant = cursor.if_not_exists();
    if !cursor.accept_token(&Token::LParen) {
        add_one(cursor, tolerant, found)?;
        return end(cursor);
    }
    loop {
        if is_index(cursor) {
            let key = primary_key(cursor)?;
            if !key.is_empty() {
                found.adds_key = key;
            }
            cursor.skip_element();
        } else {
            add_one(cursor, tolerant, found)?;
        }
        if cursor.accept_token(&Token::RParen) {
            return end(cursor);
        }
        if !cursor.accept_token(&Token::Comma) {
            return Err(Misread);
        }
    }
}

fn add_one(cursor: &mut Cursor<'_>, tolerant: bool, found: &mut Alteration) -> Read<()> {
    let name = cursor.column()?;
    let read = column(cursor, name)?;
    if read.is_key {
        found.adds_key = vec![read.column.name.clone()];
    }
    found.steps.push(ColumnStep::Add(ColumnAdd { tolerant, column: read.column, place: read.place }));
    Ok(())
}

fn drop(cursor: &mut Cursor<'_>, found: &mut Alteration) -> Read<()> {
    cursor.skip();
    if cursor.accept(&["PRIMARY", "KEY"]) {
        found.drops_key = true;
    } else if cursor.accept_any(&["INDEX", "KEY", "CONSTRAINT"]) {
        cursor.if_exists();
        found.drops_key |= cursor.name()?.eq_ignore_ascii_case("primary");
    } else if cursor.sees(&["PARTITION"]) {
        cursor.skip_all();
    } else if !(cursor.sees(&["FOREIGN", "KEY"])
        || cursor.sees(&["CHECK"])
        || cursor.sees(&["SYSTEM", "VERSIONING"])
        || cursor.sees(&["PERIOD", "FOR"]))
    {
        cursor.accept(&["COLUMN"]);
        let tolerant = cursor.if_exists();
        found.drops.push((cursor.column()?, tolerant));
    }
    cursor.skip_element();
    end(cursor)
}

fn change(cursor: &mut Cursor<'_>, found: &mut Alteration) -> Read<()> {
    let renames = cursor.sees(&["CHANGE"]);
    cursor.skip();
    cursor.accept(&["COLUMN"]);
    let tolerant = cursor.if_exists();
    let from = cursor.column()?;
    let name = if renames { cursor.column()? } else { from.clone() };
    let read = column(cursor, name)?;
    if read.is_key {
        found.adds_key = vec![read.column.name.clone()];
    }
    let mut defined = read.column;
    if !renames {
        // The name keeps the case that it has.
        defined.name.clear();
    }
    found.steps.push(ColumnStep::Change(ColumnChange {
        from,
        tolerant,
        to: ChangedColumn::Defined(defined),
        place: read.place,
    }));
    end(cursor)
}

fn rename(cursor: &mut Cursor<'_>, found: &mut Alteration) -> Read<()> {
    cursor.skip();
    if cursor.accept(&["COLUMN"]) {
        let tolerant = cursor.if_exists();
        let from = cursor.column()?;
        if !cursor.accept(&["TO"]) {
            return Err(Misread);
        }
        let to = ChangedColumn::Named(cursor.column()?);
        found.steps.push(ColumnStep::Change(ColumnChange { from, tolerant, to, place: None }));
    } else if cursor.accept_any(&["INDEX", "KEY"]) {
        cursor.skip_element();
    } else {
        if !cursor.accept_any(&["TO", "AS"]) {
            cursor.accept_token(&Token::Eq);
        }
        found.rename = Some(cursor.table()?);
    }
    end(cursor)
}

fn convert(cursor: &mut Cursor<'_>, found: &mut Alteration) -> Read<()> {
    cursor.skip();
    cursor.accept(&["TO"]);
    let mut to = charset(cursor)?.ok_or(Misread)?;
    if cursor.accept(&["COLLATE"]) {
        cursor.accept_token(&Token::Eq);
        let collation = cursor.name()?.to_lowercase();
        if to == "default" {
            to = charset_of_collation(&collation).unwrap_or(to);
        }
    }
    found.convert = Some(Some(to).filter(|charset| charset != "default"));
    // Table options may follow without a comma.
    Ok(())
}

/// Table options, and what does not matter here, up to the next comma.
fn others(cursor: &mut Cursor<'_>, found: &mut Alteration) -> Read<()> {
    let mut options = Options::default();
    while !matches!(cursor.peek(), None | Some(Token::Comma)) {
        if cursor.sees(&["PARTITION", "BY"]) {
            cursor.skip_all();
        } else if !option(cursor, &mut options)? {
            cursor.skip_group();
        }
    }
    if options.charset.is_some() {
        found.charset = options.charset;
    }
    Ok(())
}
