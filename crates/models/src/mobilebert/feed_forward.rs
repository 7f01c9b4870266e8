//! The feed-forward parts of a layer: those in the stack, and the last one with the way out of the bottleneck.

use autodistillation_distillation::Mode;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::Norm;
use super::norm::PYTORCH_EPSILON;
use crate::TransformerConfig;
use crate::bert::activate;
use crate::config::{Activation, MobileBertSettings};
use crate::layers::{Linear, dropout, site};

/// One part of the stack before the last, `ffn.{i}`.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// Up, and the activation.
    pub intermediate: Intermediate,
    /// Down again, residual and norm.
    pub output: FeedForwardOutput,
}

/// The widening half of a feed-forward part.
#[derive(Module, Debug)]
pub struct Intermediate {
    /// (width → intermediate)
    pub dense: Linear,
    #[module(skip)]
    activation: Activation,
}

/// The narrowing half of a part of the stack.
#[derive(Module, Debug)]
pub struct FeedForwardOutput {
    /// (intermediate → width)
    pub dense: Linear,
    /// Of the sum with the residual.
    pub layer_norm: Norm,
}

/// The narrowing half of the last part, and the way out.
#[derive(Module, Debug)]
pub struct Output {
    /// (intermediate → width)
    pub dense: Linear,
    /// Of the sum with the residual.
    pub layer_norm: Norm,
    /// The way out of the bottleneck, where there is one.
    pub bottleneck: Option<OutputBottleneck>,
    /// Of the narrow states, where there is no bottleneck.
    dropout: f64,
}

/// From the bottleneck to the hidden width, with the layer's input as residual.
#[derive(Module, Debug)]
pub struct OutputBottleneck {
    /// (bottleneck → hidden)
    pub dense: Linear,
    /// Of the sum with the layer's input.
    pub layer_norm: Norm,
    dropout: f64,
}

impl FeedForward {
    pub(super) fn blank(config: &TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let width = config.true_hidden_size();
        let norm = (settings.normalization, config.layer_norm_eps);
        let output = FeedForwardOutput {
            dense: Linear::blank(config.intermediate_size, width, device),
            layer_norm: Norm::blank(norm, width, device),
        };
        Self { intermediate: Intermediate::blank(config, device), output }
    }
}

impl FeedForwardOutput {
    /// (batch, rows, intermediate), with the residual (batch, rows, width) → (batch, rows, width)
    pub fn forward(&self, wide: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.layer_norm.forward_add(self.dense.forward(wide), residual)
    }
}

impl Intermediate {
    pub(super) fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let dense = Linear::blank(config.true_hidden_size(), config.intermediate_size, device);
        Self { dense, activation: config.hidden_act }
    }

    /// (batch, rows, width) → (batch, rows, intermediate)
    pub fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        activate(self.activation, self.dense.forward(hidden))
    }
}

impl Output {
    pub(super) fn blank(config: &TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let width = config.true_hidden_size();
        let way_out = || OutputBottleneck {
            dense: Linear::blank(width, config.hidden_size, device),
            layer_norm: Norm::blank(
                (settings.normalization, config.layer_norm_eps),
                config.hidden_size,
                device,
            ),
            dropout: config.hidden_dropout_prob,
        };
        Self {
            dense: Linear::blank(config.intermediate_size, width, device),
            layer_norm: Norm::blank((settings.normalization, PYTORCH_EPSILON), width, device),
            bottleneck: settings.bottlenecks.map(|_| way_out()),
            dropout: config.hidden_dropout_prob,
        }
    }

    /// (batch, rows, intermediate), with the residuals inside (batch, rows, width) and around (batch, rows, hidden) →
    /// (batch, rows, hidden)
    pub(super) fn forward(
        &self,
        wide: Tensor<3>,
        (inside, around): (Tensor<3>, Tensor<3>),
        mode: Mode,
    ) -> Tensor<3> {
        let narrowed = self.dense.forward(wide);
        match &self.bottleneck {
            None => self.layer_norm.forward_add(dropout(narrowed, self.dropout, mode), inside),
            Some(way_out) => {
                way_out.forward(self.layer_norm.forward_add(narrowed, inside), around, site(mode, 1))
            }
        }
    }
}

impl OutputBottleneck {
    fn forward(&self, narrow: Tensor<3>, residual: Tensor<3>, mode: Mode) -> Tensor<3> {
        self.layer_norm.forward_add(dropout(self.dense.forward(narrow), self.dropout, mode), residual)
    }
}
