//! Several networks that teach as one.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::{Batch, Feature, Features, LayerOutput, LayerPath, Mode, Network, Taps};

/// Networks whose answers are averaged: the logits are the mean over all of them, every other feature is the first one's.
///
/// The mean of logits is, at every temperature, the geometric mean of the distributions, one of the two means that Hinton
/// et al. (2015) take for ensembles; between real values it is the plain mean. All networks have as many logits and read
/// the same tokens.
#[derive(Module, Debug)]
pub struct Ensemble<N: Module> {
    first: N,
    others: Vec<N>,
}

impl<N: Network> Ensemble<N> {
    /// `first` with `others`, which may be none.
    pub fn new(first: N, others: Vec<N>) -> Self {
        Self { first, others }
    }

    /// The network whose layers teach.
    pub fn first(&self) -> &N {
        &self.first
    }

    /// All networks, the first one first.
    pub fn networks(&self) -> impl Iterator<Item = &N> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The mean of `first`'s logits and those of the others; `None` if one of them has none of that kind.
    fn mean_logits(&self, first: Feature, batch: &Batch, mode: Mode) -> Option<Feature> {
        let answers = self.others.iter().map(|other| {
            let path = other.logits();
            other.forward(batch, &Taps::new([path.clone()]), mode).get(&path).cloned()
        });
        let count = (self.others.len() + 1) as f32;
        match first {
            Feature::Vectors(first) => {
                mean(first, answers, count, |it| if let Feature::Vectors(it) = it { Some(it) } else { None })
                    .map(Feature::Vectors)
            }
            Feature::Sequence(first) => {
                mean(first, answers, count, |it| if let Feature::Sequence(it) = it { Some(it) } else { None })
                    .map(Feature::Sequence)
            }
            Feature::MaskedTokens(first) => {
                mean(
                    first,
                    answers,
                    count,
                    |it| if let Feature::MaskedTokens(it) = it { Some(it) } else { None },
                )
                .map(Feature::MaskedTokens)
            }
            Feature::Spans(first) => {
                mean(first, answers, count, |it| if let Feature::Spans(it) = it { Some(it) } else { None })
                    .map(Feature::Spans)
            }
            Feature::Attention(_) => None,
        }
    }
}

/// The sum of `first` and all `answers`, divided by `count`; `None` if an answer is missing or of another kind.
fn mean<const D: usize>(
    first: Tensor<D>,
    mut answers: impl Iterator<Item = Option<Feature>>,
    count: f32,
    of_kind: impl Fn(Feature) -> Option<Tensor<D>>,
) -> Option<Tensor<D>> {
    answers.try_fold(first, |sum, answer| Some(sum + of_kind(answer?)?)).map(|sum| sum / count)
}

impl<N: Network + ModuleDisplay> Network for Ensemble<N> {
    fn forward(&self, batch: &Batch, taps: &Taps, mode: Mode) -> Features {
        let mut features = self.first.forward(batch, taps, mode);
        if self.others.is_empty() {
            return features;
        }
        let asked = taps.paths().filter(|path| self.resolve(path) == self.logits());
        for path in asked {
            let first = features.get(path).cloned();
            if let Some(mean) = first.and_then(|first| self.mean_logits(first, batch, mode)) {
                features.insert(path.clone(), mean);
            }
        }
        features
    }

    fn layers(&self) -> Vec<LayerOutput> {
        self.first.layers()
    }

    fn logits(&self) -> LayerPath {
        self.first.logits()
    }

    fn next_sentence(&self) -> Option<LayerPath> {
        self.first.next_sentence()
    }

    /// The first network's names are its own; the others' have their place in front.
    fn parameter_name(field_path: &str) -> String {
        match field_path.strip_prefix("first.") {
            Some(path) => N::parameter_name(path),
            None => field_path.to_owned(),
        }
    }

    fn resolve(&self, path: &LayerPath) -> LayerPath {
        self.first.resolve(path)
    }
}
