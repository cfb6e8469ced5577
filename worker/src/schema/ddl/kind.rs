//! What MySQL's many names of types come to.

use sqlparser::tokenizer::Token;

use super::cursor::{Cursor, Misread, Read};

/// Normalised types that hold text.
const TEXTS: &[&str] = &["char", "varchar", "tinytext", "text", "mediumtext", "longtext"];
/// Their twins that hold bytes, in the same order.
const BINARIES: &[&str] = &["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"];
/// Names that stand for themselves, without a length that matters.
const PLAIN: &[&str] = &[
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "decimal",
    "double",
    "bit",
    "date",
    "year",
    "json",
    "enum",
    "set",
    "tinytext",
    "mediumtext",
    "longtext",
    "tinyblob",
    "mediumblob",
    "longblob",
    "binary",
    "varbinary",
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "vector",
    "inet4",
    "inet6",
    "uuid",
    "time",
    "datetime",
    "timestamp",
    "char",
    "varchar",
];
/// Other names of them.
const ALIASES: &[(&str, &str)] = &[
    ("bool", "tinyint"),
    ("boolean", "tinyint"),
    ("int1", "tinyint"),
    ("int2", "smallint"),
    ("int3", "mediumint"),
    ("middleint", "mediumint"),
    ("int4", "int"),
    ("integer", "int"),
    ("int8", "bigint"),
    ("float8", "double"),
    ("real", "double"),
    ("numeric", "decimal"),
    ("fixed", "decimal"),
    ("dec", "decimal"),
    ("number", "decimal"),
    ("character", "char"),
    ("varcharacter", "varchar"),
    ("varchar2", "varchar"),
    ("clob", "longtext"),
    ("raw", "varbinary"),
    ("geomcollection", "geometrycollection"),
    ("geometrycollection", "geometrycollection"),
];

/// Whether columns of this type have a charset of their own.
pub(super) fn is_text(kind: &str) -> bool {
    TEXTS.contains(&kind)
}

/// Whether columns of this type hold bytes.
pub(super) fn is_binary(kind: &str) -> bool {
    BINARIES.contains(&kind)
}

/// The type that holds bytes where `kind` holds text.
pub(super) fn binary_twin(kind: &str) -> Option<&'static str> {
    TEXTS.iter().position(|text| *text == kind).and_then(|at| BINARIES.get(at)).copied()
}

/// A type as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Kind {
    /// Its normalised name.
    pub(super) name: String,
    /// Whether the name alone says unsigned.
    pub(super) unsigned: bool,
    /// The charset that the name alone says.
    pub(super) charset: Option<&'static str>,
    /// Values of an ENUM or SET.
    pub(super) values: Vec<String>,
    /// Digits behind the second.
    pub(super) fraction: u64,
}

/// Reads a type up to its attributes.
pub(super) fn kind(cursor: &mut Cursor<'_>) -> Read<Kind> {
    let word = cursor.keyword().ok_or(Misread)?.to_ascii_lowercase();
    cursor.skip();
    let national = |name: &str| Kind { name: name.into(), charset: Some("utf8"), ..Kind::default() };
    let kind = match word.as_str() {
        "national" => {
            let varying = cursor.accept_any(&["VARCHAR", "VARCHARACTER"])
                || (cursor.accept_any(&["CHAR", "CHARACTER"]) && cursor.accept(&["VARYING"]));
            national(if varying { "varchar" } else { "char" })
        }
        "nchar" => national(if cursor.accept_any(&["VARCHAR", "VARYING", "VARCHARACTER"]) {
            "varchar"
        } else {
            "char"
        }),
        "nvarchar" => national("varchar"),
        "char" | "character" if cursor.accept(&["VARYING"]) => named("varchar"),
        "long" => return long(cursor),
        "double" => {
            cursor.accept(&["PRECISION"]);
            named("double")
        }
        "serial" => Kind { unsigned: true, ..named("bigint") },
        "float" | "float4" => return Ok(named(float(cursor)?)),
        "text" | "blob" => return Ok(named(&sized(&word, cursor)?)),
        "enum" | "set" => return Ok(Kind { values: values(cursor)?, ..named(&word) }),
        "time" | "datetime" | "timestamp" => {
            let fraction = cursor.list()?.first().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            return Ok(Kind { fraction, ..named(&word) });
        }
        _ => named(normal(&word).ok_or(Misread)?),
    };
    cursor.list()?;
    Ok(kind)
}

fn named(name: &str) -> Kind {
    Kind { name: name.into(), ..Kind::default() }
}

fn normal(word: &str) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word).map(|(_, name)| *name);
    alias.or_else(|| PLAIN.iter().find(|name| **name == word).copied())
}

/// `LONG`, `LONG VARCHAR`, `LONG VARBINARY`.
fn long(cursor: &mut Cursor<'_>) -> Read<Kind> {
    if cursor.accept(&["VARBINARY"]) {
        return Ok(named("mediumblob"));
    }
    if cursor.accept_any(&["CHAR", "CHARACTER"]) {
        cursor.accept(&["VARYING"]);
    } else {
        cursor.accept_any(&["VARCHAR", "VARCHARACTER"]);
    }
    Ok(named("mediumtext"))
}

/// With more than 24 bits of precision it is a double.
fn float(cursor: &mut Cursor<'_>) -> Read<&'static str> {
    let lengths = cursor.list()?;
    let [precision] = lengths.as_slice() else { return Ok("float") };
    Ok(if precision.parse().unwrap_or(0u32) > 24 { "double" } else { "float" })
}

/// TEXT and BLOB with a length become the smallest type that holds it.
fn sized(word: &str, cursor: &mut Cursor<'_>) -> Read<String> {
    let lengths = cursor.list()?;
    let Some(length) = lengths.first().and_then(|length| length.parse::<u64>().ok()) else {
        return Ok(word.to_owned());
    };
    let prefix = match length {
        0 => "",
        1..0x100 => "tiny",
        0x100..0x1_0000 => "",
        0x1_0000..0x100_0000 => "medium",
        _ => "long",
    };
    Ok(format!("{prefix}{word}"))
}

fn values(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    let mut values = Vec::new();
    if !cursor.accept_token(&Token::LParen) {
        return Err(Misread);
    }
    loop {
        values.push(value(cursor)?);
        if cursor.accept_token(&Token::RParen) {
            return Ok(values);
        }
        if !cursor.accept_token(&Token::Comma) {
            return Err(Misread);
        }
    }
}

/// One value. The server cuts spaces off its end.
fn value(cursor: &mut Cursor<'_>) -> Read<String> {
    if cursor.keyword().is_some_and(|word| word.starts_with('_')) {
        cursor.skip();
    }
    let text = match cursor.next() {
        Some(
            Token::SingleQuotedString(text)
            | Token::DoubleQuotedString(text)
            | Token::NationalStringLiteral(text),
        ) => text,
        Some(Token::HexStringLiteral(digits)) => unhex(&digits).ok_or(Misread)?,
        _ => return Err(Misread),
    };
    Ok(text.trim_end_matches(' ').to_owned())
}

fn unhex(digits: &str) -> Option<String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
