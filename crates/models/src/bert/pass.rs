//! One forward pass under way: what is wanted, what is captured, and when it may stop.

use autodistillation_distillation::{Feature, Features, LayerPath, Mode, Taps};
use burn::tensor::Tensor;

/// The state of a forward pass.
///
/// Capturing returns `None` as soon as nothing further is wanted, so that `?` ends the pass.
pub(crate) struct Pass<'a> {
    taps: &'a Taps,
    features: Features,
    pub(crate) mode: Mode,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(taps: &'a Taps, mode: Mode) -> Self {
        Self { taps, features: Features::new(), mode }
    }

    /// Whether anything inside `module` is wanted.
    pub(crate) fn wants_inside(&self, module: &str) -> bool {
        self.taps.wants_inside(module)
    }

    /// Whether the feature at `path` is wanted.
    pub(crate) fn wants(&self, path: &LayerPath) -> bool {
        self.taps.wants(path)
    }

    /// Passes by a feature (batch, width).
    pub(crate) fn vectors(&mut self, path: LayerPath, tensor: &Tensor<2>) -> Option<()> {
        self.capture(path, || Feature::Vectors(tensor.clone()))
    }

    /// Passes by a feature (batch, length, width).
    pub(crate) fn sequence(&mut self, path: LayerPath, tensor: &Tensor<3>) -> Option<()> {
        self.capture(path, || Feature::Sequence(tensor.clone()))
    }

    /// Passes by a feature (batch, heads, query, key).
    pub(crate) fn attention(&mut self, path: LayerPath, tensor: &Tensor<4>) -> Option<()> {
        self.capture(path, || Feature::Attention(tensor.clone()))
    }

    /// The captured features, also under the names they were asked for.
    pub(crate) fn into_features(
        mut self,
        asked: &Taps,
        resolve: impl Fn(&LayerPath) -> LayerPath,
    ) -> Features {
        for path in asked.paths().filter(|path| !self.taps.wants(path)) {
            if let Some(feature) = self.features.get(&resolve(path)).cloned() {
                self.features.insert(path.clone(), feature);
            }
        }
        self.features
    }

    /// Passes by the scores of masked tokens, (masked tokens, width).
    pub(crate) fn masked_tokens(&mut self, path: LayerPath, tensor: &Tensor<2>) -> Option<()> {
        self.capture(path, || Feature::MaskedTokens(tensor.clone()))
    }

    /// Passes by scores of being the first and the last token, (batch, 2, length).
    pub(crate) fn spans(&mut self, path: LayerPath, tensor: &Tensor<3>) -> Option<()> {
        self.capture(path, || Feature::Spans(tensor.clone()))
    }

    fn capture(&mut self, path: LayerPath, feature: impl FnOnce() -> Feature) -> Option<()> {
        if !self.taps.wants(&path) {
            return Some(());
        }
        self.features.insert(path, feature());
        (!self.features.is_complete(self.taps)).then_some(())
    }
}
