//! Which cases share a worker, and what their databases are called. Pure but for the random part of the names.

use std::collections::BTreeMap;

use super::case::Case;
use crate::lab::unique;

/// The table that tells the end of a case.
pub const MARKER: &str = "marker";

/// Names that no other run uses.
#[derive(Debug, Clone)]
pub struct Names {
    /// What they begin with.
    pub prefix: String,
}

impl Names {
    /// New ones.
    pub fn new() -> Self {
        Self { prefix: unique("corpus") }
    }

    fn case(&self, at: usize) -> String {
        format!("{}_c{at}", self.prefix)
    }

    fn group(&self, at: usize) -> String {
        format!("{}_e{at}", self.prefix)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

/// A case with its database.
#[derive(Debug, Clone)]
pub struct Placed<'a> {
    /// The case.
    pub case: &'a Case,
    /// What `$db` stands for.
    pub database: String,
}

/// Cases that one worker can stream.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Its own database, which holds the marker; also its topic and its cluster.
    pub name: String,
    /// Options of the worker.
    pub options: Vec<String>,
    /// Partitions, if it writes to Kafka.
    pub partitions: Option<i32>,
    /// The cases in order.
    pub cases: Vec<Placed<'a>>,
}

/// Groups the cases that apply to `server`. Those with a filter of their own are apart: a rule that the worker refuses
/// fails its like only.
pub fn groups<'a>(cases: &'a [Case], server: &str, names: &Names) -> Vec<Group<'a>> {
    let mut found: BTreeMap<(Option<i32>, Vec<String>, bool), Vec<Placed<'a>>> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate().filter(|(_, case)| case.applies(server)) {
        let database = case.database.clone().unwrap_or_else(|| names.case(at));
        let mut options: Vec<String> =
            case.options.iter().map(|option| option.replace("$db", &database)).collect();
        options.sort();
        let key = (case.partitions, options, case.filter.is_some());
        found.entry(key).or_default().push(Placed { case, database });
    }
    let numbered = found.into_iter().enumerate();
    numbered
        .map(|(at, ((partitions, options, _), cases))| Group {
            name: names.group(at),
            options,
            partitions,
            cases,
        })
        .collect()
}

impl Group<'_> {
    /// Everything else is left out; a case's own rules come last.
    pub fn filter(&self) -> String {
        let mut rules = vec!["exclude: *.*".to_owned(), format!("include: {}.{MARKER}", self.name)];
        for placed in &self.cases {
            rules.push(format!("include: /^{}(_.*)?$/.*", placed.database));
        }
        for placed in &self.cases {
            rules.extend(placed.case.filter.as_ref().map(|rules| placed.fill(rules, &self.name)));
        }
        rules.join(", ")
    }

    /// The topics of its cases beside its own.
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = self
            .cases
            .iter()
            .flat_map(|placed| placed.case.topics.iter().map(|topic| placed.fill(topic, &self.name)))
            .collect();
        topics.sort();
        topics.dedup();
        topics
    }
}

impl Placed<'_> {
    /// `text` with the names that its case cannot know.
    pub fn fill(&self, text: &str, topic: &str) -> String {
        text.replace("$topic", topic).replace("$db", &self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_options_share_a_worker() {
        let file = |headers: &str| format!("{headers}\n== sql\nSELECT 1;\n== records\n{{}}\n");
        let cases: Vec<Case> =
            ["", "option: a=1", "", "servers: mariadb", "filter: exclude: $db.x", "option: b=$db"]
                .iter()
                .map(|headers| Case::parse("x", &file(headers)).unwrap())
                .collect();
        let names = Names { prefix: "p".into() };
        let groups = groups(&cases, "mysql80", &names);
        let sizes: Vec<usize> = groups.iter().map(|group| group.cases.len()).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        assert_eq!(groups[3].options, ["b=p_c5"]);
        assert_eq!(
            groups[0].filter(),
            "exclude: *.*, include: p_e0.marker, include: /^p_c0(_.*)?$/.*, include: /^p_c2(_.*)?$/.*"
        );
        assert_eq!(
            groups[1].filter(),
            "exclude: *.*, include: p_e1.marker, include: /^p_c4(_.*)?$/.*, exclude: p_c4.x"
        );
    }
}
