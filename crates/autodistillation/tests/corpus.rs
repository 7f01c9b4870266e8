//! Plain text from the config to masked sets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use autodistillation::Plan;
use autodistillation::data::corpus::{NextSentence, Statistics};
use autodistillation::data::{LabelEncoding, LabelNames};
use autodistillation::distillation::Target;
use autodistillation::materials::{Sets, Tables};
use autodistillation::models::Tokenizer;
use autodistillation::plan::DataSource;

const REST: &str = "
model: {name: student}
teacher: {path: teacher}
student: {family: bert, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64}
distillation: {train: {steps: 10}}
";

const TEXT: &str =
    " = Boats = \n\nThe boat is old . It is red .\nThe harbour is near .\n\nA dog runs . The dog is old .\n";

/// A folder with text in every format and a tokenizer.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("teacher")).unwrap();
        write("train.txt", TEXT);
        write("dev.TXT", TEXT);
        write("test.txt", TEXT);
        write("rows.tsv", "body\nThe boat is old . It is red .\nA dog runs . The dog is old .\n");
        write(
            "rows.csv",
            "body\n\"The boat is old . It is red .\nThe harbour is near .\"\nA dog runs . It is old\n",
        );
        write(
            "rows.jsonl",
            "{\"body\": \"The boat is old . It is red .\"}\n{\"body\": \"A dog runs . It is old .\"}\n",
        );
        let words = "[PAD] [UNK] [CLS] [SEP] [MASK] . = the a it boat boats dog harbour is old red near runs";
        write("teacher/vocab.txt", &words.replace(' ', "\n"));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn plan(&self, data: &str) -> Result<Plan, String> {
        let text = format!("data: {data}{REST}");
        let plan = Plan::parse(&text, &self.path("config.yaml"));
        plan.map_err(|errors| errors.to_string().replace(&format!("{}/", self.0.path().display()), ""))
    }

    fn sets(&self, data: &str, labels: &LabelEncoding) -> Result<Sets, String> {
        let plan = self.plan(data)?.data;
        let tokenizer = Tokenizer::from_folder(&self.path("teacher")).unwrap();
        let tables = Tables::read(&plan).map_err(|error| error.to_string())?;
        let sets = tables.tokenise(&tokenizer, labels, plan.max_length);
        sets.map_err(|error| error.to_string().replace(&format!("{}/", self.0.path().display()), ""))
    }
}

const PAIRS: LabelEncoding = LabelEncoding::MaskedText { next_sentence: NextSentence::Asked };
const TEXTS: LabelEncoding = LabelEncoding::MaskedText { next_sentence: NextSentence::NotAsked };
const FILES: &str = "{train: train.txt, validation: dev.TXT, test: test.txt, max_length: 16}";

#[test]
fn text_files_need_no_columns() {
    let plan = Folder::new().plan(FILES).unwrap();
    let DataSource::Files { text, label, text_pair, .. } = &plan.data.source else { panic!("files") };
    assert_eq!((text, label, text_pair), (&None, &None, &None));
    let json = serde_json::to_string(&plan.data.source).unwrap();
    assert!(!json.contains("label") && !json.contains("\"text\""), "{json}");
}

#[test]
fn columns_of_text_files_are_refused_each_at_its_place() {
    let data = "{train: train.txt, validation: dev.TXT, text: body, label: topic, max_length: 16}";
    let problems = Folder::new().plan(data).unwrap_err();
    for key in ["data.text", "data.label"] {
        let expected =
            format!("{key}: plain text (.txt) and SQuAD's layout (.json) have no columns: leave this out");
        assert!(problems.contains(&expected), "{problems}");
    }
}

#[test]
fn other_files_need_the_column_of_the_text_and_no_label() {
    let folder = Folder::new();
    let problems = folder.plan("{train: rows.tsv, validation: rows.csv}").unwrap_err();
    assert!(problems.contains("missing key `text`") && !problems.contains("label"), "{problems}");
    for file in ["rows.tsv", "rows.csv", "rows.jsonl"] {
        let data = format!("{{train: {file}, validation: train.txt, text: body, max_length: 16}}");
        for encoding in [&PAIRS, &TEXTS] {
            let sets = folder.sets(&data, encoding).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(!sets.training.is_empty() && sets.training.masking.is_some(), "{file}");
        }
    }
    let mixed = "{train: rows.tsv, validation: dev.TXT, text: body, label: body, max_length: 16}";
    let error = folder.sets(mixed, &TEXTS).unwrap_err();
    assert!(error.contains("dev.TXT: no column `body`: a .txt file has no columns"), "{error}");
}

#[test]
fn labels_that_stand_in_the_plan_are_written_as_before() {
    let folder = Folder::new();
    let plan = folder.plan("{train: rows.tsv, validation: rows.tsv, text: body, label: topic}").unwrap();
    let json = serde_json::to_value(&plan.data.source).unwrap();
    let path = folder.path("rows.tsv");
    let path = path.to_string_lossy();
    let expected = serde_json::json!({"Files": {
        "train": path, "validation": path, "test": null, "text": "body", "text_pair": null, "label": "topic",
    }});
    assert_eq!(json, expected);
}

#[test]
fn every_part_has_its_own_pairs_and_masks() {
    let folder = Folder::new();
    let sets = folder.sets(FILES, &PAIRS).unwrap();
    let test = sets.test.clone().unwrap();
    let maskings = [&sets.training, &sets.validation, &test].map(|set| set.masking.clone().unwrap());
    assert!(maskings[0] != maskings[1] && maskings[1] != maskings[2] && maskings[0] != maskings[2]);
    assert!(Statistics::of(&sets.training, 16).true_pairs.is_some());
    assert_eq!(folder.sets(FILES, &PAIRS).unwrap().training, sets.training);
    for example in folder.sets(FILES, &TEXTS).unwrap().training.examples {
        assert!(matches!(&example.target, Target::Masked(text) if text.follows.is_none()));
        assert!(!example.ids.contains(&1), "every word is known: {example:?}");
    }
}

#[test]
fn generated_text_takes_the_same_way() {
    let sets = Folder::new().sets("{demo: {name: text, train: 50, validation: 5, test: 0}}", &PAIRS).unwrap();
    assert!(sets.training.len() > 50 && sets.test.is_none());
}

#[test]
fn a_task_on_labels_says_that_there_are_none() {
    let names = LabelNames::new(vec!["a".to_owned(), "b".to_owned()]).unwrap();
    let error = Folder::new().sets(FILES, &LabelEncoding::Classes(names)).unwrap_err();
    assert!(error.starts_with("train.txt: `data.label` is missing, and classification needs it"), "{error}");
    assert!(error.contains("masked-language-model head"), "{error}");
}

#[test]
fn token_ids_are_masked_as_they_stand() {
    let folder = Folder::new();
    let write = |rows: &str| std::fs::write(folder.path("ids.tsv"), rows).unwrap();
    let data = "{train: ids.tsv, validation: ids.tsv, text: a, text_pair: b, label: c, tokenised: true, max_length: 7}";
    write("a\tb\tc\n2 7 8 3\t9 3\t0\n2 7 3\t10 3\t1\n");
    let sets = folder.sets(data, &PAIRS).unwrap();
    let follows = |row: usize| match &sets.training.examples[row].target {
        Target::Masked(text) => text.follows,
        other => panic!("{other:?}"),
    };
    assert_eq!((follows(0), follows(1)), (Some(true), Some(false)));
    assert_eq!(sets.training.examples[0].token_types, [0, 0, 0, 0, 1, 1]);
    assert!(sets.training.example(0).unwrap().target.masked() == 1);
    for (rows, expected) in [
        ("a\tb\tc\n2 7 3\t9 3\tyes\n", "ids.tsv:2: label `yes` does not say whether the second text follows"),
        ("a\tb\tc\n2 7 3\t9 x\t1\n", "ids.tsv:2: "),
        ("a\tb\tc\n2 7 7 7 7 7 3\t9 3\t1\n", "ids.tsv:2: the tokenizer gave 9 ids"),
    ] {
        write(rows);
        let error = folder.sets(data, &PAIRS).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn broken_text_files_are_refused_with_their_line() {
    let folder = Folder::new();
    let write = |bytes: &[u8]| std::fs::write(folder.path("bad.txt"), bytes).unwrap();
    let cases: [(&[u8], &str); 4] = [
        (b"", "bad.txt: no text"),
        (b"\n \n", "bad.txt: no text"),
        (b"fine\nnot\xfffine\n", "bad.txt:2: not valid UTF-8"),
        (b"f\0i\0n\0e\0", "bad.txt:1: a NUL byte"),
    ];
    for (bytes, expected) in cases {
        write(bytes);
        let error = folder.sets("{train: bad.txt, validation: train.txt}", &TEXTS).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
