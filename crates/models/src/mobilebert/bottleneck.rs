//! The maps from the hidden width into the narrow insides of a layer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::Norm;
use crate::TransformerConfig;
use crate::bert::Pass;
use crate::config::{Bottlenecks, MobileBertSettings};
use crate::layers::Linear;
use autodistillation_distillation::LayerPath;

/// A layer's way in.
#[derive(Module, Debug)]
pub struct Bottleneck {
    /// To the residual of the attention, and to the attention itself where it is shared by all.
    pub input: BottleneckLayer,
    /// To queries and keys, where they have one of their own.
    pub attention: Option<BottleneckLayer>,
    #[module(skip)]
    shared: Bottlenecks,
}

/// A linear map and a norm.
#[derive(Module, Debug)]
pub struct BottleneckLayer {
    /// (hidden → bottleneck)
    pub dense: Linear,
    /// Of the narrow states.
    pub layer_norm: Norm,
}

/// What a layer's attention and its residual start from.
pub(super) struct Entering {
    /// (batch, rows, in)
    pub(super) queries: Tensor<3>,
    /// (batch, length, in)
    pub(super) keys: Tensor<3>,
    /// (batch, length, in)
    pub(super) values: Tensor<3>,
    /// (batch, rows, bottleneck)
    pub(super) residual: Tensor<3>,
}

impl Bottleneck {
    pub(super) fn blank(
        config: &TransformerConfig,
        (settings, shared): (&MobileBertSettings, Bottlenecks),
        device: &Device,
    ) -> Self {
        let layer = || BottleneckLayer::blank(config, settings, device);
        // `transformers` makes the second one also where the first serves all.
        let attention = settings.key_query_shared_bottleneck.then(layer);
        Self { input: layer(), attention, shared }
    }

    /// From all states, (batch, length, hidden), and those whose next state is wanted, (batch, rows, hidden).
    pub(super) fn forward(
        &self,
        layer: &str,
        (hidden, rows): (&Tensor<3>, &Tensor<3>),
        pass: &mut Pass<'_>,
    ) -> Option<Entering> {
        let all_rows = hidden.dims() == rows.dims();
        let narrowed = |by: &BottleneckLayer| {
            let keys = by.forward(hidden.clone());
            let queries = if all_rows { keys.clone() } else { by.forward(rows.clone()) };
            (queries, keys)
        };
        if self.shared == Bottlenecks::All {
            let (queries, keys) = narrowed(&self.input);
            pass.sequence(inside(layer, "input"), &keys)?;
            return Some(Entering { residual: queries.clone(), queries, values: keys.clone(), keys });
        }
        let residual = self.input.forward(rows.clone());
        pass.sequence(inside(layer, "input"), &residual)?;
        let (queries, keys) = match (&self.attention, self.shared) {
            (Some(attention), Bottlenecks::KeyAndQuery) => {
                let (queries, keys) = narrowed(attention);
                pass.sequence(inside(layer, "attention"), &keys)?;
                (queries, keys)
            }
            _ => (rows.clone(), hidden.clone()),
        };
        Some(Entering { queries, keys, values: hidden.clone(), residual })
    }
}

fn inside(layer: &str, module: &str) -> LayerPath {
    LayerPath::new(format!("{layer}.bottleneck.{module}"))
}

impl BottleneckLayer {
    fn blank(config: &TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let width = settings.intra_bottleneck_size;
        Self {
            dense: Linear::blank(config.hidden_size, width, device),
            layer_norm: Norm::blank((settings.normalization, config.layer_norm_eps), width, device),
        }
    }

    /// (batch, rows, hidden) → (batch, rows, bottleneck)
    pub fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.layer_norm.forward(self.dense.forward(hidden))
    }
}
