//! MySQL's geometry as well-known text in the form of JTS 1.13, which the original prints.

use std::io::Write;

/// More geometries inside one another than this are taken for damage.
const DEEPEST: u32 = 256;

/// Appends a geometry without quotes: four bytes of SRID, which are not shown, then WKB. `None` if the bytes are
/// damaged.
pub fn geometry(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let mut reader = Reader { bytes: bytes.get(4..)?, big_endian: false };
    let kind = reader.header()?;
    reader.tagged(out, kind, 0)?;
    reader.bytes.is_empty().then_some(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    Collection,
}

impl Kind {
    fn of(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Point,
            2 => Self::LineString,
            3 => Self::Polygon,
            4 => Self::MultiPoint,
            5 => Self::MultiLineString,
            6 => Self::MultiPolygon,
            7 => Self::Collection,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Point => "POINT ",
            Self::LineString => "LINESTRING ",
            Self::Polygon => "POLYGON ",
            Self::MultiPoint => "MULTIPOINT ",
            Self::MultiLineString => "MULTILINESTRING ",
            Self::MultiPolygon => "MULTIPOLYGON ",
            Self::Collection => "GEOMETRYCOLLECTION ",
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*taken)
    }

    fn header(&mut self) -> Option<Kind> {
        let [order] = self.take()?;
        self.big_endian = order == 0;
        Kind::of(self.number()?)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.take()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn coordinate(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let bytes = self.take()?;
        ordinate(out, if self.big_endian { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) });
        Some(())
    }

    fn tagged(&mut self, out: &mut Vec<u8>, kind: Kind, depth: u32) -> Option<()> {
        out.extend_from_slice(kind.name().as_bytes());
        self.text(out, kind, depth)
    }

    /// What follows a geometry's name.
    fn text(&mut self, out: &mut Vec<u8>, kind: Kind, depth: u32) -> Option<()> {
        match kind {
            Kind::Point => {
                out.push(b'(');
                self.point(out)?;
                out.push(b')');
                Some(())
            }
            Kind::LineString => self.list(out, Self::point),
            Kind::Polygon => self.list(out, |reader, out| reader.list(out, Self::point)),
            Kind::MultiPoint | Kind::MultiLineString | Kind::MultiPolygon => {
                self.list(out, |reader, out| {
                    let member = reader.header()?;
                    // Members are of the one simple kind, so that this goes no deeper.
                    let fits = matches!(
                        (kind, member),
                        (Kind::MultiPoint, Kind::Point)
                            | (Kind::MultiLineString, Kind::LineString)
                            | (Kind::MultiPolygon, Kind::Polygon)
                    );
                    if fits { reader.text(out, member, depth) } else { None }
                })
            }
            Kind::Collection if depth == DEEPEST => None,
            Kind::Collection => self.list(out, |reader, out| {
                let member = reader.header()?;
                reader.tagged(out, member, depth + 1)
            }),
        }
    }

    fn point(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.coordinate(out)?;
        out.push(b' ');
        self.coordinate(out)
    }

    fn list(
        &mut self,
        out: &mut Vec<u8>,
        mut member: impl FnMut(&mut Self, &mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let count = self.number()?;
        if count == 0 {
            out.extend_from_slice(b"EMPTY");
            return Some(());
        }
        for at in 0..count {
            out.extend_from_slice(if at == 0 { b"(" } else { b", " });
            member(self, out)?;
        }
        out.push(b')');
        Some(())
    }
}

/// A number in plain decimal, at most sixteen digits behind the point and no zeros at their end.
fn ordinate(out: &mut Vec<u8>, number: f64) {
    let start = out.len();
    // The shortest digits that give the number back; Java rounds them where they are too many.
    write!(out, "{number}").expect("a Vec takes every byte");
    let digits =
        out[start..].iter().position(|&byte| byte == b'.').map(|point| out.len() - start - point - 1);
    if digits.is_some_and(|digits| digits > 16) {
        out.truncate(start);
        write!(out, "{number:.16}").expect("a Vec takes every byte");
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> Vec<u8> {
        [x.to_le_bytes(), y.to_le_bytes()].concat()
    }

    fn wkb(code: u32, body: &[&[u8]]) -> Vec<u8> {
        [&[1], &code.to_le_bytes()[..], &body.concat()].concat()
    }

    fn show(wkb: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        geometry(&mut out, &[&[0xe6, 0x10, 0, 0], wkb].concat()).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_kind_has_the_form_of_jts() {
        let two = 2u32.to_le_bytes();
        let one = 1u32.to_le_bytes();
        let (a, b) = (point(0.0, 1.0), point(1.5, -2.0));
        let line: Vec<u8> = [&two[..], &a, &b].concat();
        assert_eq!(show(&wkb(1, &[&point(3.0, 2.0)])).unwrap(), "POINT (3 2)");
        assert_eq!(show(&wkb(2, &[&line])).unwrap(), "LINESTRING (0 1, 1.5 -2)");
        assert_eq!(show(&wkb(3, &[&two, &line, &line])).unwrap(), "POLYGON ((0 1, 1.5 -2), (0 1, 1.5 -2))");
        assert_eq!(
            show(&wkb(4, &[&two, &wkb(1, &[&a]), &wkb(1, &[&b])])).unwrap(),
            "MULTIPOINT ((0 1), (1.5 -2))"
        );
        assert_eq!(show(&wkb(5, &[&one, &wkb(2, &[&line])])).unwrap(), "MULTILINESTRING ((0 1, 1.5 -2))");
        assert_eq!(
            show(&wkb(6, &[&one, &wkb(3, &[&one, &line])])).unwrap(),
            "MULTIPOLYGON (((0 1, 1.5 -2)))"
        );
        let nested = wkb(7, &[&two, &wkb(1, &[&a]), &wkb(7, &[&[0; 4]])]);
        assert_eq!(show(&nested).unwrap(), "GEOMETRYCOLLECTION (POINT (0 1), GEOMETRYCOLLECTION EMPTY)");
        for cut in 0..nested.len() {
            assert_eq!(show(&nested[..cut]), None, "cut at {cut}");
        }
        assert_eq!(show(&wkb(5, &[&one, &wkb(1, &[&a])])), None);
    }

    #[test]
    fn numbers_are_plain() {
        let show = |number| {
            let mut out = Vec::new();
            ordinate(&mut out, number);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(show(1e21), "1000000000000000000000");
        assert_eq!(show(0.1), "0.1");
        assert_eq!(show(1.5e-17), "0");
        assert_eq!(show(1.25e-15), "0.0000000000000012");
        assert_eq!(show(-123.456), "-123.456");
    }
}
