//! Losses, their options and what changes over a stage: names, forms and everything that is refused.

use autodistillation::config::LayerStack;
use autodistillation::distillation::{
    CriterionConfig, LogitScale, LossKind, MatchingOptions, OriginLoss, Ramp, Stage, StageKind,
};

use super::{Folder, REST, distilling};

fn stages(section: &str) -> Vec<Stage> {
    let plan = Folder::new().plan(&distilling(section)).unwrap_or_else(|errors| panic!("{errors}"));
    plan.scheduler.stages().to_vec()
}

fn single(criterion: &str) -> Stage {
    let rest = REST.replace("num_hidden_layers", "hidden_size: 16, num_hidden_layers");
    let text = format!("distillation: {{train: {{iteration: 7, criterion: {criterion}}}}}{rest}");
    let plan = Folder::new().plan(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let [stage] = plan.scheduler.stages() else { panic!("one stage") };
    stage.clone()
}

fn problem(section: &str) -> String {
    Folder::new().problems(&distilling(section))
}

fn terms(stage: &Stage) -> Vec<(String, LossKind, Ramp)> {
    let (CriterionConfig::IntermediateLayers { mappings, .. }
    | CriterionConfig::SelfDistillation { mappings, .. }) = &stage.criterion
    else {
        panic!("a criterion on layers")
    };
    mappings.iter().map(|it| (format!("{} <- {}", it.student, it.teacher), it.loss, it.weight)).collect()
}

fn options(stage: &Stage) -> MatchingOptions {
    let CriterionConfig::IntermediateLayers { options, .. } = &stage.criterion else { panic!() };
    *options
}

#[test]
fn every_loss_has_a_name_in_any_case() {
    let names = ["MSE", "KL", "L1", "MAE", "L2", "CE", "rkl", "JSD", "cos", "PKD", "Relation"];
    let text =
        format!("flash_distillation: {{layer_mappings: [[a, b]], loss_types: [{}]}}", names.join(", "));
    let refused = problem(&text);
    assert!(refused.contains("11 given for 1 layer mappings"), "{refused}");
    for (name, kind) in names.into_iter().zip([
        LossKind::MeanSquared,
        LossKind::KullbackLeibler,
        LossKind::MeanAbsolute,
        LossKind::MeanAbsolute,
        LossKind::Euclidean,
        LossKind::CrossEntropy,
        LossKind::ReverseKullbackLeibler,
        LossKind::JensenShannon,
        LossKind::Cosine,
        LossKind::Patient,
        LossKind::Relation,
    ]) {
        let text = format!("flash_distillation: {{layer_mappings: [[a, b]], loss_types: [{name}]}}");
        assert_eq!(terms(&stages(&text)[0])[0].1, kind);
        let plain = name != "MAE";
        assert!(!plain || kind.name().eq_ignore_ascii_case(name));
    }
}

#[test]
fn temperatures_and_weights_may_be_lines_over_a_stage() {
    let line = Ramp { from: 4.0, to: 1.0 };
    let both = stages(
        "flash_distillation: {layer_mappings: [[[a, b], [c, d]], [[e, f], [g, h]]], temperature: {from: 4.0, to: 1.0}, \
         loss_weights: [[{from: 1.0, to: 0.0}, 0.5], [0.1, 0.2]]}",
    );
    assert_eq!(both.iter().map(|stage| options(stage).temperature).collect::<Vec<_>>(), [line, line]);
    let weights: Vec<Ramp> = both.iter().flat_map(terms).map(|(_, _, weight)| weight).collect();
    assert_eq!(weights, [Ramp { from: 1.0, to: 0.0 }, 0.5.into(), 0.1.into(), 0.2.into()]);
    let each = stages(
        "flash_distillation: {layer_mappings: [[[a, b]], [[c, d]]], temperature: [2, {from: 4, to: 1}], \
         loss_weights: {from: 0, to: 1}}",
    );
    assert_eq!(each.iter().map(|stage| options(stage).temperature).collect::<Vec<_>>(), [2.0.into(), line]);
    assert_eq!(terms(&each[1])[0].2, Ramp { from: 0.0, to: 1.0 });
    let flat = stages(
        "flash_distillation: {layer_mappings: [[a, b], [c, d]], loss_weights: [{from: 1, to: 0}, 0.5]}",
    );
    assert_eq!(terms(&flat[0])[0].2, Ramp { from: 1.0, to: 0.0 });
}

#[test]
fn a_line_lacks_no_end_and_keeps_the_range_at_both() {
    let of = |value: &str| {
        problem(&format!("flash_distillation: {{layer_mappings: [[a, b]], temperature: {value}}}"))
    };
    assert!(of("{from: 4}").contains("temperature: missing key `to`: give the value at its last step"));
    assert!(of("{from: 4, too: 1}").contains("temperature.too: unknown key `too`: did you mean `to`?"));
    assert!(of("{from: 4, to: 0}").contains("temperature.to: must be above 0, found `0`"));
    assert!(of("hot").contains("temperature: expected a number"));
    let weights = problem("flash_distillation: {layer_mappings: [[a, b]], loss_weights: [{from: 1, to: 2}]}");
    assert!(weights.contains("loss_weights[0].to: must be from 0 to 1, found `2`"), "{weights}");
    assert!(weights.starts_with("config.yaml:1:"), "{weights}");
}

#[test]
fn logits_may_be_standardised_and_relations_have_heads() {
    let [stage] =
        &stages("regular_distillation: {layer_mappings: [[a, b]], logits: standardized, relation_heads: 12}")
            [..]
    else {
        panic!("one stage")
    };
    assert_eq!((options(stage).logits, options(stage).relation_heads), (LogitScale::Standardized, Some(12)));
    let unknown = problem("regular_distillation: {layer_mappings: [[a, b]], logits: standard}");
    assert!(unknown.contains("`standard` is not a scale of logits"), "{unknown}");
    let none = problem("regular_distillation: {layer_mappings: [[a, b]], relation_heads: 0}");
    assert!(none.contains("relation_heads: must be 1 or more, found `0`"), "{none}");
    let on_logits = "{KnowledgeDistillationLoss: {logits: standardized, temperature: {from: 4, to: 1}, \
                     loss_types: [CE, JSD], loss_weights: [{from: 0, to: 1}, {from: 1, to: 0}]}}";
    let expected = CriterionConfig::KnowledgeDistillation {
        temperature: Ramp { from: 4.0, to: 1.0 },
        losses: [LossKind::CrossEntropy, LossKind::JensenShannon],
        weights: [Ramp { from: 0.0, to: 1.0 }, Ramp { from: 1.0, to: 0.0 }],
        logits: LogitScale::Standardized,
    };
    assert_eq!(single(on_logits).criterion, expected);
}

#[test]
fn weights_on_logits_sum_to_one_at_both_ends() {
    let uneven =
        "regular_distillation: {loss_types: [CE, KL], loss_weights: [{from: 0, to: 0.5}, {from: 1, to: 0}]}";
    assert!(problem(uneven).contains("the weights sum to 0.5"), "{}", problem(uneven));
    let labels = "regular_distillation: {loss_types: [JSD, KL]}";
    assert!(problem(labels).contains("`JSD` is not a loss on labels: use one of CE, KL, MSE"));
}

#[test]
fn self_distillation_has_groups_with_one_loss_and_weight_each() {
    let stage = single(
        "{SelfKnowledgeDistillationLoss: {layer_mappings: [[[a, z], [b, z]], [[c, y]]], loss_types: [L2, CE], \
         loss_weights: [0.5, {from: 0.2, to: 0}], temperature: 3.0, add_origin_loss: true}}",
    );
    let pair = |text: &str, loss, weight| (text.to_owned(), loss, weight);
    assert_eq!(
        terms(&stage),
        [
            pair("a <- z", LossKind::Euclidean, 0.5.into()),
            pair("b <- z", LossKind::Euclidean, 0.5.into()),
            pair("c <- y", LossKind::CrossEntropy, Ramp { from: 0.2, to: 0.0 }),
        ]
    );
    let CriterionConfig::SelfDistillation { options, origin_loss, .. } = &stage.criterion else { panic!() };
    assert_eq!((options.temperature, *origin_loss), (3.0.into(), OriginLoss::Added));
    assert_eq!(
        (stage.kind, stage.steps, stage.block.modules()),
        (StageKind::Regular, 7, &[String::new()][..])
    );
    let plain = single("{SelfKnowledgeDistillationLoss: {layer_mappings: [[a, z], [b, y]]}}");
    let shares: Vec<_> = terms(&plain).into_iter().map(|(_, loss, weight)| (loss, weight)).collect();
    assert_eq!(shares, [(LossKind::CrossEntropy, 0.5.into()); 2], "a pair without a group is a group");
}

#[test]
fn layers_are_chosen_by_one_of_three_words() {
    let stack = LayerStack::bert;
    let teachers = |word: &str| {
        let text = format!("flash_distillation: {{layer_mappings: {word}}}");
        let plan = Folder::new().plan(&distilling(&text)).unwrap_or_else(|errors| panic!("{errors}"));
        let scheduler = plan.scheduler_for(&stack(2), &stack(6));
        scheduler.stages().iter().map(|stage| terms(stage)[1].0.clone()).collect::<Vec<_>>()
    };
    let expected = |layers: [usize; 2]| {
        let pair =
            |(own, theirs)| format!("bert.encoder.layer.{own}.output <- bert.encoder.layer.{theirs}.output");
        layers.into_iter().enumerate().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(teachers("auto"), expected([2, 5]));
    assert_eq!(teachers("Last"), expected([4, 5]));
    assert_eq!(teachers("similarity"), expected([2, 5]), "evenly spaced until it was measured");
    let unknown = problem("flash_distillation: {layer_mappings: first}");
    assert!(
        unknown.contains("expected a list of layer mappings, or `auto`, `last` or `similarity`"),
        "{unknown}"
    );
    let regular = problem("regular_distillation: {layer_mappings: last}");
    assert!(regular.contains("expected a list of layer mappings, or `auto`, found"), "{regular}");
}
