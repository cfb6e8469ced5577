//! The section of records to what each must look like. Pure.
//!
//! `insert t {"id":1}` is short for a row that is a transaction of its own with the default options,
//! `insert t @1+0 {"id":1}` for one inside transaction 1, and `update t {…} old {…}` for an update. Lines that begin
//! with `key`, `partition` and `topic` say more about the record below them.

use anyhow::Context;

/// What a record must look like; texts are patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its JSON.
    pub value: String,
    /// Its key, if the case says.
    pub key: Option<String>,
    /// Its partition, if the case says.
    pub partition: Option<Partition>,
    /// Its topic, if the case says.
    pub topic: Option<String>,
}

impl Wanted {
    /// The same with names put in.
    pub fn filled(self, fill: impl Fn(&str) -> String) -> Self {
        Self {
            value: fill(&self.value),
            key: self.key.map(|key| fill(&key)),
            topic: self.topic.map(|topic| fill(&topic)),
            partition: self.partition.map(|partition| match partition {
                Partition::HashOf(text) => Partition::HashOf(fill(&text)),
                number @ Partition::Number(_) => number,
            }),
        }
    }
}

/// A partition as a case tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// By its number.
    Number(i32),
    /// By the text that Java's `String.hashCode` is taken of.
    HashOf(String),
}

/// Reads the section.
pub fn wanted(text: &str) -> anyhow::Result<Vec<Wanted>> {
    let mut found = Vec::new();
    let mut next = Wanted::default();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "key" => next.key = Some(rest.into()),
            "topic" => next.topic = Some(rest.into()),
            "partition" => next.partition = Some(partition(rest)?),
            _ => {
                next.value = repeated(&record(line).with_context(|| line.to_owned())?);
                found.push(std::mem::take(&mut next));
            }
        }
    }
    anyhow::ensure!(next == Wanted::default(), "the last lines belong to no record");
    Ok(found)
}

/// `$(é*3)` as `ééé`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        let inside =
            after.split_once(')').and_then(|(inside, after)| Some((inside.rsplit_once('*')?, after)));
        let Some(((part, count), after)) = inside else { break };
        let Ok(count) = count.parse() else { break };
        out.push_str(before);
        out.push_str(&part.repeat(count));
        rest = after;
    }
    out + rest
}

fn partition(text: &str) -> anyhow::Result<Partition> {
    Ok(match text.strip_prefix("hash ") {
        Some(hashed) => Partition::HashOf(hashed.into()),
        None => Partition::Number(text.parse().context("a partition")?),
    })
}

fn record(line: &str) -> anyhow::Result<String> {
    if line.starts_with('{') {
        return Ok(line.into());
    }
    let (head, data) = line.split_at(line.find('{').context("a row without its columns")?);
    let mut words = head.split_whitespace();
    let kind = words.next().filter(|kind| ["insert", "update", "delete"].contains(kind));
    let kind = kind.context("neither JSON nor insert, update or delete")?;
    let table = words.next().context("a row without its table")?;
    let (database, table) = table.rsplit_once('.').unwrap_or(("$db", table));
    let (xid, offset) = match words.next() {
        Some(mark) => {
            let mark = mark.strip_prefix('@').context("a mark begins with @")?;
            mark.split_once('+').map_or((mark, None), |(xid, offset)| (xid, Some(offset)))
        }
        None => ("", None),
    };
    let place = offset.map_or(r#""commit":true"#.to_owned(), |offset| format!(r#""xoffset":{offset}"#));
    let data = match data.split_once("} old {") {
        Some((now, old)) => format!(r#"{now}}},"old":{{{old}"#),
        None => data.to_owned(),
    };
    Ok(format!(
        r#"{{"database":"{database}","table":"{table}","type":"{kind}","ts":$ts,"xid":$xid{xid},{place},"data":{data}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_written_out() {
        let read = wanted(
            "key k\npartition 3\ninsert t {\"id\":1}\nupdate $db_2.u @1+0 {\"id\":1} old {\"id\":2}\n{\"x\":1}\n",
        )
        .unwrap();
        assert_eq!(
            read[0].value,
            r#"{"database":"$db","table":"t","type":"insert","ts":$ts,"xid":$xid,"commit":true,"data":{"id":1}}"#
        );
        assert_eq!(
            (read[0].key.as_deref(), read[0].partition.clone()),
            (Some("k"), Some(Partition::Number(3)))
        );
        assert_eq!(
            read[1].value,
            r#"{"database":"$db_2","table":"u","type":"update","ts":$ts,"xid":$xid1,"xoffset":0,"data":{"id":1},"old":{"id":2}}"#
        );
        assert_eq!(read[2].value, r#"{"x":1}"#);
        assert_eq!(wanted(r#"{"x":"$(é*3)$(ab*2)$("}"#).unwrap()[0].value, r#"{"x":"éééabab$("}"#);
        assert!(wanted("replace t {}").is_err());
        assert!(wanted("key k").is_err());
    }
}
