//! What stands behind the name in `CREATE TABLE`.

use sqlparser::tokenizer::Token;

use super::Body;
use super::catalog::{ColumnDef, charset_of_collation};
use super::column::{charset, column};
use super::cursor::{Cursor, Misread, Read};

/// Reads the rest of the statement.
pub(super) fn body(cursor: &mut Cursor<'_>) -> Read<Body> {
    if cursor.accept(&["LIKE"]) {
        return Ok(Body::Like(cursor.table()?));
    }
    if cursor.peek() != Some(&Token::LParen) {
        return Ok(Body::Query);
    }
    match cursor.keyword_at(1).as_deref() {
        Some("LIKE") => {
            cursor.skip();
            cursor.skip();
            return Ok(Body::Like(cursor.table()?));
        }
        Some("SELECT" | "WITH" | "VALUES") => return Ok(Body::Query),
        _ => cursor.skip(),
    }
    let (columns, primary_key) = elements(cursor)?;
    let options = options(cursor)?;
    if options.query {
        return Ok(Body::Query);
    }
    Ok(Body::Columns { columns, primary_key, charset: options.charset })
}

fn elements(cursor: &mut Cursor<'_>) -> Read<(Vec<ColumnDef>, Vec<String>)> {
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    loop {
        if is_index(cursor) {
            let found = primary_key(cursor)?;
            if !found.is_empty() {
                key = found;
            }
            cursor.skip_element();
        } else {
            let name = cursor.column()?;
            let read = column(cursor, name)?;
            if read.is_key {
                key = vec![read.column.name.clone()];
            }
            columns.push(read.column);
        }
        if cursor.accept_token(&Token::RParen) {
            return Ok((columns, key));
        }
        if !cursor.accept_token(&Token::Comma) {
            return Err(Misread);
        }
    }
}

/// Whether what comes is a key or a constraint rather than a column.
pub(super) fn is_index(cursor: &Cursor<'_>) -> bool {
    match cursor.keyword().as_deref() {
        Some(
            "PRIMARY" | "KEY" | "INDEX" | "UNIQUE" | "FULLTEXT" | "SPATIAL" | "CONSTRAINT" | "FOREIGN"
            | "CHECK",
        ) => true,
        Some("PERIOD") => cursor.keyword_at(1).as_deref() == Some("FOR"),
        Some("VECTOR") => matches!(cursor.keyword_at(1).as_deref(), Some("KEY" | "INDEX")),
        _ => false,
    }
}

/// The columns of `[CONSTRAINT [name]] PRIMARY KEY [name] [USING type] (…)`; none if it is something else.
pub(super) fn primary_key(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    if cursor.accept(&["CONSTRAINT"]) && !cursor.sees(&["PRIMARY", "KEY"]) {
        match cursor.keyword().as_deref() {
            Some("UNIQUE" | "FOREIGN" | "CHECK") => {}
            _ => cursor.skip(),
        }
    }
    if !cursor.accept(&["PRIMARY", "KEY"]) {
        return Ok(Vec::new());
    }
    while !cursor.ends_element() && cursor.peek() != Some(&Token::LParen) {
        cursor.skip();
    }
    cursor.list()
}

/// What the options of a table say.
#[derive(Default)]
pub(super) struct Options {
    /// Its charset.
    pub(super) charset: Option<String>,
    /// Whether a query follows.
    query: bool,
}

/// Reads table options up to the statement's end.
fn options(cursor: &mut Cursor<'_>) -> Read<Options> {
    let mut found = Options::default();
    while !cursor.is_over() {
        if cursor.accept_token(&Token::Comma) {
            continue;
        }
        if option(cursor, &mut found)? {
            continue;
        }
        let opens =
            cursor.peek() == Some(&Token::LParen) && cursor.keyword_at(1).as_deref() == Some("SELECT");
        if opens || cursor.sees(&["SELECT"]) || cursor.sees(&["AS"]) {
            found.query = true;
            return Ok(found);
        }
        cursor.skip_group();
    }
    Ok(found)
}

/// Takes a charset, a collation, or an option whose value could be taken for something else; false if it is none.
pub(super) fn option(cursor: &mut Cursor<'_>, found: &mut Options) -> Read<bool> {
    if let Some(charset) = charset(cursor)? {
        found.charset = Some(charset).filter(|charset| charset != "default");
        return Ok(true);
    }
    if cursor.accept(&["COLLATE"]) {
        cursor.accept_token(&Token::Eq);
        let collation = cursor.name()?.to_lowercase();
        if found.charset.is_none() {
            found.charset = charset_of_collation(&collation);
        }
        return Ok(true);
    }
    Ok(false)
}
