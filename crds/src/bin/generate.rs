//! Writes the generated YAML into the repository; `make generate` calls it.

use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    // Asked at run time: what was built for another checkout writes into this one.
    let this = std::env::var_os("CARGO_MANIFEST_DIR").context("to be started by cargo run")?;
    let root = Path::new(&this).join("..");
    maxwell_crds::generate::write(&root)?;
    Ok(())
}
