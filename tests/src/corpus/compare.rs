//! What came held against what was wanted. Pure.

use super::expand::{Partition, Wanted};
use super::pattern::{Bound, matches};

/// A record as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Its JSON.
    pub value: String,
    /// Its key, from Kafka.
    pub key: Option<String>,
    /// Its partition, from Kafka.
    pub partition: Option<i32>,
    /// Its topic, from Kafka.
    pub topic: Option<String>,
}

/// What differs, a line each: `-` is wanted, `+` came. Records of different partitions have no order.
pub fn differences(
    wanted: &[Wanted],
    came: &[Record],
    partitions: Option<i32>,
    bound: &mut Bound,
) -> Vec<String> {
    let mut left: Vec<Option<&Record>> = came.iter().map(Some).collect();
    let mut lines = Vec::new();
    for (at, want) in wanted.iter().enumerate() {
        let mut fits = |record: &Record| fits(want, record, partitions, bound);
        let place = match partitions {
            None => left.get(at).copied().flatten().filter(|record| fits(record)).map(|_| at),
            Some(_) => left.iter().position(|record| record.is_some_and(&mut fits)),
        };
        match place {
            Some(place) => left[place] = None,
            None => {
                lines.push(format!("- {}", shown(want)));
                if partitions.is_none() {
                    lines.extend(
                        left.get_mut(at).and_then(Option::take).map(|record| format!("+ {}", record.shown())),
                    );
                }
            }
        }
    }
    lines.extend(left.into_iter().flatten().map(|record| format!("+ {}", record.shown())));
    lines
}

fn fits(want: &Wanted, record: &Record, partitions: Option<i32>, bound: &mut Bound) -> bool {
    let mut trial = bound.clone();
    let optional = |want: &Option<String>, came: &Option<String>, trial: &mut Bound| match (want, came) {
        (Some(want), Some(came)) => matches(want, came, trial),
        (want, _) => want.is_none(),
    };
    let all = matches(&want.value, &record.value, &mut trial)
        && optional(&want.key, &record.key, &mut trial)
        && optional(&want.topic, &record.topic, &mut trial)
        && match &want.partition {
            None => true,
            Some(Partition::Number(number)) => record.partition == Some(*number),
            Some(Partition::HashOf(text)) => {
                let text = trial.get(text).unwrap_or(text);
                record.partition == partitions.map(|count| (java_hash(text) % count).abs())
            }
        };
    if all {
        *bound = trial;
    }
    all
}

/// Java's `String.hashCode`, written again so that the worker's is not held against itself.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

fn shown(want: &Wanted) -> String {
    let key = want.key.as_ref().map(|key| format!("key {key} ")).unwrap_or_default();
    let topic = want.topic.as_ref().map(|topic| format!("topic {topic} ")).unwrap_or_default();
    let partition = match &want.partition {
        None => String::new(),
        Some(Partition::Number(number)) => format!("partition {number} "),
        Some(Partition::HashOf(text)) => format!("partition hash {text} "),
    };
    format!("{topic}{partition}{key}{}", want.value)
}

impl Record {
    fn shown(&self) -> String {
        let key = self.key.as_ref().map(|key| format!("key {key} ")).unwrap_or_default();
        let topic = self.topic.as_ref().map(|topic| format!("topic {topic} ")).unwrap_or_default();
        let partition = self.partition.map(|number| format!("partition {number} ")).unwrap_or_default();
        format!("{topic}{partition}{key}{}", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(value: &str) -> Wanted {
        Wanted { value: value.into(), ..Wanted::default() }
    }

    fn record(value: &str, partition: Option<i32>) -> Record {
        Record { value: value.into(), partition, ..Record::default() }
    }

    #[test]
    fn what_differs_is_said() {
        let came = [record("a", None), record("x", None), record("c", None)];
        let lines = differences(&[want("a"), want("b")], &came, None, &mut Bound::new());
        assert_eq!(lines, ["- b", "+ x", "+ c"]);
        let lines = differences(&[want("a"), want("b")], &came[..1], None, &mut Bound::new());
        assert_eq!(lines, ["- b"]);
    }

    #[test]
    fn partitions_have_no_order_among_them() {
        let came = [record("b", Some(1)), record("a", Some(0))];
        assert!(differences(&[want("a"), want("b")], &came, Some(2), &mut Bound::new()).is_empty());
    }

    #[test]
    fn the_hash_is_javas() {
        // "ab": 97 * 31 + 98.
        assert_eq!(java_hash("ab"), 3105);
        // The famous text whose hash is the smallest number.
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }
}
