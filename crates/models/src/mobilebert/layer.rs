//! One encoder layer: into the bottleneck, attention, feed-forward parts, and out again.

use autodistillation_distillation::{LayerPath, Mode};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::bottleneck::Entering;
use super::{Bottleneck, FeedForward, Intermediate, Norm, Output};
use crate::TransformerConfig;
use crate::bert::{AttentionInput, Pass, SelfAttention};
use crate::config::{Bottlenecks, MobileBertSettings};
use crate::layers::{Linear, dropout, site};

/// One layer.
#[derive(Module, Debug)]
pub struct Layer {
    /// Tokens look at each other.
    pub attention: Attention,
    /// Up, in the last feed-forward part.
    pub intermediate: Intermediate,
    /// Down again, and out of the bottleneck.
    pub output: Output,
    /// Into the bottleneck, where there is one.
    pub bottleneck: Option<Bottleneck>,
    /// The feed-forward parts before the last.
    pub ffn: Vec<FeedForward>,
}

/// Self-attention with its residual output.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, keys and values; `self` in the checkpoint.
    pub self_attention: SelfAttention,
    /// Projection, residual and norm.
    pub output: SelfOutput,
}

/// The projection of what the heads gathered.
#[derive(Module, Debug)]
pub struct SelfOutput {
    /// (width → width)
    pub dense: Linear,
    /// Of the sum with the residual.
    pub layer_norm: Norm,
    dropout: f64,
}

/// What a layer computes on.
pub(super) struct LayerInput<'a> {
    /// The layer's dotted path.
    pub(super) name: &'a str,
    /// Hidden states of all tokens, (batch, length, hidden).
    pub(super) hidden: Tensor<3>,
    /// Those whose next state is wanted, (batch, rows, hidden).
    pub(super) rows: Tensor<3>,
    /// (batch, length)
    pub(super) mask: &'a Tensor<2>,
    /// The layer's dropout.
    pub(super) mode: Mode,
}

impl Layer {
    pub(super) fn blank(config: &TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let (inside, hidden) = (config.true_hidden_size(), config.hidden_size);
        let gathered = if settings.bottlenecks == Some(Bottlenecks::All) { inside } else { hidden };
        let output = SelfOutput {
            dense: Linear::blank(inside, inside, device),
            layer_norm: Norm::blank((settings.normalization, config.layer_norm_eps), inside, device),
            // Without a bottleneck MobileBERT drops as BERT does, with one only on the way out.
            dropout: if settings.bottlenecks.is_some() { 0.0 } else { config.hidden_dropout_prob },
        };
        let stacked = |_| FeedForward::blank(config, settings, device);
        Self {
            attention: Attention {
                self_attention: SelfAttention::blank(config, [inside, gathered], device),
                output,
            },
            intermediate: Intermediate::blank(config, device),
            output: Output::blank(config, settings, device),
            bottleneck: settings
                .bottlenecks
                .map(|shared| Bottleneck::blank(config, (settings, shared), device)),
            ffn: (1..settings.num_feedforward_networks).map(stacked).collect(),
        }
    }

    /// The states after the layer, (batch, rows, hidden).
    pub(super) fn forward(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let at = |module: &str| LayerPath::new(format!("{}.{module}", input.name));
        let mut narrow = self.attend(input, pass)?;
        for (index, part) in self.ffn.iter().enumerate() {
            let wide = part.intermediate.forward(narrow.clone());
            pass.sequence(at(&format!("ffn.{index}.intermediate")), &wide)?;
            narrow = part.output.forward(wide, narrow);
            pass.sequence(at(&format!("ffn.{index}.output")), &narrow)?;
        }
        let wide = self.intermediate.forward(narrow.clone());
        pass.sequence(at("intermediate"), &wide)?;
        let hidden = self.output.forward(wide, (narrow, input.rows.clone()), site(input.mode, 2));
        pass.sequence(at("output"), &hidden)?;
        Some(hidden)
    }

    /// What the heads gather, (batch, rows, width).
    pub(super) fn context(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        Some(self.gather(input, pass)?.0)
    }

    /// The attention with its residual, (batch, rows, width).
    fn attend(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let (context, residual) = self.gather(input, pass)?;
        let attended = self.attention.output.forward(context, residual, site(input.mode, 1));
        pass.sequence(LayerPath::new(format!("{}.attention.output", input.name)), &attended)?;
        Some(attended)
    }

    /// What the heads gather, and what it is added to, (batch, rows, width) both.
    fn gather(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<(Tensor<3>, Tensor<3>)> {
        let Entering { queries, keys, values, residual } = match &self.bottleneck {
            Some(bottleneck) => bottleneck.forward(input.name, (&input.hidden, &input.rows), pass)?,
            None => Entering {
                queries: input.rows.clone(),
                keys: input.hidden.clone(),
                values: input.hidden.clone(),
                residual: input.rows.clone(),
            },
        };
        let module = format!("{}.attention.self", input.name);
        let looking = AttentionInput { module, queries, keys, values, mask: input.mask, mode: input.mode };
        let context = self.attention.self_attention.forward(&looking, pass)?;
        Some((context, residual))
    }

    /// Every linear map of the layer.
    pub(super) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let Attention { self_attention: SelfAttention { query, key, value, .. }, output } =
            &mut self.attention;
        let mut linears = vec![query, key, value, &mut output.dense];
        linears.extend([&mut self.intermediate.dense, &mut self.output.dense]);
        linears.extend(self.output.bottleneck.as_mut().map(|way_out| &mut way_out.dense));
        if let Some(Bottleneck { input, attention, .. }) = &mut self.bottleneck {
            linears.push(&mut input.dense);
            linears.extend(attention.as_mut().map(|attention| &mut attention.dense));
        }
        for part in &mut self.ffn {
            linears.extend([&mut part.intermediate.dense, &mut part.output.dense]);
        }
        linears
    }
}

impl SelfOutput {
    fn forward(&self, context: Tensor<3>, residual: Tensor<3>, mode: Mode) -> Tensor<3> {
        self.layer_norm.forward_add(dropout(self.dense.forward(context), self.dropout, mode), residual)
    }
}
