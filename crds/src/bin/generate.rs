//! Writes the generated YAML into the repository; `make generate` calls it.

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    maxwell_crds::generate::write(&root)?;
    Ok(())
}
