//! Reasons that a command has no result, and how the user learns of them.

use std::io::{self, Write};

use kadsim::file::Invalid;
use kadsim::inputs::InputError;
use kadsim::layouts::LayoutsError;
use kadsim::run::{FolderError, RunError};
use kadsim::sweep::StudyError;
use kadsim::watch::tell;
use serde_json::json;

use super::{INTERRUPTED, is_colored};

/// Reason that a command has no result.
pub(super) enum Failure {
    Invalid(Invalid),
    /// The user stopped it before it had results.
    Stopped,
    Run(RunError),
    Layouts(LayoutsError),
    Study(StudyError),
    Io(io::Error),
    Other(anyhow::Error),
}

impl Failure {
    /// Writes the reason to stderr, as text or as an event. Returns the exit status.
    pub(super) fn tell(&self, events: bool) -> u8 {
        let status = self.status();
        match self {
            Self::Invalid(invalid) if events => {
                let mut event = invalid.to_json();
                event["event"] = "invalid".into();
                tell(&event);
            }
            _ if events => tell_failure(&self.message(), status),
            Self::Invalid(invalid) => {
                let _ = writeln!(io::stderr(), "{}", invalid.render(is_colored()));
            }
            _ => {
                let _ = writeln!(io::stderr(), "error: {}", self.message());
            }
        }
        status
    }

    fn message(&self) -> String {
        match self {
            Self::Invalid(invalid) => invalid.to_string(),
            Self::Stopped => "interrupted before the run began".to_owned(),
            Self::Run(error) => error.to_string(),
            Self::Layouts(error) => error.to_string(),
            Self::Study(error) => error.to_string(),
            Self::Io(error) => format!("cannot write to stdout: {error}"),
            Self::Other(error) => format!("{error:#}"),
        }
    }

    fn status(&self) -> u8 {
        match self {
            Self::Invalid(_) | Self::Other(_) => 2,
            Self::Io(_) => 1,
            Self::Stopped => INTERRUPTED,
            Self::Run(error) => match error {
                RunError::Interrupted(_) | RunError::Folder(FolderError::Stopped(_)) => INTERRUPTED,
                RunError::Failed { .. } => 1,
                _ => 2,
            },
            Self::Layouts(error) => match error {
                LayoutsError::Stopped(_) => INTERRUPTED,
                LayoutsError::Memory { .. } | LayoutsError::Joined => 2,
                LayoutsError::Network(_) | LayoutsError::Halted(_) | LayoutsError::Threads(_) => 1,
            },
            Self::Study(error) => match error {
                StudyError::Other(_) => 1,
                StudyError::Folder(FolderError::Stopped(_)) => INTERRUPTED,
                _ => 2,
            },
        }
    }
}

/// Writes the event of a command that has no result, or not all of it.
pub(super) fn tell_failure(message: &str, status: u8) {
    tell(&json!({ "event": "failed", "message": message, "status": status }));
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Invalid(invalid) => Self::Invalid(invalid),
            InputError::Stopped(_) => Self::Stopped,
        }
    }
}
