//! What leaves the program: results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// Writes a result to standard output. A reader that has gone away, such as `head`, has seen what it wanted.
///
/// # Errors
///
/// Standard output is a full disk, or anything else that cannot be written.
pub fn show(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Writes a result to standard output as one JSON object.
///
/// # Errors
///
/// As [`show`].
pub fn show_json<T: Serialize>(result: &T) -> Result<()> {
    show(&(serde_json::to_string_pretty(result)? + "\n"))
}

/// Writes a line to standard error, where nobody may be listening.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}"); // There is no other place to complain.
}
