//! The `maxwell` binary.

fn main() {}
