//! What a check prints.

/// What came of it, in a line.
#[expect(clippy::print_stdout, reason = "the report is the output")]
pub(crate) fn line(outcome: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(outcome)?);
    Ok(())
}
