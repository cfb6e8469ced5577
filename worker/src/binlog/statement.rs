//! What a statement of the binlog means for its transaction, told from its first words.

/// What a statement means for a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Opens one.
    Begin,
    /// Commits it.
    Commit,
    /// Undoes it.
    Rollback,
    /// Part of an XA transaction.
    Xa,
    /// Sets or undoes part of one; row events that it undid can still be in the binlog before it.
    Savepoint,
    /// Changes rows, which the binlog shows as this statement only.
    Rows,
    /// Changes nothing that is streamed: temporary tables, the server's own notes.
    Nothing,
    /// Anything else, DDL among it.
    Other,
}

/// Tells transaction control from the rest. Case, leading space and comments do not matter.
pub fn statement(text: &str) -> Statement {
    if text.starts_with("# Dummy event") {
        return Statement::Nothing;
    }
    let mut words = words(text);
    let first = words.next().unwrap_or("");
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    if is("BEGIN") {
        Statement::Begin
    } else if is("COMMIT") {
        Statement::Commit
    } else if is("ROLLBACK") {
        if words.any(|word| word.eq_ignore_ascii_case("TO")) {
            Statement::Savepoint
        } else {
            Statement::Rollback
        }
    } else if is("SAVEPOINT") || is("RELEASE") {
        Statement::Savepoint
    } else if is("XA") {
        Statement::Xa
    } else if ["INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH", "SELECT", "DO", "CALL"]
        .iter()
        .any(|word| is(word))
    {
        Statement::Rows
    } else if is("CREATE") || is("DROP") {
        let mut rest =
            words.filter(|word| !word.eq_ignore_ascii_case("OR") && !word.eq_ignore_ascii_case("REPLACE"));
        match rest.next() {
            Some(word) if word.eq_ignore_ascii_case("TEMPORARY") => Statement::Nothing,
            _ => Statement::Other,
        }
    } else {
        Statement::Other
    }
}

/// The words of a statement with quotes and parentheses as words of their own, comments left out; what a conditional
/// comment (`/*!40005 TEMPORARY */`) holds counts.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
            if let Some(after) = rest.strip_prefix("/*!").or_else(|| rest.strip_prefix("/*M!")) {
                rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            } else if let Some(after) = rest.strip_prefix("*/") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("/*") {
                rest = after.split_once("*/").map_or("", |(_, after)| after);
            } else if rest.starts_with("-- ") || rest.starts_with('#') {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
            } else {
                break;
            }
        }
        let (word, after) = rest.split_at(word_length(rest));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

fn word_length(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    if matches!(first, '`' | '"' | '\'') {
        return quoted_length(text, first);
    }
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '@';
    if !part(first) {
        return first.len_utf8();
    }
    text.find(|c: char| !part(c)).unwrap_or(text.len())
}

/// A quote inside is doubled.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Whether the statement makes a table and fills it: the binlog then has no event for its rows.
pub fn makes_rows(text: &str) -> bool {
    let mut words = words(text);
    let mut next = |wanted: &str| words.next().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    next("CREATE") && next("TABLE") && words.any(|word| word.eq_ignore_ascii_case("SELECT"))
}

/// The one table whose rows the statement changes, as `(database, table)`; `None` if that is not certain.
pub fn changed_table(text: &str, database: &str) -> Option<(String, String)> {
    let words: Vec<&str> = words(text).take(64).collect();
    let is = |at: usize, wanted: &str| words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    let mut at = match () {
        () if is(0, "INSERT") || is(0, "REPLACE") => {
            let at = skip(&words, 1, &["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"]);
            skip(&words, at, &["INTO"])
        }
        () if is(0, "UPDATE") => skip(&words, 1, &["LOW_PRIORITY", "IGNORE"]),
        () if is(0, "DELETE") => {
            let at = skip(&words, 1, &["LOW_PRIORITY", "QUICK", "IGNORE"]);
            if !is(at, "FROM") {
                return None;
            }
            at + 1
        }
        () if is(0, "CREATE") => skip(&words, 2, &["IF", "NOT", "EXISTS"]),
        () if is(0, "LOAD") => {
            words.windows(2).position(|pair| {
                pair[0].eq_ignore_ascii_case("INTO") && pair[1].eq_ignore_ascii_case("TABLE")
            })? + 2
        }
        () => return None,
    };
    let first = name(words.get(at)?)?;
    at += 1;
    let (database, table) = if is(at, ".") {
        at += 2;
        (first, name(words.get(at - 1)?)?)
    } else {
        (database.to_owned(), first)
    };
    // More than one table, or an alias, which may hide that.
    let several = words[at..]
        .iter()
        .take_while(|word| !word.eq_ignore_ascii_case("SET") && **word != "(")
        .any(|word| {
            [",", "JOIN", "USING", "STRAIGHT_JOIN"].iter().any(|wanted| word.eq_ignore_ascii_case(wanted))
        });
    (!several || !(is(0, "UPDATE") || is(0, "DELETE"))).then_some((database, table))
}

fn skip(words: &[&str], mut at: usize, known: &[&str]) -> usize {
    while words.get(at).is_some_and(|word| known.iter().any(|known| word.eq_ignore_ascii_case(known))) {
        at += 1;
    }
    at
}

fn name(word: &str) -> Option<String> {
    match word.strip_prefix('`') {
        Some(quoted) => quoted.strip_suffix('`').map(|name| name.replace("``", "`")),
        None => {
            word.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$').then(|| word.to_owned())
        }
    }
}

/// The name of a savepoint and whether the statement goes back to it, sets it or, else, releases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Savepoint {
    /// Sets it.
    Set(String),
    /// Undoes what came after it.
    RollbackTo(String),
    /// Forgets it.
    Release(String),
}

/// Reads `SAVEPOINT x`, `ROLLBACK [WORK] TO [SAVEPOINT] x`, `RELEASE SAVEPOINT x`. Names do not heed case.
pub fn savepoint(text: &str) -> Option<Savepoint> {
    let words: Vec<&str> = words(text).take(5).collect();
    let last = name(words.last()?)?.to_lowercase();
    let first = words.first()?;
    Some(if first.eq_ignore_ascii_case("ROLLBACK") {
        Savepoint::RollbackTo(last)
    } else if first.eq_ignore_ascii_case("RELEASE") {
        Savepoint::Release(last)
    } else {
        Savepoint::Set(last)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_are_told_apart() {
        for (text, expected) in [
            ("BEGIN", Statement::Begin),
            (" commit", Statement::Commit),
            ("ROLLBACK", Statement::Rollback),
            ("ROLLBACK TO `a`", Statement::Savepoint),
            ("XA START X'31',X'',1", Statement::Xa),
            ("alter table t add c int", Statement::Other),
            ("create table t (a int)", Statement::Other),
            ("", Statement::Other),
            ("/* app */ insert into t values (1)", Statement::Rows),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE `t` (a)", Statement::Rows),
            ("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `t`", Statement::Nothing),
            ("CREATE OR REPLACE TEMPORARY TABLE t (a int)", Statement::Nothing),
            ("# Dummy event replacing event type 160", Statement::Nothing),
        ] {
            assert_eq!(statement(text), expected, "{text}");
        }
    }

    #[test]
    fn the_changed_table_is_found_or_left_open() {
        let found =
            |text: &str| changed_table(text, "d").map(|(database, table)| format!("{database}.{table}"));
        for (text, expected) in [
            ("insert into t values (1)", "d.t"),
            ("INSERT IGNORE INTO `a b`.`x``y` (c) SELECT 1 FROM b, c", "a b.x`y"),
            ("replace t set a = 1", "d.t"),
            ("update low_priority t set a = 1, b = 2", "d.t"),
            ("delete /* , */ from s.t where a in (select 1 from x join y)", "s.t"),
            ("create table if not exists s.t select * from u, v", "s.t"),
            ("LOAD DATA INFILE 'f' IGNORE INTO TABLE t FIELDS TERMINATED BY ','", "d.t"),
        ] {
            assert_eq!(found(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "update a, b set a.x = b.x",
            "delete a from a join b",
            "with x as (select 1) delete from t",
            "call p()",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_that_is_filled_as_it_is_made() {
        assert!(makes_rows("CREATE TABLE t (a int) AS SELECT 1"));
        assert!(!makes_rows("CREATE TABLE t (a int)"));
        assert!(!makes_rows("CREATE VIEW v AS SELECT 1"));
    }

    #[test]
    fn savepoints_have_names() {
        assert_eq!(savepoint("SAVEPOINT `S p`"), Some(Savepoint::Set("s p".into())));
        assert_eq!(savepoint("ROLLBACK WORK TO SAVEPOINT a"), Some(Savepoint::RollbackTo("a".into())));
        assert_eq!(savepoint("release savepoint a"), Some(Savepoint::Release("a".into())));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(insert|delete|update|rollback|savepoint|/\\*!?|`|'|,|\\PC| ){0,12}") {
            let _ = (statement(&text), changed_table(&text, "d"), savepoint(&text), makes_rows(&text));
        }
    }
}
