//! How the program ends: its exit codes, and what it says about an error.

use std::process::ExitCode;

use crate::interrupt;
use crate::terminal::say;

/// Exit code of a command that could not run.
pub const COULD_NOT_RUN: u8 = 2;

/// How a command that ran has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything is done.
    Done,
    /// The search is over and not one trial completed.
    NoStudent,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::NoStudent => Self::from(1),
        }
    }
}

/// Prints an error with its whole chain of causes; a stop that the user asked for is none.
pub fn of_error(error: &anyhow::Error) -> ExitCode {
    if matches!(error.downcast_ref(), Some(autodistillation::Error::Stopped)) {
        say(&error.to_string());
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    say(&explain(error));
    ExitCode::from(COULD_NOT_RUN)
}

/// The message, then one indented line for each cause that adds something to what is above it.
fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += &format!("\n  caused by: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn every_cause_is_on_its_own_line() {
        let error = anyhow!("no such device").context("cannot open it").context("cannot read the data");
        let expected =
            "error: cannot read the data\n  caused by: cannot open it\n  caused by: no such device";
        assert_eq!(explain(&error), expected);
    }

    #[test]
    fn a_cause_that_the_message_already_quotes_is_not_repeated() {
        let error = anyhow!("permission denied").context("cannot write `out`: permission denied");
        assert_eq!(explain(&error), "error: cannot write `out`: permission denied");
    }
}
