//! Output folders that cannot be used; whatever is in them stays.

use std::fs::{self, File};
use std::process::Command;

use autodistillation::store::RunLock;

use crate::workplace::{Said, Workplace};

const RUN: [&str; 6] = ["run", "config.yaml", "--output", "out", "--jobs", "1"];
const ARCHITECTURE: &str = "hidden_size=8,num_attention_heads=2";

#[test]
fn a_folder_in_use_by_another_run_is_refused() {
    let workplace = Workplace::new();
    let lock = RunLock::acquire(&workplace.path("out")).unwrap();
    workplace
        .refuse(&RUN, &["out: the output folder is in use by another run", "choose another output folder"]);
    drop(lock);
    workplace.succeed(&RUN);
}

#[test]
fn a_folder_of_another_study_is_refused_with_the_difference() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    workplace.edit("config.yaml", "hidden_size: [8, 12]", "hidden_size: [4, 8]");
    workplace.refuse(&RUN, &["out/study.db", "made with other settings", "hidden_size"]);
    workplace.refuse(&["run", "config.yaml", "--output", "out", "--seed", "2"], &["seed"]);
}

#[test]
fn a_file_where_a_folder_should_be_is_refused() {
    let workplace = Workplace::new();
    workplace.write("out", "mine");
    workplace.refuse(&RUN, &["out: the output folder cannot be used"]);
    workplace.refuse(
        &["distill", "config.yaml", "--architecture", ARCHITECTURE, "--output", "out/student"],
        &["out/student: the output folder cannot be used"],
    );
    let finetune = ["finetune", "config.yaml", "--from", "teacher", "--output", "out"];
    workplace.refuse(&finetune, &["`out`", "caused by: "]);
    workplace.refuse(&["init", "out/config.yaml"], &["cannot write `out/config.yaml`", "caused by: "]);
}

#[test]
fn a_folder_without_permission_is_refused() {
    let workplace = Workplace::new();
    fs::create_dir(workplace.path("locked")).unwrap();
    let mut permissions = fs::metadata(workplace.path("locked")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(workplace.path("locked"), permissions).unwrap();
    if File::create(workplace.path("locked/probe")).is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    workplace.refuse(&["run", "config.yaml", "--output", "locked/out"], &["locked/out", "Permission denied"]);
}

#[test]
fn existing_files_are_never_replaced() {
    let workplace = Workplace::new();
    workplace.refuse(&["init", "config.yaml"], &["`config.yaml` already exists", "give another name"]);
    let finetune = ["finetune", "config.yaml", "--from", "teacher", "--output", "teacher"];
    workplace.refuse(&finetune, &["`teacher` is not empty", "give a new folder"]);
    workplace.succeed(&RUN);
    let export = ["export", "out", "--trial", "0", "--to", "teacher"];
    workplace.refuse(&export, &["`teacher` is not empty", "give a new folder"]);
}

#[test]
fn a_folder_with_files_of_somebody_else_is_refused_and_stays_as_it_is() {
    let workplace = Workplace::new();
    workplace.write("mine/config.yaml", "mine");
    let fragments = ["`mine` is not empty and stays as it is", "give a new folder"];
    workplace.refuse(&["run", "config.yaml", "--output", "mine"], &fragments);
    let distill = ["distill", "config.yaml", "--architecture", ARCHITECTURE, "--output"];
    workplace.refuse(&[&distill[..], &["mine"]].concat(), &fragments);
    assert!(!workplace.path("mine/.lock").exists());
}

#[test]
fn a_finished_student_is_not_replaced() {
    let workplace = Workplace::new();
    let distill = ["distill", "config.yaml", "--architecture", ARCHITECTURE, "--output", "one"];
    workplace.succeed(&distill);
    workplace.refuse(&distill, &["`one` is not empty and stays as it is"]);
}

#[test]
fn a_run_that_never_began_can_be_given_the_same_folder() {
    let workplace = Workplace::new();
    let train = workplace.read("train.tsv");
    workplace.write("train.tsv", "");
    workplace.refuse(&RUN, &["train.tsv"]);
    workplace.write("train.tsv", train);
    workplace.succeed(&RUN);
}

#[test]
fn folders_that_are_no_runs_are_refused() {
    let workplace = Workplace::new();
    for command in [
        vec!["pareto", "teacher"],
        vec!["report", "teacher"],
        vec!["export", "teacher", "--trial", "0", "--to", "out"],
    ] {
        workplace.refuse(
            &command,
            &["`teacher` is not the folder of a finished run", "summary.json", "that `run` wrote"],
        );
    }
}

#[test]
fn a_trial_without_a_student_is_answered_with_those_that_have_one() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    let export = ["export", "out", "--trial", "9", "--to", "student"];
    workplace.refuse(&export, &["trial 9 has no student", "[0, 1, 2]"]);
    workplace.refuse(&["pareto", "out", "--min", "beauty=1"], &["`beauty`", "accuracy"]);
    workplace.refuse(&["pareto", "out", "--max-params", "few"], &["few"]);
}

#[test]
fn a_full_standard_output_is_an_error() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        println!("skipped: there is no /dev/full");
        return;
    };
    let workplace = Workplace::new();
    let output = workplace.command(&["init"]).stdout(full).output().unwrap();
    let said = Said::of(&output, &workplace.path(""));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("error: cannot write to standard output\n  caused by: No space left"),
        "{said:?}"
    );
}

/// A disk of 64 KiB, mounted where only the command sees it; systems that forbid this skip the test.
#[test]
fn a_full_disk_is_an_error() {
    let workplace = Workplace::new();
    fs::create_dir(workplace.path("disk")).unwrap();
    let mount = |then: &str| {
        let script = format!("mount -t tmpfs -o size=64k none disk && {then}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        command.current_dir(workplace.path("")).output()
    };
    if !mount("true").is_ok_and(|output| output.status.success()) {
        println!("skipped: no disk can be mounted here");
        return;
    }
    let program = env!("CARGO_BIN_EXE_autodistillation");
    let output = mount(&format!("exec {program} run config.yaml --output disk/out --quiet")).unwrap();
    let said = Said::of(&output, &workplace.path(""));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.starts_with("error: ") && !said.stderr.contains("panicked"), "{said:?}");
    assert!(said.stderr.contains("disk/out") && said.stderr.contains("full"), "{said:?}");
    let init = format!("head -c 64K /dev/zero > disk/fill; {program} init disk/new.yaml; echo $?; ls disk");
    let said = Said::of(&mount(&init).unwrap(), &workplace.path(""));
    assert_eq!(said.stdout, "2\nfill\n", "{said:?}");
}
