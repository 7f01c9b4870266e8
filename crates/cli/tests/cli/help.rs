//! The help texts.

use crate::workplace::Workplace;

const COMMANDS: [&str; 13] = [
    "run", "check", "finetune", "distill", "evaluate", "predict", "layers", "profile", "pareto", "export",
    "report", "bench", "init",
];

#[test]
fn the_help_lists_the_commands() {
    insta::assert_snapshot!(Workplace::new().succeed(&["--help"]).stdout);
}

#[test]
fn every_command_explains_itself() {
    let workplace = Workplace::new();
    for command in COMMANDS {
        insta::assert_snapshot!(command, workplace.succeed(&[command, "--help"]).stdout);
    }
}
