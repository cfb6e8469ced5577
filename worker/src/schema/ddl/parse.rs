//! From a statement's text to what it means.

use sqlparser::tokenizer::Token;

use super::alter::alteration;
use super::catalog::charset_of_collation;
use super::column::charset;
use super::create::body;
use super::cursor::{Cursor, Misread, Read};
use super::unwrap::unwrap;
use super::{Change, Flavour, Meaning};

/// First words of statements that leave databases, tables and columns as they are.
const HARMLESS: &[&str] = &[
    "ANALYZE",
    "BEGIN",
    "BINLOG",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECK",
    "CHECKSUM",
    "COMMIT",
    "DEALLOCATE",
    "DELETE",
    "DO",
    "EXECUTE",
    "EXPLAIN",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "INSERT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "REPAIR",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "START",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VALUES",
    "WITH",
    "XA",
];
/// What CREATE, ALTER and DROP can be about, beside databases and tables.
const OBJECTS: &[&str] = &[
    "EVENT",
    "FUNCTION",
    "INDEX",
    "INSTANCE",
    "LIBRARY",
    "LOGFILE",
    "PACKAGE",
    "PROCEDURE",
    "REFERENCE",
    "RESOURCE",
    "ROLE",
    "SEQUENCE",
    "SERVER",
    "TABLESPACE",
    "TRIGGER",
    "USER",
    "VIEW",
    "PREPARE",
];

/// Reads a statement that ran in `database`.
pub fn parse(text: &str, database: &str, flavour: Flavour) -> Meaning {
    let text = unwrap(text, flavour);
    let Ok(mut cursor) = Cursor::new(&text, database, flavour) else {
        return unreadable(&text, flavour);
    };
    match statement(&mut cursor) {
        Ok(Some(changes)) => Meaning::Changes(changes),
        Ok(None) => Meaning::Nothing,
        Err(Misread) => Meaning::Unknown(cursor.names()),
    }
}

/// What cannot even be cut into tokens: every word in it may be a name.
fn unreadable(text: &str, flavour: Flavour) -> Meaning {
    let first: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    if HARMLESS.contains(&first.to_ascii_uppercase().as_str()) {
        return Meaning::Nothing;
    }
    let text = if flavour.folds_names { text.to_lowercase() } else { text.to_owned() };
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$' || c == '-'));
    Meaning::Unknown(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// The changes; `None` if there are none whatever the rest says.
fn statement(cursor: &mut Cursor<'_>) -> Read<Option<Vec<Change>>> {
    while cursor.accept(&["SET", "STATEMENT"]) {
        while !cursor.is_over() && !cursor.accept(&["FOR"]) {
            cursor.skip_group();
        }
    }
    let Some(word) = cursor.keyword() else {
        // Nothing but comments, or a query in parentheses.
        return if cursor.is_over() || cursor.peek() == Some(&Token::LParen) {
            Ok(None)
        } else {
            Err(Misread)
        };
    };
    if HARMLESS.contains(&word.as_str()) {
        return Ok(None);
    }
    cursor.skip();
    match word.as_str() {
        "CREATE" => create(cursor),
        "ALTER" => alter(cursor),
        "DROP" => drop(cursor),
        "RENAME" if cursor.accept_any(&["TABLE", "TABLES"]) => rename(cursor).map(Some),
        "RENAME" if cursor.sees(&["USER"]) => Ok(None),
        _ => Err(Misread),
    }
}

/// Steps to the word that says what the statement is about, and over it. `TEMPORARY` on the way makes it nothing.
fn object(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    let mut temporary = false;
    while !cursor.is_over() {
        if let Some(word) = cursor.keyword() {
            let word = word.as_str();
            if word == "DEFINER" {
                definer(cursor);
                continue;
            }
            if matches!(word, "DATABASE" | "SCHEMA" | "TABLE" | "TABLES") {
                cursor.skip();
                return Ok((!temporary).then(|| word.to_owned()));
            }
            if OBJECTS.contains(&word) {
                return Ok(None);
            }
            temporary |= word == "TEMPORARY";
        }
        cursor.skip_group();
    }
    Err(Misread)
}

/// `DEFINER = name@host`: the name may be any word.
fn definer(cursor: &mut Cursor<'_>) {
    cursor.skip();
    // Without one it belongs to SQL SECURITY.
    if cursor.accept_token(&Token::Eq) {
        cursor.skip();
        while cursor.accept_token(&Token::AtSign) {
            cursor.skip();
        }
    }
}

fn create(cursor: &mut Cursor<'_>) -> Read<Option<Vec<Change>>> {
    let replace = cursor.accept(&["OR", "REPLACE"]);
    let Some(object) = object(cursor)? else { return Ok(None) };
    let tolerant = cursor.if_not_exists();
    if object.starts_with("TABLE") {
        let name = cursor.table()?;
        let body = body(cursor)?;
        return Ok(Some(vec![Change::CreateTable { name, replace, tolerant, body }]));
    }
    let name = cursor.database()?;
    let charset = database_charset(cursor)?;
    Ok(Some(vec![Change::CreateDatabase { name, replace, tolerant, charset }]))
}

/// The charset among a database's options.
fn database_charset(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    let mut found = None;
    while !cursor.is_over() {
        if let Some(charset) = charset(cursor)? {
            found = Some(charset).filter(|charset| charset != "default");
        } else if cursor.accept(&["COLLATE"]) {
            cursor.accept_token(&Token::Eq);
            let collation = cursor.name()?.to_lowercase();
            found = found.or_else(|| charset_of_collation(&collation));
        } else {
            cursor.skip_group();
        }
    }
    Ok(found)
}

fn alter(cursor: &mut Cursor<'_>) -> Read<Option<Vec<Change>>> {
    let Some(object) = object(cursor)? else { return Ok(None) };
    if object.starts_with("TABLE") {
        cursor.if_exists();
        let name = cursor.table()?;
        wait(cursor);
        let alteration = alteration(cursor)?;
        return Ok(Some(vec![Change::AlterTable { name, alteration }]));
    }
    const OPTIONS: [&str; 9] =
        ["DEFAULT", "CHARACTER", "CHARSET", "CHAR", "COLLATE", "ENCRYPTION", "READ", "COMMENT", "UPGRADE"];
    let unnamed = cursor.keyword().is_some_and(|word| OPTIONS.contains(&word.as_str()));
    let name = if unnamed { cursor.default_database() } else { cursor.database()? };
    let charset = database_charset(cursor)?;
    Ok(Some(vec![Change::AlterDatabase { name, charset }]))
}

fn drop(cursor: &mut Cursor<'_>) -> Read<Option<Vec<Change>>> {
    if cursor.accept(&["INDEX"]) {
        return drop_index(cursor);
    }
    let Some(object) = object(cursor)? else { return Ok(None) };
    cursor.if_exists();
    if !object.starts_with("TABLE") {
        return Ok(Some(vec![Change::DropDatabase { name: cursor.database()? }]));
    }
    let mut drops = Vec::new();
    loop {
        drops.push(Change::DropTable { name: cursor.table()? });
        if !cursor.accept_token(&Token::Comma) {
            return Ok(Some(drops));
        }
    }
}

/// ``DROP INDEX `PRIMARY` `` is no event, but changes the primary key.
fn drop_index(cursor: &mut Cursor<'_>) -> Read<Option<Vec<Change>>> {
    cursor.if_exists();
    let primary = cursor.name()?.eq_ignore_ascii_case("primary");
    if !primary || !cursor.accept(&["ON"]) {
        return Ok(None);
    }
    Ok(Some(vec![Change::Obscure(cursor.table()?)]))
}

fn rename(cursor: &mut Cursor<'_>) -> Read<Vec<Change>> {
    cursor.if_exists();
    let mut renames = Vec::new();
    loop {
        let from = cursor.table()?;
        wait(cursor);
        if !cursor.accept(&["TO"]) {
            return Err(Misread);
        }
        let to = cursor.table()?;
        renames.push(Change::RenameTable { from, to });
        if !cursor.accept_token(&Token::Comma) {
            return Ok(renames);
        }
    }
}

/// MariaDB's `WAIT n` and `NOWAIT`.
fn wait(cursor: &mut Cursor<'_>) {
    if cursor.accept(&["WAIT"]) {
        cursor.skip();
    } else {
        cursor.accept(&["NOWAIT"]);
    }
}
