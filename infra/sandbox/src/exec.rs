use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::specification::check_environment;
use crate::{Error, Limits};

/// The name under which a command runs at most once in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecId(String);

impl ExecId {
    /// Takes 1 to 100 ASCII letters, digits, `.`, `_` and `-`, the first one a letter or a digit: it names a directory.
    pub fn new(id: impl Into<String>) -> Result<Self, Error> {
        let id = id.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let valid =
            id.len() <= 100 && id.bytes().all(allowed) && id.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if valid { Ok(Self(id)) } else { Err(Error::Invalid(format!("{id:?} is no exec id"))) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for ExecId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self, Error> {
        Self::new(id)
    }
}

impl From<ExecId> for String {
    fn from(id: ExecId) -> Self {
        id.0
    }
}

/// A command to run in a sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    /// Its name; a second request under the same name joins or harvests the first.
    pub id: ExecId,
    /// Program and arguments; a program without a slash is looked up on the sandbox's PATH.
    pub argv: Vec<String>,
    /// What it reads; several MB are fine. Travels beside the rest of the request.
    #[serde(skip)]
    pub stdin: Vec<u8>,
    /// Added to a clean minimal environment, over which it wins.
    pub environment: Vec<(String, String)>,
    /// As seen inside; the workspace when absent.
    pub working_directory: Option<PathBuf>,
    /// After this the exec is ended.
    pub timeout: Duration,
    /// Whether the two output streams are kept apart.
    pub output: Output,
    /// In place of the sandbox's limits.
    pub limits: Option<Limits>,
}

/// How standard output and standard error are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Each on its own.
    #[default]
    Separate,
    /// Both as standard output, interleaved as written.
    Merged,
}

impl Exec {
    /// A command with no input, ten minutes and the sandbox's defaults for everything else.
    pub fn new<S: Into<String>>(id: ExecId, argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            id,
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            environment: Vec::new(),
            working_directory: None,
            timeout: Duration::from_secs(600),
            output: Output::default(),
            limits: None,
        }
    }

    /// Refuses what the kernel's interface cannot carry.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |what: &str| Err(Error::Invalid(format!("{}: {what}", self.id)));
        if self.argv.first().is_none_or(String::is_empty) {
            return invalid("there is no program to run");
        }
        if self.argv.iter().any(|argument| argument.contains('\0')) {
            return invalid("an argument contains a NUL byte");
        }
        if let Err(problem) = check_environment(&self.environment) {
            return invalid(&problem);
        }
        match &self.working_directory {
            Some(directory) if !directory.is_absolute() => invalid("the working directory is not absolute"),
            Some(directory) if directory.to_str().is_none_or(|path| path.contains('\0')) => {
                invalid("the working directory is not UTF-8 or contains a NUL byte")
            }
            Some(_) | None => Ok(()),
        }
    }
}
