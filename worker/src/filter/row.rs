//! The rules that look at values.

use maxwell_protocol::filter::Pattern;

use super::{Expression, FilterError, Verdict, pattern};

/// A column's value in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowValue<'a> {
    /// The row's image does not have the column.
    Absent,
    /// NULL.
    Null,
    /// Its text, as Java's `toString` shows it.
    Text(&'a str),
}

/// What a rule wants of a value.
#[derive(Debug, Clone)]
pub(super) enum ValuePattern {
    /// Anything, NULL too.
    Any,
    /// NULL, or the word.
    Null,
    /// The expression is found in the text.
    Found(Expression),
}

impl ValuePattern {
    pub(super) fn new(value: &Pattern) -> Result<Self, FilterError> {
        let names_null = match value {
            Pattern::Any => false,
            Pattern::Name(name) => name.eq_ignore_ascii_case("null"),
            // To the original a name is the expression that it makes of it.
            Pattern::Regex(regex) => regex.eq_ignore_ascii_case("^null$"),
        };
        Ok(match pattern(value)? {
            None => Self::Any,
            Some(_) if names_null => Self::Null,
            Some(expression) => Self::Found(expression),
        })
    }

    fn matches(&self, value: RowValue<'_>) -> bool {
        match (self, value) {
            (_, RowValue::Absent) => false,
            (Self::Any, _) | (Self::Null, RowValue::Null) => true,
            (Self::Null, RowValue::Text(text)) => matches!(text, "null" | "NULL"),
            (Self::Found(_), RowValue::Null) => false,
            (Self::Found(expression), RowValue::Text(text)) => expression.is_match(text),
        }
    }
}

/// A rule that concerns the table; with the index of a column and what its value must be.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) include: bool,
    pub(super) value: Option<(usize, ValuePattern)>,
}

/// Decides about a table's rows by their values.
#[derive(Debug, Clone)]
pub struct RowFilter {
    /// What holds where no step matches.
    otherwise: bool,
    /// All look at a value.
    steps: Vec<Step>,
}

impl RowFilter {
    /// What stands before the last step that always matches has no effect.
    pub(super) fn new(mut steps: Vec<Step>) -> Self {
        let fixed = steps.iter().rposition(|step| step.value.is_none());
        let otherwise = fixed.is_none_or(|at| steps[at].include);
        let steps = steps.split_off(fixed.map_or(0, |at| at + 1));
        Self { otherwise, steps }
    }

    /// Without steps there is nothing to ask.
    pub(super) fn verdict(self) -> Verdict {
        match (self.steps.is_empty(), self.otherwise) {
            (false, _) => Verdict::Ask(self),
            (true, true) => Verdict::Pass,
            (true, false) => Verdict::Drop,
        }
    }

    /// Indexes of the columns that are looked at.
    pub fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.steps.iter().filter_map(|step| step.value.as_ref().map(|(at, _)| *at))
    }

    /// Whether a row passes; `ask` hands the value of a column on.
    pub fn passes<E>(
        &self,
        mut ask: impl FnMut(usize, &mut dyn FnMut(RowValue<'_>)) -> Result<(), E>,
    ) -> Result<bool, E> {
        // From the end: the last rule that matches decides.
        for step in self.steps.iter().rev() {
            let Some((at, pattern)) = &step.value else { continue };
            let mut matches = false;
            ask(*at, &mut |value| matches = pattern.matches(value))?;
            if matches {
                return Ok(step.include);
            }
        }
        Ok(self.otherwise)
    }
}
