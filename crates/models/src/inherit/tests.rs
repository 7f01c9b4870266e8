//! Tests of what a student gets from its teacher.

use serde_json::json;

use super::*;
use crate::test_networks;
use crate::weights::Weights;

fn teacher() -> Transformer {
    test_networks::with(&[("num_hidden_layers", json!(6)), ("initializer_range", json!(0.3))], 1)
}

fn start(values: &[(&str, serde_json::Value)]) -> (Weights, Vec<Inherited>) {
    let (student, teacher) = (test_networks::with(values, 2), teacher());
    let plan = InheritancePlan::evenly_spaced(student.config(), teacher.config());
    let (student, inherited) = inherit(student, &teacher, &plan);
    (Weights::of(&student), inherited)
}

#[test]
fn layers_are_evenly_spaced_and_end_together() {
    let spaced = |students: usize, teachers: usize| {
        let config = |layers: usize| test_networks::config(&[("num_hidden_layers", json!(layers))]);
        InheritancePlan::evenly_spaced(&config(students), &config(teachers)).layers
    };
    assert_eq!(spaced(4, 6), [1, 2, 4, 5]);
    assert_eq!(spaced(3, 12), [3, 7, 11]);
    assert_eq!(spaced(6, 6), [0, 1, 2, 3, 4, 5]);
    assert_eq!(spaced(4, 2), [0, 0, 1, 1]);
}

#[test]
fn equal_shapes_copy_embeddings_spaced_layers_and_head() {
    let (student, inherited) = start(&[("num_hidden_layers", json!(4))]);
    let teacher = Weights::of(&teacher());
    for (to, from) in [(0, 1), (1, 2), (2, 4), (3, 5)] {
        let name = |layer| format!("bert.encoder.layer.{layer}.intermediate.dense.weight");
        assert_eq!(student.get(&name(to)), teacher.get(&name(from)));
    }
    for name in ["bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight", "classifier.weight"] {
        assert_eq!(student.get(name), teacher.get(name));
    }
    let modules: Vec<&str> = inherited.iter().map(|part| part.module.as_str()).collect();
    assert_eq!(modules[0], "bert.embeddings");
    assert_eq!(modules.len(), 7, "{modules:?}");
}

#[test]
fn a_layer_of_another_shape_stays_random() {
    let random = Weights::of(&test_networks::with(&[("intermediate_size", json!(20))], 2));
    let (student, inherited) = start(&[("intermediate_size", json!(20))]);
    let name = "bert.encoder.layer.0.attention.self.query.weight";
    assert_eq!(student.get(name), random.get(name));
    assert!(inherited.iter().all(|part| !part.module.contains("layer")), "{inherited:?}");
}

#[test]
fn other_heads_copy_no_layer() {
    let (_, inherited) = start(&[("num_attention_heads", json!(4))]);
    assert!(inherited.iter().all(|part| !part.module.contains("layer")), "{inherited:?}");
}

#[test]
fn a_narrower_student_gets_word_vectors_of_deviation_0_04_with_the_teachers_geometry() {
    let (student, inherited) = start(&[("hidden_size", json!(12))]);
    let words = student.get("bert.embeddings.word_embeddings.weight").unwrap();
    let square: f64 = words.values.iter().map(|&v| f64::from(v).powi(2)).sum();
    assert!(((square / words.values.len() as f64).sqrt() - 0.04).abs() < 1e-6);
    let Source::Projected { kept_variance, .. } = inherited[0].source else { panic!("{inherited:?}") };
    assert!((0.5..1.0).contains(&kept_variance), "{kept_variance}");
    assert_eq!(inherited.len(), 1);
}

#[test]
fn projection_keeps_inner_products_of_a_low_rank_teacher() {
    // Word vectors of the teacher that lie in 12 of its 24 dimensions survive whole.
    let mut weights = Weights::of(&teacher());
    let name = "bert.embeddings.word_embeddings.weight";
    let words = weights.0.get_mut(name).unwrap();
    words.values.chunks_exact_mut(24).for_each(|row| row[12..].fill(0.0));
    let original = words.values.clone();
    let narrow = test_networks::with(&[("hidden_size", json!(12))], 2);
    let plan = InheritancePlan { layers: vec![] };
    let (student, _) = inherit(narrow, &weights.give(teacher()), &plan);
    let projected = Weights::of(&student).get(name).unwrap().values.clone();

    let between = |values: &[f32], width: usize, a: usize, b: usize| -> f64 {
        (0..width).map(|i| f64::from(values[a * width + i] - values[b * width + i]).powi(2)).sum()
    };
    let ratio = between(&projected, 12, 0, 1) / between(&original, 24, 0, 1);
    for (a, b) in [(2, 3), (10, 59), (7, 31)] {
        let other = between(&projected, 12, a, b) / between(&original, 24, a, b);
        assert!((other / ratio - 1.0).abs() < 1e-4, "distances {a}-{b} scaled by {other}, not {ratio}");
    }
}

#[test]
fn a_wider_student_or_another_vocabulary_keeps_its_own_embeddings() {
    assert!(start(&[("hidden_size", json!(48))]).1.is_empty());
    assert!(start(&[("vocab_size", json!(61))]).1.iter().all(|part| part.module != "bert.embeddings"));
}

#[test]
fn fewer_positions_take_the_first_ones() {
    let (student, _) = start(&[("max_position_embeddings", json!(16))]);
    let places = "bert.embeddings.position_embeddings.weight";
    let teacher = Weights::of(&teacher());
    assert_eq!(student.get(places).unwrap().values, teacher.get(places).unwrap().values[..16 * 24]);
}
