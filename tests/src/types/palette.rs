//! Column types, values for them, and how the server says what a value is.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::compare::Form;

/// A type of column.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// What stands behind the name in CREATE TABLE.
    pub(super) definition: String,
    /// What the server is asked for; `{}` is the column.
    pub(super) question: &'static str,
    /// How the answer and the JSON are compared.
    pub(super) form: Form,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    /// One of these, as SQL.
    Of(Vec<&'static str>),
    /// An integer of so many bytes, with or without sign.
    Integer(u32, bool),
    /// Digits before and behind the point.
    Decimal(usize, usize),
    Float,
    Double,
    /// Random bytes.
    Bytes(usize),
    /// Random text, converted to a charset.
    Text(String),
    /// Random bytes of a charset of one byte a character, without some.
    SingleByte(String, &'static [u8]),
    Date,
    Time(u32),
    DateTime(u32),
    Timestamp(u32),
    Json,
    Geometry,
    Uuid,
    Inet4,
    Inet6,
    Vector(usize),
}

fn kind(definition: impl Into<String>, question: &'static str, form: Form, value: Value) -> Kind {
    Kind { definition: definition.into(), question, form, value }
}

const CHARACTERS: &str = "CAST({} AS CHAR)";
const TEXT: &str = "HEX(CONVERT({} USING utf8mb4))";
const BYTES: &str = "HEX({})";

/// Where a charset is read by the original's rules and not by the server's.
const DIFFERENT: [(&str, &[u8]); 4] =
    [("greek", &[0xa1, 0xa2]), ("hebrew", &[0xaf]), ("cp866", &[0xfc, 0xfd]), ("ascii", &[])];

/// Every type that all servers have.
pub(super) fn common() -> Vec<Kind> {
    let mut kinds = numbers();
    kinds.extend(temporal());
    for length in [1, 20, 300] {
        kinds.push(kind(format!("VARBINARY({length})"), BYTES, Form::Bytes, Value::Bytes(length)));
    }
    for (name, length) in [("TINYBLOB", 255), ("BLOB", 400), ("MEDIUMBLOB", 3000), ("LONGBLOB", 100)] {
        kinds.push(kind(name, BYTES, Form::Bytes, Value::Bytes(length)));
    }
    kinds.push(kind("BINARY(9)", BYTES, Form::PaddedBytes, Value::Bytes(9)));
    kinds.push(kind("BINARY(255)", BYTES, Form::PaddedBytes, Value::Bytes(255)));
    for name in ["TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "CHAR(255)", "VARCHAR(70)"] {
        let definition = format!("{name} CHARACTER SET utf8mb4");
        kinds.push(kind(definition, TEXT, Form::Text, Value::Text("utf8mb4".into())));
    }
    kinds.push(kind(
        "ENUM('a','é','it''s','x,y','') CHARACTER SET latin1",
        TEXT,
        Form::Enumerated,
        Value::Of(vec!["'a'", "'é'", "'it''s'", "'x,y'", "'nothing'"]),
    ));
    let many: Vec<String> = (0..300).map(|at| format!("'v{at}'")).collect();
    let of_many = Value::Of(vec!["1", "255", "256", "300", "0"]);
    kinds.push(kind(format!("ENUM({})", many.join(",")), TEXT, Form::Enumerated, of_many));
    let members = Value::Of(vec!["''", "'a'", "'é,ж'", "'ж'", "'a,é,ж,o''clock'"]);
    kinds.push(kind("SET('a','é','ж','o''clock') CHARACTER SET utf8mb4", TEXT, Form::Set, members));
    let set: Vec<String> = (0..64).map(|at| format!("'s{at}'")).collect();
    let of_set = Value::Of(vec!["0", "1", "9223372036854775808", "18446744073709551615", "4294967296"]);
    kinds.push(kind(format!("SET({})", set.join(",")), TEXT, Form::Set, of_set));
    kinds.push(kind("JSON", CHARACTERS, Form::Json, Value::Json));
    kinds.push(kind("GEOMETRY", "ST_AsText({})", Form::Geometry, Value::Geometry));
    let points = vec!["POINT(1.5,-2)", "ST_GeomFromText('POINT(1e20 1e-7)')"];
    kinds.push(kind("POINT", "ST_AsText({})", Form::Geometry, Value::Of(points)));
    kinds
}

fn numbers() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (name, bytes) in [("TINYINT", 1), ("SMALLINT", 2), ("MEDIUMINT", 3), ("INT", 4), ("BIGINT", 8)] {
        kinds.push(kind(name, CHARACTERS, Form::Number, Value::Integer(bytes, true)));
        let unsigned = format!("{name} UNSIGNED");
        kinds.push(kind(unsigned, CHARACTERS, Form::Number, Value::Integer(bytes, false)));
    }
    kinds.push(kind("BOOL", CHARACTERS, Form::Number, Value::Integer(1, true)));
    for bits in [1, 8, 31, 40, 64] {
        let value = match bits {
            1 => vec!["0", "1"],
            8 => vec!["0", "255", "128"],
            31 => vec!["2147483647", "1"],
            40 => vec!["1099511627775", "4294967296", "2147483648"],
            _ => vec!["18446744073709551615", "9223372036854775808", "1", "4294967295"],
        };
        kinds.push(kind(format!("BIT({bits})"), "CAST({}+0 AS CHAR)", Form::Number, Value::Of(value)));
    }
    for (whole, scale) in [(5, 0), (0, 5), (8, 4), (10, 10), (35, 30), (1, 7), (9, 9), (18, 1)] {
        let precision = whole + scale;
        kinds.push(kind(
            format!("DECIMAL({precision},{scale})"),
            CHARACTERS,
            Form::Decimal(scale),
            Value::Decimal(whole, scale),
        ));
    }
    kinds.push(kind("FLOAT", "CONCAT({}+0e0)", Form::Float, Value::Float));
    kinds.push(kind("DOUBLE", "CONCAT({})", Form::Double, Value::Double));
    kinds.push(kind(
        "YEAR",
        "CAST({}+0 AS CHAR)",
        Form::Number,
        Value::Of(vec!["0", "1901", "2155", "2024", "'0000'"]),
    ));
    kinds
}

fn temporal() -> Vec<Kind> {
    let mut kinds = vec![kind("DATE", CHARACTERS, Form::Date, Value::Date)];
    for digits in 0..=6 {
        kinds.push(kind(format!("TIME({digits})"), CHARACTERS, Form::Time, Value::Time(digits)));
        let definition = format!("DATETIME({digits})");
        kinds.push(kind(definition, CHARACTERS, Form::Date, Value::DateTime(digits)));
        let definition = format!("TIMESTAMP({digits}) NULL");
        kinds.push(kind(definition, CHARACTERS, Form::Date, Value::Timestamp(digits)));
    }
    kinds
}

/// Text of a charset: converted to it, and for one byte a character every byte.
pub(super) fn of_charset(charset: &str, longest: u32) -> Vec<Kind> {
    let definition = format!("VARCHAR(30) CHARACTER SET {charset}");
    let mut kinds = vec![kind(definition.clone(), TEXT, Form::Text, Value::Text(charset.into()))];
    if longest == 1 && charset != "ascii" {
        let not = DIFFERENT.iter().find(|(name, _)| *name == charset).map_or(&[][..], |(_, bytes)| bytes);
        kinds.push(kind(definition, TEXT, Form::Text, Value::SingleByte(charset.into(), not)));
    }
    kinds
}

/// What only MariaDB has.
pub(super) fn mariadb() -> Vec<Kind> {
    let text = || Value::Text("utf8mb4".into());
    let compressed = "VARCHAR(300) COMPRESSED CHARACTER SET utf8mb4";
    vec![
        kind("UUID", CHARACTERS, Form::Plain, Value::Uuid),
        kind("INET4", CHARACTERS, Form::Plain, Value::Inet4),
        kind("INET6", CHARACTERS, Form::Plain, Value::Inet6),
        kind(compressed, TEXT, Form::Text, text()),
        kind("LONGTEXT COMPRESSED CHARACTER SET utf8mb4", TEXT, Form::Text, text()),
        kind("BLOB COMPRESSED", BYTES, Form::Bytes, Value::Bytes(2000)),
        kind("VARBINARY(90) COMPRESSED", BYTES, Form::Bytes, Value::Bytes(90)),
    ]
}

/// What MySQL has since 9.0.
pub(super) fn vector() -> Kind {
    kind("VECTOR(5)", BYTES, Form::Bytes, Value::Vector(5))
}

impl Kind {
    /// Whether many of it fit into a row.
    pub(super) fn is_short(&self) -> bool {
        matches!(
            self.value,
            Value::Integer(..) | Value::Date | Value::Time(_) | Value::DateTime(_) | Value::Of(_)
        )
    }

    /// A value as SQL; sometimes NULL.
    pub(super) fn value(&self, random: &mut StdRng) -> String {
        if random.random_range(0..8) == 0 { "NULL".into() } else { self.value.sql(random) }
    }
}

impl Value {
    fn sql(&self, random: &mut StdRng) -> String {
        match self {
            Self::Of(values) => values.choose(random).map_or("NULL", |value| value).to_owned(),
            Self::Integer(bytes, signed) => integer(random, *bytes, *signed),
            Self::Decimal(whole, scale) => decimal(random, *whole, *scale),
            Self::Float => format!("{:e}", f32::from_bits(finite(random, 32) as u32)),
            Self::Double => format!("{:e}", f64::from_bits(finite(random, 64))),
            Self::Bytes(most) => format!("x'{}'", bytes(random, *most)),
            Self::Text(charset) => {
                format!("CONVERT(_utf8mb4 x'{}' USING {charset})", hex(text(random).as_bytes()))
            }
            Self::SingleByte(charset, not) => {
                let bytes: Vec<u8> =
                    (0..30).map(|_| random.random::<u8>()).filter(|byte| !not.contains(byte)).collect();
                format!("_{charset} x'{}'", hex(&bytes))
            }
            Self::Date => date(random),
            Self::Time(digits) => time(random, *digits),
            Self::DateTime(digits) => match random.random_range(0..6) {
                0 => "'0000-00-00 00:00:00'".into(),
                1 => "'2015-00-10 01:02:03'".into(),
                _ => moment(random, 1, 9999, *digits),
            },
            Self::Timestamp(digits) => match random.random_range(0..6) {
                0 => "'0000-00-00 00:00:00'".into(),
                1 => "'1970-01-01 00:00:01'".into(),
                _ => moment(random, 1971, 2037, *digits),
            },
            Self::Json => format!("'{}'", json(random, 0).replace('\\', "\\\\").replace('\'', "''")),
            Self::Geometry => format!("ST_GeomFromText('{}')", geometry(random)),
            Self::Uuid => format!("'{}'", uuid::Uuid::from_u128(random.random())),
            Self::Inet4 => format!("'{}'", std::net::Ipv4Addr::from_bits(random.random())),
            Self::Inet6 => format!("'{}'", inet6(random)),
            Self::Vector(count) => {
                let floats: Vec<f32> = (0..*count).map(|_| random.random()).collect();
                format!("STRING_TO_VECTOR('{floats:?}')")
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn bytes(random: &mut StdRng, most: usize) -> String {
    let mut bytes: Vec<u8> = (0..random.random_range(0..=most)).map(|_| random.random()).collect();
    // Zeros at the end are what padding is about.
    if random.random_range(0..3) == 0 {
        bytes.iter_mut().rev().take(3).for_each(|byte| *byte = 0);
    }
    hex(&bytes)
}

fn integer(random: &mut StdRng, bytes: u32, signed: bool) -> String {
    let bits = 8 * bytes;
    let (least, most) =
        if signed { (-(1i128 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    let number = match random.random_range(0..5) {
        0 => least,
        1 => most,
        _ => random.random_range(least..=most),
    };
    number.to_string()
}

fn decimal(random: &mut StdRng, whole: usize, scale: usize) -> String {
    let mut digits = |count: usize| -> String {
        // Mostly zeros now and then, for the small numbers.
        let zeros = random.random_range(0..=count);
        (0..count)
            .map(|at| if at < zeros { '0' } else { char::from(b'0' + random.random_range(0..10)) })
            .collect()
    };
    let (before, behind) = (digits(whole), digits(scale));
    let sign = ["", "-"].choose(random).unwrap_or(&"");
    format!("{sign}0{before}.{behind}0")
}

/// The bits of a number that is neither infinite nor NaN.
fn finite(random: &mut StdRng, bits: u32) -> u64 {
    loop {
        let number: u64 = match random.random_range(0..3) {
            0 if bits == 32 => u64::from((random.random_range(-1000..1000) as f32 / 8.0).to_bits()),
            0 => (f64::from(random.random_range(-1000..1000)) / 8.0).to_bits(),
            _ => random.random(),
        };
        let ordinary = match bits {
            32 => f32::from_bits(number as u32).is_normal() || number as u32 == 0,
            _ => f64::from_bits(number).is_normal() || number == 0,
        };
        if ordinary {
            return number;
        }
    }
}

fn text(random: &mut StdRng) -> String {
    const CHARACTERS: &str =
        "abc XYZ 019 \"\\/'\t\n\u{1}\u{7f}éüßñøÅžšłŐğıŞЖяєґΩπαアイ漢字中文語한국어ก๛אבجეԱ€“—·©〜～😀";
    let all: Vec<char> = CHARACTERS.chars().collect();
    (0..random.random_range(0..25)).filter_map(|_| all.choose(random)).collect()
}

fn date(random: &mut StdRng) -> String {
    match random.random_range(0..6) {
        0 => "'0000-00-00'".into(),
        1 => "'2015-00-10'".into(),
        2 => "'9999-12-31'".into(),
        _ => format!(
            "'{:04}-{:02}-{:02}'",
            random.random_range(1..=9999),
            random.random_range(1..=12),
            random.random_range(1..=28)
        ),
    }
}

fn fraction(random: &mut StdRng, digits: u32) -> String {
    if digits == 0 { String::new() } else { format!(".{:06}", random.random_range(0..1_000_000)) }
}

fn moment(random: &mut StdRng, first: u32, last: u32, digits: u32) -> String {
    let day = format!(
        "{:04}-{:02}-{:02}",
        random.random_range(first..=last),
        random.random_range(1..=12),
        random.random_range(1..=28)
    );
    // The last second is left out: rounding up its fraction would leave the range.
    let (hour, minute, second) =
        (random.random_range(0..23), random.random_range(0..60), random.random_range(0..60));
    format!("'{day} {hour:02}:{minute:02}:{second:02}{}'", fraction(random, digits))
}

fn time(random: &mut StdRng, digits: u32) -> String {
    let sign = ["", "-"].choose(random).unwrap_or(&"");
    let hour = *[0, 1, 23, 25, 838, random.random_range(0..838)].choose(random).unwrap_or(&0);
    let (minute, second) = (random.random_range(0..60), random.random_range(0..59));
    format!("'{sign}{hour:02}:{minute:02}:{second:02}{}'", fraction(random, digits))
}

fn json(random: &mut StdRng, depth: u32) -> String {
    let string = |random: &mut StdRng| serde_json::Value::from(text(random)).to_string();
    match random.random_range(0..if depth > 3 { 6 } else { 9 }) {
        0 => ["null", "true", "false", "\"\"", "0", "-1"].choose(random).unwrap_or(&"0").to_string(),
        1 => random.random::<i16>().to_string(),
        2 => random.random::<i64>().to_string(),
        3 => random.random::<u64>().to_string(),
        4 => ["1.0", "0.001", "1e-5", "1e21", "2.5e300", "-0.5", "123456.789"]
            .choose(random)
            .unwrap_or(&"1.0")
            .to_string(),
        5 => string(random),
        6 => {
            let values: Vec<String> =
                (0..random.random_range(0..5)).map(|_| json(random, depth + 1)).collect();
            format!("[{}]", values.join(", "))
        }
        _ => {
            let members: Vec<String> = (0..random.random_range(0..5))
                .map(|at| {
                    format!("\"k{at}{}\": {}", "x".repeat(random.random_range(0..9)), json(random, depth + 1))
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn geometry(random: &mut StdRng) -> String {
    let number = |random: &mut StdRng| f64::from(random.random_range(-8000..8000)) / 16.0;
    let point = |random: &mut StdRng| format!("{} {}", number(random), number(random));
    let line = |random: &mut StdRng| format!("({}, {})", point(random), point(random));
    let ring = |random: &mut StdRng| {
        let (x, y) = (number(random), number(random));
        format!("({x} {y}, {} {y}, {} {}, {x} {y})", x + 1.0, x + 1.0, y + 1.5)
    };
    match random.random_range(0..7) {
        0 => format!("POINT({})", point(random)),
        1 => format!("LINESTRING{}", line(random)),
        2 => format!("POLYGON({})", ring(random)),
        3 => format!("MULTIPOINT({}, {})", point(random), point(random)),
        4 => format!("MULTILINESTRING({}, {})", line(random), line(random)),
        5 => format!("MULTIPOLYGON(({}), ({}))", ring(random), ring(random)),
        _ => format!("GEOMETRYCOLLECTION(POINT({}), LINESTRING{})", point(random), line(random)),
    }
}

fn inet6(random: &mut StdRng) -> std::net::Ipv6Addr {
    let mut groups: [u16; 8] = std::array::from_fn(|_| if random.random() { random.random() } else { 0 });
    match random.random_range(0..4) {
        0 => groups[..6].copy_from_slice(&[0, 0, 0, 0, 0, 0xffff]),
        1 => groups[..6].fill(0),
        _ => {}
    }
    groups.into()
}
