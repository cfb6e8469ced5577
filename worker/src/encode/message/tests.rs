//! Whole records against what the reference says, written by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maxwell_protocol::settings::{
    Encryption, EncryptionMode, Kafka, NamingStrategy, Output, PartitionBy, PartitionHash, Secret,
};
use proptest::prelude::*;

use super::*;
use crate::binlog::table::Column;
use crate::encode::key;
use crate::filter::{TableFilter, Verdict};
use crate::schema::charset::Charset;

fn integer() -> ColumnKind {
    ColumnKind::Integer { width: 4, unsigned: false }
}

fn text_kind() -> ColumnKind {
    ColumnKind::Text { length_bytes: 1, charset: Charset::Utf8 }
}

/// `shop.order_item(Id int, order_name text, kind enum('a','b') null, day date)`, key `Id, order_name`.
fn table(primary_key: &[usize]) -> Table {
    let column = |name: &str, kind| Column { name: name.into(), kind };
    Table {
        database: "shop".into(),
        name: "order_item".into(),
        columns: vec![
            column("Id", integer()),
            column("order_name", text_kind()),
            column("kind", ColumnKind::Enum { width: 1, values: vec!["a".into(), "b".into()] }),
            column("_day", ColumnKind::Date),
        ],
        primary_key: primary_key.to_vec(),
    }
}

/// Bytes of columns; `None` is NULL, an empty slice at a number or date is a column that is left out.
type Values<'a> = [Option<&'a [u8]>; 4];

const ABSENT: Option<&[u8]> = Some(b"\xffabsent");
const ZERO_DATE: Option<&[u8]> = Some(&[0, 0, 0]);
const ONE: Option<&[u8]> = Some(&[1, 0, 0, 0]);
const TWO: Option<&[u8]> = Some(&[2, 0, 0, 0]);

fn image(body: &mut Vec<u8>, values: &Values<'_>) -> Image {
    let field = |value: &Option<&[u8]>| match value {
        None => Field::Null,
        absent if *absent == ABSENT => Field::Absent,
        Some(bytes) => {
            let start = body.len() as u32;
            body.extend_from_slice(bytes);
            Field::Value(start, body.len() as u32)
        }
    };
    values.iter().map(field).collect()
}

struct Printed {
    key: String,
    value: String,
    hash: i32,
}

fn print(
    encoder: &TableEncoder,
    operation: Operation,
    before: &[Values<'_>],
    after: &[Values<'_>],
    context: &RowContext<'_>,
) -> Printed {
    let mut body = Vec::new();
    let before = before.first().map(|values| image(&mut body, values)).unwrap_or_default();
    let after = after.first().map(|values| image(&mut body, values)).unwrap_or_default();
    let row = Row { operation, body: &body, before: &before, after: &after };
    let mut out = Vec::new();
    let written = encoder.row(&mut out, &row, context).unwrap();
    let value = String::from_utf8(out.split_off(written.key_end)).unwrap();
    Printed { key: String::from_utf8(out).unwrap(), value, hash: written.partition_hash }
}

fn kafka(change: impl FnOnce(&mut Kafka)) -> Kafka {
    let mut kafka = serde_json::from_value(serde_json::json!({"brokers": []})).unwrap();
    change(&mut kafka);
    kafka
}

fn encoder(primary_key: &[usize], output: &Output, kafka: &Kafka) -> TableEncoder {
    TableEncoder::new(table(primary_key), &Style::new(output, Some(kafka)).unwrap())
}

fn everything() -> Output {
    Output {
        binlog_position: true,
        gtid: true,
        server_id: true,
        thread_id: true,
        schema_id: true,
        row_query: true,
        row_query_max_length: 8,
        primary_keys: true,
        primary_key_columns: true,
        push_timestamp: true,
        ..Output::default()
    }
}

const CONTEXT: RowContext<'static> = RowContext {
    timestamp: 1_700_000_000,
    xid: Some(77),
    xoffset: 3,
    commit: false,
    position: "binlog.000001:4711",
    gtid: Some("uuid:1"),
    server_id: 9,
    thread_id: Some(12),
    query: Some("select \"1\""),
    push_timestamp: Some(1_700_000_000.25),
};

#[test]
fn every_field_stands_in_maxwells_order() {
    let encoder = encoder(&[0, 1], &everything(), &kafka(|_| {}));
    let after = [ONE, Some(b"x"), Some(&[2]), None];
    let printed = print(&encoder, Operation::Insert, &[], &[after], &CONTEXT);
    let id = encoder.schema_id;
    assert_eq!(printed.key, r#"{"database":"shop","table":"order_item","pk.id":1,"pk.order_name":"x"}"#);
    assert_eq!(
        printed.value,
        format!(
            concat!(
                r#"{{"database":"shop","table":"order_item","query":"select \"","type":"insert","ts":1700000000,"#,
                r#""xid":77,"xoffset":3,"position":"binlog.000001:4711","gtid":"uuid:1","server_id":9,"#,
                r#""thread_id":12,"schema_id":{},"push_ts":1700000000.250000,"primary_key":[1,"x"],"#,
                r#""primary_key_columns":["Id","order_name"],"#,
                r#""data":{{"Id":1,"order_name":"x","kind":"b","_day":null}}}}"#
            ),
            id
        )
    );
    assert!(id < 1 << 53);
}

#[test]
fn the_commit_row_has_no_offset_and_what_is_unknown_is_left_out() {
    let context = RowContext { commit: true, xid: None, thread_id: None, query: None, gtid: None, ..CONTEXT };
    let output = Output { thread_id: true, row_query: true, gtid: true, ..Output::default() };
    let printed = print(
        &encoder(&[], &output, &kafka(|_| {})),
        Operation::Delete,
        &[[ONE, None, None, None]],
        &[],
        &context,
    );
    assert_eq!(
        printed.value,
        concat!(
            r#"{"database":"shop","table":"order_item","type":"delete","ts":1700000000,"commit":true,"gtid":null,"#,
            r#""data":{"Id":1,"order_name":null,"kind":null,"_day":null}}"#
        )
    );
    let (head, uuid) = printed.key.split_once(r#""_uuid":""#).unwrap();
    assert_eq!(head, r#"{"database":"shop","table":"order_item","#);
    assert_eq!(uuid.len(), 38, "{uuid}");
}

#[test]
fn camel_case_is_for_fields_and_columns_alone() {
    let output = Output { naming_strategy: NamingStrategy::UnderscoreToCamelCase, ..everything() };
    let encoder = encoder(&[1], &output, &kafka(|_| {}));
    let before = [ONE, Some(b"a_b"), None, None];
    let after = [TWO, Some(b"a_b"), None, None];
    let printed = print(&encoder, Operation::Update, &[before], &[after], &CONTEXT);
    assert_eq!(printed.key, r#"{"database":"shop","table":"order_item","pk.order_name":"a_b"}"#);
    for part in [
        r#""serverId":9,"threadId":12,"schemaId":"#,
        r#","pushTs":1700000000.250000,"primaryKey":["a_b"],"primaryKeyColumns":["order_name"],"#,
        r#""data":{"Id":2,"orderName":"a_b","kind":null,"day":null},"old":{"Id":1}}"#,
    ] {
        assert!(printed.value.contains(part), "{}", printed.value);
    }
}

fn data(output: &Output, before: Values<'_>, after: Values<'_>) -> String {
    let output = Output { commit_info: false, ..output.clone() };
    let printed =
        print(&encoder(&[0], &output, &kafka(|_| {})), Operation::Update, &[before], &[after], &CONTEXT);
    printed.value.split_once(r#""ts":1700000000,"#).unwrap().1.to_owned()
}

#[test]
fn old_holds_what_prints_differently() {
    let plain = Output::default();
    let same = [ONE, Some(b"x"), Some(&[0]), ZERO_DATE];
    assert_eq!(
        data(&plain, same, same),
        r#""data":{"Id":1,"order_name":"x","kind":null,"_day":"0000-00-00"}}"#
    );
    // A value of the enumeration that prints as null is no change from NULL.
    assert_eq!(
        data(&plain, [ONE, None, None, None], [ONE, Some(b"x"), Some(&[0]), None]),
        r#""data":{"Id":1,"order_name":"x","kind":null,"_day":null},"old":{"order_name":null}}"#
    );
}

#[test]
fn partial_images_are_put_together() {
    let after = [ABSENT, Some(b"y"), ABSENT, ABSENT];
    assert_eq!(
        data(&Output::default(), [ONE, ABSENT, ABSENT, ABSENT], after),
        r#""data":{"Id":1,"order_name":"y"}}"#
    );
    let encoder = encoder(&[0], &Output::default(), &kafka(|k| k.partition_by = PartitionBy::PrimaryKey));
    let printed = print(&encoder, Operation::Update, &[[ONE, ABSENT, ABSENT, ABSENT]], &[after], &CONTEXT);
    assert_eq!(printed.key, r#"{"database":"shop","table":"order_item","pk.id":1}"#);
    assert_eq!(printed.hash, 49, "\"1\".hashCode()");
}

#[test]
fn nulls_and_zero_dates_are_left_out_when_asked() {
    let output = Output { nulls: false, null_zero_dates: true, ..Output::default() };
    assert_eq!(
        data(&output, [TWO, None, Some(&[1]), ZERO_DATE], [ONE, Some(b"null"), Some(&[0]), ZERO_DATE]),
        r#""data":{"Id":1,"order_name":"null"},"old":{"Id":2,"kind":"a"}}"#
    );
    assert_eq!(
        data(&output, [ONE, None, None, None], [ONE, Some(b"x"), None, None]),
        r#""data":{"Id":1,"order_name":"x"}}"#
    );
    let output = Output { null_zero_dates: true, ..Output::default() };
    let row = [ONE, None, None, ZERO_DATE];
    assert_eq!(data(&output, row, row), r#""data":{"Id":1,"order_name":null,"kind":null,"_day":null}}"#);
}

#[test]
fn excluded_columns_stay_in_the_key() {
    let exclude_columns = vec!["Id".to_owned(), "/.*_day/".to_owned(), "KIND".to_owned()];
    let output = Output { exclude_columns, primary_keys: true, ..Output::default() };
    let before = [ONE, Some(b"x"), Some(&[1]), None];
    let after = [TWO, Some(b"x"), Some(&[1]), ZERO_DATE];
    let printed =
        print(&encoder(&[0], &output, &kafka(|_| {})), Operation::Update, &[before], &[after], &CONTEXT);
    assert!(
        printed.value.ends_with(r#""primary_key":[2],"data":{"order_name":"x","kind":"a"}}"#),
        "{}",
        printed.value
    );
    assert!(printed.key.ends_with(r#""pk.id":2}"#));
}

#[test]
fn keys_as_arrays() {
    let array = kafka(|kafka| kafka.key_format = KeyFormat::Array);
    let row = [ONE, Some(b"a\"\n\xc3\xa9"), Some(&[0]), None];
    let key = |primary_key: &[usize]| {
        print(&encoder(primary_key, &Output::default(), &array), Operation::Insert, &[], &[row], &CONTEXT).key
    };
    assert_eq!(key(&[0, 1]), "[\"shop\",\"order_item\",[{\"id\":1},{\"order_name\":\"a\\\"\\né\"}]]");
    assert_eq!(key(&[2]), r#"["shop","order_item",[{"kind":null}]]"#);
    assert_eq!(key(&[]), r#"["shop","order_item",[]]"#);
}

#[test]
fn partitions_are_decided_by_what_maxwell_hashes() {
    let row = [ONE, Some(b"x"), Some(&[0]), None];
    let hash = |primary_key: &[usize], change: &dyn Fn(&mut Kafka)| {
        let encoder = encoder(primary_key, &Output::default(), &kafka(|kafka| change(kafka)));
        print(&encoder, Operation::Insert, &[], &[row], &CONTEXT).hash
    };
    let java = |text: &str| key::hash(PartitionHash::Default, text);
    let by = |by| move |kafka: &mut Kafka| kafka.partition_by = by;
    assert_eq!(hash(&[0], &|_| {}), java("shop"));
    assert_eq!(hash(&[0], &by(PartitionBy::Table)), java("order_item"));
    assert_eq!(hash(&[0, 1], &by(PartitionBy::PrimaryKey)), java("1x"));
    assert_eq!(hash(&[2], &by(PartitionBy::PrimaryKey)), java("None"));
    assert_eq!(hash(&[], &by(PartitionBy::PrimaryKey)), java("shoporder_item"));
    assert_eq!(hash(&[0], &by(PartitionBy::TransactionId)), java("77"));
    assert_eq!(hash(&[0], &by(PartitionBy::ThreadId)), java("12"));
    let columns = |names: &'static [&'static str], fallback| {
        move |kafka: &mut Kafka| {
            kafka.partition_by = PartitionBy::Columns;
            kafka.partition_columns = names.iter().map(|name| (*name).to_owned()).collect();
            kafka.partition_by_fallback = fallback;
        }
    };
    assert_eq!(hash(&[0], &columns(&["order_name", "kind", "Id"], PartitionBy::Database)), java("x1"));
    assert_eq!(hash(&[0], &columns(&["kind", "_day", "none"], PartitionBy::Table)), java("order_item"));
    assert_eq!(hash(&[0], &columns(&["id"], PartitionBy::PrimaryKey)), java("1"), "names in their case");
    let murmur = |kafka: &mut Kafka| kafka.partition_hash = PartitionHash::Murmur3;
    assert_eq!(hash(&[0], &murmur), key::hash(PartitionHash::Murmur3, "shop"));
}

#[test]
fn an_unknown_transaction_or_thread_is_the_word_null() {
    let row = [ONE, None, None, None];
    let context = RowContext { xid: None, thread_id: None, ..CONTEXT };
    for by in [PartitionBy::TransactionId, PartitionBy::ThreadId] {
        let encoder = encoder(&[0], &Output::default(), &kafka(|kafka| kafka.partition_by = by));
        let hash = print(&encoder, Operation::Insert, &[], &[row], &context).hash;
        assert_eq!(hash, 3_392_903, "\"null\".hashCode()");
    }
}

#[test]
fn changes_of_the_schema_go_by_database_or_table() {
    let hash = |by, table| {
        let style = Style::new(&Output::default(), Some(&kafka(|kafka| kafka.partition_by = by))).unwrap();
        style.ddl_partition_hash("shop", table)
    };
    let java = |text: &str| key::hash(PartitionHash::Default, text);
    assert_eq!(hash(PartitionBy::Table, Some("item")), java("item"));
    assert_eq!(hash(PartitionBy::Table, None), java("shop"));
    assert_eq!(hash(PartitionBy::PrimaryKey, Some("item")), java("shop"));
}

#[test]
fn topics_follow_the_operation_where_that_is_asked() {
    let by_type = kafka(|kafka| {
        kafka.topic = "%{database}.%{table}.%{type}".into();
        kafka.dead_letter_topic = Some("dead.%{table}".into());
    });
    let encoder = encoder(&[0], &Output::default(), &by_type);
    assert_eq!(&**encoder.topic(Operation::Update), "shop.order_item.update");
    assert_eq!(&**encoder.topic(Operation::Delete), "shop.order_item.delete");
    assert_eq!(&**encoder.dead_letter_topic().unwrap(), "dead.order_item");
}

#[test]
fn a_skeleton_names_the_row() {
    let encoder = encoder(&[0, 1], &Output::default(), &kafka(|_| {}));
    let mut body = Vec::new();
    let after = image(&mut body, &[ONE, Some(b"x"), None, None]);
    let row = Row { operation: Operation::Insert, body: &body, before: &Image::new(), after: &after };
    let mut out = Vec::new();
    encoder.skeleton(&mut out, &row).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"database":"shop","table":"order_item","type":"insert","reason":"RecordTooLargeException","#,
            r#""data":{"Id":1,"order_name":"x"}}"#
        )
    );
}

#[test]
fn what_is_encrypted_has_its_place() {
    let output = |mode| Output {
        encryption: Encryption { mode, key: Secret("0123456789abcdef".into()), key_directory: None },
        primary_keys: true,
        ..Output::default()
    };
    let row = [ONE, None, None, None];
    let printed =
        |mode| print(&encoder(&[0], &output(mode), &kafka(|_| {})), Operation::Insert, &[], &[row], &CONTEXT);
    let data = printed(EncryptionMode::Data);
    assert!(data.value.contains(r#""xoffset":3,"primary_key":[1],"encrypted":{"iv":""#), "{}", data.value);
    assert!(!data.value.contains("order_name") && data.value.ends_with("\"}}"), "{}", data.value);
    let all = printed(EncryptionMode::All);
    assert!(all.value.starts_with(r#"{"encrypted":{"iv":""#) && all.value.ends_with("\"}}"), "{}", all.value);
    assert_eq!(all.key, data.key);
    let iv = |value: &str| value.split(r#""iv":""#).nth(1).unwrap()[..24].to_owned();
    assert_eq!(STANDARD.decode(iv(&all.value)).unwrap().len(), 16);
    assert_ne!(iv(&all.value), iv(&printed(EncryptionMode::All).value));
}

#[test]
fn rows_are_asked_with_the_text_of_their_values() {
    let style = Style::new(&Output::default(), None).unwrap();
    let passes = |filter: &str, before: &[Values<'_>], after: &[Values<'_>]| {
        let table = table(&[0]);
        let columns = table.columns.iter().map(|column| column.name.as_str());
        let Verdict::Ask(rows) =
            TableFilter::read(filter, "maxwell").unwrap().verdict("shop", "order_item", columns)
        else {
            panic!("a filter of rows")
        };
        let encoder = TableEncoder::new(table, &style).with_filter(Some(rows));
        let mut body = Vec::new();
        let operation = if before.is_empty() { Operation::Insert } else { Operation::Update };
        let before = before.first().map(|values| image(&mut body, values)).unwrap_or_default();
        let after = image(&mut body, &after[0]);
        encoder.passes(&Row { operation, body: &body, before: &before, after: &after }).unwrap()
    };
    let row = [ONE, Some(b"x".as_slice()), Some([0].as_slice()), None];
    assert!(!passes("exclude: *.*.Id = 1", &[], &[row]));
    assert!(passes("exclude: *.*.Id = 11", &[], &[row]));
    assert!(!passes("exclude: *.*.kind = null", &[], &[row]), "index 0 is null");
    assert!(!passes("exclude: *.*._day = null", &[], &[row]));
    let partial = [ABSENT, Some(b"y".as_slice()), ABSENT, ABSENT];
    assert!(!passes("exclude: *.*.Id = 1", &[[ONE, ABSENT, ABSENT, ABSENT]], &[partial]));
    assert!(passes("exclude: *.*._day = null", &[[ONE, ABSENT, ABSENT, ABSENT]], &[partial]));
}

proptest! {
    /// Whatever the names and values are, key and message are JSON that says what was put in.
    #[test]
    fn keys_are_json(name in "\\PC{0,8}|[\\x00-\\x7f]{0,8}", value in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
        let table = Table {
            database: name.clone(),
            name: name.clone(),
            columns: vec![Column { name: name.clone(), kind: text_kind() }],
            primary_key: vec![0],
        };
        let encoder = TableEncoder::new(table, &Style::new(&Output::default(), None).unwrap());
        let body = value.as_bytes();
        let after = vec![Field::Value(0, body.len() as u32)];
        let mut out = Vec::new();
        let row = Row { operation: Operation::Insert, body, before: &Image::new(), after: &after };
        let written = encoder.row(&mut out, &row, &CONTEXT).unwrap();
        let key: serde_json::Value = serde_json::from_slice(&out[..written.key_end]).unwrap();
        let message: serde_json::Value = serde_json::from_slice(&out[written.key_end..]).unwrap();
        prop_assert_eq!(key["database"].as_str(), Some(name.as_str()));
        prop_assert_eq!(key[format!("pk.{}", name.to_lowercase())].as_str(), Some(value.as_str()));
        prop_assert_eq!(message["data"][name.as_str()].as_str(), Some(value.as_str()));
    }
}
