//! Java's regular expressions, as far as they decide filters.

use regex::Regex;

use super::FilterError;

/// A compiled expression: the fast library's where that knows it, else, for what looks around or back, the other's.
#[derive(Debug, Clone)]
pub enum Expression {
    /// In linear time.
    Linear(Regex),
    /// With backtracking.
    Backtracking(fancy_regex::Regex),
}

impl Expression {
    /// One that is searched for.
    pub fn search(text: &str) -> Result<Self, FilterError> {
        if let Ok(regex) = Regex::new(text) {
            return Ok(Self::Linear(regex));
        }
        fancy_regex::Regex::new(text).map(Self::Backtracking).map_err(|error| FilterError::Regex {
            pattern: text.to_owned(),
            reason: error.to_string().replace('\n', " "),
        })
    }

    /// One that must match from end to end.
    pub fn whole(text: &str) -> Result<Self, FilterError> {
        Self::search(text)?;
        Self::search(&format!("\\A(?:{text})\\z"))
    }

    /// Whether it is found. One that would take too long to decide counts as not found.
    pub fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Linear(regex) => regex.is_match(text),
            Self::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_knows_is_known() {
        let found = |text: &str, name: &str| Expression::search(text).unwrap().is_match(name);
        assert!(found("^tmp_", "tmp_1"));
        assert!(found("mp", "tmp_1"));
        assert!(found("^(?!tmp_)", "orders") && !found("^(?!tmp_)", "tmp_1"));
        assert!(found(r"^(.)\1$", "aa") && !found(r"^(.)\1$", "ab"));
        assert!(found("a++b", "aab"));
        assert!(!Expression::whole("a|b").unwrap().is_match("ab"));
        assert!(Expression::search("(").is_err() && Expression::whole(")(").is_err());
    }
}
