//! What the rows' bytes mean: charsets, and descriptions of tables whose TABLE_MAP does not describe itself.
//! Capturing them from the server is in `source::capture`.

pub mod catalog;
pub mod charset;
pub mod ddl;
pub mod deviating;
pub mod single_byte;
