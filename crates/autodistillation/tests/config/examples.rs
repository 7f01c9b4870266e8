//! Every config of the design document, with indentation and commas mended, and the benchmark's own.

use std::path::Path;

use autodistillation::Plan;
use autodistillation::config::{DistillationConfig, LayerStack, SearchConfig, starter};
use autodistillation::distillation::{
    CriterionConfig, HeadMatching, LogitScale, LossKind, Normalize, OptimizerConfig, OriginLoss, Stage,
    StageKind,
};
use autodistillation::plan::{Framework, Pruning, TeacherPlan};
use autodistillation::search::{Algorithm, Goal};

use super::{Folder, fixture, search_config};

fn search_fixture(name: &str) -> SearchConfig {
    search_config(&fixture(name)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn distillation_fixture(name: &str) -> DistillationConfig {
    DistillationConfig::parse(&fixture(name), Path::new(name)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// `student <- teacher, loss, weight` of every mapping of a stage.
fn mappings(stage: &Stage) -> Vec<String> {
    let CriterionConfig::IntermediateLayers { mappings, .. } = &stage.criterion else {
        panic!("a criterion on layers")
    };
    mappings.iter().map(|m| format!("{} <- {}, {:?}, {}", m.student, m.teacher, m.loss, m.weight)).collect()
}

fn origin_loss(stage: &Stage) -> OriginLoss {
    match stage.criterion {
        CriterionConfig::IntermediateLayers { origin_loss, .. } => origin_loss,
        _ => panic!("a criterion on layers"),
    }
}

#[test]
fn flash_distillation_is_one_stage_on_the_whole_student() {
    let config = distillation_fixture("flash_distillation.yaml");
    let [stage] = config.scheduler.stages() else { panic!("one stage") };
    assert_eq!(
        mappings(stage),
        [
            "mobilebert.encoder.layer.0.attention.self[1] <- bert.encoder.layer.0.attention.self[1], \
             KullbackLeibler, 0.5",
            "mobilebert.encoder.layer.0.output <- bert.encoder.layer.0.output, MeanSquared, 0.5",
        ]
    );
    assert_eq!((stage.kind, stage.steps, stage.learning_rate), (StageKind::Flash, 500, 0.001));
    assert_eq!(origin_loss(stage), OriginLoss::LeftOut);
    assert!(matches!(config.training.optimizer, OptimizerConfig::Sgd(_)));
    let CriterionConfig::IntermediateLayers { options, .. } = stage.criterion else { panic!() };
    assert_eq!((options.normalize, options.heads), (Normalize::None, HeadMatching::Matcher));
}

#[test]
fn regular_distillation_adds_the_students_own_loss() {
    let config = distillation_fixture("regular_distillation.yaml");
    let [stage] = config.scheduler.stages() else { panic!("one stage") };
    assert_eq!(mappings(stage), ["mobilebert.output <- bert.output, KullbackLeibler, 1"]);
    assert_eq!((stage.kind, origin_loss(stage)), (StageKind::Regular, OriginLoss::Added));
}

#[test]
fn the_logits_criterion_has_a_temperature_and_two_losses() {
    let config = distillation_fixture("tensorflow_distillation.yaml");
    let [stage] = config.scheduler.stages() else { panic!("one stage") };
    let expected = CriterionConfig::KnowledgeDistillation {
        temperature: 1.0.into(),
        losses: [LossKind::CrossEntropy; 2],
        weights: [0.5.into(); 2],
        logits: LogitScale::Plain,
    };
    assert_eq!(stage.criterion, expected);
}

#[test]
fn distillation_examples_become_plans_once_networks_and_data_are_named() {
    let folder = Folder::new();
    for name in ["flash_distillation.yaml", "regular_distillation.yaml", "tensorflow_distillation.yaml"] {
        let rest = "teacher: {path: teacher}
student: {family: bert, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64}
data: {train: train.tsv, validation: dev.tsv, text: sentence, label: label}
";
        let plan = folder.plan(&format!("{}{rest}", fixture(name))).unwrap_or_else(|e| panic!("{e}"));
        assert!(plan.search.is_none());
        assert_eq!((plan.scheduler.stages().len(), plan.seed), (1, 42));
    }
}

#[test]
fn the_pytorch_search_has_two_stages_wherever_its_sections_stand() {
    let inside = search_fixture("pytorch_auto_distillation.yaml");
    let [flash, regular] = inside.scheduler.stages() else { panic!("two stages") };
    assert_eq!((flash.kind, flash.steps), (StageKind::Flash, 5000));
    assert_eq!(flash.block.modules(), ["mobilebert.encoder.layer.0"]);
    assert!(mappings(flash)[0].ends_with("KullbackLeibler, 0.5"), "{:?}", mappings(flash));
    assert_eq!(mappings(regular), ["mobilebert.output <- bert.output, KullbackLeibler, 1"]);
    assert_eq!((regular.steps, origin_loss(regular)), (500, OriginLoss::Added));
    let search = &inside.search;
    assert_eq!((search.space.size(), search.algorithm, search.max_trials), (576, Algorithm::Bayesian, 10));
    assert_eq!(search.goals, [Goal::maximize("accuracy"), Goal::minimize("latency")]);
    let beside = search_fixture("pytorch_auto_distillation_beside.yaml");
    assert_eq!(serde_json::to_value(&inside).unwrap(), serde_json::to_value(&beside).unwrap());
}

#[test]
fn a_searchs_stages_have_scale_free_losses_and_mean_heads() {
    let config = search_fixture("trainer_advanced.json");
    for stage in config.scheduler.stages() {
        let CriterionConfig::IntermediateLayers { options, .. } = stage.criterion else { panic!() };
        assert_eq!((options.normalize, options.heads), (Normalize::TeacherVariance, HeadMatching::Mean));
    }
}

#[test]
fn the_trainers_dictionaries_have_a_stage_per_layer_and_a_regular_one() {
    let advanced = search_fixture("trainer_advanced.json");
    let stages = advanced.scheduler.stages();
    assert_eq!((stages.len(), advanced.scheduler.total_steps()), (25, 24 * 500 + 25_000));
    assert_eq!(stages[10].block.modules(), ["mobilebert.encoder.layer.10"]);
    assert_eq!(mappings(&stages[24]), ["cls <- cls, KullbackLeibler, 1"]);
    let simple = search_fixture("trainer_out_of_the_box.json");
    assert_eq!(mappings(&simple.scheduler.stages()[7]), mappings(&stages[7]));
    assert_eq!(simple.scheduler.stages()[24].steps, 500);
    assert_eq!((simple.search.max_trials, simple.search.seed), (1, 42));
    assert_eq!(simple.search.goals, [Goal::minimize("loss"), Goal::minimize("latency")]);
}

#[test]
fn the_tensorflow_search_compares_logits() {
    let config = search_fixture("tensorflow_auto_distillation.yaml");
    let [stage] = config.scheduler.stages() else { panic!("one stage") };
    let CriterionConfig::KnowledgeDistillation { temperature, .. } = stage.criterion else { panic!() };
    assert_eq!(temperature, 1.0);
    assert_eq!(
        (stage.kind, stage.steps, stage.block.modules()),
        (StageKind::Flash, 5000, &[String::new()][..])
    );
    assert_eq!(config.framework, Framework::TensorFlow);
    assert_eq!(config.search.goals, [Goal::maximize("accuracy"), Goal::minimize("latency")]);
}

#[test]
fn the_tensorflow_optimizers_config_has_a_stage_of_each_kind() {
    let config = search_fixture("tensorflow_optimization.json");
    let kinds: Vec<_> = config.scheduler.stages().iter().map(|stage| (stage.kind, stage.steps)).collect();
    assert_eq!(kinds, [(StageKind::Flash, 3), (StageKind::Regular, 3)]);
    assert_eq!(config.search.goals, [Goal::minimize("eval_loss")]);
}

#[test]
fn the_starter_config_runs_as_it_is() {
    let plan = Plan::parse(starter(), Path::new("config.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(matches!(plan.teacher, TeacherPlan::FineTuned { steps: 600, .. }));
    let stages = plan.scheduler_for(&LayerStack::bert(2), &LayerStack::bert(4));
    let kinds: Vec<_> = stages.stages().iter().map(|stage| (stage.kind, stage.steps)).collect();
    assert_eq!(kinds, [(StageKind::Flash, 100), (StageKind::Flash, 100), (StageKind::Regular, 400)]);
    assert_eq!(
        mappings(&stages.stages()[0])[1],
        "bert.encoder.layer.0.output <- bert.encoder.layer.1.output, MeanSquared, 0.5"
    );
}

#[test]
fn the_plan_as_json_is_stable() {
    let plan = Plan::parse(starter(), Path::new("config.yaml")).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn the_sst2_benchmark_loads_and_its_mappings_are_the_automatic_ones() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/bench/sst2.yaml");
    let Ok(text) = std::fs::read_to_string(shared) else {
        println!("skipped: {shared} is not here");
        return;
    };
    let plan = Plan::load(Path::new(shared)).unwrap_or_else(|errors| panic!("{errors}"));
    let search = plan.search.as_ref().unwrap();
    assert_eq!((search.space.size(), search.max_trials, search.pruning), (36, 10, Pruning::None));
    let flash = &plan.scheduler.stages()[..4];
    assert_eq!(flash.iter().map(|stage| (stage.steps, stage.learning_rate)).next(), Some((200, 1e-3)));
    let regular = &plan.scheduler.stages()[4];
    assert_eq!((regular.steps, regular.learning_rate), (2000, 5e-4));
    assert!(matches!(
        regular.criterion,
        CriterionConfig::IntermediateLayers { options, .. } if options.temperature == 2.0
    ));
    let begin = text.find("      block_names:").unwrap();
    let end = text.find("      loss_types: [[KL, MSE]").unwrap();
    let automatic = "      layer_mappings_for_knowledge_transfer: auto\n";
    let automatic = format!("{}{automatic}{}", &text[..begin], &text[end..]);
    let automatic = Plan::parse(&automatic, Path::new(shared)).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(automatic.scheduler_for(&LayerStack::bert(4), &LayerStack::bert(6)), plan.scheduler);
}
