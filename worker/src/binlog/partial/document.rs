//! MySQL's binary JSON as a tree that can be changed, and back. Scalars stay the bytes that they are.
//!
//! A value is a type byte and its content. Content of an object or array: count, size, then per element a key entry
//! (offset and length; objects only) and a value entry (type and offset, or the value itself if it fits), then keys and
//! values. Numbers of the small form are two bytes wide, of the large one four.

use std::borrow::Cow;

use super::path::Leg;

/// The server lets no document be deeper.
const DEEPEST: usize = 100;

const SMALL_OBJECT: u8 = 0;
const LARGE_OBJECT: u8 = 1;
const SMALL_ARRAY: u8 = 2;
const LARGE_ARRAY: u8 = 3;
const LITERAL: u8 = 4;
const INT16: u8 = 5;
const UINT16: u8 = 6;
const INT32: u8 = 7;
const UINT32: u8 = 8;
const DOUBLE: u8 = 11;
const STRING: u8 = 12;
const OPAQUE: u8 = 15;

/// A document or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    /// Anything without parts: its type and its content.
    Scalar(u8, &'a [u8]),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object; shorter keys first, then by their bytes.
    Object(Vec<(Cow<'a, [u8]>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Reads a document; the empty value is `null`.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.split_first() {
            Some((kind, content)) => Self::read(*kind, content, DEEPEST, &mut { bytes.len() }),
            None => Some(Self::Scalar(LITERAL, &[0])),
        }
    }

    /// `budget` is what the document may still hold: offsets that lead to the same bytes again and again must not make
    /// a giant of a dwarf.
    fn read(kind: u8, content: &'a [u8], depth: usize, budget: &mut usize) -> Option<Self> {
        let object = matches!(kind, SMALL_OBJECT | LARGE_OBJECT);
        if !object && !matches!(kind, SMALL_ARRAY | LARGE_ARRAY) {
            return Some(Self::Scalar(kind, content.get(..scalar_length(kind, content)?)?));
        }
        let form = Form { width: if matches!(kind, LARGE_OBJECT | LARGE_ARRAY) { 4 } else { 2 } };
        let depth = depth.checked_sub(1)?;
        let count = form.number(content, 0)?;
        let content = content.get(..form.number(content, form.width)?)?;
        let keys_at = 2 * form.width;
        let values_at = keys_at + if object { count.checked_mul(form.width + 2)? } else { 0 };
        // What is counted must be there: a false count must not reserve memory.
        content.get(..values_at.checked_add(count.checked_mul(form.width + 1)?)?)?;
        *budget = budget.checked_sub(count)?;
        let mut value = |at: usize| form.value(content, values_at + at * (form.width + 1), depth, budget);
        if !object {
            return (0..count).map(value).collect::<Option<_>>().map(Self::Array);
        }
        let members = (0..count)
            .map(|at| Some((form.key(content, keys_at + at * (form.width + 2))?.into(), value(at)?)));
        members.collect::<Option<_>>().map(Self::Object)
    }

    /// Appends the document, always in the large form.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        out.push(self.kind());
        self.write_content(out)
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Scalar(kind, _) => *kind,
            Self::Array(_) => LARGE_ARRAY,
            Self::Object(_) => LARGE_OBJECT,
        }
    }

    fn write_content(&self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        match self {
            Self::Scalar(_, content) => out.extend_from_slice(content),
            Self::Array(values) => {
                let entries = header(out, values.len(), 0)?;
                write_values(out, start, entries, values.iter())?;
            }
            Self::Object(members) => {
                let mut entry = header(out, members.len(), 6)?;
                for (key, _) in members {
                    let offset = out.len() - start;
                    put(out, entry, offset)?;
                    let length = u16::try_from(key.len()).ok()?.to_le_bytes();
                    out[entry + 4..entry + 6].copy_from_slice(&length);
                    out.extend_from_slice(key);
                    entry += 6;
                }
                write_values(out, start, entry, members.iter().map(|(_, value)| value))?;
            }
        }
        if !matches!(self, Self::Scalar(..)) {
            let size = out.len() - start;
            put(out, start + 4, size)?;
        }
        Some(())
    }

    /// The part at a path that must be there.
    fn seek(&mut self, legs: &[Leg]) -> Option<&mut Self> {
        let Some((leg, rest)) = legs.split_first() else { return Some(self) };
        let part = match (self, leg) {
            (Self::Object(members), Leg::Member(name)) => {
                members.iter_mut().find(|(key, _)| **key == **name).map(|(_, value)| value)?
            }
            (Self::Array(values), Leg::Cell(_) | Leg::FromLast(_)) => {
                let at = index(leg, values.len())?;
                values.get_mut(at)?
            }
            _ => return None,
        };
        part.seek(rest)
    }

    /// Puts `value` in the place of what is at `path`.
    pub(super) fn replace(&mut self, path: &[Leg], value: Self) -> Option<()> {
        *self.seek(path)? = value;
        Some(())
    }

    /// Adds a member that is not there yet, or an element before the one at `path`; behind the last one if there is
    /// none.
    pub(super) fn insert(&mut self, path: &[Leg], value: Self) -> Option<()> {
        let (leg, parent) = path.split_last()?;
        match (self.seek(parent)?, leg) {
            (Self::Object(members), Leg::Member(name)) => {
                let found = members.binary_search_by(|(key, _)| (key.len(), &**key).cmp(&(name.len(), name)));
                members.insert(found.err()?, (name.clone().into(), value));
            }
            (Self::Array(values), Leg::Cell(at)) => values.insert((*at).min(values.len()), value),
            (Self::Array(values), Leg::FromLast(_)) => {
                values.insert(index(leg, values.len()).unwrap_or(0), value);
            }
            _ => return None,
        }
        Some(())
    }

    /// Takes out what is at `path`.
    pub(super) fn remove(&mut self, path: &[Leg]) -> Option<()> {
        let (leg, parent) = path.split_last()?;
        match (self.seek(parent)?, leg) {
            (Self::Object(members), Leg::Member(name)) => {
                let at = members.iter().position(|(key, _)| **key == **name)?;
                members.remove(at);
            }
            (Self::Array(values), Leg::Cell(_) | Leg::FromLast(_)) => {
                let at = index(leg, values.len()).filter(|&at| at < values.len())?;
                values.remove(at);
            }
            _ => return None,
        }
        Some(())
    }
}

fn index(leg: &Leg, length: usize) -> Option<usize> {
    match leg {
        Leg::Cell(at) => Some(*at),
        Leg::FromLast(behind) => length.checked_sub(behind.checked_add(1)?),
        Leg::Member(_) => None,
    }
}

fn scalar_length(kind: u8, content: &[u8]) -> Option<usize> {
    Some(match kind {
        LITERAL => 1,
        INT16 | UINT16 => 2,
        INT32 | UINT32 => 4,
        9..=DOUBLE => 8,
        STRING => prefixed(content, 0)?,
        OPAQUE => prefixed(content, 1)?,
        _ => return None,
    })
}

/// Up to the end of what starts with its length at `at`: seven bits a byte, the lowest first, the top bit says that
/// more follow.
fn prefixed(content: &[u8], at: usize) -> Option<usize> {
    let mut length = 0usize;
    for width in 0..5 {
        let byte = *content.get(at + width)?;
        length |= usize::from(byte & 0x7f) << (7 * width);
        if byte & 0x80 == 0 {
            return length.checked_add(at + width + 1);
        }
    }
    None
}

/// The small or large form.
#[derive(Clone, Copy)]
struct Form {
    width: usize,
}

impl Form {
    fn number(self, content: &[u8], at: usize) -> Option<usize> {
        let bytes = content.get(at..at.checked_add(self.width)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    }

    fn key(self, content: &[u8], entry: usize) -> Option<&[u8]> {
        let from = self.number(content, entry)?;
        let length = Form { width: 2 }.number(content, entry + self.width)?;
        content.get(from..from.checked_add(length)?)
    }

    fn value<'a>(
        self,
        content: &'a [u8],
        entry: usize,
        depth: usize,
        budget: &mut usize,
    ) -> Option<Node<'a>> {
        let kind = *content.get(entry)?;
        if inlined(kind, self.width) {
            return Node::read(kind, content.get(entry + 1..entry + 1 + self.width)?, depth, budget);
        }
        Node::read(kind, content.get(self.number(content, entry + 1)?..)?, depth, budget)
    }
}

fn inlined(kind: u8, width: usize) -> bool {
    matches!(kind, LITERAL | INT16 | UINT16) || width == 4 && matches!(kind, INT32 | UINT32)
}

/// Room for counts and entries; gives where the first entry is.
fn header(out: &mut Vec<u8>, count: usize, key_width: usize) -> Option<usize> {
    let start = out.len();
    out.resize(start + 8 + count * (key_width + 5), 0);
    put(out, start, count)?;
    Some(start + 8)
}

fn put(out: &mut [u8], at: usize, number: usize) -> Option<()> {
    out[at..at + 4].copy_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
    Some(())
}

fn write_values<'n, 'a: 'n>(
    out: &mut Vec<u8>,
    start: usize,
    mut entry: usize,
    values: impl Iterator<Item = &'n Node<'a>>,
) -> Option<()> {
    for value in values {
        out[entry] = value.kind();
        match value {
            Node::Scalar(kind, content) if inlined(*kind, 4) => {
                out[entry + 1..entry + 1 + content.len()].copy_from_slice(content);
            }
            _ => {
                let offset = out.len() - start;
                put(out, entry + 1, offset)?;
                value.write_content(out)?;
            }
        }
        entry += 5;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `{"a": [1, null]}` in the small form.
    const OBJECT: &[u8] = &[0, 1, 0, 22, 0, 11, 0, 1, 0, 2, 12, 0, b'a', 2, 0, 10, 0, 5, 1, 0, 4, 0, 0];

    fn one() -> Node<'static> {
        Node::Scalar(INT16, &[1, 0])
    }

    fn again(node: &Node<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        node.write(&mut out).unwrap();
        out
    }

    #[test]
    fn the_large_form_means_the_same() {
        let null = Node::Scalar(LITERAL, &[0]);
        let read = Node::parse(OBJECT).unwrap();
        assert_eq!(read, Node::Object(vec![(b"a".into(), Node::Array(vec![one(), null.clone()]))]));
        assert_eq!(Node::parse(&again(&read)).unwrap(), read);
        assert_eq!(Node::parse(&[]).unwrap(), null);
        let text = [STRING, 2, b'h', b'i'];
        assert_eq!(again(&Node::parse(&text).unwrap()), text);
    }

    #[test]
    fn damage_is_refused() {
        for cut in 1..OBJECT.len() {
            assert_eq!(Node::parse(&OBJECT[..cut]), None, "cut at {cut}");
        }
        // Elements that lead to the same elements, again and again.
        let bomb: Vec<u8> = [&[SMALL_ARRAY, 8, 0, 29, 0][..], &[SMALL_ARRAY, 28, 0].repeat(8), &[0]].concat();
        assert_eq!(Node::parse(&bomb), None);
        // A million elements that are not there, and an array that holds itself.
        assert_eq!(Node::parse(&[LARGE_ARRAY, 64, 66, 15, 0, 8, 0, 0, 0]), None);
        assert_eq!(Node::parse(&[SMALL_ARRAY, 1, 0, 7, 0, SMALL_ARRAY, 0, 0]), None);
    }

    #[test]
    fn changes_reach_their_place() {
        let member = |name: &str| Leg::Member(name.as_bytes().to_vec());
        let mut node = Node::parse(OBJECT).unwrap();
        node.insert(&[member("b")], one()).unwrap();
        node.insert(&[member("A")], one()).unwrap();
        assert_eq!(node.insert(&[member("b")], one()), None);
        node.replace(&[member("a"), Leg::FromLast(0)], one()).unwrap();
        node.insert(&[member("a"), Leg::Cell(9)], Node::Array(vec![])).unwrap();
        node.remove(&[member("a"), Leg::Cell(0)]).unwrap();
        assert_eq!(node.remove(&[member("a"), Leg::Cell(2)]), None);
        assert_eq!(node.replace(&[member("x")], one()), None);
        let keys = |name: &'static str| Cow::from(name.as_bytes());
        let array = Node::Array(vec![one(), Node::Array(vec![])]);
        assert_eq!(node, Node::Object(vec![(keys("A"), one()), (keys("a"), array), (keys("b"), one())]));
        assert_eq!(Node::parse(&again(&node)).unwrap(), node);
        node.replace(&[], one()).unwrap();
        assert_eq!(node, one());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..200)) {
            if let Some(node) = Node::parse(&bytes) {
                let written = again(&node);
                prop_assert_eq!(Node::parse(&written), Some(node));
                prop_assert!(written.len() <= 16 * bytes.len() + 16);
            }
        }
    }
}
