//! Maxwell's filter, compiled. Names are wrapped as `^name$` and read as regular expressions without escaping, as the
//! original does; of the rules that match the last one decides.

use maxwell_protocol::filter::{Filter, Pattern, RuleKind};
use regex::Regex;
use thiserror::Error;

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
    /// A rule looks at columns.
    #[error("filter: '{0}' looks at column values, which is not supported yet; filter by database and table")]
    ColumnRule(String),
}

/// A filter ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct TableFilter {
    rules: Vec<(bool, Option<Regex>, Option<Regex>)>,
}

impl TableFilter {
    /// Compiles the rules.
    pub fn compile(filter: &Filter) -> Result<Self, FilterError> {
        let rules = filter.rules.iter().map(|rule| {
            if rule.column.is_some() {
                return Err(FilterError::ColumnRule(Filter { rules: vec![rule.clone()] }.to_string()));
            }
            Ok((rule.kind == RuleKind::Include, pattern(&rule.database)?, pattern(&rule.table)?))
        });
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether rows of the table pass. The original's own traffic never does.
    pub fn passes(&self, database: &str, table: &str) -> bool {
        if database == "mysql" && (table == "ha_health_check" || table.starts_with("rds_heartbeat")) {
            return false;
        }
        let matches =
            |pattern: &Option<Regex>, name: &str| pattern.as_ref().is_none_or(|regex| regex.is_match(name));
        let decisive = self.rules.iter().rev().find(|(_, d, t)| matches(d, database) && matches(t, table));
        decisive.is_none_or(|(include, ..)| *include)
    }
}

fn pattern(pattern: &Pattern) -> Result<Option<Regex>, FilterError> {
    let text = match pattern {
        Pattern::Any => return Ok(None),
        Pattern::Name(name) => format!("^{name}$"),
        Pattern::Regex(regex) => regex.clone(),
    };
    Regex::new(&text)
        .map(Some)
        .map_err(|error| FilterError::Regex { pattern: text, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TableFilter {
        TableFilter::compile(&Filter::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn the_last_matching_rule_decides() {
        let some = filter("exclude: *.*, include: shop.*, exclude: shop./^tmp_/");
        assert!(some.passes("shop", "orders"));
        assert!(!some.passes("shop", "tmp_1"));
        assert!(!some.passes("shopping", "orders"));
        assert!(filter("").passes("any", "thing"));
        assert!(!filter("").passes("mysql", "rds_heartbeat2"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let compile = |text| TableFilter::compile(&Filter::parse(text).unwrap()).unwrap_err().to_string();
        assert!(compile("include: a./(/").contains("regular expression"));
        assert!(compile("include: a.b.c=1").contains("a.b.c=1"));
    }
}
