//! Types and attributes of columns.

use super::*;

/// The shape of a table made of one column `c`, whose definition is `definition`.
fn made(definition: &str, flavour: Flavour) -> String {
    let mut catalog = catalog();
    run_as(&mut catalog, &format!("CREATE TABLE t (c {definition})"), flavour);
    shape(catalog.get(&name("t")).unwrap_or_else(|| panic!("{definition}")))
}

#[test]
fn types_are_normalised() {
    for (definition, expected) in [
        ("INT", "c:int"),
        ("int(11) unsigned", "c:int/u"),
        ("INTEGER ZEROFILL", "c:int/u"),
        ("bool", "c:tinyint"),
        ("BOOLEAN NOT NULL DEFAULT true", "c:tinyint"),
        ("INT1", "c:tinyint"),
        ("INT2 UNSIGNED", "c:smallint/u"),
        ("INT3", "c:mediumint"),
        ("MIDDLEINT(7)", "c:mediumint"),
        ("INT4 SIGNED", "c:int"),
        ("INT8", "c:bigint"),
        ("serial", "c:bigint/u"),
        ("BIGINT(20) UNSIGNED ZEROFILL NOT NULL AUTO_INCREMENT UNIQUE", "c:bigint/u"),
        ("float", "c:float"),
        ("FLOAT(7,3)", "c:float"),
        ("FLOAT(24)", "c:float"),
        ("FLOAT(25)", "c:double"),
        ("FLOAT4", "c:float"),
        ("FLOAT8", "c:double"),
        ("REAL", "c:double"),
        ("DOUBLE PRECISION UNSIGNED", "c:double"),
        ("DOUBLE(10,2)", "c:double"),
        ("DEC(9,2)", "c:decimal"),
        ("NUMERIC", "c:decimal"),
        ("FIXED(5)", "c:decimal"),
        ("DECIMAL(65,30) DEFAULT -1.5", "c:decimal"),
        ("BIT", "c:bit"),
        ("BIT(17) DEFAULT b'101'", "c:bit"),
        ("DATE", "c:date"),
        ("YEAR(4)", "c:year"),
        ("TIME", "c:time"),
        ("TIME(3)", "c:time/3"),
        ("DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)", "c:datetime/6"),
        ("TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00'", "c:timestamp"),
        ("TIMESTAMP(0)", "c:timestamp"),
        ("JSON", "c:json"),
        ("JSON DEFAULT (JSON_ARRAY(1, 2))", "c:json"),
        ("GEOMETRY SRID 4326", "c:geometry"),
        ("POINT NOT NULL /*!80003 SRID 0 */", "c:point"),
        ("LINESTRING", "c:linestring"),
        ("MULTIPOLYGON", "c:multipolygon"),
        ("GEOMETRYCOLLECTION", "c:geometrycollection"),
        ("GeomCollection", "c:geometrycollection"),
        ("VECTOR(3)", "c:vector"),
    ] {
        assert_eq!(made(definition, Flavour::default()), expected, "{definition}");
    }
}

#[test]
fn text_has_a_charset() {
    for (definition, expected) in [
        ("CHAR", "c:char/latin1"),
        ("char(10) character set utf8mb4 collate utf8mb4_bin", "c:char/utf8mb4"),
        ("VARCHAR(20) CHARSET ucs2", "c:varchar/ucs2"),
        ("VARCHAR(20) COLLATE utf8mb4_0900_ai_ci", "c:varchar/utf8mb4"),
        ("VARCHAR(20) COLLATE latin2_general_ci NOT NULL", "c:varchar/latin2"),
        ("CHARACTER(3)", "c:char/latin1"),
        ("CHARACTER VARYING(3)", "c:varchar/latin1"),
        ("CHAR VARYING (3) CHARACTER SET = 'koi8r'", "c:varchar/koi8r"),
        ("VARCHARACTER(3)", "c:varchar/latin1"),
        ("NCHAR(3)", "c:char/utf8"),
        ("NATIONAL CHAR(3)", "c:char/utf8"),
        ("NATIONAL CHARACTER VARYING(3)", "c:varchar/utf8"),
        ("NATIONAL VARCHAR(3)", "c:varchar/utf8"),
        ("NVARCHAR(3)", "c:varchar/utf8"),
        ("NCHAR VARCHAR(3)", "c:varchar/utf8"),
        ("NCHAR VARYING(3)", "c:varchar/utf8"),
        ("CHAR(3) ASCII", "c:char/latin1"),
        ("CHAR(3) UNICODE", "c:char/ucs2"),
        ("CHAR(3) BINARY", "c:char/latin1"),
        ("CHAR(3) BYTE", "c:binary"),
        ("VARCHAR(3) CHARACTER SET binary", "c:varbinary"),
        ("VARCHAR(3) COLLATE binary", "c:varbinary"),
        ("TEXT BYTE", "c:blob"),
        ("LONGTEXT CHARACTER SET BINARY", "c:longblob"),
        ("BINARY(16)", "c:binary"),
        ("VARBINARY(16)", "c:varbinary"),
        ("LONG", "c:mediumtext/latin1"),
        ("LONG VARCHAR", "c:mediumtext/latin1"),
        ("LONG CHAR VARYING CHARACTER SET utf8", "c:mediumtext/utf8"),
        ("LONG VARBINARY", "c:mediumblob"),
        ("TINYTEXT", "c:tinytext/latin1"),
        ("TEXT", "c:text/latin1"),
        ("TEXT(200)", "c:tinytext/latin1"),
        ("TEXT(256)", "c:text/latin1"),
        ("TEXT(70000) CHARACTER SET utf8mb4", "c:mediumtext/utf8mb4"),
        ("BLOB(16777216)", "c:longblob"),
        ("BLOB(255)", "c:tinyblob"),
        ("MEDIUMBLOB COMMENT 'CHARACTER SET utf8'", "c:mediumblob"),
    ] {
        assert_eq!(made(definition, Flavour::default()), expected, "{definition}");
    }
}

#[test]
fn values_are_unquoted() {
    for (definition, expected) in [
        ("ENUM('a','b')", "c:enum/a|b"),
        ("enum('it''s', \"say \"\"x\"\"\", 'a,b', '(')", "c:enum/it's|say \"x\"|a,b|("),
        ("ENUM('back\\\\slash','tab\\t')", "c:enum/back\\slash|tab\t"),
        ("ENUM('trailing  ','é')", "c:enum/trailing|é"),
        ("SET('x') CHARACTER SET utf8 DEFAULT 'x'", "c:set/x"),
        ("ENUM(_utf8mb4'a', X'62', N'c')", "c:enum/a|b|c"),
        ("SET ( 'one' , 'two' ) NOT NULL", "c:set/one|two"),
    ] {
        assert_eq!(made(definition, Flavour::default()), expected, "{definition}");
    }
}

#[test]
fn attributes_do_not_mislead() {
    for (definition, expected) in [
        ("INT PRIMARY KEY", "c:int (c)"),
        ("INT KEY", "c:int (c)"),
        ("INT UNIQUE KEY", "c:int"),
        ("INT UNIQUE", "c:int"),
        ("INT COMMENT 'PRIMARY KEY'", "c:int"),
        ("INT COMMENT 'a, b) UNSIGNED'", "c:int"),
        ("INT DEFAULT (1 + (2 * 3)) NOT NULL", "c:int"),
        ("VARCHAR(9) DEFAULT 'unsigned' /* KEY, */ NULL", "c:varchar/latin1"),
        ("VARCHAR(9) DEFAULT _utf8mb4'x' COLLATE utf8_bin", "c:varchar/utf8"),
        ("INT GENERATED ALWAYS AS (`a` + 1) VIRTUAL", "c:int"),
        ("VARCHAR(9) AS (CONCAT(a, ',', b)) STORED UNIQUE", "c:varchar/latin1"),
        ("INT REFERENCES other (id) ON DELETE SET NULL", "c:int"),
        ("INT CHECK (c > 0 AND c < 9)", "c:int"),
        ("INT CONSTRAINT positive CHECK (c > 0) NOT ENFORCED", "c:int"),
        ("INT /*!80023 INVISIBLE */", "c:int"),
        ("INT COLUMN_FORMAT FIXED STORAGE DISK", "c:int"),
        ("INT -- a comment, with a comma\n NOT NULL", "c:int"),
        ("INT # another, one\n UNSIGNED", "c:int/u"),
        ("DATETIME DEFAULT NOW() ON UPDATE NOW()", "c:datetime"),
        ("INT DEFAULT '0' PRIMARY KEY AUTO_INCREMENT", "c:int (c)"),
        ("LONGTEXT CHECK (JSON_VALID(c))", "c:longtext/latin1"),
    ] {
        assert_eq!(made(definition, Flavour::default()), expected, "{definition}");
    }
}

#[test]
fn mariadb_has_types_of_its_own() {
    for (definition, expected) in [
        ("INET6", "c:inet6"),
        ("inet4 NULL", "c:inet4"),
        ("UUID PRIMARY KEY DEFAULT uuid()", "c:uuid (c)"),
        ("JSON CHECK (json_valid(c))", "c:json"),
        ("LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`c`))", "c:json"),
        ("LONGTEXT CHECK (json_valid(`other`))", "c:longtext/latin1"),
        ("VARCHAR(9) COMPRESSED", "c:varchar/latin1"),
        ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE uca1400_ai_ci", "c:varchar/utf8mb4"),
        ("INT WITHOUT SYSTEM VERSIONING", "c:int"),
        ("INT AS (1 + 1) PERSISTENT", "c:int"),
        ("INT /*M!100200 INVISIBLE */", "c:int"),
    ] {
        assert_eq!(made(definition, MARIADB), expected, "{definition}");
    }
}
