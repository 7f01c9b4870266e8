//! MobileBERT students of a small random BERT.

use autodistillation_distillation::{Feature, LayerPath, Mode, Network, Taps};
use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

use super::super::fit::rows;
use super::super::tests::{sentences, shaken, states, teacher, unexplained};
use super::super::{Basis, TeacherStates, project, solve_behind};
use crate::inherit::{InheritancePlan, inherit};
use crate::weights::{Weight, Weights};
use crate::{Family, Transformer, TransformerConfig, can_project, student_config};

/// Two layers of width 12 with bottlenecks of 8 and two stacked parts, and these values instead.
fn config(values: Value) -> TransformerConfig {
    let mut sizes = json!({
        "hidden_size": 12, "embedding_size": 12, "intra_bottleneck_size": 8, "num_attention_heads": 2,
        "intermediate_size": 16, "num_hidden_layers": 2, "num_feedforward_networks": 2,
    });
    for (name, value) in values.as_object().unwrap() {
        sizes[name] = value.clone();
    }
    student_config(teacher().config(), Family::MobileBert, sizes.as_object().unwrap()).unwrap()
}

fn student(values: Value) -> Transformer {
    Transformer::random(config(values), 2, &Device::flex())
}

/// The share of the teacher's last states, in the student's coordinates, that the student's own are away from them.
fn apart(student: &Transformer, states: &TeacherStates) -> f32 {
    let basis = Basis::new(states, student.config().hidden_size, 3);
    let (mut error, mut spread) = (0.0, 0.0);
    let last = student.config().num_hidden_layers - 1;
    let own = student.resolve(&LayerPath::new(format!("mobilebert.encoder.layer.{last}")));
    let theirs = super::output(states.layers()[last]);
    for (place, batch) in sentences().iter().enumerate() {
        let found = student.forward(batch, &Taps::new([own.clone()]), Mode::Evaluation);
        let Some(Feature::Sequence(hidden)) = found.get(&own) else { panic!("{own} is not there") };
        let target = basis.coordinates(&theirs, std::iter::once(states.state(place, &theirs))).remove(0);
        let weights = states.weights(place, 1.0);
        let number = |of: Tensor<2>| (weights.clone() * of).sum().into_scalar::<f32>();
        error += number((rows(hidden) - target.clone()).powi_scalar(2));
        spread += number(target.powi_scalar(2));
    }
    error / spread
}

fn comes_nearer(values: Value) {
    let (teacher, states) = (teacher(), states());
    let (inherited, _) =
        inherit(student(values.clone()), &teacher, &InheritancePlan { layers: states.layers().to_vec() });
    let projected = project(student(values.clone()), &states, 3).unwrap();
    let (ours, others) = (apart(&projected, &states), apart(&inherited, &states));
    assert!(ours < 0.8, "{values}: {ours} of the last states is missing");
    assert!(ours < 0.8 * others, "{values}: {ours} against {others}");
    let (ours, others) = (unexplained(&projected, &teacher), unexplained(&inherited, &teacher));
    assert!(ours < 0.95, "{values}: {ours} of the logits' variance is left");
    assert!(ours < 0.8 * others, "{values}: {ours} against {others}");
}

#[test]
fn stacks_of_any_height_come_near_the_teacher() {
    for parts in [1, 2, 4] {
        comes_nearer(json!({"num_feedforward_networks": parts}));
    }
}

#[test]
fn norms_with_statistics_do_too() {
    comes_nearer(json!({"normalization_type": "layer_norm"}));
}

#[test]
fn whatever_passes_through_the_bottlenecks() {
    comes_nearer(json!({"use_bottleneck_attention": true}));
    comes_nearer(json!({"key_query_shared_bottleneck": false, "intra_bottleneck_size": 12}));
    comes_nearer(json!({"use_bottleneck": false}));
}

#[test]
fn heads_may_be_more_or_fewer_than_the_teachers() {
    for heads in [1, 4, 8] {
        comes_nearer(json!({"num_attention_heads": heads}));
    }
}

#[test]
fn embeddings_may_be_narrow_and_without_neighbours() {
    comes_nearer(json!({"embedding_size": 9}));
    comes_nearer(json!({"embedding_size": 9, "trigram_input": false}));
    comes_nearer(json!({"trigram_input": false}));
}

#[test]
fn a_first_token_without_pooler_is_classified() {
    comes_nearer(json!({"classifier_activation": false}));
}

#[test]
fn neurons_beyond_the_teachers_can_learn() {
    let projected = project(student(json!({"num_feedforward_networks": 4})), &states(), 3).unwrap();
    let weights = Weights::of(&projected);
    let beyond = weights.get("mobilebert.encoder.layer.0.intermediate.dense.weight").unwrap();
    assert!(4 * beyond.dims[0] > teacher().config().intermediate_size);
    assert!(beyond.values.chunks(8).all(|neuron| neuron.iter().any(|&value| value != 0.0)));
}

#[test]
fn the_same_seed_gives_the_same_student() {
    let observed = |threads| {
        let states = TeacherStates::observe(&teacher(), sentences(), vec![1, 3], threads).unwrap();
        move |seed| Weights::of(&project(student(json!({})), &states, seed).unwrap())
    };
    let (one, three) = (observed(1), observed(3));
    assert_eq!(one(3), three(3));
    assert_ne!(one(3), one(4));
}

#[test]
fn what_lies_behind_a_trained_block_is_solved_again() {
    for normalization in ["no_norm", "layer_norm"] {
        let (teacher, states) = (teacher(), states());
        let student = student(json!({"normalization_type": normalization}));
        let shaken = shaken(project(student, &states, 3).unwrap());
        let solved = solve_behind(shaken.clone(), &states, (0, 3)).unwrap();
        let (before, after) = (unexplained(&shaken, &teacher), unexplained(&solved, &teacher));
        assert!(after < 0.9 * before, "{normalization}: {after} after, {before} before");
    }
}

#[test]
fn trained_blocks_and_what_others_have_learned_inside_stay() {
    let states = TeacherStates::observe(&teacher(), sentences(), vec![0, 2, 3], 1).unwrap();
    let three = student(json!({"num_hidden_layers": 3}));
    let shaken = shaken(project(three, &states, 3).unwrap());
    let solved = solve_behind(shaken.clone(), &states, (1, 3)).unwrap();
    let of = |student: &Transformer, prefix: &str| -> Vec<Weight> {
        let own = Weights::of(student).0.into_iter();
        own.filter(|(name, _)| name.starts_with(prefix)).map(|(_, weight)| weight).collect()
    };
    let layer = |place: usize, name: &str| format!("mobilebert.encoder.layer.{place}.{name}");
    let moved = layer(2, "output.bottleneck.dense");
    assert_ne!(of(&solved, &moved), of(&shaken, &moved));
    for kept in [layer(0, ""), layer(1, ""), layer(2, "bottleneck"), layer(2, "intermediate")] {
        assert_eq!(of(&solved, &kept), of(&shaken, &kept), "{kept}");
    }
}

#[test]
fn only_students_that_fit_are_projected() {
    let teacher = teacher();
    let can = |values| can_project(&config(values), teacher.config());
    assert!(can(json!({})));
    assert!(!can(json!({"intra_bottleneck_size": 16})), "bottlenecks wider than the states");
    assert!(!can(json!({"embedding_size": 16})), "words wider than the states");
    assert!(!can(json!({"hidden_size": 32})), "states wider than the teacher's");
    assert!(!can_project(teacher.config(), &config(json!({}))), "a MobileBERT teaches");
}
