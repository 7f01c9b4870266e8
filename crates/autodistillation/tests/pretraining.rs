//! Pretraining: students learn the words under masks, and which sentence follows, from a language model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::ops::ControlFlow;
use std::path::Path;

use autodistillation::data::TextColumns;
use autodistillation::distillation::event::Event;
use autodistillation::distillation::{
    AdamConfig, Block, Course, Decay, Matchers, Mode, Network, OptimizerConfig, Parameters, Schedule, Seeds,
    Taps, Teacher, TrainingSettings,
};
use autodistillation::inference::EvaluateOptions;
use autodistillation::materials::{Tables, labels};
use autodistillation::models::{Tokenizer, Transformer, TransformerConfig, Weights, student_config};
use autodistillation::plan::LatencyPlan;
use autodistillation::run::RunResult;
use autodistillation::{Plan, inference};
use burn::tensor::Device;
use serde_json::json;
use support::run_config;

const CONFIG: &str = "
model: {name: words}
teacher: {finetune: {hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 96, steps: 700, learning_rate: 2.0e-3}}
student: {family: mobilebert, num_hidden_layers: 2, embedding_size: 24, normalization_type: layer_norm}
data: {demo: {name: text, train: 400, validation: 60, test: 0}, max_length: 40}
auto_distillation:
  search:
    search_space: {hidden_size: [24, 32], intra_bottleneck_size: [16], num_attention_heads: [2], intermediate_size: [32], num_feedforward_networks: [2]}
    search_algorithm: Grid
    metrics: [accuracy, parameters]
    max_trials: 2
    seed: 42
  flash_distillation:
    knowledge_transfer:
      block_names: [mobilebert.encoder.layer.0, mobilebert.encoder.layer.1]
      layer_mappings_for_knowledge_transfer:
        - [[mobilebert.encoder.layer.0.attention.self, '1', bert.encoder.layer.0.attention.self, '1'], [mobilebert.encoder.layer.0.output, bert.encoder.layer.0.output]]
        - [[mobilebert.encoder.layer.1.attention.self, '1', bert.encoder.layer.1.attention.self, '1'], [mobilebert.encoder.layer.1.output, bert.encoder.layer.1.output]]
      loss_types: [[KL, MSE], [KL, MSE]]
      train_steps: [60, 60]
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[cls, '0', cls, '0']]], loss_types: [[KL]], add_origin_loss: [true], train_steps: [500]}
train: {optimizer: {AdamW: {learning_rate: 3.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

fn finish(folder: &Path) -> RunResult {
    run_config(folder, CONFIG).unwrap()
}

#[test]
fn students_learn_the_words_under_masks() {
    let folder = tempfile::tempdir().unwrap();
    let result = finish(folder.path());
    let teacher = result.summary.teacher.measured.metrics.get("accuracy").unwrap();
    for trial in result.summary.study.completed() {
        let metrics = trial.metrics().unwrap();
        let accuracy = metrics.get("accuracy").unwrap();
        assert!(accuracy > 0.6 * teacher && teacher > 0.3, "accuracy {accuracy}, the teacher's {teacher}");
        assert!(metrics.get("perplexity").unwrap() < 60.0 && metrics.get("pearson").is_none());
        let record = result.summary.record(trial.number).unwrap();
        assert_eq!(record.stages.len(), 3);
        for (stage, found) in (0..).zip(&record.stages) {
            let first = record.curve.iter().find(|point| point.stage == stage).unwrap().loss;
            assert!(found.loss.unwrap() < first, "{} fell from {first} to {:?}", found.name, found.loss);
        }
    }
    let narrow = folder.path().join("run/trials/0000/student");
    let config = TransformerConfig::from_folder(&narrow).unwrap();
    assert_eq!((config.hidden_size, config.embedding_size), (24, 24), "the decoder has no further rows");
    assert_eq!(config.to_json()["architectures"][0], "MobileBertForPreTraining");
    let answers = inference::predict(&narrow, &["the [MASK] is [MASK] .".to_owned()]).unwrap();
    assert_eq!(answers[0].label.split(' ').count(), 2);
    assert_eq!(answers[0].probabilities.len(), 5);
    let text = folder.path().join("some.txt");
    std::fs::write(&text, "the boat is old .\nthe boat is red .\n\nthe dog runs .\nit is old .\n").unwrap();
    let evaluated = inference::evaluate(&EvaluateOptions {
        network: narrow.clone(),
        data: text,
        columns: TextColumns::plain("text", Some("label")),
        max_length: 24,
        latency: LatencyPlan { batch_size: 1, length: 8, threads: 1, repeats: 5 },
    });
    let evaluated = evaluated.unwrap();
    assert!(evaluated["perplexity"].as_f64().unwrap() > 1.0 && evaluated["examples"].as_u64() > Some(0));
    let error = inference::predict(&narrow, &["nothing is hidden".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("line 1 has no `[MASK]`"), "{error}");
}

/// A BERT that says words, its MobileBERT student, and the text that both read.
fn pair(folder: &Path) -> (Plan, Transformer, Transformer, autodistillation::materials::Sets) {
    let plan = Plan::parse(CONFIG, &folder.join("config.yaml")).unwrap();
    let tables = Tables::read(&plan.data).unwrap();
    let texts = tables.training.records.iter().flat_map(|record| record.text.split_whitespace());
    let words: std::collections::BTreeSet<String> = texts.map(str::to_lowercase).collect();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let vocabulary: Vec<String> = special.into_iter().chain(words).collect();
    std::fs::write(folder.join("vocab.txt"), vocabulary.join("\n")).unwrap();
    let tokenizer = Tokenizer::from_folder(folder).unwrap();
    let config = TransformerConfig::from_json(&json!({
        "architectures": ["BertForPreTraining"], "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": tokenizer.vocabulary_size(),
        "max_position_embeddings": 40, "type_vocab_size": 2, "initializer_range": 0.2,
    }));
    let teacher = Transformer::random(config.unwrap(), 1, &Device::flex());
    let sizes = json!({"hidden_size": 24, "embedding_size": 16, "intra_bottleneck_size": 16});
    let family = autodistillation::models::Family::MobileBert;
    let own = student_config(teacher.config(), family, sizes.as_object().unwrap()).unwrap();
    let student = Transformer::random(own, 2, &Device::flex());
    let sets = tables.tokenise(&tokenizer, &labels(teacher.config()).unwrap(), 40).unwrap();
    (plan, teacher, student, sets)
}

#[test]
fn a_stage_moves_its_block_alone_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, teacher, mut student, sets) = pair(folder.path());
    let settings = TrainingSettings {
        optimizer: OptimizerConfig::AdamW(AdamConfig::default()),
        schedule: Schedule { warmup: 0.0, decay: Decay::Constant },
        batch_size: 4,
        accumulation: 1,
        max_gradient_norm: None,
        early_stop: None,
    };
    let teacher = Teacher::new(teacher, 1 << 26);
    let listener = |_: &Event| ControlFlow::Continue(());
    let course = Course {
        teacher: &teacher,
        training: &sets.training,
        validation: &sets.validation,
        settings: &settings,
        seeds: Seeds { order: 1, trial: 2 },
        listener: &listener,
    };
    let scheduler = plan.scheduler.stages();
    let automatic = plan.automatic_flash.is_some();
    assert!(!automatic && scheduler.len() == 3);
    for (position, stage) in scheduler.iter().enumerate() {
        let before = Weights::of(&student);
        let stage = autodistillation::distillation::Stage { steps: 3, ..stage.clone() };
        student = course.run_stage(student, (position, &stage), &mut Matchers::new()).unwrap().0;
        let after = Weights::of(&student);
        for (name, weight) in &before.0 {
            let moved = after.get(name) != Some(weight);
            let inside = stage.block == Block::everything() || stage.block.holds(name);
            // Layers of this config compute values that no loss of the last stage reaches: none is asserted to move.
            assert!(inside || !moved, "stage {position}: {name} moved");
        }
        let moved = before.0.iter().filter(|(name, weight)| after.get(name) != Some(weight)).count();
        assert!(moved > 10, "stage {position}: {moved} parameters moved");
    }
    let taps = Taps::new([student.logits()]);
    let batch = sets.validation.batch(&[0, 1], &Device::flex());
    let features = student.frozen().forward(&batch, &taps, Mode::Evaluation);
    let masked = batch.masked.iter().sum::<u32>() as usize;
    assert_eq!(features.iter().next().unwrap().1.dims()[0], masked);
}

#[test]
fn language_models_leave_for_tensorflow_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG
        .replace("{name: words}", "{name: words, framework: tensorflow}")
        .replace("steps: 700", "steps: 1");
    run_config(folder.path(), &config).unwrap();
    let students = std::fs::read_dir(folder.path().join("run/students")).unwrap();
    let student = students.map(|entry| entry.unwrap().path()).next().unwrap();
    assert!(student.join("tf_model.h5").exists() && !student.join("model.safetensors").exists());
    let loaded = Transformer::load(&student, &Device::flex()).unwrap();
    assert_eq!(loaded.warnings, []);
}
