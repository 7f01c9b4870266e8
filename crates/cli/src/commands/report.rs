//! `report`: the reports of a run, written again.

use anyhow::Result;
use autodistillation::repick;

use crate::arguments::ReportArguments;
use crate::terminal::show;

pub fn report(arguments: &ReportArguments) -> Result<()> {
    repick::rewrite_report(&arguments.run)?;
    show(&format!("{}\n", arguments.run.join("report.html").display()))
}
