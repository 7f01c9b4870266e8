//! Command lines that make no sense.

use crate::workplace::Workplace;

fn refuse(arguments: &[&str], fragments: &[&str]) {
    Workplace::new().refuse(arguments, fragments);
}

#[test]
fn unknown_commands_and_flags_are_named() {
    refuse(&["trian"], &["unrecognized subcommand 'trian'"]);
    refuse(&["run", "config.yaml", "--trails", "3"], &["unexpected argument '--trails'", "--trials"]);
    refuse(&["distill", "config.yaml"], &["--output <DIR>"]);
}

#[test]
fn devices_and_precisions_of_other_builds_are_explained() {
    refuse(&["run", "config.yaml", "--device", "cuda:0"], &["'cuda:0'", "--device", "use `flex`"]);
    refuse(&["run", "config.yaml", "--precision", "f16"], &["'f16'", "use `auto`, `f32` or `bf16`"]);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    refuse(&["run", "config.yaml", "--trials", "0"], &["'0'", "--trials", "expected a whole number above 0"]);
    refuse(&["run", "config.yaml", "--jobs", "many"], &["'many'", "--jobs"]);
    refuse(
        &["finetune", "config.yaml", "--from", "teacher", "--output", "out", "--epochs=-1"],
        &["--epochs"],
    );
    refuse(&["pareto", "run", "--min", "accuracy"], &["expected METRIC=VALUE"]);
    refuse(&["bench", "step", "--heads", "0"], &["'0'", "--heads"]);
    refuse(&["bench", "step", "--hidden", "8", "--heads", "3"], &["heads"]);
}

#[test]
fn an_architecture_needs_values() {
    let distill = ["distill", "config.yaml", "--architecture", "hidden_size", "--output", "out"];
    refuse(&distill, &["`hidden_size` is not of the form name=value"]);
}

#[test]
fn an_architecture_of_another_family_is_refused() {
    let distill = ["distill", "config.yaml", "--architecture", "kernel_size=3", "--output", "out", "--quiet"];
    refuse(&distill, &["`kernel_size` is not a dimension of students of the family `bert`", "hidden_size"]);
}

#[test]
fn sizes_that_the_config_searches_must_be_chosen() {
    let distill = ["distill", "config.yaml", "--output", "out", "--architecture"];
    let with = |architecture| [&distill[..], &[architecture]].concat();
    refuse(&distill[..4], &["hidden_size (8, 12), num_attention_heads (1, 2)", "--architecture"]);
    refuse(&with("hidden_size=8"), &["the config searches num_attention_heads (1, 2)", "choose a value"]);
    let twice = "hidden_size=8,num_attention_heads=2,hidden_size=12";
    refuse(&with(twice), &["`hidden_size` is given twice in --architecture"]);
}
