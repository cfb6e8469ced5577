//! What is nothing, what is unknown, and what can never be a reason to stop.

use proptest::prelude::*;

use super::super::unwrap::unwrap;
use super::*;

#[test]
fn harmless_statements_mean_nothing() {
    for sql in [
        "",
        "BEGIN",
        " commit ",
        "# Dummy event replacing event type 160 that slave cannot handle.",
        "/* only a comment */",
        "FLUSH PRIVILEGES",
        "GRANT SELECT ON `shop`.`t` TO 'a'@'%'",
        "REVOKE ALL PRIVILEGES ON *.* FROM a",
        "SAVEPOINT x",
        "TRUNCATE TABLE t",
        "TRUNCATE t",
        "DELETE FROM t",
        "INSERT INTO mysql.rds_heartbeat2(id, value) values (1,1) ON DUPLICATE KEY UPDATE value = 1",
        "ANALYZE TABLE t",
        "OPTIMIZE TABLE t",
        "REPAIR TABLE t",
        "SET PASSWORD FOR 'a'@'%' = '*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29'",
        "CREATE USER 'table'@'%' IDENTIFIED WITH 'mysql_native_password' AS '*x'",
        "ALTER USER a IDENTIFIED BY 'DROP TABLE t'",
        "DROP USER IF EXISTS a",
        "RENAME USER a TO b",
        "CREATE ROLE r",
        "DROP ROLE r",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE OR REPLACE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW v AS SELECT 1",
        "ALTER VIEW v AS SELECT 2",
        "DROP VIEW IF EXISTS v",
        "CREATE DEFINER=`table`@`%` TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        "CREATE DEFINER=CURRENT_USER() TRIGGER tr AFTER INSERT ON t FOR EACH ROW BEGIN DROP TABLE x; END",
        "CREATE DEFINER=database@localhost PROCEDURE p() BEGIN CREATE TABLE t (a INT); END",
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
        "CREATE AGGREGATE FUNCTION f RETURNS STRING SONAME 'x.so'",
        "DROP FUNCTION f",
        "DROP PROCEDURE IF EXISTS p",
        "ALTER PROCEDURE p COMMENT 'DROP TABLE t'",
        "CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO DELETE FROM t",
        "ALTER DEFINER=a@b EVENT e DISABLE",
        "DROP EVENT e",
        "CREATE INDEX i ON t (a)",
        "CREATE UNIQUE INDEX i USING BTREE ON t (a(10), b DESC)",
        "CREATE FULLTEXT INDEX i ON t (a)",
        "DROP INDEX i ON t",
        "DROP INDEX `i` ON t ALGORITHM=INPLACE",
        "CREATE TEMPORARY TABLE t (a INT)",
        "CREATE TEMPORARY TABLE IF NOT EXISTS t SELECT 1",
        "DROP TEMPORARY TABLE IF EXISTS t",
        "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `t`",
        "CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd'",
        "CREATE UNDO TABLESPACE u ADD DATAFILE 'u.ibu'",
        "ALTER TABLESPACE ts RENAME TO ts2",
        "CREATE LOGFILE GROUP lg ADD UNDOFILE 'x'",
        "ALTER INSTANCE ROTATE INNODB MASTER KEY",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x')",
        "CREATE SPATIAL REFERENCE SYSTEM 4120 NAME 'Greek' DEFINITION 'GEOGCS[]'",
        "INSTALL PLUGIN p SONAME 'p.so'",
        "XA START X'31',X'',1",
        "(SELECT 1)",
    ] {
        assert_eq!(parse(sql, "shop", Flavour::default()), Meaning::Nothing, "{sql}");
    }
    for sql in [
        "SET STATEMENT max_statement_time=1, sql_mode=CONCAT('a', 'b') FOR ANALYZE TABLE t",
        "CREATE SEQUENCE s START WITH 1",
        "CREATE OR REPLACE PACKAGE p AS FUNCTION f RETURN INT; END",
        "DROP SEQUENCE s",
    ] {
        assert_eq!(parse(sql, "shop", MARIADB), Meaning::Nothing, "{sql}");
    }
}

#[test]
fn what_is_not_understood_names_tables() {
    for sql in [
        "ALTER TABLE orders ADD c QUATERNION",
        "CREATE TABLE orders (a INT",
        "RENAME TABLE orders INTO other",
        "ALTER TABLE orders MODIFY c",
        "MERGE orders",
        "ALTER TABLE `orders` ADD c INT COMMENT 'open",
        "CREATE WHATEVER orders",
    ] {
        let meaning = parse(sql, "shop", Flavour::default());
        assert!(matches!(meaning, Meaning::Unknown(_)), "{sql}: {meaning:?}");
        assert!(meaning.touches(&name("orders")), "{sql}");
        assert!(!meaning.touches(&name("customers")), "{sql}");
    }
}

#[test]
fn a_statement_may_hide_behind_another() {
    let mut catalog = catalog();
    let sql = "SET STATEMENT innodb_lock_wait_timeout=5 FOR CREATE TABLE t (a INT)";
    run_as(&mut catalog, sql, MARIADB);
    assert!(catalog.get(&name("t")).is_some());
    let sql = "DROP INDEX `PRIMARY` ON t";
    assert!(parse(sql, "shop", Flavour::default()).touches(&name("t")), "changes the key");
}

#[test]
fn touches_what_is_named() {
    let touches = |sql, table| parse(sql, "shop", Flavour::default()).touches(&name(table));
    assert!(touches("RENAME TABLE a TO b", "b"));
    assert!(touches("ALTER TABLE a RENAME TO b", "b"));
    assert!(touches("DROP DATABASE shop", "anything"));
    assert!(!touches("DROP DATABASE shop2", "anything"));
    assert!(!touches("ALTER TABLE a ADD b INT", "b"));
    assert!(!touches("DROP TABLE other.a", "a"));
}

proptest! {
    #[test]
    fn no_text_brings_it_down(text in "\\PC{0,60}") {
        parse(&text, "shop", MARIADB);
        unwrap(&text, MARIADB);
    }

    #[test]
    fn no_mixture_of_words_brings_it_down(
        words in proptest::collection::vec(
            prop_oneof![
                Just("ALTER TABLE t"), Just("CREATE TABLE t"), Just("ADD"), Just("DROP"), Just("CHANGE"), Just("("), Just(")"),
                Just(","), Just("INT"), Just("ENUM('a')"), Just("FIRST"), Just("AFTER"), Just("PRIMARY KEY"), Just("a"), Just("b"),
                Just("CHARACTER SET"), Just("utf8"), Just("RENAME"), Just("TO"), Just("'x"), Just("/*!"), Just("*/"), Just("`"),
            ],
            0..20,
        )
    ) {
        let text = words.join(" ");
        let mut catalog = catalog();
        run(&mut catalog, "CREATE TABLE t (a INT PRIMARY KEY, b TEXT)");
        if let Meaning::Changes(changes) = parse(&text, "shop", MARIADB) {
            for change in &changes {
                catalog.apply(change, &|_| true);
            }
        }
    }
}
