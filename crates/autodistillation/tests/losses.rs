//! Losses, criteria and layer choices at work: students of other widths and head counts than their teacher learn by them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use autodistillation::check::{CheckReport, check};
use autodistillation::distill::{DistillOptions, distill};
use autodistillation::distillation::{Event, StageReport};
use autodistillation::experiment::Teaching;
use autodistillation::{Error, Plan, RunEvent};

/// A student of width 16 with one head, whose teacher has width 32 and four.
const NETWORKS: &str = "
model: {name: tiny, framework: pytorch}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 64, steps: 60, learning_rate: 2.0e-3}}
student: {family: bert, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 1, intermediate_size: 32, initialize: random}
data: {demo: {name: reviews, train: 600, validation: 80, test: 80, seed: 7}, max_length: 32}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";
const OPTIMIZER: &str = "optimizer: {AdamW: {learning_rate: 3.0e-3}}, batch_size: 16";

fn plan(method: &str) -> Plan {
    let text = format!("{method}{NETWORKS}");
    Plan::parse(&text, Path::new("config.yaml")).unwrap_or_else(|errors| panic!("{errors}"))
}

/// One stage with these keys on layers; `block_names` names what it trains.
fn stage(keys: &str) -> String {
    let criterion = format!("{{IntermediateLayersKnowledgeDistillationLoss: {{{keys}}}}}");
    format!("distillation: {{train: {{{OPTIMIZER}, iteration: 60, criterion: {criterion}}}}}\n")
}

/// A search's section with these keys of `knowledge_transfer`, of which one student is looked at.
fn transfer(keys: &str) -> Plan {
    let method = format!(
        "auto_distillation: {{search: {{search_space: {{hidden_size: [16]}}}}, flash_distillation: {{{keys}}}}}\n"
    );
    let text = format!("{method}{}", NETWORKS.replace("hidden_size: 16, ", ""));
    Plan::parse(&text, Path::new("config.yaml")).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Teaches a student and gives the report of every stage, that of the teacher first.
fn taught(plan: Plan, architecture: &[(&str, i64)]) -> Vec<StageReport> {
    let (folder, reports) = (tempfile::tempdir().unwrap(), Mutex::new(Vec::new()));
    let listener = |event: &RunEvent| {
        if let RunEvent::Training { event: Event::StageFinished(report), .. } = event {
            reports.lock().unwrap().push(report.clone());
        }
    };
    let options = DistillOptions {
        architecture: architecture.iter().copied().collect(),
        output: folder.path().join("student"),
        teaching: Teaching::Distilled,
        cache: None,
    };
    distill(plan, &options, (&listener, &AtomicBool::new(false))).unwrap();
    reports.into_inner().unwrap()
}

#[track_caller]
fn assert_learns(method: &str) {
    assert_plan_learns(plan(method));
}

#[track_caller]
fn assert_plan_learns(plan: Plan) {
    let stages = format!("{:?}", plan.scheduler);
    let reports = taught(plan, &[]);
    let report = reports.last().unwrap(); // Before it the teacher was trained.
    let (first, last) = (report.first_loss, report.last_loss);
    assert!(last < 0.8 * first && last.is_finite(), "{stages}: from {first} to {last}");
}

#[test]
fn hidden_states_are_learned_by_their_directions() {
    for loss in ["COS", "PKD", "L2"] {
        let pair = "[bert.encoder.layer.0.output, bert.encoder.layer.1.output]";
        assert_learns(&stage(&format!("layer_mappings: [{pair}], loss_types: [{loss}]")));
    }
}

#[test]
fn logits_are_learned_by_every_divergence_at_a_temperature_that_falls() {
    for loss in ["KL", "RKL", "JSD"] {
        let keys = format!(
            "layer_mappings: [[classifier, classifier]], loss_types: [{loss}], temperature: {{from: 2, to: 1}}"
        );
        assert_learns(&stage(&keys));
    }
}

#[test]
fn relations_are_learned_without_a_matcher_whatever_the_widths_and_heads() {
    let pair = |part: &str| {
        format!("[bert.encoder.layer.1.attention.self.{part}, bert.encoder.layer.2.attention.self.{part}]")
    };
    let pairs = ["query", "key", "value"].map(pair).join(", ");
    let method = stage(&format!("layer_mappings: [{pairs}], loss_types: RELATION"));
    assert_learns(&method);
    let shown = check(plan(&method), None).unwrap().stages[0].terms[0].clone();
    assert!(
        shown.contains("RELATION") && shown.ends_with("in 2 relation heads, without a matcher"),
        "{shown}"
    );
}

#[test]
fn embeddings_learn_as_a_block_of_their_own() {
    let pair = "[bert.embeddings, bert.embeddings]";
    assert_learns(&stage(&format!(
        "layer_mappings: [{pair}], loss_types: [MSE], normalize: teacher_variance, block_names: [bert.embeddings]"
    )));
}

#[test]
fn a_network_teaches_itself_from_its_deeper_layers() {
    let mapping = "[bert.encoder.layer.0.output, bert.encoder.layer.1.output]";
    let maps = "[[bert.encoder.layer.0.attention.self, 1], [bert.encoder.layer.1.attention.self, 1]]";
    let criterion = format!(
        "{{SelfKnowledgeDistillationLoss: {{layer_mappings: [[{mapping}], [{maps}]], loss_types: [COS, KL], \
         loss_weights: [0.5, 0.5], add_origin_loss: true}}}}"
    );
    let method = format!("distillation: {{train: {{{OPTIMIZER}, iteration: 60, criterion: {criterion}}}}}\n");
    let unlabelled = format!("{method}{NETWORKS}").replace("initialize: random", "initialize: teacher");
    let unlabelled = unlabelled.replace("add_origin_loss: true", "add_origin_loss: false");
    assert_plan_learns(Plan::parse(&unlabelled, Path::new("config.yaml")).unwrap());
    let report = check(plan(&method), None).unwrap();
    assert_eq!(report.teacher_outputs.bytes, 0, "nobody else is asked");
    assert!(report.stages[0].terms[0].contains("(batch, length, 16) ↔"), "{:?}", report.stages);
    let swapped = method.replace(
        "layer.0.output, bert.encoder.layer.1.output",
        "layer.1.output, bert.encoder.layer.0.output",
    );
    let refused = check(plan(&swapped), None).unwrap_err().to_string();
    assert!(refused.starts_with("config.yaml:1:") && refused.contains("does not come after it"), "{refused}");
}

fn choices(keys: &str) -> CheckReport {
    check(transfer(keys), None).unwrap_or_else(|error: Error| panic!("{error}"))
}

#[test]
fn similarity_chooses_the_layers_that_teach_and_check_says_how_similar_they_are() {
    let keys = "knowledge_transfer: {layer_mappings_for_knowledge_transfer: similarity, train_steps: 5}";
    let report = choices(keys);
    let choice = report.layer_choice.unwrap();
    let chosen = if choice.contains("0 ← 0") { 0 } else { 1 };
    assert!(choice.contains(&format!("0 ← {chosen} (")) && choice.contains("1 ← 2 ("), "{choice}");
    let taught_by = |stage: usize| report.stages[stage].terms[1].clone();
    assert!(taught_by(0).contains(&format!("↔ bert.encoder.layer.{chosen}.output")), "{}", taught_by(0));
    assert!(taught_by(1).contains("↔ bert.encoder.layer.2.output"), "{}", taught_by(1));
    assert_eq!(
        taught(transfer(keys), &[("hidden_size", 16)]).len(),
        1 + 2,
        "the teacher's stage and two blocks"
    );
    let evenly = choices("knowledge_transfer: {layer_mappings_for_knowledge_transfer: auto}");
    assert_eq!(evenly.layer_choice, None);
}

#[test]
fn losses_that_features_cannot_have_are_refused_at_their_place() {
    let refused = |keys: &str| check(plan(&stage(keys)), None).unwrap_err().to_string();
    let heads = refused(
        "layer_mappings: [[bert.encoder.layer.0.output, bert.encoder.layer.1.output]], loss_types: [RELATION], relation_heads: 3",
    );
    assert!(heads.contains("choose from [1, 2, 4, 8, 16]") && heads.starts_with("config.yaml:1:"), "{heads}");
    let maps = refused(
        "layer_mappings: [[bert.encoder.layer.0.attention.self, 1, bert.encoder.layer.1.attention.self, 1]], loss_types: [RELATION]",
    );
    assert!(maps.contains("one vector per token"), "{maps}");
    let two = refused("layer_mappings: [[classifier, classifier]], loss_types: [KL], logits: standardized");
    assert!(two.contains("it takes three classes"), "{two}");
    let logits = "distillation: {train: {criterion: {KnowledgeDistillationLoss: {logits: standardized, loss_types: [CE, KL]}}}}\n";
    let two = check(plan(logits), None).unwrap_err().to_string();
    assert!(two.contains("it takes three classes") && two.starts_with("config.yaml:1:"), "{two}");
}
