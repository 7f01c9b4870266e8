//! Two small networks: one that only has shapes, and one that can be trained.

use autodistillation_distillation::{
    Batch, Feature, Features, LayerOutput, LayerPath, Mode, Network, Shape, Taps,
};
use autodistillation_kernels::{Arithmetic, embedding, linear};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::reference::Reference;

/// A network that has layers of these shapes and computes none of them.
#[derive(Module, Debug)]
pub struct Shapes {
    unused: Param<Tensor<1>>,
    #[module(skip)]
    layers: Vec<LayerOutput>,
}

impl Shapes {
    /// One layer for each kind of feature in the reference, on the side `student` or `teacher`.
    pub fn of(reference: &Reference, kinds: &[&str], side: &str) -> Self {
        let layer = |kind: &&str| {
            let dims = reference.dims(&format!("{kind}/{side}"));
            let shape = match dims.len() {
                2 => Shape::Vectors { width: dims[1] },
                3 => Shape::Sequence { width: dims[2] },
                _ => Shape::Attention { heads: dims[1] },
            };
            LayerOutput { path: LayerPath::new(*kind), shape }
        };
        Self::with(kinds.iter().map(layer).collect())
    }

    pub fn with(layers: Vec<LayerOutput>) -> Self {
        Self { unused: Param::from_tensor(Tensor::zeros([1], &Device::flex())), layers }
    }
}

impl Network for Shapes {
    fn forward(&self, _batch: &Batch, _taps: &Taps, _mode: Mode) -> Features {
        unreachable!("the features are given")
    }

    fn layers(&self) -> Vec<LayerOutput> {
        self.layers.clone()
    }

    fn logits(&self) -> LayerPath {
        LayerPath::new("vectors")
    }
}

/// The mean of a text's embeddings (`hidden`), then a linear classifier (`classifier`).
#[derive(Module, Debug)]
pub struct Averager {
    table: Param<Tensor<2>>,
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Averager {
    pub fn of(reference: &Reference, prefix: &str) -> Self {
        let name = |part: &str| format!("{prefix}/{part}");
        Self {
            table: Param::from_tensor(reference.tensor(&name("table"))),
            weight: Param::from_tensor(reference.tensor(&name("weight"))),
            bias: Param::from_tensor(reference.tensor(&name("bias"))),
        }
    }

    fn hidden(&self, batch: &Batch) -> Tensor<2> {
        let [size, length] = batch.mask.dims();
        let mask = batch.mask.clone().reshape([size, length, 1]);
        let tokens = embedding(self.table.val(), batch.ids.clone()) * mask.clone(); // (batch, length, width)
        let [_, _, width] = tokens.dims();
        (tokens.sum_dim(1) / mask.sum_dim(1)).reshape([size, width])
    }
}

impl Network for Averager {
    fn forward(&self, batch: &Batch, taps: &Taps, _mode: Mode) -> Features {
        let mut features = Features::new();
        let hidden = self.hidden(batch);
        features.capture(taps, &LayerPath::new("hidden"), || Feature::Vectors(hidden.clone()));
        features.capture(taps, &self.logits(), || {
            Feature::Vectors(linear(
                hidden.clone(),
                self.weight.val(),
                Some(self.bias.val()),
                Arithmetic::F32,
            ))
        });
        features
    }

    fn layers(&self) -> Vec<LayerOutput> {
        let [width, classes] = self.weight.dims();
        let layer =
            |name: &str, width| LayerOutput { path: LayerPath::new(name), shape: Shape::Vectors { width } };
        vec![layer("hidden", width), layer("classifier", classes)]
    }

    fn logits(&self) -> LayerPath {
        LayerPath::new("classifier")
    }
}
