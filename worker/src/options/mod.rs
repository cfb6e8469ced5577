//! From what was typed to settings: command line over environment over `config.properties` over the settings file
//! over the defaults. What options there are is one table, `maxwell_protocol::options`.

mod environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maxwell_protocol::options::{Draft, is_flag, properties};
use maxwell_protocol::settings::Settings;

pub use maxwell_protocol::options::{Http, OptionError, Options, Place, Process, help};

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Run with these.
    Run(Box<Options>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Options that say where others are.
const SOURCES: [&str; 4] = ["settings", "config", "env_config", "env_config_prefix"];

/// Reads everything. `place` names the member where nothing else does.
pub fn read(
    arguments: &[String],
    environment: &BTreeMap<String, String>,
    place: &Place<'_>,
) -> Result<Asked, OptionError> {
    let typed = split(arguments)?;
    if typed.iter().any(|(name, _)| name == "help") {
        return Ok(Asked::Help);
    }
    if typed.iter().any(|(name, _)| name == "version") {
        return Ok(Asked::Version);
    }
    let source = |wanted: &str| typed.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let mut draft = Draft::new(place);
    if let Some(path) = source("settings") {
        draft.adopt(settings(Path::new(path))?);
    }
    let default = PathBuf::from("config.properties");
    let config = source("config").map(PathBuf::from).or_else(|| default.exists().then_some(default));
    let filed = config.map_or_else(|| Ok(Vec::new()), |path| entries(&path))?;
    environment::apply_defaults(&mut draft, environment)?;
    for (name, value) in filed.iter().filter(|(name, _)| !SOURCES.contains(&name.as_str())) {
        draft.apply(name, value, "in the properties file")?;
    }
    let of_file = filed.iter().rev().find(|(name, _)| name == "env_config_prefix").map(|(_, prefix)| prefix);
    environment::apply(
        &mut draft,
        environment,
        source("env_config"),
        source("env_config_prefix").or(of_file),
    )?;
    for (name, value) in typed.iter().filter(|(name, _)| !SOURCES.contains(&name.as_str())) {
        draft.apply(name, value, "on the command line")?;
    }
    draft.finish().map(|options| Asked::Run(Box::new(options)))
}

fn text(path: &Path) -> Result<Vec<u8>, OptionError> {
    std::fs::read(path)
        .map_err(|error| OptionError::File { path: path.display().to_string(), reason: error.to_string() })
}

fn settings(path: &Path) -> Result<Settings, OptionError> {
    serde_yaml::from_slice(&text(path)?)
        .map_err(|error| OptionError::File { path: path.display().to_string(), reason: error.to_string() })
}

fn entries(path: &Path) -> Result<Vec<(String, String)>, OptionError> {
    Ok(properties::parse(&String::from_utf8_lossy(&text(path)?)))
}

/// `--name=value`, `--name value`, and `--name` alone for what is true or false.
fn split(arguments: &[String]) -> Result<Vec<(String, String)>, OptionError> {
    let mut found = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let Some(option) = argument.strip_prefix("--").filter(|option| !option.is_empty()) else {
            return Err(OptionError::Stray(argument.clone()));
        };
        if let Some((name, value)) = option.split_once('=') {
            found.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let flag = is_flag(option);
        let value = match rest.peek() {
            Some(next) if flag && !matches!(next.as_str(), "true" | "false") => "true".to_owned(),
            Some(next) if flag || !next.starts_with("--") => {
                let value = (*next).clone();
                rest.next();
                value
            }
            None if flag => "true".to_owned(),
            _ => return Err(OptionError::Missing(option.to_owned())),
        };
        found.push((option.to_owned(), value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
