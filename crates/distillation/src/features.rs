//! Features captured in one forward pass, and the taps that ask for them.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Tensor, TensorData};

use crate::LayerPath;

/// Which features a forward pass must keep. A network stops after the last tapped layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taps {
    paths: BTreeSet<LayerPath>,
}

impl Taps {
    /// Keeps the features at `paths`.
    pub fn new(paths: impl IntoIterator<Item = LayerPath>) -> Self {
        Self { paths: paths.into_iter().collect() }
    }

    /// Whether the feature at `path` is wanted.
    pub fn wants(&self, path: &LayerPath) -> bool {
        self.paths.contains(path)
    }

    /// Whether any output of `module`, or of a module inside it, is wanted.
    pub fn wants_inside(&self, module: &str) -> bool {
        self.paths.iter().any(|path| is_inside(&path.module, module))
    }

    /// The wanted features in order.
    pub fn paths(&self) -> impl Iterator<Item = &LayerPath> {
        self.paths.iter()
    }

    /// Number of wanted features.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Whether the dotted `path` is `module` or lies inside it; `layer.10` is not inside `layer.1`.
pub(crate) fn is_inside(path: &str, module: &str) -> bool {
    module.is_empty()
        || path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// One captured tensor, by its meaning.
#[derive(Clone, Debug)]
pub enum Feature {
    /// One vector per example, (batch, width): pooled output, logits.
    Vectors(Tensor<2>),
    /// One vector per token, (batch, length, width): hidden states.
    Sequence(Tensor<3>),
    /// Attention probabilities, (batch, heads, query, key).
    Attention(Tensor<4>),
    /// One vector per masked token of the batch, (masked tokens, width): the scores of words.
    MaskedTokens(Tensor<2>),
    /// Two scores per token, (batch, 2, length): of being the first and of being the last token of the answer.
    Spans(Tensor<3>),
}

impl Feature {
    /// The tensor's dimensions.
    pub fn dims(&self) -> Vec<usize> {
        match self {
            Self::Vectors(tensor) | Self::MaskedTokens(tensor) => tensor.dims().to_vec(),
            Self::Sequence(tensor) | Self::Spans(tensor) => tensor.dims().to_vec(),
            Self::Attention(tensor) => tensor.dims().to_vec(),
        }
    }

    /// The numbers, read back from the device.
    pub fn into_data(self) -> TensorData {
        match self {
            Self::Vectors(tensor) | Self::MaskedTokens(tensor) => tensor.into_data(),
            Self::Sequence(tensor) | Self::Spans(tensor) => tensor.into_data(),
            Self::Attention(tensor) => tensor.into_data(),
        }
    }

    /// The feature without its graph: a constant for the losses of another network.
    pub fn without_autodiff(self) -> Self {
        match self {
            Self::Vectors(tensor) => Self::Vectors(tensor.without_autodiff()),
            Self::Sequence(tensor) => Self::Sequence(tensor.without_autodiff()),
            Self::Attention(tensor) => Self::Attention(tensor.without_autodiff()),
            Self::MaskedTokens(tensor) => Self::MaskedTokens(tensor.without_autodiff()),
            Self::Spans(tensor) => Self::Spans(tensor.without_autodiff()),
        }
    }
}

/// The features of one forward pass by layer path.
#[derive(Clone, Debug, Default)]
pub struct Features {
    captured: BTreeMap<LayerPath, Feature>,
}

impl Features {
    /// No feature yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `feature`, made only when `taps` wants it.
    pub fn capture(&mut self, taps: &Taps, path: &LayerPath, feature: impl FnOnce() -> Feature) {
        if taps.wants(path) {
            self.captured.insert(path.clone(), feature());
        }
    }

    /// Adds a feature.
    pub fn insert(&mut self, path: LayerPath, feature: Feature) {
        self.captured.insert(path, feature);
    }

    /// The feature at `path`.
    pub fn get(&self, path: &LayerPath) -> Option<&Feature> {
        self.captured.get(path)
    }

    /// The vectors at `path`, (batch, width), when it holds such a feature.
    pub fn vectors(&self, path: &LayerPath) -> Option<&Tensor<2>> {
        match self.captured.get(path) {
            Some(Feature::Vectors(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// Whether every feature of `taps` is there.
    pub fn is_complete(&self, taps: &Taps) -> bool {
        taps.paths().all(|path| self.captured.contains_key(path))
    }

    /// The features in order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&LayerPath, &Feature)> {
        self.captured.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_by_whole_names() {
        assert!(is_inside("encoder.layer.1.output", "encoder.layer.1"));
        assert!(is_inside("encoder.layer.1", "encoder.layer.1"));
        assert!(!is_inside("encoder.layer.10.output", "encoder.layer.1"));
        assert!(is_inside("anything", ""));
    }

    #[test]
    fn a_feature_is_made_only_when_it_is_tapped() {
        let taps = Taps::new([LayerPath::new("a")]);
        let mut features = Features::new();
        features.capture(&taps, &LayerPath::new("b"), || unreachable!("b is not tapped"));
        assert!(!features.is_complete(&taps));
    }
}
