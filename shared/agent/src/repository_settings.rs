//! `.backspace/config.toml`: what a repository says of how it is to be worked on. It counts as the base commit has it, where the
//! model's own edits do not reach.

use serde::Deserialize;

/// Its path in a repository.
pub(crate) const PATH: &str = ".backspace/config.toml";

/// Maximum number of checks, and length of each in bytes.
const MAX_CHECKS: usize = 20;
const MAX_CHECK_BYTES: usize = 1000;

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepositorySettings {
    /// Shell commands that are run on a change before it is published, instead of those of the survey and the plan.
    #[serde(default)]
    pub checks: Option<Vec<String>>,
}

impl RepositorySettings {
    /// Reads the file.
    ///
    /// # Errors
    /// A clause that says why it cannot be used.
    pub(crate) fn read(content: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
        let settings: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if let Some(checks) = &settings.checks {
            objection(checks).map_or(Ok(()), Err)?;
        }
        Ok(settings)
    }
}

/// Why these commands cannot be checks, if they cannot. A clause.
pub fn objection(checks: &[String]) -> Option<String> {
    if checks.len() > MAX_CHECKS {
        return Some(format!("there are {} checks, the limit is {MAX_CHECKS}", checks.len()));
    }
    let bad = |check: &&String| check.trim().is_empty() || check.len() > MAX_CHECK_BYTES || check.contains('\0');
    checks.iter().any(|check| bad(&check)).then(|| format!("a check has 1 to {MAX_CHECK_BYTES} bytes and no NUL"))
}

/// The checks of a plan that say by their own exit status how they ended. One that a shell would run in the background, or behind a
/// pipe, or whose end another command replaces, proves nothing.
pub(crate) fn conclusive(checks: Vec<String>) -> Vec<String> {
    let hides_its_end = |check: &str| {
        let without_and = check.replace("&&", "");
        check.trim_start().starts_with('!') || without_and.contains(['|', ';', '&', '\n', '\r', '`', '\0'])
    };
    let one_line = |check: String| check.trim().to_owned();
    let usable = |check: &String| !check.is_empty() && check.len() <= MAX_CHECK_BYTES && !hides_its_end(check);
    checks.into_iter().map(one_line).filter(usable).take(MAX_CHECKS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_checks_or_says_what_is_wrong() {
        let read = |text: &str| RepositorySettings::read(text.as_bytes());
        assert_eq!(read("checks = [\"make test | tee log\"]").unwrap().checks.unwrap(), ["make test | tee log"]);
        assert_eq!(read("").unwrap(), RepositorySettings::default());
        assert!(read("check = []").unwrap_err().contains("unknown field `check`"));
        assert!(read("checks = [\"\"]").unwrap_err().contains("1 to 1000 bytes"));
        assert!(read("checks = \"make\"").is_err());
        assert_eq!(RepositorySettings::read(b"\xff").unwrap_err(), "it is not UTF-8");
    }

    #[test]
    fn a_planned_check_that_hides_its_end_is_none() {
        let planned = [
            "make test",
            "cd web && npm test",
            "make test &",
            "make test || true",
            "make test; true",
            "! make test",
            "make test | tail",
            "nohup make test > out 2>&1 &",
            "echo `make test`",
            " ",
        ];
        assert_eq!(conclusive(planned.map(str::to_owned).to_vec()), ["make test", "cd web && npm test"]);
    }
}
