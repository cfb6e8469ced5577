//! User names and passwords out of files, as a mounted Secret shows them.

use std::path::Path;

/// A file that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The file.
    pub path: String,
    /// Why.
    pub source: std::io::Error,
}

/// The files `username` and `password` in `directory`, without the line's end that an editor leaves.
pub fn read(directory: &str) -> Result<(String, String), Unreadable> {
    let file = |name: &str| {
        let path = Path::new(directory).join(name);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|source| Unreadable { path: path.display().to_string(), source })
    };
    Ok((file("username")?, file("password")?))
}
