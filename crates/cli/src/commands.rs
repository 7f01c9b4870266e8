//! One module per command: arguments in, a facade function called, its result shown.

mod bench;
mod check;
mod distill;
mod evaluate;
mod export;
mod finetune;
mod init;
mod layers;
mod pareto;
mod predict;
mod profile;
mod report;
mod run;

use anyhow::Result;

use crate::arguments::Command;
use crate::ending::Ending;

/// Does what the command line asks for.
///
/// # Errors
///
/// Why it could not be done.
pub fn execute(command: &Command) -> Result<Ending> {
    match command {
        Command::Run(arguments) => return run::run(arguments),
        Command::Check(arguments) => check::check(arguments)?,
        Command::FineTune(arguments) => finetune::finetune(arguments)?,
        Command::Distill(arguments) => distill::distill(arguments)?,
        Command::Evaluate(arguments) => evaluate::evaluate(arguments)?,
        Command::Predict(arguments) => predict::predict(arguments)?,
        Command::Layers(arguments) => layers::layers(arguments)?,
        Command::Pareto(arguments) => pareto::pareto(arguments)?,
        Command::Export(arguments) => export::export(arguments)?,
        Command::Report(arguments) => report::report(arguments)?,
        Command::Bench(arguments) => bench::bench(arguments)?,
        Command::Profile(arguments) => profile::profile(arguments)?,
        Command::Init(arguments) => init::init(arguments)?,
    }
    Ok(Ending::Done)
}
