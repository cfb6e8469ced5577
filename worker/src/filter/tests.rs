use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn filter(text: &str) -> TableFilter {
    TableFilter::read(text, "maxwell").unwrap()
}

/// Whether a row passes, given as columns and values.
fn row(text: &str, table: &str, row: &[(&str, RowValue<'_>)]) -> bool {
    match filter(text).verdict("shop", table, row.iter().map(|(name, _)| *name)) {
        Verdict::Drop => false,
        Verdict::Pass => true,
        Verdict::Ask(rows) => {
            let ask = |at: usize, tell: &mut dyn FnMut(RowValue<'_>)| {
                tell(row[at].1);
                Ok::<_, Infallible>(())
            };
            rows.passes(ask).unwrap()
        }
    }
}

#[test]
fn the_last_matching_rule_decides() {
    let some = filter("exclude: *.*, include: shop.*, exclude: shop./^tmp_/");
    assert!(some.passes("shop", "orders"));
    assert!(!some.passes("shop", "tmp_1"));
    assert!(!some.passes("shopping", "orders"));
    assert!(filter("").passes("any", "thing"));
    assert!(!filter("blacklist: shop.*").passes("shop", "orders"));
}

#[test]
fn names_are_expressions_and_case_counts() {
    assert!(!filter("exclude: 'sh.p'.*").passes("shop", "x"));
    assert!(filter("exclude: SHOP.*").passes("shop", "x"));
    assert!(!filter("exclude: /ho/.*").passes("shop", "x"));
    assert!(filter("exclude: 'a|b'.*").passes("xbx", "x"), "^a|b$");
    assert!(!filter("exclude: 'a|b'.*").passes("xb", "x"), "^a|b$");
}

#[test]
fn some_tables_are_decided_about_by_no_rule() {
    assert!(!filter("include: *.*").passes("mysql", "rds_heartbeat2"));
    assert!(!filter("include: *.*").passes("mysql", "ha_health_check"));
    assert!(filter("").passes("mysql", "user"));
    assert!(filter("exclude: *.*").passes("maxwell", "bootstrap"));
    for own in ["heartbeats", "positions", "schemas"] {
        assert!(!filter("include: maxwell.*").passes("maxwell", own));
    }
    let elsewhere = TableFilter::read("exclude: mx.*", "mx").unwrap();
    assert!(elsewhere.passes("mx", "bootstrap") && elsewhere.passes("maxwell", "positions"));
    assert!(!elsewhere.replaced_by("").unwrap().passes("mx", "positions"));
}

#[test]
fn rules_for_values_are_asked_per_row() {
    use RowValue::{Absent, Null, Text};
    let only = "exclude: shop.*, include: shop.*.kind = new";
    assert!(row(only, "t", &[("kind", Text("new"))]));
    assert!(!row(only, "t", &[("kind", Text("newer"))]), "^new$");
    assert!(!row(only, "t", &[("kind", Null)]));
    assert!(!row(only, "t", &[("kind", Absent)]));
    assert!(!row(only, "t", &[("other", Text("new"))]));
    let but = "exclude: shop.t.kind = /e/";
    assert!(!row(but, "t", &[("kind", Text("new"))]));
    assert!(row(but, "t", &[("kind", Text("old"))]));
    assert!(row(but, "u", &[("kind", Text("new"))]));
    for null in ["null", "NULL", "Null", "/^null$/"] {
        let none = format!("exclude: *.*.kind = {null}");
        assert!(!row(&none, "t", &[("kind", Null)]), "{null}");
        assert!(!row(&none, "t", &[("kind", Text("NULL"))]) && row(&none, "t", &[("kind", Text("Null"))]));
    }
    let any = "exclude: *.*.kind = *";
    assert!(!row(any, "t", &[("kind", Null)]) && !row(any, "t", &[("kind", Text("x"))]));
    assert!(row(any, "t", &[("kind", Absent)]) && row(any, "t", &[("other", Null)]));
}

#[test]
fn a_later_rule_for_the_table_ends_the_asking() {
    let over = filter("exclude: *.*.a = 1, include: shop.*");
    assert!(matches!(over.verdict("shop", "t", ["a"].into_iter()), Verdict::Pass));
    assert!(matches!(over.verdict("else", "t", ["a"].into_iter()), Verdict::Ask(_)));
    assert!(matches!(over.verdict("else", "t", ["b"].into_iter()), Verdict::Pass));
}

/// Quirk of the original: an excluded table is looked at only for a column that its lower-case names hold.
#[test]
fn a_column_with_capitals_does_not_save_an_excluded_table() {
    use RowValue::Text;
    assert!(!row("exclude: shop.*, include: shop.*.Kind = 1", "t", &[("Kind", Text("1"))]));
    assert!(!row("exclude: shop.*, include: shop.*.kind = 1", "t", &[("Kind", Text("1"))]));
    assert!(!row("exclude: shop.*.Kind = 1", "t", &[("Kind", Text("1"))]), "not excluded as a table");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let refused = |text| TableFilter::read(text, "maxwell").unwrap_err().to_string();
    assert!(refused("include: a./(/").contains("regular expression"));
    assert!(refused("include: a").contains("at character 11"));
}

#[test]
fn the_text_is_what_was_read() {
    assert_eq!(filter("").text(), None);
    assert_eq!(filter("EXCLUDE: a.b.c=1").text().unwrap(), "exclude: a.b.c=1");
}

/// A rule over names of one letter: what it includes, its database and table (`*` for any), and the value of `k` that it
/// asks for.
type Plain = (bool, char, char, Option<char>);

fn written((include, database, table, value): &Plain) -> String {
    let kind = if *include { "include" } else { "exclude" };
    let value = value.map(|value| format!(".k={value}")).unwrap_or_default();
    format!("{kind}: {database}.{table}{value}")
}

proptest! {
    /// The original's way: begin with "included", go through the rules, the last that matches holds. A table that is
    /// excluded is looked at if a rule for a value may include its rows.
    #[test]
    fn rules_go_from_the_first_to_the_last(
        rules in prop::collection::vec(
            (any::<bool>(), prop::sample::select(vec!['a', 'b', '*']), prop::sample::select(vec!['t', 'u', '*']),
             prop::option::of(prop::sample::select(vec!['1', '2', '*']))),
            0..6,
        ),
        value in prop::sample::select(vec!["1", "2", "3"]),
    ) {
        let is = |pattern: char, text: &str| pattern == '*' || text.starts_with(pattern);
        let decide = |concerning: &dyn Fn(&Plain) -> bool| {
            rules.iter().filter(|rule| concerning(rule)).fold(true, |_, rule| rule.0)
        };
        let text: Vec<String> = rules.iter().map(written).collect();
        let filter = filter(&text.join(", "));
        let table = |rule: &Plain| is(rule.1, "a") && is(rule.2, "t");
        let passes = decide(&|rule| table(rule) && rule.3.is_none());
        prop_assert_eq!(filter.passes("a", "t"), passes);
        let saved = rules.iter().any(|rule| table(rule) && rule.3.is_some() && rule.0);
        let row = (passes || saved)
            && decide(&|rule| table(rule) && rule.3.is_none_or(|wanted| is(wanted, value)));
        let came = match filter.verdict("a", "t", ["k"].into_iter()) {
            Verdict::Drop => false,
            Verdict::Pass => true,
            Verdict::Ask(rows) => rows
                .passes(|_, tell| {
                    tell(RowValue::Text(value));
                    Ok::<_, Infallible>(())
                })
                .unwrap(),
        };
        prop_assert_eq!(came, row);
    }
}
