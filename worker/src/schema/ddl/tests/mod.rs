//! Statements of every kind, and what becomes of a table.
