//! Settings of what commands see.

use std::path::PathBuf;

use domain::REDACTED;

use super::variables as names;
use super::{EnvironmentSecrets, SettingsError};

/// Absolute paths, separated by `:`.
pub(super) fn paths(
    name: &'static str,
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Vec<PathBuf>, SettingsError> {
    let value = get(name).unwrap_or_default();
    let paths = value.split(':').map(str::trim).filter(|path| !path.is_empty()).map(|path| {
        let is_absolute = path.starts_with('/');
        is_absolute
            .then(|| PathBuf::from(path))
            .ok_or_else(|| SettingsError::new(name, path, "an absolute path is expected"))
    });
    paths.collect()
}

/// Lines `NAME=value`. A secret is refused: no sandbox gets one.
pub(super) fn variables(
    get: &impl Fn(&'static str) -> Option<String>,
    secrets: &EnvironmentSecrets,
) -> Result<Vec<(String, String)>, SettingsError> {
    let name = names::BACKSPACE_SANDBOX_ENV;
    let value = get(name).unwrap_or_default().replace("\\n", "\n");
    let redactor = domain::Redactor::new(secrets.all());
    let mut variables = Vec::new();
    for line in value.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if redactor.redact(line) != line {
            return Err(SettingsError::new(name, REDACTED, "it holds a secret, and no sandbox gets one"));
        }
        let variable = line.split_once('=').filter(|(name, _)| {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !name.is_empty() && name.bytes().all(is_word) && !name.starts_with(|first: char| first.is_ascii_digit())
        });
        let Some((variable, value)) = variable else {
            return Err(SettingsError::new(name, line, "lines NAME=value are expected"));
        };
        variables.push((variable.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

/// The checks of every change, one command in each line.
pub(super) fn checks(value: &str) -> Result<Vec<String>, SettingsError> {
    let value = value.replace("\\n", "\n");
    let checks: Vec<String> = value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match agent::objection_to_checks(&checks) {
        None => Ok(checks),
        Some(objection) => Err(SettingsError::new(names::BACKSPACE_CHECKS, &value, objection)),
    }
}
