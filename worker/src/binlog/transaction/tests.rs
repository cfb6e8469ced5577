//! Transactions of every form, event by event.

use maxwell_protocol::gtid::GtidSet;
use mysql_common::binlog::events::GtidEvent;
use mysql_common::proto::MySerialize;

use super::rows::STREAM_BYTES;
use super::*;
use crate::binlog::rebuild::tests::event;

const SERVER: [u8; 16] = [7; 16];
const UUID: &str = "07070707-0707-0707-0707-070707070707";

/// What came out: the values of the rows events, the xid and whether it was the end.
type Out = (Vec<u8>, Option<u64>, bool);

struct Driver {
    assembler: Assembler<()>,
    out: Vec<Out>,
    replays: Vec<Prepared>,
    row_less: Vec<String>,
}

impl Driver {
    fn new(position: &Position, limits: Limits) -> Self {
        let gtids: GtidSet = position.gtid_set.parse().unwrap();
        let assembler = Assembler::new(position, Some(gtids), limits);
        Self { assembler, out: Vec::new(), replays: Vec::new(), row_less: Vec::new() }
    }

    fn fresh() -> Self {
        Self::new(&Position { file: "f.1".into(), offset: 4, ..Position::default() }, Limits::default())
    }

    fn act(&mut self, step: Step<()>) -> Result<(), BinlogError> {
        match step {
            Step::Rows(event, operation) => {
                let passed = |_: &Event, row: u64| Ok(8 + row as usize);
                let step = self.assembler.push_rows(event, operation, Some(Arc::new(())), passed)?;
                self.act(step)?;
            }
            Step::Emit { rows, xid, last, .. } => {
                self.out.push((rows.iter().map(|rows| rows.event.data()[8]).collect(), xid, last));
            }
            Step::Replay(prepared) => self.replays.push(prepared),
            Step::RowLess { text, .. } => self.row_less.push(text),
            Step::FindEnd => panic!("the transaction is small"),
            Step::None | Step::TableMap(_) | Step::Statement { .. } => {}
        }
        Ok(())
    }

    fn push(&mut self, kind: u8, body: &[u8]) -> Result<(), BinlogError> {
        let step = self.assembler.push(event(kind, body))?;
        self.act(step)
    }

    fn gtid(&mut self, number: u64) -> Result<(), BinlogError> {
        let mut body = Vec::new();
        GtidEvent::new(SERVER, number).serialize(&mut body);
        self.push(33, &body)
    }

    fn query(&mut self, text: &str) {
        self.push(2, &[&[0; 13][..], &[0], text.as_bytes()].concat()).unwrap();
    }

    /// A rows event that is told by one value.
    fn rows(&mut self, value: u8) -> Result<(), BinlogError> {
        self.push(30, &[0, 0, 0, 0, 0, 0, 0, 0, value])
    }

    fn large_rows(&mut self, value: u8) {
        let mut body = vec![value; STREAM_BYTES + 8];
        body[..8].fill(0);
        self.push(30, &body).unwrap();
    }

    fn xid(&mut self) {
        self.push(16, &[9, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    }

    fn prepare(&mut self, one_phase: u8) {
        self.push(38, &[one_phase, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a']).unwrap();
    }
}

#[test]
fn rows_leave_with_their_end() {
    let mut driver = Driver::fresh();
    driver.gtid(1).unwrap();
    driver.query("BEGIN");
    driver.rows(1).unwrap();
    driver.rows(2).unwrap();
    assert_eq!(driver.out, []);
    driver.xid();
    driver.gtid(2).unwrap();
    driver.query("BEGIN");
    driver.rows(3).unwrap();
    driver.query("COMMIT");
    driver.gtid(3).unwrap();
    driver.query("BEGIN");
    driver.rows(4).unwrap();
    driver.query("ROLLBACK");
    assert_eq!(driver.out, [(vec![1, 2], Some(9), true), (vec![3], None, true)]);
    assert_eq!(driver.assembler.position().gtid_set, format!("{UUID}:1-3"));
}

#[test]
fn what_begins_a_transaction_is_known_before_it_does() {
    let mut driver = Driver::fresh();
    let begin = |driver: &Driver, kinds: &[u8]| {
        kinds.iter().map(|&kind| driver.assembler.would_begin(&event(kind, &[]))).collect::<Vec<_>>()
    };
    assert_eq!(begin(&driver, &[33, 2, 19, 4, 27]), [true, true, true, false, false]);
    driver.gtid(1).unwrap();
    driver.query("BEGIN");
    assert_eq!(begin(&driver, &[34, 2, 19, 30]), [true, false, false, false]);
    driver.rows(1).unwrap();
    driver.xid();
    assert_eq!(begin(&driver, &[2]), [true]);
    driver.gtid(2).unwrap();
    driver.push(40, &[]).unwrap();
    assert_eq!(begin(&driver, &[33]), [false], "the payload was not whole, which is an error");
}

#[test]
fn what_a_savepoint_undoes_is_not_shown() {
    let mut driver = Driver::fresh();
    driver.gtid(1).unwrap();
    driver.query("BEGIN");
    driver.rows(1).unwrap();
    driver.query("SAVEPOINT `a`");
    driver.rows(2).unwrap();
    driver.query("SAVEPOINT b");
    driver.rows(3).unwrap();
    driver.query("ROLLBACK TO `A`");
    driver.rows(4).unwrap();
    driver.xid();
    assert_eq!(driver.out, [(vec![1, 4], Some(9), true)]);
}

#[test]
fn what_is_sent_cannot_be_undone() {
    let mut driver = Driver::new(&Position { file: "f.1".into(), ..Position::default() }, Limits::default());
    driver.gtid(1).unwrap();
    driver.query("BEGIN");
    driver.query("SAVEPOINT a");
    driver.large_rows(1);
    let _ = driver.assembler.end_found(End::Commit { xid: Some(9) });
    driver.large_rows(2);
    assert_eq!(driver.out, [(vec![1], Some(9), false)]);
    let back = driver.assembler.push(event(2, &[&[0; 14][..], b"ROLLBACK TO a"].concat()));
    assert!(matches!(back, Err(BinlogError::UndoneTooLate { .. })));
}

#[test]
fn the_rest_of_a_transaction_bears_the_xid_of_its_beginning() {
    // Read from another server now, which gives 9.
    let inside = Inside { event: 0, row: 0, digest: 0, xid: Some(5), xoffset: 3, filter: None };
    let position = Position { file: "f.1".into(), offset: 4, inside: Some(inside), ..Position::default() };
    let mut driver = Driver::new(&position, Limits::default());
    driver.gtid(1).unwrap();
    driver.query("BEGIN");
    driver.rows(1).unwrap();
    driver.xid();
    driver.gtid(2).unwrap();
    driver.query("BEGIN");
    driver.rows(2).unwrap();
    driver.xid();
    assert_eq!(driver.out, [(vec![1], Some(5), true), (vec![2], Some(9), true)]);
}

#[test]
fn a_prepared_transaction_is_shown_by_its_commit() {
    let mut driver = Driver::fresh();
    driver.gtid(1).unwrap();
    driver.query("XA START X'61',X'',1");
    driver.rows(1).unwrap();
    driver.query("XA END X'61',X'',1");
    driver.prepare(0);
    let between = driver.assembler.position();
    assert_eq!((driver.out.len(), between.prepared.len()), (0, 1));
    assert_eq!(between.prepared[0].gtid, format!("{UUID}:1"));
    driver.gtid(2).unwrap();
    driver.query("XA COMMIT X'61',X'',1");
    assert_eq!(driver.replays, between.prepared);
    // Until all its rows are there, the place of resumption still has the name.
    assert_eq!(driver.assembler.position().prepared, between.prepared);
    let rows = Step::Rows(event(30, &[0, 0, 0, 0, 0, 0, 0, 0, 1]), Operation::Insert);
    driver.act(rows).unwrap();
    let step = driver.assembler.replayed().unwrap();
    driver.act(step).unwrap();
    assert_eq!(driver.out, [(vec![1], None, true)]);
    let after = driver.assembler.position();
    assert_eq!((after.gtid_set, after.prepared), (format!("{UUID}:1-2"), vec![]));
}

#[test]
fn other_ends_of_an_xa_transaction() {
    let mut driver = Driver::fresh();
    driver.gtid(1).unwrap();
    driver.query("XA START X'61',X'',1");
    driver.rows(1).unwrap();
    driver.prepare(0);
    driver.gtid(2).unwrap();
    driver.query("XA ROLLBACK X'61',X'',1");
    assert_eq!(driver.assembler.position().prepared, []);
    driver.gtid(3).unwrap();
    driver.query("XA START X'61',X'',1");
    driver.rows(2).unwrap();
    driver.prepare(1);
    driver.gtid(4).unwrap();
    driver.query("XA COMMIT X'62',X'',1");
    assert_eq!(driver.out, [(vec![2], None, true)]);
    assert_eq!(driver.row_less, ["XA COMMIT X'62',X'',1"]);
    assert_eq!(driver.assembler.position().gtid_set, format!("{UUID}:1-4"));
}

#[test]
fn statements_inside_a_transaction_do_not_end_it() {
    let mut driver = Driver::fresh();
    driver.gtid(1).unwrap();
    driver.query("BEGIN");
    driver.rows(1).unwrap();
    driver.query("insert into t values (1)");
    driver.query("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `t`");
    driver.query("CREATE TABLE `c` (`a` int) START TRANSACTION");
    driver.rows(2).unwrap();
    driver.xid();
    assert_eq!(driver.out, [(vec![1, 2], Some(9), true)]);
    assert_eq!(driver.row_less, ["insert into t values (1)"]);
}

#[test]
fn a_compressed_transaction_must_have_its_end() {
    let mut driver = Driver::fresh();
    driver.gtid(1).unwrap();
    driver.push(40, &[0]).unwrap();
    driver.query("BEGIN");
    driver.rows(1).unwrap();
    assert!(matches!(driver.gtid(2), Err(BinlogError::IncompletePayload(_))));
    assert_eq!(driver.out, []);
}

#[test]
fn a_place_that_was_passed_is_refused() {
    let position =
        Position { file: "f.1".into(), offset: 4, gtid_set: format!("{UUID}:1-5"), ..Position::default() };
    let mut driver = Driver::new(&position, Limits::default());
    assert!(matches!(driver.gtid(5), Err(BinlogError::Misplaced { .. })));
    let mut driver = Driver::new(&position, Limits::default());
    driver.gtid(6).unwrap();
}
