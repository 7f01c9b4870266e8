//! `init`: a config to start from.

use std::fs::{OpenOptions, remove_file};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use autodistillation::config::starter;

use crate::arguments::InitArguments;
use crate::terminal::{say, show};

pub fn init(arguments: &InitArguments) -> Result<()> {
    let Some(path) = &arguments.file else { return show(starter()) };
    create(path)?;
    say(&format!("next: autodistillation check {}", path.display()));
    Ok(())
}

fn create(path: &Path) -> Result<()> {
    let written = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("`{}` already exists and stays as it is: give another name", path.display())
        }
        Err(error) => Err(error),
        Ok(mut file) => file.write_all(starter().as_bytes()).inspect_err(|_| {
            let _ = remove_file(path); // Half a config would be in the way of the next try.
        }),
    };
    written.with_context(|| format!("cannot write `{}`", path.display()))
}
