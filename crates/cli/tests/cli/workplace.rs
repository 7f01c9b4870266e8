//! A folder with a tiny teacher, tiny data and a config, and the command run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use autodistillation::models::{Precision, Transformer, TransformerConfig, save};
use serde_json::{Value, json};
use tempfile::TempDir;

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nwarm\nfunny\nfilm\ndull\nsad\nplay\n";

const EXAMPLES: &str = "text\tlabel
a warm film\tpositive
a dull film\tnegative
a funny play\tpositive
a sad play\tnegative
a warm play\t1
a dull play\t0
a funny film\t1
a sad film\t0
";

const CONFIG: &str = "model: {name: tiny, framework: pytorch}
teacher: {path: teacher}
student: {family: bert, num_hidden_layers: 1, intermediate_size: 16}
data: {train: train.tsv, validation: dev.tsv, text: text, label: label, max_length: 8}
auto_distillation:
  search:
    search_space: {hidden_size: [8, 12], num_attention_heads: [1, 2]}
    search_algorithm: Grid
    metrics: [accuracy, parameters]
    higher_is_better: [true, false]
    max_trials: 3
    seed: 1
    pruning: none
  flash_distillation:
    knowledge_transfer:
      layer_mappings_for_knowledge_transfer: auto
      train_steps: 2
  regular_distillation:
    layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]]
    loss_types: [[KL]]
    add_origin_loss: [true]
    train_steps: [3]
train: {optimizer: {AdamW: {learning_rate: 1.0e-3}}, batch_size: 4}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 3}}
";

/// A temporary folder in which the command runs.
pub struct Workplace {
    folder: TempDir,
}

/// What a command left on its streams, with the temporary folder written as `[dir]`.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn of(output: &Output, folder: &Path) -> Self {
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), "[dir]");
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Standard output as one JSON object.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Workplace {
    /// Teacher, data and config.
    pub fn new() -> Self {
        let workplace = Self { folder: tempfile::tempdir().unwrap() };
        workplace.write("config.yaml", CONFIG);
        workplace.write("train.tsv", EXAMPLES);
        workplace.write("dev.tsv", EXAMPLES);
        workplace.write("teacher/vocab.txt", VOCABULARY);
        workplace.write("teacher/tokenizer_config.json", r#"{"do_lower_case": true}"#);
        let teacher =
            Transformer::random(TransformerConfig::from_json(&network()).unwrap(), 7, &Default::default());
        save(&workplace.path("teacher"), &teacher, Precision::F32).unwrap();
        workplace
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces a piece of a file that must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.write(name, text.replace(from, to));
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autodistillation"));
        command.current_dir(self.folder.path()).args(arguments).env_remove("COLUMNS");
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap(), self.folder.path())
    }

    /// Runs a command that has to succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said
    }

    /// Runs a command that has to refuse: exit code 2, a message with all of `fragments`, no result, no panic,
    /// and every file as it was.
    pub fn refuse(&self, arguments: &[&str], fragments: &[&str]) -> Said {
        let before = files(self.folder.path());
        let said = self.run(arguments);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains("error: "), "{said:?}");
        for fragment in fragments {
            assert!(said.stderr.contains(fragment), "no `{fragment}` in: {}", said.stderr);
        }
        for sign in ["panicked", "broke down", "RUST_BACKTRACE"] {
            assert!(!said.stderr.contains(sign), "{}", said.stderr);
        }
        let after = files(self.folder.path());
        // The lock only names the process that held it last.
        for (path, content) in before.into_iter().filter(|(path, _)| !path.ends_with(".lock")) {
            assert!(after.get(&path) == Some(&content), "{} was changed", path.display());
        }
        said
    }
}

/// Every file below `folder` with its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// The teacher's Hugging Face config.
pub fn network() -> Value {
    json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 16,
        "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 12,
        "max_position_embeddings": 16, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "initializer_range": 0.02, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "pad_token_id": 0, "id2label": {"0": "negative", "1": "positive"}, "label2id": {"negative": 0, "positive": 1},
    })
}
