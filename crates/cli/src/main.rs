//! The `autodistillation` command: flags in, progress and exit code out.

mod arguments;
mod breakdown;
mod commands;
mod ending;
mod interrupt;
mod memory;
mod progress;
mod results;
mod terminal;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    memory::keep();
    breakdown::silence_panics();
    match catch_unwind(|| commands::execute(&arguments.command)) {
        Ok(Ok(ending)) => ending.into(),
        Ok(Err(error)) => ending::of_error(&error),
        Err(_) => breakdown::apologise(),
    }
}
