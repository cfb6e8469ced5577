//! A table as `information_schema` describes it.

use super::charset::Charset;

/// A captured table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTable {
    /// Columns by position.
    pub columns: Vec<CatalogColumn>,
    /// Indexes of the primary key's columns, in key order.
    pub primary_key: Vec<usize>,
    /// How many columns that no SELECT shows come behind the others in a TABLE_MAP.
    pub hidden: u8,
}

/// A captured column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Name.
    pub name: String,
    /// `DATA_TYPE`, lower case.
    pub data_type: String,
    /// Whether `COLUMN_TYPE` says unsigned.
    pub unsigned: bool,
    /// Charset; binary for columns without one.
    pub charset: Charset,
    /// Digits behind the point of a date or time.
    pub fsp: u8,
    /// Values of an ENUM or SET.
    pub values: Vec<String>,
    /// MariaDB: text with a `json_valid` check, which is what its JSON type is.
    pub json_text: bool,
}

/// The values in an ENUM's or SET's `COLUMN_TYPE`, for example `enum('a','it''s')`. Quotes are undoubled.
pub fn values_of(column_type: &str) -> Vec<String> {
    let Some(list) = column_type.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else {
        return Vec::new();
    };
    let mut values = Vec::new();
    let mut characters = list.0.chars().peekable();
    while characters.by_ref().any(|c| c == '\'') {
        let mut value = String::new();
        while let Some(c) = characters.next() {
            if c == '\'' {
                if characters.peek() != Some(&'\'') {
                    break;
                }
                characters.next();
            }
            value.push(c);
        }
        values.push(value);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unquoted() {
        assert_eq!(values_of("enum('a','it''s','x,y')"), ["a", "it's", "x,y"]);
        assert_eq!(values_of("set('')"), [""]);
        assert_eq!(values_of("int"), Vec::<String>::new());
    }
}
