//! Data files with mistakes.

use crate::workplace::Workplace;

/// `check`, `run` and `finetune` refuse this training file.
fn refuse(train: &str, fragments: &[&str]) {
    let workplace = Workplace::new();
    workplace.write("train.tsv", train);
    workplace.refuse(&["check", "config.yaml"], fragments);
    workplace.refuse(&["run", "config.yaml", "--output", "out", "--quiet"], fragments);
}

#[test]
fn a_file_without_examples_is_refused() {
    refuse("", &["train.tsv", "the file is empty"]);
    refuse("text\tlabel\n", &["train.tsv", "no rows below the header"]);
}

#[test]
fn a_missing_column_is_answered_with_those_there_are() {
    refuse("texts\tlabel\na film\t1\n", &["train.tsv", "no column `text`", "texts", "label"]);
}

#[test]
fn a_label_that_the_teacher_does_not_know_is_named_with_its_line() {
    let fragments = ["train.tsv:3", "label `2`", "neither an id nor a name", "negative", "positive"];
    refuse("text\tlabel\na film\t1\na play\t2\n", &fragments);
    refuse("text\tlabel\na film\tmaybe\n", &["train.tsv:2", "label `maybe`", "neither an id nor a name"]);
}

#[test]
fn problems_of_several_files_are_told_together() {
    let workplace = Workplace::new();
    workplace.write("train.tsv", "");
    workplace.write("dev.tsv", "text\nplay\n");
    workplace.refuse(
        &["check", "config.yaml"],
        &["train.tsv", "the file is empty", "dev.tsv", "no column `label`"],
    );
}

#[test]
fn a_label_unseen_in_training_is_refused_where_the_data_names_the_classes() {
    let workplace = Workplace::new();
    workplace.write("train.tsv", "text\tlabel\na film\twarm\na play\tdull\n");
    workplace.write("dev.tsv", "text\tlabel\na film\twarm\na play\tsad\n");
    let finetune = ["finetune", "config.yaml", "--from", "teacher", "--output", "out", "--quiet"];
    workplace.refuse(&finetune, &["dev.tsv:3", "label `sad`", "dull", "warm"]);
    assert!(!workplace.path("out").exists());
}

#[test]
fn a_class_of_the_teacher_without_training_examples_is_refused() {
    let fragments = ["dev.tsv:3", "label `negative` never occurs in", "train.tsv"];
    refuse("text\tlabel\na film\t1\na play\tpositive\n", &fragments);
}

#[test]
fn evaluate_and_predict_name_the_file() {
    let workplace = Workplace::new();
    workplace.refuse(&["evaluate", "teacher", "--data", "test.tsv"], &["test.tsv", "no such file"]);
    workplace.refuse(
        &["evaluate", "teacher", "--data", "dev.tsv", "--text", "sentence"],
        &["no column `sentence`"],
    );
    workplace.refuse(&["predict", "teacher", "test.txt"], &["cannot read `test.txt`", "No such file"]);
}

#[test]
fn lines_that_are_not_utf8_are_named_and_a_mark_at_the_beginning_is_no_text() {
    let workplace = Workplace::new();
    workplace.write("texts.txt", b"a warm film\na caf\xe9\n");
    workplace.refuse(&["predict", "teacher", "texts.txt"], &["line 2 of `texts.txt` is not UTF-8", "iconv"]);
    workplace.write("texts.txt", "\u{feff}a warm film\r\n");
    let said = workplace.succeed(&["predict", "teacher", "texts.txt"]);
    assert!(said.stdout.ends_with("\ta warm film\n"), "{said:?}");
}
