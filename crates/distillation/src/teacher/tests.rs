//! What a teacher says is asked once, whoever asks, and is put together without padding.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::*;
use crate::{Batch, Ensemble, Example, Feature, Features, Masking, Mode, Shape, Taps, Target};

/// A network whose features can be worked out by hand; it counts its forward passes.
#[derive(Module, Debug)]
struct Toy {
    scale: Param<Tensor<1>>,
    #[module(skip)]
    passes: Passes,
}

#[derive(Clone, Debug, Default)]
struct Passes(Arc<AtomicUsize>);

impl Passes {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn toy() -> (Toy, Passes) {
    scaled(2.0)
}

fn scaled(by: f32) -> (Toy, Passes) {
    let passes = Passes::default();
    let scale = Param::from_tensor(Tensor::from_floats([by], &Device::flex()));
    (Toy { scale, passes: passes.clone() }, passes)
}

impl Network for Toy {
    fn forward(&self, batch: &Batch, taps: &Taps, _mode: Mode) -> Features {
        self.passes.0.fetch_add(1, Ordering::Relaxed);
        let [size, length] = batch.ids.dims();
        let ids = batch.ids.clone().float() * self.scale.val().reshape([1, 1]);
        let mut features = Features::new();
        features.capture(taps, &LayerPath::new("logits"), || Feature::Vectors(ids.clone().sum_dim(1)));
        features.capture(taps, &LayerPath::new("states"), || {
            Feature::Sequence(ids.clone().reshape([size, length, 1]).repeat_dim(2, 2))
        });
        features.capture(taps, &LayerPath::new("words"), || {
            let rows = ids.clone().reshape([size * length, 1]).repeat_dim(1, 2);
            Feature::MaskedTokens(match batch.targets.masked_places() {
                Some(places) => rows.select(0, places.clone()),
                None => rows,
            })
        });
        features.capture(taps, &LayerPath::new("ends"), || {
            let scores = ids.clone().reshape([size, 1, length]);
            Feature::Spans(Tensor::cat(vec![scores.clone(), scores * 10.0], 1))
        });
        features.capture(taps, &LayerPath::new("maps"), || {
            let (query, key) = (ids.clone().reshape([size, 1, length, 1]), ids.reshape([size, 1, 1, length]));
            Feature::Attention(query * 100.0 + key)
        });
        features
    }

    fn layers(&self) -> Vec<LayerOutput> {
        let layer = |name: &str, shape| LayerOutput { path: LayerPath::new(name), shape };
        vec![
            layer("states", Shape::Sequence { width: 2 }),
            layer("maps", Shape::Attention { heads: 1 }),
            layer("ends", Shape::Spans),
            layer("words", Shape::MaskedTokens { width: 2 }),
            layer("logits", Shape::Vectors { width: 1 }),
        ]
    }

    fn logits(&self) -> LayerPath {
        LayerPath::new("logits")
    }
}

fn set(examples: &[&[u32]]) -> ExampleSet {
    let example =
        |ids: &&[u32]| Example { ids: ids.to_vec(), token_types: vec![0; ids.len()], target: Target::Absent };
    ExampleSet::new(examples.iter().map(example).collect(), 0)
}

fn taps(names: &[&str]) -> Taps {
    Taps::new(names.iter().map(|name| LayerPath::new(*name)))
}

fn numbers(features: &Features, name: &str) -> Vec<f32> {
    match features.get(&LayerPath::new(name)).unwrap() {
        Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => tensor.to_data().try_to_vec().unwrap(),
        Feature::Sequence(tensor) | Feature::Spans(tensor) => tensor.to_data().try_to_vec().unwrap(),
        Feature::Attention(tensor) => tensor.to_data().try_to_vec().unwrap(),
    }
}

fn quietly(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_batch_is_put_together_from_its_examples_with_zeros_for_padding() {
    let set = set(&[&[1, 2], &[3]]);
    let batch = set.batch(&[1, 0], &Device::flex());
    for budget in [1 << 20, 0] {
        let teacher = Teacher::new(toy().0, budget);
        let answers = teacher.answers(Part::Training, &set);
        for _ in 0..2 {
            let features = answers.features(&batch, &taps(&["ends", "logits", "maps", "states"]));
            assert_eq!(numbers(&features, "logits"), [6., 6.]);
            assert_eq!(numbers(&features, "ends"), [6., 0., 60., 0., 2., 4., 20., 40.]);
            assert_eq!(numbers(&features, "states"), [6., 6., 0., 0., 2., 2., 4., 4.]);
            assert_eq!(numbers(&features, "maps"), [606., 0., 0., 0., 202., 204., 402., 404.]);
        }
    }
}

#[test]
fn masked_tokens_are_kept_by_the_masks_of_each_pass() {
    let long: Vec<u32> = (10..40).collect();
    let set = set(&[&long, &[7, 8, 9]]).masked(Masking::new(1, 3, 50, [0, 1, 2]).unwrap());
    let batch = set.batch(&[1, 2, 0], &Device::flex()); // Row 2 is example 0 under the second masks.
    assert_eq!(batch.masked, [1, 5, 5]);
    let expected: Vec<f32> = [1, 2, 0]
        .iter()
        .flat_map(|&row| {
            let example = set.example(row).unwrap().into_owned();
            let Target::Masked(text) = example.target else { panic!("not masked") };
            let hidden = example.ids.into_iter().zip(text.tokens).filter(|(_, token)| token.is_some());
            hidden.flat_map(|(id, _)| [2.0 * id as f32; 2]).collect::<Vec<_>>()
        })
        .collect();
    for budget in [1 << 20, 0] {
        let (toy, passes) = toy();
        let teacher = Teacher::new(toy, budget);
        let answers = teacher.answers(Part::Training, &set);
        for _ in 0..2 {
            assert_eq!(numbers(&answers.features(&batch, &taps(&["words"])), "words"), expected);
        }
        assert_eq!(passes.count(), if budget > 0 { 2 } else { 4 });
    }
}

#[test]
fn several_teachers_answer_with_the_mean_of_their_logits_and_the_layers_of_the_first() {
    let set = set(&[&[1, 2], &[3]]);
    let (first, passes) = toy();
    let (second, others) = scaled(5.0);
    let teacher = Teacher::new(Ensemble::new(first, vec![second]), 1 << 20);
    let answers = teacher.answers(Part::Training, &set);
    let batch = set.batch(&[1, 0], &Device::flex());
    let features = answers.features(&batch, &taps(&["logits", "states"]));
    assert_eq!(numbers(&features, "logits"), [10.5, 10.5], "3 · (2 + 5) / 2");
    assert_eq!(numbers(&features, "states"), [6., 6., 0., 0., 2., 2., 4., 4.]);
    assert_eq!((passes.count(), others.count()), (4, 2), "the second is asked about logits alone");
}

#[test]
fn nothing_is_asked_twice() {
    let set = set(&[&[1, 2], &[3, 4], &[5]]);
    let (network, passes) = toy();
    let teacher = Teacher::new(network, 1 << 20);
    let answers = teacher.answers(Part::Training, &set);
    let mut told = Vec::new();
    let mut tell = |progress| {
        told.push(progress);
        ControlFlow::Continue(())
    };
    assert!(answers.prepare([0, 1, 2, 1], &taps(&["states"]), &mut tell).is_continue());
    assert_eq!(told.last(), Some(&Progress { done: 3, total: 3 }));
    assert_eq!(passes.count(), 2, "one for each length");
    let batch = set.batch(&[2, 0], &Device::flex());
    answers.features(&batch, &taps(&["states"]));
    let another = teacher.answers(Part::Training, &set);
    assert!(another.prepare([0, 2], &taps(&["states"]), &mut quietly).is_continue());
    assert_eq!(passes.count(), 2);
    assert_eq!(another.seconds(), 0.0);
    teacher.answers(Part::Validation, &set).features(&batch, &taps(&["states"]));
    assert_eq!(passes.count(), 4, "another set is other questions");
}

#[test]
fn a_missing_layer_is_added_to_those_that_are_kept() {
    let set = set(&[&[1, 2]]);
    let (network, passes) = toy();
    let teacher = Teacher::new(network, 1 << 20);
    let answers = teacher.answers(Part::Training, &set);
    for (wanted, expected) in
        [(["states"].as_slice(), 1), (&["maps", "states"], 2), (&["maps"], 2), (&["logits"], 3)]
    {
        assert!(answers.prepare([0], &taps(wanted), &mut quietly).is_continue());
        answers.features(&set.batch(&[0], &Device::flex()), &taps(wanted));
        assert_eq!(passes.count(), expected, "{wanted:?}");
    }
}

#[test]
fn preparing_ends_when_the_stores_are_full_or_the_asker_breaks_off() {
    let examples: Vec<Vec<u32>> = (1..200).map(|length| vec![1; length]).collect();
    let examples: Vec<&[u32]> = examples.iter().map(Vec::as_slice).collect();
    let set = set(&examples);
    let (network, passes) = toy();
    let teacher = Teacher::new(network, 0);
    let answers = teacher.answers(Part::Training, &set);
    assert!(answers.prepare(0..199, &taps(&["states"]), &mut quietly).is_continue());
    let threads = rayon::current_num_threads();
    assert!(passes.count() <= threads, "{} passes whose answers nobody keeps", passes.count());
    let mut stop = |_| ControlFlow::Break(());
    assert!(answers.prepare(0..199, &taps(&["states"]), &mut stop).is_break());
    assert!(passes.count() <= 2 * threads);
}

#[test]
fn students_side_by_side_share_the_work() {
    let examples: Vec<Vec<u32>> = (0..400).map(|number| vec![1; 1 + number % 40]).collect();
    let examples: Vec<&[u32]> = examples.iter().map(Vec::as_slice).collect();
    let set = set(&examples);
    let (network, passes) = toy();
    let teacher = Teacher::new(network, 1 << 24);
    let ask = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            let answers = teacher.answers(Part::Training, &set);
            assert!(answers.prepare(0..400, &taps(&["maps"]), &mut quietly).is_continue());
            answers.features(&set.batch(&[0, 39], &Device::flex()), &taps(&["maps"]));
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(ask);
        }
    });
    assert_eq!(passes.count(), 40, "ten examples of each length are one group");
}

#[test]
fn an_asker_goes_on_to_the_next_questions_while_another_one_answers_the_first() {
    let set = set(&[&[1], &[1, 2], &[1, 2, 3]]);
    let teacher = Teacher::new(toy().0, 1 << 20);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| {
        let answers = teacher.answers(Part::Training, &set);
        let layers = answers.passes(&taps(&["maps"])).remove(0);
        let _of_another = teacher.training.claims.take(&[layers[0].1], &[0]);
        let mut queue = vec![0, 1, 2];
        let (_second, taken) = answers.claim(&mut queue, &layers);
        assert_eq!((taken, &queue), (vec![1], &vec![0, 2]));
        let (_third, taken) = answers.claim(&mut queue, &layers);
        assert_eq!((taken, &queue), (vec![2], &vec![0]));
        let (claims, taken) = answers.claim(&mut queue, &layers);
        assert!(claims.is_empty() && taken.is_empty(), "now there is nothing to do but wait");
        assert_eq!(queue, [0]);
    });
}
