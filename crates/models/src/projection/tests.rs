//! Projections of a small random teacher, and what a trained block leaves to be solved again.

use autodistillation_distillation::Batch;
use burn::tensor::{Device, Distribution, Tensor};
use serde_json::json;

use super::*;
use crate::test_networks;
use crate::weights::Weight;

const LAYERS: [usize; 2] = [1, 3];

pub(super) fn teacher() -> Transformer {
    test_networks::with(&[("num_hidden_layers", json!(4)), ("initializer_range", json!(0.3))], 1)
}

fn student(seed: u64) -> Transformer {
    let sizes = [("hidden_size", json!(12)), ("intermediate_size", json!(20))];
    test_networks::with(&sizes, seed)
}

/// Sentences of 3 to 8 words in which every word comes after every other.
pub(super) fn sentences() -> Vec<Batch> {
    let sentence = |row: usize, length: usize| {
        let word = |place: usize| (5 + (row * 17 + place * (7 + row % 11)) % 55) as i32;
        (0..8).map(|place| if place < length { word(place) } else { 0 }).collect()
    };
    let sentences = |first: usize| {
        let lengths: Vec<usize> = (0..16).map(|row| 3 + (first + row) % 6).collect();
        let ids: Vec<Vec<i32>> =
            lengths.iter().enumerate().map(|(row, &length)| sentence(16 * first + row, length)).collect();
        test_networks::batch(&ids, &vec![vec![0; 8]; 16], &lengths)
    };
    (0..24).map(sentences).collect()
}

pub(super) fn states() -> TeacherStates {
    TeacherStates::observe(&teacher(), sentences(), LAYERS.to_vec(), 2).unwrap()
}

/// The squared error of the student's logits as a share of the variance of the teacher's.
pub(super) fn unexplained(student: &Transformer, teacher: &Transformer) -> f32 {
    let (mut error, mut spread) = (0.0, 0.0);
    let number = |tensor: Tensor<2>| tensor.powi_scalar(2).sum().into_scalar::<f32>();
    for batch in sentences() {
        let logits = |network: &Transformer| {
            let taps = Taps::new([network.logits()]);
            network.forward(&batch, &taps, Mode::Evaluation).vectors(&network.logits()).unwrap().clone()
        };
        let (ours, theirs) = (logits(student), logits(teacher));
        error += number(ours - theirs.clone());
        spread += number(theirs.clone() - theirs.mean_dim(0));
    }
    error / spread
}

/// The student with noise on the maps inside block 0, as after some steps of training.
pub(super) fn shaken(student: Transformer) -> Transformer {
    let mut weights = Weights::of(&student);
    let body = student.config().family.to_string();
    for name in ["attention.self.query", "attention.self.value", "intermediate.dense"] {
        let weight = weights.0.get_mut(&format!("{body}.encoder.layer.0.{name}.weight")).unwrap();
        let shape = [weight.values.len()];
        let noise = Tensor::<1>::random(shape, Distribution::Uniform(-0.5, 0.5), &Device::flex());
        let noise: Vec<f32> = noise.into_data().try_into_vec().unwrap();
        weight.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
    }
    weights.give(student)
}

fn layer(student: &Transformer, index: usize) -> Vec<Weight> {
    let prefix = format!("bert.encoder.layer.{index}.");
    Weights::of(student).0.into_iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, w)| w).collect()
}

#[test]
fn a_projected_student_says_more_of_what_its_teacher_says_than_a_random_one() {
    let (teacher, states) = (teacher(), states());
    let projected = project(student(2), &states, 3).unwrap();
    let (of_projected, of_random) = (unexplained(&projected, &teacher), unexplained(&student(2), &teacher));
    assert!(of_projected < 0.95, "{of_projected} of the logits' variance is left");
    assert!(of_projected < 0.8 * of_random, "{of_projected} against {of_random}");
}

#[test]
fn what_lies_behind_a_trained_block_is_solved_again() {
    let (teacher, states) = (teacher(), states());
    let shaken = shaken(project(student(2), &states, 3).unwrap());
    let solved = solve_behind(shaken.clone(), &states, (0, 3)).unwrap();
    let (before, after) = (unexplained(&shaken, &teacher), unexplained(&solved, &teacher));
    assert!(after < 0.9 * before, "{after} after, {before} before");
}

#[test]
fn trained_blocks_and_what_others_have_learned_inside_stay() {
    let states = TeacherStates::observe(&teacher(), sentences(), vec![0, 2, 3], 1).unwrap();
    let three = test_networks::with(&[("hidden_size", json!(12)), ("num_hidden_layers", json!(3))], 2);
    let shaken = shaken(project(three, &states, 3).unwrap());
    let solved = solve_behind(shaken.clone(), &states, (1, 3)).unwrap();
    let of = |student: &Transformer, name: &str| Weights::of(student).get(name).cloned();
    for block in [0, 1] {
        assert_eq!(layer(&solved, block), layer(&shaken, block), "block {block}");
    }
    for (name, moves) in [
        ("bert.encoder.layer.2.output.dense.weight", true),
        ("bert.encoder.layer.2.intermediate.dense.weight", false),
        ("classifier.weight", true),
    ] {
        assert_eq!(of(&solved, name) != of(&shaken, name), moves, "{name}");
    }
}

#[test]
fn what_is_observed_does_not_depend_on_the_threads() {
    let observe = |threads| {
        let states = TeacherStates::observe(&teacher(), sentences(), LAYERS.to_vec(), threads).unwrap();
        Weights::of(&project(student(2), &states, 3).unwrap())
    };
    assert_eq!(observe(1), observe(3));
}

#[test]
fn neurons_beyond_the_teachers_can_learn() {
    let wide = test_networks::with(&[("hidden_size", json!(12)), ("intermediate_size", json!(200))], 2);
    let projected = project(wide, &states(), 3).unwrap();
    let weight =
        Weights::of(&projected).get("bert.encoder.layer.0.intermediate.dense.weight").cloned().unwrap();
    assert!(weight.dims[0] > teacher().config().intermediate_size);
    assert!(weight.values.chunks(12).all(|neuron| neuron.iter().any(|&value| value != 0.0)));
}

#[test]
fn a_student_of_fewer_positions_has_the_teachers_first_ones() {
    let positions = |count: usize| {
        let sizes = [("hidden_size", json!(12)), ("max_position_embeddings", json!(count))];
        let projected = project(test_networks::with(&sizes, 2), &states(), 3).unwrap();
        Weights::of(&projected).get("bert.embeddings.position_embeddings.weight").cloned().unwrap()
    };
    let (all, some) = (positions(teacher().config().max_position_embeddings), positions(9));
    assert_eq!(some.dims, [9, 12]);
    assert_eq!(some.values, all.values[..9 * 12]);
}

#[test]
fn no_student_layer_has_to_learn_from_the_last_one() {
    let states = TeacherStates::observe(&teacher(), sentences(), vec![0, 2], 1).unwrap();
    let projected = project(student(2), &states, 3).unwrap();
    assert!(unexplained(&projected, &teacher()).is_finite());
    solve_behind(projected, &states, (1, 3)).unwrap();
}
