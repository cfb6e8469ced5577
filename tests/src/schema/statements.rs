//! Statements to run: a list of what is easily read wrong, and any number of made up ones.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// In this order: later ones need the tables of earlier ones. What a server does not know it refuses.
pub(super) fn fixed() -> Vec<String> {
    let statements = [
        "CREATE TABLE n (a BOOL, b INT1, c INT2 UNSIGNED, d INT3, e MIDDLEINT, f INT4 ZEROFILL, g INT8, h SERIAL)",
        "CREATE TABLE d (a FLOAT, b FLOAT(24), c FLOAT(25), d FLOAT(7,3), e REAL, f DOUBLE PRECISION, g DEC(9,2), h FIXED)",
        "CREATE TABLE f4 (a FLOAT4, b FLOAT8, c NUMERIC(3), d BIT(9), e YEAR, f DATE)",
        "CREATE TABLE ti (a TIME, b TIME(3), c DATETIME, d DATETIME(6), e TIMESTAMP NULL, f TIMESTAMP(2) NULL)",
        "CREATE TABLE s (a CHAR, b CHARACTER(3), c CHARACTER VARYING(3), d VARCHAR(9) CHARSET ucs2, e CHAR(3) ASCII)",
        "CREATE TABLE s2 (a NCHAR(3), b NATIONAL CHAR(3), c NVARCHAR(3), d NATIONAL VARCHAR(3), e NCHAR VARCHAR(3))",
        "CREATE TABLE s3 (a CHAR(3) UNICODE, b CHAR(3) BYTE, c CHAR(3) BINARY, d TEXT BYTE, e LONG, f LONG VARBINARY)",
        "CREATE TABLE s4 (a LONG VARCHAR, b LONGTEXT CHARACTER SET binary, c VARCHAR(3) COLLATE utf8mb4_bin)",
        "CREATE TABLE s5 (a VARCHAR(3) COLLATE binary, b BLOB(200), c BLOB(300), d BLOB(70000), e BLOB(20000000))",
        "CREATE TABLE s6 (a TEXT(200), b TEXT(300), c TEXT(70000), d TINYTEXT, e MEDIUMTEXT)",
        "CREATE TABLE e (a ENUM('x','y'), b SET('p','q') CHARSET utf8, c ENUM('é','trail  '), d ENUM(_utf8mb4'a', X'62'))",
        "CREATE TABLE g (a GEOMETRY, b POINT, c LINESTRING, d POLYGON, e MULTIPOINT, f GEOMETRYCOLLECTION)",
        "CREATE TABLE j (a JSON, b JSON NOT NULL)",
        "CREATE TABLE v (a VECTOR(3))",
        "CREATE TABLE m (a INET6, b UUID, c INET4)",
        "CREATE TABLE k (a INT, b INT, c INT, PRIMARY KEY USING BTREE (c, A))",
        "CREATE TABLE k2 (a INT KEY, b INT UNIQUE KEY, INDEX (b), CONSTRAINT x CHECK (a > 0)) COMMENT 'PRIMARY KEY (b)'",
        "CREATE TABLE k3 (`a``b` INT, `PRIMARY` INT, 1a INT, `select` INT, PRIMARY KEY (`a``b`))",
        "CREATE TABLE c1 (a CHAR(1)) DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_bin ENGINE=InnoDB",
        "CREATE TABLE c2 (a CHAR(1), b TEXT) CHARSET binary",
        "CREATE TABLE c3 (a VARCHAR(3) DEFAULT 'x' /* KEY, */ NULL, b INT COMMENT 'a, b) UNSIGNED')",
        "CREATE TABLE gen (a INT, b INT GENERATED ALWAYS AS (a + (1 * 2)) STORED, c VARCHAR(9) AS (CONCAT(a, ',')) VIRTUAL)",
        "CREATE TABLE p (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (9), PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "CREATE TABLE inv (a INT, b INT INVISIBLE)",
        "CREATE TABLE inv2 (a INT, b INT /*!80023 INVISIBLE */) /*!50100 ROW_FORMAT=DYNAMIC */",
        "CREATE TABLE df (a INT DEFAULT (1 + 1), b JSON DEFAULT (JSON_ARRAY(1, 2)))",
        "CREATE TABLE lk LIKE k",
        "CREATE TABLE lk2 (LIKE e)",
        "CREATE TABLE cs AS SELECT a, 1 AS one, 'x' AS x FROM s",
        "CREATE TABLE IF NOT EXISTS n (z INT)",
        "ALTER TABLE n ADD z INT FIRST, ADD (y CHAR(1), x TEXT), DROP a",
        "ALTER TABLE n MODIFY b BIGINT UNSIGNED AFTER d, CHANGE c cc VARCHAR(9) FIRST",
        "ALTER TABLE n ADD q INT AFTER b, ADD r INT AFTER q, MODIFY z INT AFTER r",
        "ALTER TABLE n CHANGE e d INT, CHANGE d e BIGINT",
        "ALTER TABLE k DROP PRIMARY KEY, ADD PRIMARY KEY (b), ADD INDEX (a), ALGORITHM=COPY, LOCK=SHARED",
        "ALTER TABLE k CHANGE b bb INT",
        "ALTER TABLE k DROP INDEX `PRIMARY`",
        "ALTER TABLE k ADD CONSTRAINT pk PRIMARY KEY (a, bb)",
        "ALTER TABLE k DROP PRIMARY KEY, DROP bb, ADD bb SMALLINT NOT NULL PRIMARY KEY",
        "ALTER TABLE k2 RENAME COLUMN a TO aa",
        "ALTER TABLE s CONVERT TO CHARACTER SET utf8mb4",
        "ALTER TABLE s6 CONVERT TO CHARACTER SET utf8mb4",
        "ALTER TABLE s6 CONVERT TO CHARACTER SET latin1",
        "ALTER TABLE s3 CONVERT TO CHARACTER SET utf8 COLLATE utf8_bin",
        "ALTER TABLE s4 CONVERT TO CHARACTER SET DEFAULT",
        "ALTER TABLE s2 CONVERT TO CHARACTER SET binary",
        "ALTER TABLE s5 DEFAULT CHARACTER SET utf8, ADD z TEXT",
        "ALTER TABLE e CHARSET=utf8mb4, ADD z TEXT COLLATE latin2_bin, ADD y VARCHAR(3) FIRST",
        "ALTER TABLE e COLLATE utf8mb4_unicode_ci",
        "ALTER TABLE c1 ORDER BY a, ADD b TEXT",
        "ALTER TABLE c1 RENAME TO c1b, ADD c TEXT",
        "ALTER TABLE p DROP PARTITION p1",
        "ALTER TABLE p ADD b INT, ENGINE=InnoDB",
        "ALTER TABLE ti MODIFY a TIME(6), MODIFY d DATETIME(2) DEFAULT NOW(2) ON UPDATE NOW(2), ALTER c SET DEFAULT '2001-01-01'",
        "ALTER TABLE j MODIFY a LONGTEXT CHARACTER SET utf8mb4, ADD c JSON FIRST",
        "ALTER TABLE g ADD pt POINT /*!80003 SRID 4326 */ AFTER a",
        "ALTER TABLE n ADD COLUMN IF NOT EXISTS z INT, DROP COLUMN IF EXISTS nothing, MODIFY COLUMN IF EXISTS b TEXT",
        "SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE n ADD ss INT",
        "ALTER TABLE k3 WAIT 5 ADD w INT",
        "RENAME TABLE s TO sx, s2 TO s, sx TO s2",
        "ALTER TABLE s ADD after_swap INT",
        "ALTER ONLINE TABLE d ADD o INT",
        "CREATE OR REPLACE TABLE d (z INT PRIMARY KEY)",
        "DROP TABLE IF EXISTS v, m, gone",
        "CREATE INDEX i ON n (z)",
        "DROP INDEX i ON n",
        "CREATE VIEW vw AS SELECT 1",
        "CREATE TEMPORARY TABLE n (t INT)",
        "DROP TEMPORARY TABLE n",
        "TRUNCATE n",
        "ALTER TABLE n FORCE",
        "CREATE TRIGGER tr BEFORE INSERT ON n FOR EACH ROW SET NEW.z = 1",
        "ALTER DATABASE CHARACTER SET utf8mb4",
        "CREATE TABLE after_alter (a TEXT)",
    ];
    statements.map(str::to_owned).to_vec()
}

const NAMES: [&str; 7] = ["c1", "c2", "c3", "C4", "`c 5`", "c6", "c7"];
const TYPES: [&str; 16] = [
    "INT",
    "BIGINT UNSIGNED",
    "VARCHAR(20)",
    "VARCHAR(20) CHARACTER SET utf8mb4",
    "CHAR(5) COLLATE latin2_bin",
    "TEXT",
    "TINYTEXT CHARACTER SET utf8",
    "VARBINARY(9)",
    "BLOB",
    "ENUM('a','b')",
    "SET('a','b') CHARACTER SET utf8",
    "DATETIME(3) NULL",
    "TIME",
    "DECIMAL(9,2)",
    "DOUBLE",
    "MEDIUMTEXT BYTE",
];

/// Changes of one table. Many name columns that are not there, which the server refuses.
pub(super) fn random(seed: u64, count: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut statements =
        vec!["CREATE TABLE r (id INT NOT NULL, c1 INT, c2 TEXT, PRIMARY KEY (id))".to_owned()];
    statements.extend((0..count).map(|_| {
        let parts: Vec<String> = match random.random_range(0..6) {
            // Alone: MySQL 8.0.15 does not survive CONVERT TO beside a new column.
            0 => vec![charset(&mut random)],
            _ => (0..random.random_range(1..4)).map(|_| part(&mut random)).collect(),
        };
        format!("ALTER TABLE r {}", parts.join(", "))
    }));
    statements
}

fn one<'a>(random: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

fn place(random: &mut StdRng) -> String {
    match random.random_range(0..4) {
        0 => " FIRST".into(),
        1 => format!(" AFTER {}", one(random, &NAMES)),
        _ => String::new(),
    }
}

fn part(random: &mut StdRng) -> String {
    let (name, other, kind) = (one(random, &NAMES), one(random, &NAMES), one(random, &TYPES));
    match random.random_range(0..18) {
        0..6 => format!("ADD {name} {kind}{}", place(random)),
        6..8 => format!("DROP COLUMN {name}"),
        8..12 => format!("MODIFY {name} {kind}{}", place(random)),
        12..16 => format!("CHANGE {name} {other} {kind}{}", place(random)),
        16 => format!("RENAME COLUMN {name} TO {other}"),
        _ => "DROP PRIMARY KEY, ADD PRIMARY KEY (id)".into(),
    }
}

fn charset(random: &mut StdRng) -> String {
    let name = one(random, &["latin1", "utf8", "utf8mb4"]);
    if random.random_bool(0.5) {
        format!("CONVERT TO CHARACTER SET {name}")
    } else {
        format!("DEFAULT CHARACTER SET {name}")
    }
}
