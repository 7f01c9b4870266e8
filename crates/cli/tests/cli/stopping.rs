//! Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::workplace::Workplace;

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_the_same_command_goes_on() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "train_steps: [3]", "train_steps: [2000]");
    let run = ["run", "config.yaml", "--output", "out", "--jobs", "1", "--trials", "1"];
    let mut child = workplace.command(&run).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("trial 0: stage 1 done")), "the first stage never ended");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert_eq!(rest[0], "stopping after saving; press again to stop at once");
    assert_eq!(rest.last().unwrap(), "stopped; run the same command again to go on");
    assert!(!workplace.path("out/report.html").exists());
    let said = workplace.succeed(&run);
    assert!(said.stdout.starts_with("1 trials: 1 completed"), "{said:?}");
    assert!(!said.stderr.contains("stage 1 done"), "the finished stage was repeated: {}", said.stderr);
}
