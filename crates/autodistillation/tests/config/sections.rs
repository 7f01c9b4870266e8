//! What single sections of a config mean, defaults included.

use autodistillation::config::LayerStack;
use autodistillation::distillation::{
    Block, CriterionConfig, Decay, HeadMatching, LogitScale, LossKind, MatchingOptions, Normalize,
    OptimizerConfig, OriginLoss, Reduction, Stage, StageKind,
};
use autodistillation::plan::{
    DataSource, EarlyStopPlan, Initialize, Plan, SearchPlan, TextForm, TrainingPlan,
};
use autodistillation::search::{Choice, Goal};
use serde_json::json;

use super::{Folder, REST, distilling, search_config, searching};

fn plan(text: &str) -> Plan {
    Folder::new().plan(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn stages(flash_and_regular: &str) -> Vec<Stage> {
    plan(&distilling(flash_and_regular)).scheduler.stages().to_vec()
}

fn options(stage: &Stage) -> MatchingOptions {
    match &stage.criterion {
        CriterionConfig::IntermediateLayers { options, .. } => *options,
        _ => panic!("a criterion on layers"),
    }
}

fn training(train: &str) -> TrainingPlan {
    plan(&format!("{}train: {train}\n", distilling("regular_distillation: {}"))).training
}

fn search(keys: &str) -> SearchPlan {
    plan(&searching(&format!("{{search: {{search_space: {{hidden_size: [16, 32]}}, {keys}}}}}")))
        .search
        .unwrap()
}

#[test]
fn wide_students_train_at_a_lower_rate_unless_the_config_says_no() {
    assert!(training("{batch_size: 8}").width_scaling);
    assert!(!training("{width_scaling: false}").width_scaling);
}

#[test]
fn columns_hold_text_unless_the_config_says_that_they_hold_token_ids() {
    let text = distilling("regular_distillation: {}");
    assert_eq!(plan(&text).data.form, TextForm::Words);
    let tokenised = text.replace("label: label}", "label: label, tokenised: true}");
    assert_eq!(plan(&tokenised).data.form, TextForm::TokenIds);
    let problem = Folder::new().problems(&text.replace("label: label}", "label: label, tokenised: 7}"));
    assert!(problem.contains("data.tokenised"), "{problem}");
}

#[test]
fn a_stage_without_values_has_the_documents_defaults() {
    let flash = stages("flash_distillation: {layer_mappings: [[[a, b], [c, d]]]}");
    let [stage] = flash.as_slice() else { panic!("one stage") };
    assert_eq!((stage.kind, stage.steps, &stage.block), (StageKind::Flash, 500, &Block::everything()));
    let CriterionConfig::IntermediateLayers { mappings, origin_loss, .. } = &stage.criterion else {
        panic!()
    };
    assert_eq!(*origin_loss, OriginLoss::LeftOut);
    assert!(mappings.iter().all(|m| m.loss == LossKind::MeanSquared && m.weight == 0.5));
    assert_eq!(stage.learning_rate, 5e-4);
}

#[test]
fn without_mappings_the_classifier_learns_from_logits_and_labels() {
    for text in ["regular_distillation: {}", "flash_distillation: {regular_distillation: {}}", ""] {
        let regular = stages(text);
        let [stage] = regular.as_slice() else { panic!("one stage") };
        let CriterionConfig::IntermediateLayers { mappings, origin_loss, .. } = &stage.criterion else {
            panic!()
        };
        assert_eq!((stage.kind, *origin_loss), (StageKind::Regular, OriginLoss::Added));
        assert_eq!(
            (mappings[0].student.module.as_str(), mappings[0].loss),
            ("classifier", LossKind::KullbackLeibler)
        );
    }
}

#[test]
fn flash_alone_has_no_regular_stage() {
    let flash = stages("flash_distillation: {knowledge_transfer: {layer_mappings: [[a, b]]}}");
    assert_eq!(flash.iter().map(|stage| stage.kind).collect::<Vec<_>>(), [StageKind::Flash]);
}

#[test]
fn a_single_value_counts_for_every_stage() {
    let text = "flash_distillation: {layer_mappings: [[[a, b]], [[c, d], [e, f]]], loss_types: [[KL], [L1, MSE]], \
                train_steps: 7, learning_rate: [0.1, 0.2], temperature: 3, heads: matcher, normalize: none, \
                reduction: [row_mean, element_mean], add_origin_loss: true}";
    let both = stages(text);
    assert_eq!(
        both.iter().map(|stage| (stage.steps, stage.learning_rate)).collect::<Vec<_>>(),
        [(7, 0.1), (7, 0.2)]
    );
    let second = options(&both[1]);
    assert_eq!((second.heads, second.normalize), (HeadMatching::Matcher, Normalize::None));
    assert_eq!((second.reduction, second.temperature), (Reduction::ElementMean, 3.0.into()));
    assert_eq!(options(&both[0]).reduction, Reduction::RowMean);
}

#[test]
fn automatic_blocks_are_the_layers_of_the_mappings() {
    let text = "flash_distillation: {block_names: auto, layer_mappings: [[[bert.encoder.layer.1.output, x], \
                [bert.encoder.layer.1.attention.self, 1, x, 1]], [[bert.encoder.layer.0.output, x], [classifier, x]]]}";
    let both = stages(text);
    assert_eq!(both[0].block, Block::new(["bert.encoder.layer.1"]));
    assert_eq!(both[1].block, Block::everything());
}

#[test]
fn automatic_mappings_take_one_value_for_all_blocks_or_one_for_each() {
    let text = "flash_distillation: {layer_mappings_for_knowledge_transfer: auto, train_steps: [10, 20], \
                loss_types: [KL, L1], loss_weights: [0.3, 0.7], block_names: ''}";
    let plan = plan(&distilling(text));
    assert!(plan.scheduler.stages().is_empty());
    let stages = plan.scheduler_for(&LayerStack::bert(2), &LayerStack::bert(6));
    assert_eq!(stages.stages().iter().map(|stage| stage.steps).collect::<Vec<_>>(), [10, 20]);
    let CriterionConfig::IntermediateLayers { mappings, .. } = &stages.stages()[1].criterion else {
        panic!()
    };
    let terms: Vec<_> = mappings.iter().map(|m| (m.teacher.module.as_str(), m.loss, m.weight)).collect();
    assert_eq!(
        terms,
        [
            ("bert.encoder.layer.5.attention.self", LossKind::KullbackLeibler, 0.3.into()),
            ("bert.encoder.layer.5.output", LossKind::MeanAbsolute, 0.7.into())
        ]
    );
    assert_eq!(stages.stages()[0].block, Block::everything());
}

#[test]
fn a_searched_number_of_layers_leaves_automatic_mappings_to_each_architecture() {
    let text = "auto_distillation:
  search: {search_space: {num_hidden_layers: [1, 3]}}
  flash_distillation: {layer_mappings: auto, train_steps: 50}
model: {name: s}
teacher: {path: teacher}
student: {family: bert, hidden_size: 16, num_attention_heads: 2, intermediate_size: 64}
data: {train: train.tsv, validation: dev.tsv, text: sentence, label: label}
";
    let plan = plan(text);
    assert_eq!(plan.scheduler_for(&LayerStack::bert(1), &LayerStack::bert(6)).stages().len(), 1);
    assert_eq!(plan.scheduler_for(&LayerStack::bert(3), &LayerStack::bert(6)).total_steps(), 150);
}

#[test]
fn two_losses_on_logits_need_no_layers_in_any_framework() {
    let regular =
        stages("regular_distillation: {loss_types: [CE, KL], loss_weights: [0, 1], temperature: 2}");
    let expected = CriterionConfig::KnowledgeDistillation {
        temperature: 2.0.into(),
        losses: [LossKind::CrossEntropy, LossKind::KullbackLeibler],
        weights: [0.0.into(), 1.0.into()],
        logits: LogitScale::Plain,
    };
    assert_eq!(regular[0].criterion, expected);
}

#[test]
fn optimizers_are_read_with_their_constants_or_by_name_alone() {
    let adamw = training("{optimizer: {AdamW: {learning_rate: 1e-3, betas: [0.8, 0.99], epsilon: 1e-6}}}");
    let OptimizerConfig::AdamW(constants) = adamw.optimizer else { panic!("AdamW") };
    assert_eq!((constants.learning_rate, constants.beta1, constants.beta2), (1e-3, 0.8, 0.99));
    assert_eq!((constants.epsilon, constants.weight_decay), (1e-6, 0.01));
    let OptimizerConfig::Adam(plain) = training("{optimizer: adam}").optimizer else { panic!("Adam") };
    assert_eq!(plain.weight_decay, 0.0);
    let sgd = training("{optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9, nesterov: True}}}");
    let OptimizerConfig::Sgd(constants) = sgd.optimizer else { panic!("SGD") };
    assert_eq!((constants.learning_rate, constants.momentum, constants.nesterov), (0.1, 0.9, true));
}

#[test]
fn training_has_defaults_and_reads_every_key() {
    let default = training("...");
    assert_eq!((default.batch_size, default.accumulation, default.max_gradient_norm), (32, 1, Some(1.0)));
    assert_eq!(default.schedule.decay, Decay::Linear);
    let given = training(
        "{batch_size: 8, gradient_accumulation_steps: 4, max_grad_norm: none, schedule: cosine, \
         early_stop: {every: 50, patience: 2}}",
    );
    assert_eq!((given.batch_size, given.accumulation, given.max_gradient_norm), (8, 4, None));
    assert_eq!(given.schedule.decay, Decay::Cosine);
    assert_eq!(given.early_stop, Some(EarlyStopPlan { every: 50, patience: 2 }));
    let schedule = training("{schedule: {warmup: 0, decay: constant}}").schedule;
    assert_eq!((schedule.warmup, schedule.decay), (0.0, Decay::Constant));
}

#[test]
fn metrics_go_their_natural_way_unless_told_otherwise() {
    let goals = search("metrics: [eval_f1, size_mb, loss]").goals;
    assert_eq!(goals, [Goal::maximize("f1"), Goal::minimize("size_mb"), Goal::minimize("loss")]);
    let turned = search("metrics: [accuracy], higher_is_better: [false]").goals;
    assert_eq!(turned, [Goal::minimize("accuracy")]);
    let own = "{search: {search_space: {a: [x, y]}, metrics: [bleu, latency]}}";
    let own = search_config(&format!("auto_distillation: {own}")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(own.search.goals, [Goal::maximize("bleu"), Goal::minimize("latency")]);
}

#[test]
fn constraints_are_bounds_with_suffixes() {
    let read =
        search("constraints: {max_latency_ms: 8.0, max_params: 15M, min_eval_accuracy: 0.9}").constraints;
    let shown: Vec<_> = read.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["latency <= 8", "parameters <= 15000000", "accuracy >= 0.9"]);
}

#[test]
fn a_users_own_builder_searches_any_plain_values() {
    let space = "{search: {search_space: {activation: [gelu, relu], rate: [0.1, 1.0], tied: [true, false]}}}";
    let config = search_config(space).unwrap_or_else(|errors| panic!("{errors}"));
    let dimensions = config.search.space.dimensions();
    assert_eq!(dimensions[0].choices, [Choice::from("gelu"), Choice::from("relu")]);
    assert_eq!(dimensions[1].choices[1], Choice::from(1.0));
    assert_eq!(dimensions[2].choices, [Choice::from(true), Choice::from(false)]);
}

#[test]
fn the_student_keeps_its_fixed_values_in_order() {
    let text = "auto_distillation: {search: {search_space: {hidden_size: [16]}}}
model: {name: s, framework: TensorFlow}
teacher: {path: teacher}
student: {family: bert, num_hidden_layers: 2, intermediate_size: 64, hidden_act: gelu, num_attention_heads: 2,
          initialize: random, dropout: 0.05, layer_norm_eps: 1e-12}
data: {train: train.tsv, validation: dev.tsv, text: a, text_pair: b, label: c}
";
    let plan = plan(text);
    let keys: Vec<_> = plan.student.fixed.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["num_hidden_layers", "intermediate_size", "hidden_act", "num_attention_heads", "layer_norm_eps"]
    );
    assert_eq!(plan.student.fixed["num_hidden_layers"], json!(2));
    assert_eq!((plan.student.initialize, plan.student.dropout), (Initialize::Random, Some(0.05)));
    let DataSource::Files { text_pair, test, .. } = plan.data.source else { panic!("files") };
    assert_eq!((text_pair.as_deref(), test), (Some("b"), None));
}

#[test]
fn data_files_are_relative_to_the_configs_folder() {
    let folder = Folder::new();
    let plan = folder.plan(&distilling("")).unwrap();
    let DataSource::Files { train, .. } = plan.data.source else { panic!("files") };
    assert_eq!(train, folder.origin().with_file_name("train.tsv"));
}

#[test]
fn a_single_student_is_as_long_as_its_steps_or_its_epochs() {
    let config = |length: &str| {
        let rest = REST.replace("num_hidden_layers", "hidden_size: 16, num_hidden_layers");
        plan(&format!("distillation: {{train: {{batch_size: 10, {length}}}}}{rest}"))
    };
    assert_eq!(config("iteration: 30").scheduler.total_steps(), 30);
    assert_eq!(config("steps: 30").scheduler.total_steps(), 30);
    assert_eq!(config("").scheduler.total_steps(), 500);
    let epochs = config("epoch: 3");
    assert_eq!(epochs.epochs, Some(3));
    let counted = epochs.with_epochs_counted(95);
    assert_eq!((counted.scheduler.total_steps(), counted.epochs), (30, None));
}
