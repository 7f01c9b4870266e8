//! `SelfKnowledgeDistillationLoss`: deeper layers teach and do not learn.

use autodistillation_distillation::criterion::Forwards;
use autodistillation_distillation::{
    Criterion, Error, Feature, Features, LayerMapping, LayerOutput, LayerPath, LossKind, MatchingOptions,
    OriginLoss, SelfKnowledgeDistillationLoss, Shape, Targets,
};

use crate::features::batch;
use crate::networks::Shapes;
use crate::reference::{Reference, floats, leaf};

const TOLERANCE: f32 = 2e-6;

fn network() -> Shapes {
    let layer = |name: &str, shape| LayerOutput { path: LayerPath::new(name), shape };
    let (states, maps) = (Shape::Sequence { width: 4 }, Shape::Attention { heads: 2 });
    Shapes::with(vec![
        layer("first", maps),
        layer("shallow", states),
        layer("last", maps),
        layer("deep", states),
        layer("vectors", Shape::Vectors { width: 4 }),
    ])
}

fn mapping(student: &str, teacher: &str, loss: LossKind, weight: f64) -> LayerMapping {
    let (student, teacher) = (LayerPath::new(student), LayerPath::new(teacher));
    LayerMapping { student, teacher, loss, weight: weight.into() }
}

#[test]
fn deeper_layers_are_constants_and_all_terms_add_up_as_in_pytorch() {
    let reference = Reference::read("further_losses.safetensors");
    let mappings = [
        mapping("shallow", "deep", LossKind::KullbackLeibler, 0.6),
        mapping("first", "last", LossKind::Euclidean, 0.4),
    ];
    let options = MatchingOptions { temperature: 2.0.into(), ..MatchingOptions::default() };
    let criterion = SelfKnowledgeDistillationLoss::new(&network(), &mappings, options, 1)
        .unwrap()
        .with_origin_loss(OriginLoss::Added, LayerPath::new("vectors"));
    assert!(criterion.teacher_taps().is_empty(), "nobody else is asked");
    assert_eq!(criterion.student_taps().len(), 5);
    let states = ["student", "teacher"].map(|side| leaf(reference.tensor::<3>(&format!("sequence/{side}"))));
    let maps = ["student", "teacher"].map(|side| leaf(reference.tensor::<4>(&format!("attention/{side}"))));
    let logits = leaf(reference.tensor::<2>("vectors/student"));
    let mut features = Features::new();
    for (name, states) in ["shallow", "deep"].into_iter().zip(&states) {
        features.insert(LayerPath::new(name), Feature::Sequence(states.clone()));
    }
    for (name, maps) in ["first", "last"].into_iter().zip(&maps) {
        features.insert(LayerPath::new(name), Feature::Attention(maps.clone()));
    }
    features.insert(LayerPath::new("vectors"), Feature::Vectors(logits.clone()));
    let batch = batch(Targets::Classes(reference.integers("self/labels")));
    let none = Features::new();
    let forwards = Forwards { batch: &batch, student: &features, teacher: &none, progress: 0.0 };
    let total = criterion.terms(forwards).unwrap().total().unwrap();
    let gradients = total.backward();
    reference.assert_close("self/loss", total, TOLERANCE);
    let found = floats(states[0].grad(&gradients).unwrap());
    reference.assert_values_close("self/shallow", &found, TOLERANCE);
    reference.assert_values_close("self/first", &floats(maps[0].grad(&gradients).unwrap()), TOLERANCE);
    reference.assert_values_close("self/logits", &floats(logits.grad(&gradients).unwrap()), TOLERANCE);
    assert!(states[1].grad(&gradients).is_none() && maps[1].grad(&gradients).is_none());
}

#[test]
fn a_layer_learns_only_from_one_that_comes_after_it() {
    for (student, teacher) in [("deep", "shallow"), ("shallow", "shallow")] {
        let mappings = [mapping(student, teacher, LossKind::MeanSquared, 1.0)];
        let built = SelfKnowledgeDistillationLoss::new(&network(), &mappings, MatchingOptions::default(), 1);
        assert!(matches!(built, Err(Error::NotDeeper { .. })), "{built:?}");
    }
}
