//! Maxwell's filter language: text to rules and back. Syntax only; the worker compiles and evaluates it.
//!
//! `rule[, rule…]`, rule = `include|exclude|blacklist : <db> . <tbl> [ . <column> = <value> ]`.

use std::fmt;

use thiserror::Error;

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot be read at character {at}: expected {expected}")]
pub struct ParseFilterError {
    /// Index of the character, from 1.
    pub at: usize,
    /// What would have been understood there.
    pub expected: &'static str,
}

/// Rules in order; the last that matches wins, none means included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The rules in their order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it does with what it matches.
    pub kind: RuleKind,
    /// The databases.
    pub database: Pattern,
    /// The tables.
    pub table: Pattern,
    /// A column and the values of it; such a rule is applied per row.
    pub column: Option<(String, Pattern)>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// Lets pass.
    Include,
    /// Drops.
    Exclude,
    /// Drops, and leaves the schema unwatched.
    Blacklist,
}

/// What a name or value is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Everything.
    Any,
    /// A name, bare or quoted. The original compiles it as the regular expression `^name$` without escaping.
    Name(String),
    /// A regular expression, searched for.
    Regex(String),
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => write_name(f, name),
            Self::Regex(regex) => write!(f, "/{}/", regex.replace('/', "\\/")),
        }
    }
}

/// Bare if that reads back, else in back-ticks.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        f.write_str(name)
    } else {
        write!(f, "`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rule) in self.rules.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let kind = match rule.kind {
                RuleKind::Include => "include",
                RuleKind::Exclude => "exclude",
                RuleKind::Blacklist => "blacklist",
            };
            write!(f, "{comma}{kind}: {}.{}", rule.database, rule.table)?;
            if let Some((column, value)) = &rule.column {
                f.write_str(".")?;
                write_name(f, column)?;
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

impl Filter {
    /// Reads a filter; the empty text has no rules.
    pub fn parse(text: &str) -> Result<Self, ParseFilterError> {
        let mut parser = Parser { characters: text.chars().collect(), at: 0 };
        let mut rules = Vec::new();
        parser.skip_space();
        while !parser.at_end() {
            rules.push(parser.rule()?);
            parser.skip_space();
            if parser.take(',') {
                parser.skip_space();
            }
        }
        Ok(Self { rules })
    }
}

struct Parser {
    characters: Vec<char>,
    at: usize,
}

impl Parser {
    fn at_end(&self) -> bool {
        self.at >= self.characters.len()
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn refuse<T>(&self, expected: &'static str) -> Result<T, ParseFilterError> {
        Err(ParseFilterError { at: self.at + 1, expected })
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.characters[start..self.at].iter().collect()
    }

    fn rule(&mut self) -> Result<Rule, ParseFilterError> {
        let start = self.at;
        let kind = match self.word().to_lowercase().as_str() {
            "include" => RuleKind::Include,
            "exclude" => RuleKind::Exclude,
            "blacklist" => RuleKind::Blacklist,
            _ => {
                self.at = start;
                return self.refuse("include, exclude or blacklist");
            }
        };
        if !self.take(':') {
            return self.refuse("':'");
        }
        let database = self.pattern()?;
        if !self.take('.') {
            return self.refuse("'.' and a table");
        }
        let table = self.pattern()?;
        let column = if self.take('.') {
            let column = self.column()?;
            if !self.take('=') {
                return self.refuse("'=' and a value");
            }
            Some((column, self.pattern()?))
        } else {
            None
        };
        Ok(Rule { kind, database, table, column })
    }

    /// Columns are compared by name alone.
    fn column(&mut self) -> Result<String, ParseFilterError> {
        self.skip_space();
        match self.peek() {
            Some(quote @ ('`' | '\'' | '"')) => self.quoted(quote),
            Some(c) if c.is_alphanumeric() || c == '_' => Ok(self.word()),
            _ => self.refuse("a column's name"),
        }
    }

    fn pattern(&mut self) -> Result<Pattern, ParseFilterError> {
        self.skip_space();
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Pattern::Any)
            }
            Some('/') => self.regex().map(Pattern::Regex),
            Some(quote @ ('`' | '\'' | '"')) => self.quoted(quote).map(Pattern::Name),
            Some(c) if c.is_alphanumeric() || c == '_' => Ok(Pattern::Name(self.word())),
            _ => self.refuse("a name, '*', a quoted name or a /regular expression/"),
        }
    }

    /// Up to the next slash that no backslash stands before; `\/` is a slash, every other backslash stays.
    fn regex(&mut self) -> Result<String, ParseFilterError> {
        let mut text = String::new();
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == '/' {
                return Ok(text);
            }
            if c == '\\' && self.peek() == Some('/') {
                self.at += 1;
                text.push('/');
            } else {
                text.push(c);
            }
        }
        self.refuse("the closing slash")
    }

    /// Up to the same quote. A backslash takes itself away and means what it means in Java: `\n` is a line's end, and
    /// what has no meaning stands for itself.
    fn quoted(&mut self, quote: char) -> Result<String, ParseFilterError> {
        let mut text = String::new();
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == quote {
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some(escaped) = self.peek() else { break };
            self.at += 1;
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            });
        }
        self.refuse("the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_documented_forms() {
        let text = "exclude: *.*, include: shop.orders include: `my-db`./^tmp_\\/x/, EXCLUDE: a.b.c=/x/";
        let filter = Filter::parse(text).unwrap();
        assert_eq!(filter.rules.len(), 4);
        assert_eq!(filter.rules[2].table, Pattern::Regex("^tmp_/x".into()));
        assert_eq!(
            filter.to_string(),
            "exclude: *.*, include: shop.orders, include: `my-db`./^tmp_\\/x/, exclude: a.b.c=/x/"
        );
        assert_eq!(Filter::parse(" \n").unwrap(), Filter::default());
        let Rule { table, column, .. } = &Filter::parse("include: d . 'a\\.b' . ID = null").unwrap().rules[0];
        assert_eq!(table, &Pattern::Name("a.b".into()));
        assert_eq!(column, &Some(("ID".to_owned(), Pattern::Name("null".into()))));
    }

    #[test]
    fn says_where_it_stopped() {
        assert_eq!(Filter::parse("include shop.*").unwrap_err().expected, "':'");
        assert_eq!(Filter::parse("allow: a.b").unwrap_err().at, 1);
        assert_eq!(Filter::parse("include: a./b").unwrap_err().expected, "the closing slash");
        assert_eq!(Filter::parse("include: a.'b").unwrap_err().expected, "the closing quote");
        assert_eq!(Filter::parse("include: a.b.*=1").unwrap_err().expected, "a column's name");
        let error = Filter::parse("exclude: *.*, include: a").unwrap_err();
        assert_eq!(error.to_string(), "cannot be read at character 25: expected '.' and a table");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = Filter::parse(&text);
        }

        #[test]
        fn prints_what_it_reads(rules in prop::collection::vec(rule(), 0..6)) {
            let filter = Filter { rules };
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        prop_oneof![
            Just(Pattern::Any),
            "\\PC{0,8}".prop_map(Pattern::Name),
            // An expression that ends in a bare backslash cannot be written between slashes, nor compiled.
            "[a-z.*/$^()-]{0,8}".prop_map(Pattern::Regex),
            "([a-z]|\\\\[a-z.]){0,4}".prop_map(Pattern::Regex),
        ]
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let kind = prop_oneof![Just(RuleKind::Include), Just(RuleKind::Exclude), Just(RuleKind::Blacklist)];
        (kind, pattern(), pattern(), prop::option::of(("\\PC{0,8}", pattern())))
            .prop_map(|(kind, database, table, column)| Rule { kind, database, table, column })
    }
}
