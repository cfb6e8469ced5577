//! A column's definition: its type and, of its attributes, those that change how it reads.

use sqlparser::tokenizer::Token;

use super::ColumnPlace;
use super::catalog::{ColumnDef, charset_of_collation};
use super::cursor::{Cursor, Misread, Read};
use super::kind::{binary_twin, is_text, kind};

/// A column as a statement has it.
pub(super) struct ReadColumn {
    /// Its definition.
    pub(super) column: ColumnDef,
    /// Whether it says to be the primary key.
    pub(super) is_key: bool,
    /// `FIRST` or `AFTER`.
    pub(super) place: Option<ColumnPlace>,
}

/// What the attributes say.
#[derive(Default)]
struct Attributes {
    charset: Option<String>,
    collation: Option<String>,
    unsigned: bool,
    byte: bool,
    json: bool,
    is_key: bool,
    place: Option<ColumnPlace>,
}

/// Reads type and attributes of the column `name`, up to the comma behind them.
pub(super) fn column(cursor: &mut Cursor<'_>, name: String) -> Read<ReadColumn> {
    let kind = kind(cursor)?;
    let mut attributes = Attributes::default();
    while !cursor.ends_element() {
        attribute(cursor, &name, &mut attributes)?;
    }
    let mut column = ColumnDef {
        kind: kind.name,
        name,
        charset: None,
        signed: !(kind.unsigned || attributes.unsigned),
        values: kind.values,
        fraction: kind.fraction,
    };
    let said = attributes.charset.or_else(|| attributes.collation.as_deref().and_then(charset_of_collation));
    let charset = kind.charset.map(str::to_owned).or(said);
    if is_text(&column.kind) {
        let bytes = attributes.byte || charset.as_deref() == Some("binary");
        match binary_twin(&column.kind).filter(|_| bytes) {
            Some(twin) => twin.clone_into(&mut column.kind),
            None => column.charset = charset,
        }
    }
    if attributes.json && is_text(&column.kind) {
        "json".clone_into(&mut column.kind);
        column.charset = None;
    }
    Ok(ReadColumn { column, is_key: attributes.is_key, place: attributes.place })
}

fn attribute(cursor: &mut Cursor<'_>, name: &str, found: &mut Attributes) -> Read<()> {
    let Some(word) = cursor.keyword() else {
        cursor.skip_group();
        return Ok(());
    };
    if let Some(charset) = charset(cursor)? {
        found.charset = Some(charset);
        return Ok(());
    }
    cursor.skip();
    match word.as_str() {
        "UNSIGNED" | "ZEROFILL" => found.unsigned = true,
        "BYTE" => found.byte = true,
        "ASCII" => found.charset = Some("latin1".into()),
        "UNICODE" => found.charset = Some("ucs2".into()),
        "COLLATE" => {
            cursor.accept_token(&Token::Eq);
            found.collation = Some(cursor.name()?.to_lowercase());
        }
        "UNIQUE" => {
            cursor.accept(&["KEY"]);
        }
        "PRIMARY" => {
            cursor.accept(&["KEY"]);
            found.is_key = true;
        }
        "KEY" => found.is_key = true,
        // What follows is a value or a name, never an attribute.
        "COMMENT" | "CONSTRAINT" if !cursor.sees(&["CHECK"]) => cursor.skip(),
        "DEFAULT" => default(cursor),
        "REFERENCES" => {
            cursor.table()?;
        }
        "CHECK" => {
            found.json |= is_json_check(cursor, name);
            cursor.skip_group();
        }
        "FIRST" => found.place = Some(ColumnPlace::First),
        "AFTER" => found.place = Some(ColumnPlace::After(cursor.column()?)),
        _ => {}
    }
    Ok(())
}

/// The value of a default: one token, with what belongs to it.
fn default(cursor: &mut Cursor<'_>) {
    while matches!(cursor.peek(), Some(Token::Minus | Token::Plus)) {
        cursor.skip();
    }
    if cursor.keyword().is_some_and(|word| word.starts_with('_')) {
        cursor.skip();
    }
    cursor.skip_group();
}

/// MariaDB's JSON is text with `CHECK (json_valid(column))`.
fn is_json_check(cursor: &Cursor<'_>, name: &str) -> bool {
    let opens = cursor.peek_at(0) == Some(&Token::LParen) && cursor.peek_at(2) == Some(&Token::LParen);
    let closes = (4..6).all(|ahead| cursor.peek_at(ahead) == Some(&Token::RParen));
    let asks = cursor.keyword_at(1).as_deref() == Some("JSON_VALID");
    let Some(Token::Word(of)) = cursor.peek_at(3) else { return false };
    cursor.flavour().mariadb && opens && asks && closes && of.value.eq_ignore_ascii_case(name)
}

/// `CHARACTER SET x`, `CHARSET = x`, `CHAR SET x`; `DEFAULT` as value gives none.
pub(super) fn charset(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    let found = cursor.accept(&["CHARACTER", "SET"])
        || cursor.accept(&["CHAR", "SET"])
        || cursor.accept(&["CHARSET"]);
    if !found {
        return Ok(None);
    }
    cursor.accept_token(&Token::Eq);
    let name = cursor.name().map_err(|_| Misread)?;
    Ok(Some(name.to_lowercase()))
}
