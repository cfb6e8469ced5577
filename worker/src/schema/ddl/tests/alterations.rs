//! `ALTER TABLE` on a table with the columns `id`, `a`, `b` and the primary key `id`.

use super::*;

fn altered_as(specification: &str, flavour: Flavour) -> String {
    let mut catalog = catalog();
    run(&mut catalog, "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b TEXT)");
    let sql = format!("ALTER TABLE t {specification}");
    match run_as(&mut catalog, &sql, flavour).as_slice() {
        [Applied::Event(Event::TableAlter { def, .. })] => shape(def),
        other => format!("{other:?}"),
    }
}

const SAME: &str = "id:int a:varchar/latin1 b:text/latin1 (id)";

#[test]
fn columns_come_and_go() {
    for (specification, expected) in [
        ("ADD c INT", "id:int a:varchar/latin1 b:text/latin1 c:int (id)"),
        ("ADD COLUMN c INT FIRST", "c:int id:int a:varchar/latin1 b:text/latin1 (id)"),
        ("add column `c` int after `ID`", "id:int c:int a:varchar/latin1 b:text/latin1 (id)"),
        (
            "ADD (c INT, d CHAR(2) CHARSET utf8)",
            "id:int a:varchar/latin1 b:text/latin1 c:int d:char/utf8 (id)",
        ),
        ("ADD (c INT, INDEX (c), UNIQUE KEY u (c))", "id:int a:varchar/latin1 b:text/latin1 c:int (id)"),
        ("ADD c INT AFTER id, ADD d INT AFTER c", "id:int c:int d:int a:varchar/latin1 b:text/latin1 (id)"),
        ("ADD c INT FIRST, ADD d INT FIRST", "d:int c:int id:int a:varchar/latin1 b:text/latin1 (id)"),
        ("DROP a", "id:int b:text/latin1 (id)"),
        ("DROP COLUMN B, DROP a RESTRICT", "id:int (id)"),
        ("DROP id", "a:varchar/latin1 b:text/latin1"),
        ("DROP a, ADD a INT", "id:int b:text/latin1 a:int (id)"),
        ("ADD c INT, ALGORITHM=INPLACE, LOCK=NONE", "id:int a:varchar/latin1 b:text/latin1 c:int (id)"),
        ("ADD c INT COMMENT 'x, DROP a', DROP b", "id:int a:varchar/latin1 c:int (id)"),
        ("ADD c INT ,, DROP b", "id:int a:varchar/latin1 c:int (id)"),
    ] {
        assert_eq!(altered_as(specification, Flavour::default()), expected, "{specification}");
    }
}

#[test]
fn columns_change_and_move() {
    for (specification, expected) in [
        ("MODIFY a INT", "id:int a:int b:text/latin1 (id)"),
        ("MODIFY COLUMN A TEXT CHARACTER SET utf8mb4", "id:int a:text/utf8mb4 b:text/latin1 (id)"),
        ("MODIFY b TEXT FIRST", "b:text/latin1 id:int a:varchar/latin1 (id)"),
        ("MODIFY a INT AFTER b", "id:int b:text/latin1 a:int (id)"),
        ("CHANGE a c BIGINT UNSIGNED", "id:int c:bigint/u b:text/latin1 (id)"),
        ("CHANGE COLUMN `id` `key` INT NOT NULL", "key:int a:varchar/latin1 b:text/latin1 (key)"),
        ("CHANGE a A VARCHAR(9)", "id:int A:varchar/latin1 b:text/latin1 (id)"),
        ("CHANGE a b INT, CHANGE b a INT", "id:int b:int a:int (id)"),
        ("CHANGE a first INT FIRST", "first:int id:int b:text/latin1 (id)"),
        ("RENAME COLUMN a TO c", "id:int c:varchar/latin1 b:text/latin1 (id)"),
        ("RENAME COLUMN a TO b, RENAME COLUMN b TO a", "id:int b:varchar/latin1 a:text/latin1 (id)"),
        ("RENAME COLUMN id TO a, RENAME COLUMN a TO id", "a:int id:varchar/latin1 b:text/latin1 (a)"),
        ("MODIFY a INT AFTER b, ADD c INT AFTER a", "id:int b:text/latin1 a:int c:int (id)"),
        ("ADD c INT AFTER b, MODIFY a INT AFTER c", "id:int b:text/latin1 c:int a:int (id)"),
        ("DROP a, CHANGE b a TEXT", "id:int a:text/latin1 (id)"),
        ("ALTER a SET DEFAULT 'x'", SAME),
        ("ALTER COLUMN a DROP DEFAULT", SAME),
        ("ALTER COLUMN a SET INVISIBLE", SAME),
    ] {
        assert_eq!(altered_as(specification, Flavour::default()), expected, "{specification}");
    }
}

#[test]
fn keys_change() {
    for (specification, expected) in [
        ("DROP PRIMARY KEY", "id:int a:varchar/latin1 b:text/latin1"),
        ("DROP PRIMARY KEY, ADD PRIMARY KEY (A, id)", "id:int a:varchar/latin1 b:text/latin1 (a,id)"),
        (
            "DROP PRIMARY KEY, ADD PRIMARY KEY USING BTREE (`a`(3) DESC)",
            "id:int a:varchar/latin1 b:text/latin1 (a)",
        ),
        ("DROP PRIMARY KEY, ADD CONSTRAINT pk PRIMARY KEY (a)", "id:int a:varchar/latin1 b:text/latin1 (a)"),
        ("DROP PRIMARY KEY, ADD CONSTRAINT PRIMARY KEY (a)", "id:int a:varchar/latin1 b:text/latin1 (a)"),
        ("DROP id, ADD c INT PRIMARY KEY", "a:varchar/latin1 b:text/latin1 c:int (c)"),
        ("DROP INDEX `PRIMARY`", "id:int a:varchar/latin1 b:text/latin1"),
        ("ADD INDEX (a)", SAME),
        ("ADD KEY k (a, b(10)), ADD UNIQUE INDEX u (a)", SAME),
        ("ADD FULLTEXT KEY f (b) WITH PARSER ngram", SAME),
        ("ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES other (x) ON DELETE CASCADE", SAME),
        ("ADD CONSTRAINT CHECK (a <> b)", SAME),
        ("ADD CONSTRAINT UNIQUE (a)", SAME),
        ("DROP INDEX k, DROP FOREIGN KEY fk, DROP CHECK c", SAME),
        ("RENAME INDEX k TO l", SAME),
        ("ALTER INDEX k INVISIBLE", SAME),
        ("DISABLE KEYS", SAME),
    ] {
        assert_eq!(altered_as(specification, Flavour::default()), expected, "{specification}");
    }
}

#[test]
fn charsets_change() {
    for (specification, expected) in [
        ("DEFAULT CHARACTER SET utf8mb4", "id:int a:varchar/latin1 b:text/latin1 (id) utf8mb4"),
        ("CHARSET=utf8 COLLATE=utf8_bin", "id:int a:varchar/latin1 b:text/latin1 (id) utf8"),
        ("COLLATE utf8mb4_bin", "id:int a:varchar/latin1 b:text/latin1 (id) utf8mb4"),
        ("CHARACTER SET utf8, ADD c CHAR(1)", "id:int a:varchar/latin1 b:text/latin1 c:char/utf8 (id) utf8"),
        ("ADD c CHAR(1), CHARACTER SET utf8", "id:int a:varchar/latin1 b:text/latin1 c:char/utf8 (id) utf8"),
        ("CONVERT TO CHARACTER SET utf8mb4", "id:int a:varchar/utf8mb4 b:mediumtext/utf8mb4 (id) utf8mb4"),
        ("CONVERT TO CHARSET latin2 COLLATE latin2_bin", "id:int a:varchar/latin2 b:text/latin2 (id) latin2"),
        ("CONVERT TO CHARACTER SET DEFAULT", SAME),
        ("CONVERT TO CHARACTER SET binary", "id:int a:varbinary b:blob (id) binary"),
        ("ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT='CHARSET=utf8'", SAME),
        ("MODIFY a VARCHAR(9) CHARACTER SET utf8, MODIFY b TEXT", "id:int a:varchar/utf8 b:text/latin1 (id)"),
    ] {
        assert_eq!(altered_as(specification, Flavour::default()), expected, "{specification}");
    }
}

#[test]
fn partitions_and_options_change_no_column() {
    for specification in [
        "",
        "FORCE",
        "AUTO_INCREMENT = 7",
        "ORDER BY a, b DESC",
        "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "ENGINE=InnoDB PARTITION BY HASH(id) PARTITIONS 4",
        "ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))",
        "DROP PARTITION p0, p1",
        "REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES LESS THAN (9))",
        "TRUNCATE PARTITION ALL",
        "EXCHANGE PARTITION p0 WITH TABLE other WITHOUT VALIDATION",
        "REMOVE PARTITIONING",
        "DISCARD TABLESPACE",
        "SECONDARY_LOAD",
        "UNION=(x, y) INSERT_METHOD=LAST",
    ] {
        assert_eq!(altered_as(specification, Flavour::default()), SAME, "{specification}");
    }
}

#[test]
fn mariadb_alters_with_more_words() {
    for (specification, expected) in [
        ("ADD COLUMN IF NOT EXISTS a INT", SAME),
        ("ADD COLUMN IF NOT EXISTS (a INT, c INT)", "id:int a:varchar/latin1 b:text/latin1 c:int (id)"),
        ("DROP COLUMN IF EXISTS x, DROP COLUMN IF EXISTS b", "id:int a:varchar/latin1 (id)"),
        ("MODIFY COLUMN IF EXISTS x INT", SAME),
        ("CHANGE COLUMN IF EXISTS x y INT", SAME),
        ("RENAME COLUMN IF EXISTS x TO y", SAME),
        ("WAIT 10 ADD c INT", "id:int a:varchar/latin1 b:text/latin1 c:int (id)"),
        ("NOWAIT DROP b", "id:int a:varchar/latin1 (id)"),
        ("ADD SYSTEM VERSIONING", SAME),
        ("DROP SYSTEM VERSIONING", SAME),
        ("CONVERT PARTITION p0 TO TABLE p", SAME),
        ("DROP INDEX IF EXISTS i, ADD INDEX IF NOT EXISTS i (a)", SAME),
    ] {
        assert_eq!(altered_as(specification, MARIADB), expected, "{specification}");
    }
}

#[test]
fn what_does_not_fit_is_unclear() {
    for specification in ["DROP x", "MODIFY x INT", "ADD a INT", "ADD c INT AFTER x", "ADD PRIMARY KEY (x)"] {
        assert!(altered_as(specification, Flavour::default()).contains("Unclear"), "{specification}");
    }
}
