//! The statement of a chunk.

use std::fmt::Write as _;

/// A name as SQL quotes it.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What a chunk is read with.
#[derive(Debug, Clone, Copy)]
pub struct ChunkPlan<'a> {
    /// Database.
    pub database: &'a str,
    /// Table.
    pub table: &'a str,
    /// Expressions of the columns, ready for SQL.
    pub columns: &'a [String],
    /// Index of the key; it is read in its order.
    pub index: &'a str,
    /// Names of the key's columns; without one the whole table is read at once.
    pub key: &'a [String],
    /// The request's condition.
    pub condition: Option<&'a str>,
    /// Key of the last row of the chunk before, as SQL literals; empty at the start.
    pub after: &'a [String],
    /// Rows at the most.
    pub limit: u64,
    /// Whether rows are locked while they are read: waits for transactions that are in the binlog but not yet visible.
    pub locking: bool,
}

impl ChunkPlan<'_> {
    /// The statement. A comparison of rows, `(a, b) > (1, 2)`, would not use the index on every server, so it is written
    /// out.
    pub fn sql(&self) -> String {
        let key: Vec<String> = self.key.iter().map(|name| quoted(name)).collect();
        let mut sql = format!(
            "SELECT {} FROM {}.{}",
            self.columns.join(", "),
            quoted(self.database),
            quoted(self.table)
        );
        if !key.is_empty() {
            let _infallible = write!(sql, " FORCE INDEX ({})", quoted(self.index));
        }
        let mut conditions = Vec::new();
        if let Some(condition) = self.condition {
            // The line's end keeps a comment in it from swallowing what follows.
            conditions.push(format!("({condition}\n)"));
        }
        if !self.after.is_empty() {
            conditions.push(behind(&key, self.after));
        }
        if !conditions.is_empty() {
            let _infallible = write!(sql, " WHERE {}", conditions.join(" AND "));
        }
        if !key.is_empty() {
            let _infallible = write!(sql, " ORDER BY {} LIMIT {}", key.join(", "), self.limit);
        }
        if self.locking {
            sql.push_str(" LOCK IN SHARE MODE");
        }
        sql
    }
}

/// `a >= 1 AND (a > 1 OR (a = 1 AND (b > 2)))`.
fn behind(key: &[String], after: &[String]) -> String {
    let (Some((column, key)), Some((value, after))) = (key.split_first(), after.split_first()) else {
        return "FALSE".into();
    };
    if key.is_empty() {
        return format!("{column} > {value}");
    }
    format!(
        "{column} >= {value} AND ({column} > {value} OR ({column} = {value} AND ({})))",
        behind(key, after)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_goes_on_behind_the_cursor() {
        let columns = ["`a`".to_owned(), "CAST(`e` AS UNSIGNED)".to_owned()];
        let key = ["a".to_owned(), "b`c".to_owned()];
        let mut plan = ChunkPlan {
            database: "d",
            table: "t",
            columns: &columns,
            index: "PRIMARY",
            key: &key,
            condition: None,
            after: &[],
            limit: 10,
            locking: false,
        };
        assert_eq!(
            plan.sql(),
            "SELECT `a`, CAST(`e` AS UNSIGNED) FROM `d`.`t` FORCE INDEX (`PRIMARY`) ORDER BY `a`, `b``c` LIMIT 10"
        );
        let after = ["1".to_owned(), "X'02'".to_owned()];
        plan.after = &after;
        plan.condition = Some("a < 9 -- few");
        plan.locking = true;
        assert_eq!(
            plan.sql(),
            "SELECT `a`, CAST(`e` AS UNSIGNED) FROM `d`.`t` FORCE INDEX (`PRIMARY`) WHERE (a < 9 -- few\n) AND \
             `a` >= 1 AND (`a` > 1 OR (`a` = 1 AND (`b``c` > X'02'))) ORDER BY `a`, `b``c` LIMIT 10 LOCK IN SHARE MODE"
        );
        let plan = ChunkPlan { key: &[], after: &[], locking: false, ..plan };
        assert_eq!(plan.sql(), "SELECT `a`, CAST(`e` AS UNSIGNED) FROM `d`.`t` WHERE (a < 9 -- few\n)");
    }
}
