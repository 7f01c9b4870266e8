//! Panics: a trial's own is its outcome and stays silent, any other ends the program with one line.

use std::panic::{PanicHookInfo, set_hook};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use crate::ending;
use crate::terminal::say;

/// What the latest panic said, and where; the study keeps those of its trials itself.
static LATEST: Mutex<Option<String>> = Mutex::new(None);

/// Keeps every panic's message instead of printing it.
pub fn silence_panics() {
    set_hook(Box::new(|panic| {
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(describe(panic));
    }));
}

/// Says that the program broke down. The exit code is that of a run that could not be done.
pub fn apologise() -> ExitCode {
    let latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner).take();
    let reason = latest.unwrap_or_else(|| "for an unknown reason".to_owned());
    say(&format!("error: autodistillation broke down ({reason}); this is a bug in it, please report it"));
    ExitCode::from(ending::COULD_NOT_RUN)
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("no message").replace('\n', " ");
    match panic.location() {
        Some(place) => format!("{message}, at {}:{}", place.file(), place.line()),
        None => message,
    }
}
