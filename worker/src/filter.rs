//! Maxwell's filter, compiled. Names are wrapped as `^name$` and read as regular expressions without escaping, as the
//! original does; of the rules that match the last one decides.
//!
//! What can be decided by database and table is decided once per table. Only a table that a rule for values concerns
//! gets a [`RowFilter`], which is asked for every row.

mod expression;
mod row;

use maxwell_protocol::filter::{Filter, Pattern, Rule, RuleKind};
use thiserror::Error;

pub use expression::Expression;
pub use row::{RowFilter, RowValue};
use row::{Step, ValuePattern};

/// Why a filter cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// A pattern is no regular expression.
    #[error(
        "filter: '{pattern}' is not a regular expression: {reason}; write it as Java and Rust both read it"
    )]
    Regex {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// The text is no filter.
    #[error("filter: '{text}' {reason}; see Maxwell's filter language")]
    Syntax {
        /// The text.
        text: String,
        /// Where it could not be read, and what was expected there.
        reason: String,
    },
}

/// What becomes of a table's rows.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// None pass.
    Drop,
    /// All pass.
    Pass,
    /// Their values decide.
    Ask(RowFilter),
}

/// A filter ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct TableFilter {
    source: Filter,
    rules: Vec<Compiled>,
    /// The database in which the original keeps its own tables.
    own_database: String,
}

#[derive(Debug, Clone)]
struct Compiled {
    include: bool,
    database: Option<Expression>,
    table: Option<Expression>,
    column: Option<(String, ValuePattern)>,
}

impl Compiled {
    fn new(rule: &Rule) -> Result<Self, FilterError> {
        let column = match &rule.column {
            Some((name, value)) => Some((name.clone(), ValuePattern::new(value)?)),
            None => None,
        };
        Ok(Self {
            include: rule.kind == RuleKind::Include,
            database: pattern(&rule.database)?,
            table: pattern(&rule.table)?,
            column,
        })
    }

    fn concerns(&self, database: &str, table: &str) -> bool {
        let matches = |pattern: &Option<Expression>, name: &str| {
            pattern.as_ref().is_none_or(|expression| expression.is_match(name))
        };
        matches(&self.database, database) && matches(&self.table, table)
    }
}

impl TableFilter {
    /// Reads and compiles; the empty text lets everything pass. `own_database` is where the original keeps its tables.
    pub fn read(text: &str, own_database: &str) -> Result<Self, FilterError> {
        let source = Filter::parse(text)
            .map_err(|error| FilterError::Syntax { text: text.to_owned(), reason: error.to_string() })?;
        let rules = source.rules.iter().map(Compiled::new).collect::<Result<_, _>>()?;
        Ok(Self { source, rules, own_database: own_database.to_owned() })
    }

    /// Other rules in the place of these.
    pub fn replaced_by(&self, text: &str) -> Result<Self, FilterError> {
        Self::read(text, &self.own_database)
    }

    /// The rules as text; `None` if there are none.
    pub fn text(&self) -> Option<String> {
        Some(self.source.to_string()).filter(|text| !text.is_empty())
    }

    /// Whether the table passes, going by the rules that do not look at values. Of the original's own tables only the
    /// requests for bootstraps do, whatever the rules say.
    pub fn passes(&self, database: &str, table: &str) -> bool {
        if let Some(fixed) = self.fixed(database, table) {
            return fixed;
        }
        let decisive =
            self.rules.iter().rev().find(|rule| rule.column.is_none() && rule.concerns(database, table));
        decisive.is_none_or(|rule| rule.include)
    }

    /// Whether rows of the table may pass, whatever columns it has.
    pub fn may_pass(&self, database: &str, table: &str) -> bool {
        let saved = |rule: &Compiled| rule.include && rule.column.is_some() && rule.concerns(database, table);
        self.passes(database, table)
            || (self.fixed(database, table).is_none() && self.rules.iter().any(saved))
    }

    /// What becomes of the rows of a table with these columns.
    pub fn verdict<'a>(
        &self,
        database: &str,
        table: &str,
        columns: impl Iterator<Item = &'a str>,
    ) -> Verdict {
        let passes = self.passes(database, table);
        let concerning = || self.rules.iter().filter(|rule| rule.concerns(database, table));
        if self.fixed(database, table).is_some() || !concerning().any(|rule| rule.column.is_some()) {
            return if passes { Verdict::Pass } else { Verdict::Drop };
        }
        let columns: Vec<&str> = columns.collect();
        if !passes && !could_pass(concerning(), &columns) {
            return Verdict::Drop;
        }
        let step = |rule: &Compiled| match &rule.column {
            None => Some(Step { include: rule.include, value: None }),
            // A rule for a column that the table does not have never applies.
            Some((name, value)) => columns
                .iter()
                .position(|column| column == name)
                .map(|at| Step { include: rule.include, value: Some((at, value.clone())) }),
        };
        RowFilter::new(concerning().filter_map(step).collect()).verdict()
    }

    /// Tables that no rule decides about.
    fn fixed(&self, database: &str, table: &str) -> Option<bool> {
        match database {
            own if own == self.own_database => Some(table == "bootstrap"),
            "mysql" if table == "ha_health_check" || table.starts_with("rds_heartbeat") => Some(false),
            _ => None,
        }
    }
}

/// Whether a rule for values may let rows of a table pass that is excluded. The original compares the rule's column
/// with the names in lower case, and so does not find one that has capitals.
fn could_pass<'a>(mut concerning: impl Iterator<Item = &'a Compiled>, columns: &[&str]) -> bool {
    concerning.any(|rule| {
        let named = rule.column.as_ref().filter(|_| rule.include);
        named.is_some_and(|(name, _)| columns.iter().any(|column| column.to_lowercase() == *name))
    })
}

fn pattern(pattern: &Pattern) -> Result<Option<Expression>, FilterError> {
    match pattern {
        Pattern::Any => Ok(None),
        Pattern::Name(name) => Expression::search(&format!("^{name}$")).map(Some),
        Pattern::Regex(regex) => Expression::search(regex).map(Some),
    }
}

#[cfg(test)]
mod tests;
