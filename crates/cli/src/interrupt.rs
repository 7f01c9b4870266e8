//! Ctrl-C: the first asks for a clean stop, the second ends the program.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::terminal::say;

/// Exit code of a program that an interrupt has ended: 128 + SIGINT.
pub const EXIT_CODE: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Listens to Ctrl-C and to the signals that ask a program to end; the flag is set by the first of them.
///
/// # Errors
///
/// The operating system refuses.
pub fn listen() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(interrupted).context("cannot listen to Ctrl-C")?;
    Ok(&STOP)
}

fn interrupted() {
    if STOP.swap(true, Ordering::Relaxed) {
        std::process::exit(EXIT_CODE.into());
    }
    say("stopping after saving; press again to stop at once");
}
