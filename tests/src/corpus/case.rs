//! A case file: headers, then sections that begin with `== name [server…]`. Pure.

use anyhow::{Context, bail, ensure};

/// Names of the servers that a word of a file stands for.
fn servers_of(word: &str) -> anyhow::Result<Vec<&'static str>> {
    Ok(match word {
        "mysql" => vec!["mysql57", "mysql80", "mysql97"],
        "mysql57" => vec!["mysql57"],
        "mysql80" => vec!["mysql80"],
        "mysql97" => vec!["mysql97"],
        "mysql8+" => vec!["mysql80", "mysql97"],
        "mariadb" => vec!["mariadb"],
        other => bail!("'{other}' is none of mysql, mysql57, mysql80, mysql97, mysql8+, mariadb"),
    })
}

fn all_of(words: &str) -> anyhow::Result<Vec<&'static str>> {
    Ok(words.split_whitespace().map(servers_of).collect::<Result<Vec<_>, _>>()?.concat())
}

/// One case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// The file's name.
    pub name: String,
    /// Servers that it applies to; none means all.
    pub servers: Vec<&'static str>,
    /// Options of the worker, as `name=value`.
    pub options: Vec<String>,
    /// Filter rules behind those that include the case's databases.
    pub filter: Option<String>,
    /// Partitions of the topic, if the records go to Kafka.
    pub partitions: Option<i32>,
    /// Topics beside `$topic`.
    pub topics: Vec<String>,
    /// The database's name where it must be known; otherwise one that nobody else uses.
    pub database: Option<String>,
    sections: Vec<Section>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Section {
    name: String,
    servers: Vec<&'static str>,
    text: String,
}

/// A statement and how it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text without its semicolon.
    pub sql: String,
    /// The session: 1 unless it begins with `@2`.
    pub session: usize,
    /// Whether it may fail: it begins with `?`.
    pub may_fail: bool,
}

impl Case {
    /// Reads a file.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut case = Self { name: name.into(), ..Self::default() };
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("== ") {
                let (name, servers) = title.split_once(' ').unwrap_or((title, ""));
                ensure!(["setup", "sql", "records"].contains(&name), "there is no section '{name}'");
                case.sections.push(Section {
                    name: name.into(),
                    servers: all_of(servers)?,
                    text: String::new(),
                });
            } else if let Some(section) = case.sections.last_mut() {
                section.text.push_str(line);
                section.text.push('\n');
            } else if !line.starts_with('#') && !line.trim().is_empty() {
                case.header(line).with_context(|| line.to_owned())?;
            }
        }
        for name in ["sql", "records"] {
            ensure!(case.sections.iter().any(|section| section.name == name), "no section '{name}'");
        }
        Ok(case)
    }

    fn header(&mut self, line: &str) -> anyhow::Result<()> {
        let (name, value) = line.split_once(':').context("a header is 'name: value'")?;
        let value = value.trim();
        match name {
            "servers" => self.servers = all_of(value)?,
            "option" => self.options.push(value.into()),
            "filter" => self.filter = Some(value.into()),
            "kafka" => self.partitions = Some(value.parse().context("a number of partitions")?),
            "topics" => self.topics = value.split_whitespace().map(str::to_owned).collect(),
            "database" => self.database = Some(value.into()),
            _ => bail!("there is no header '{name}'"),
        }
        Ok(())
    }

    /// Whether it is run on `server`.
    pub fn applies(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.contains(&server)
    }

    /// The section for `server`: the one that names it, else the one that names none.
    pub fn section(&self, name: &str, server: &str) -> &str {
        let named = |section: &&Section| section.name == name && section.servers.contains(&server);
        let common = |section: &&Section| section.name == name && section.servers.is_empty();
        let found = self.sections.iter().find(named).or_else(|| self.sections.iter().find(common));
        found.map_or("", |section| section.text.as_str())
    }
}

/// Cuts a section into statements. One ends with a semicolon at a line's end.
pub fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut sql = String::new();
    for line in text.lines() {
        if sql.is_empty() && (line.starts_with("--") || line.trim().is_empty()) {
            continue;
        }
        let Some(last) = line.trim_end().strip_suffix(';') else {
            sql.push_str(line);
            sql.push('\n');
            continue;
        };
        sql.push_str(last);
        found.push(statement(&std::mem::take(&mut sql)));
    }
    found
}

fn statement(text: &str) -> Statement {
    let (may_fail, text) = text.strip_prefix('?').map_or((false, text), |rest| (true, rest.trim_start()));
    let (session, sql) = text.strip_prefix("@2 ").map_or((1, text), |rest| (2, rest));
    Statement { sql: sql.into(), session, may_fail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Words.\nservers: mysql\noption: output_ddl=true\nkafka: 4\n\n== setup\nCREATE TABLE t\n(id INT);\n\
                        == sql\n-- a comment\nINSERT INTO t VALUES (1);\n?@2 DROP TABLE x;\n== records\na\n== records mysql57\nb\n";

    #[test]
    fn a_file_is_read() {
        let case = Case::parse("x", FILE).unwrap();
        assert_eq!(case.options, ["output_ddl=true"]);
        assert_eq!(case.partitions, Some(4));
        assert!(case.applies("mysql97") && !case.applies("mariadb"));
        assert_eq!(case.section("records", "mysql57"), "b\n");
        assert_eq!(case.section("records", "mysql80"), "a\n");
        let sql = statements(case.section("sql", "mysql80"));
        assert_eq!(sql[0].sql, "INSERT INTO t VALUES (1)");
        assert_eq!(sql[1], Statement { sql: "DROP TABLE x".into(), session: 2, may_fail: true });
        assert_eq!(statements(case.section("setup", "mysql80"))[0].sql, "CREATE TABLE t\n(id INT)");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in ["colour: red", "servers: oracle", "== fun\n", "== sql\nSELECT 1;\n"] {
            assert!(Case::parse("x", text).is_err(), "{text}");
        }
    }
}
