//! What a MobileBERT config has beside BERT's.

use std::fmt;

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{ConfigProblem, TransformerConfig};

/// The settings that only MobileBERT has, with Hugging Face's meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobileBertSettings {
    /// Whether a token's embedding is joined with its neighbours' before it is widened (`trigram_input`).
    pub trigram_input: bool,
    /// The narrow insides of each layer; `None` where layers work at the hidden width (`use_bottleneck`).
    pub bottlenecks: Option<Bottlenecks>,
    /// `intra_bottleneck_size` of the file, kept also where there are no bottlenecks.
    pub intra_bottleneck_size: usize,
    /// Feed-forward parts in a layer, the last one included.
    pub num_feedforward_networks: usize,
    /// What stands after each sublayer.
    pub normalization: Normalization,
    /// `key_query_shared_bottleneck` of the file: queries and keys have a bottleneck of their own, which
    /// `use_bottleneck_attention` leaves unused.
    pub key_query_shared_bottleneck: bool,
    /// Whether the pooler is a linear map and a tanh, or the first token as it is (`classifier_activation`).
    pub classifier_activation: bool,
}

/// What passes through a layer's bottlenecks on its way to the attention; the residual always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottlenecks {
    /// One bottleneck for queries, keys and values (`use_bottleneck_attention`).
    All,
    /// One of their own for queries and keys; values see the full width (`key_query_shared_bottleneck`).
    KeyAndQuery,
    /// None: queries, keys and values would see the full width.
    Residual,
}

/// A normalisation by its name in `normalization_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Layer normalisation.
    LayerNorm,
    /// A scale and a shift per feature, without statistics (Sun et al. 2020).
    NoNorm,
}

impl Normalization {
    const NAMED: &'static [(&'static str, Self)] =
        &[("layer_norm", Self::LayerNorm), ("no_norm", Self::NoNorm)];

    fn name(self) -> &'static str {
        match self {
            Self::LayerNorm => "layer_norm",
            Self::NoNorm => "no_norm",
        }
    }
}

/// As published (Sun et al. 2020).
impl Default for MobileBertSettings {
    fn default() -> Self {
        Self {
            trigram_input: true,
            bottlenecks: Some(Bottlenecks::KeyAndQuery),
            intra_bottleneck_size: 128,
            num_feedforward_networks: 4,
            normalization: Normalization::NoNorm,
            key_query_shared_bottleneck: true,
            classifier_activation: true,
        }
    }
}

/// `bottleneck 128 for keys and queries, 4 feed-forward networks, no_norm, trigrams, pooled`.
impl fmt::Display for MobileBertSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.intra_bottleneck_size;
        match self.bottlenecks {
            Some(Bottlenecks::All) => write!(f, "bottleneck {width} for all"),
            Some(Bottlenecks::KeyAndQuery) => write!(f, "bottleneck {width} for keys and queries"),
            Some(Bottlenecks::Residual) => write!(f, "bottleneck {width} for the residual"),
            None => f.write_str("no bottleneck"),
        }?;
        write!(
            f,
            ", {} feed-forward networks, {}",
            self.num_feedforward_networks,
            self.normalization.name()
        )?;
        f.write_str(if self.trigram_input { ", trigrams" } else { "" })?;
        f.write_str(if self.classifier_activation { ", pooled" } else { "" })
    }
}

impl MobileBertSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let _ = reader.whole("true_hidden_size"); // Follows from the others.
        let use_bottleneck = reader.flag("use_bottleneck").unwrap_or(true);
        let attention = reader.flag("use_bottleneck_attention").unwrap_or(false);
        let shared = reader.flag("key_query_shared_bottleneck").unwrap_or(true);
        let bottlenecks = match (attention, shared) {
            (true, _) => Bottlenecks::All,
            (false, true) => Bottlenecks::KeyAndQuery,
            (false, false) => Bottlenecks::Residual,
        };
        Self {
            trigram_input: reader.flag("trigram_input").unwrap_or(true),
            bottlenecks: use_bottleneck.then_some(bottlenecks),
            intra_bottleneck_size: reader.size_or("intra_bottleneck_size", 128),
            key_query_shared_bottleneck: shared,
            num_feedforward_networks: reader.size_or("num_feedforward_networks", 4),
            normalization: reader
                .choice("normalization_type", Normalization::NAMED)
                .unwrap_or(Normalization::NoNorm),
            classifier_activation: reader.flag("classifier_activation").unwrap_or(true),
        }
    }

    pub(super) fn write(&self, hidden_size: usize, object: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("trigram_input", json!(self.trigram_input));
        set("true_hidden_size", json!(self.true_hidden_size(hidden_size)));
        set("use_bottleneck", json!(self.bottlenecks.is_some()));
        set("use_bottleneck_attention", json!(self.bottlenecks == Some(Bottlenecks::All)));
        set("key_query_shared_bottleneck", json!(self.key_query_shared_bottleneck));
        set("intra_bottleneck_size", json!(self.intra_bottleneck_size));
        set("num_feedforward_networks", json!(self.num_feedforward_networks));
        set("normalization_type", json!(self.normalization.name()));
        set("classifier_activation", json!(self.classifier_activation));
    }

    /// Width of the layers' insides in a network of `hidden_size`.
    pub(super) fn true_hidden_size(&self, hidden_size: usize) -> usize {
        if self.bottlenecks.is_some() { self.intra_bottleneck_size } else { hidden_size }
    }

    /// Settings that `transformers` builds and cannot run.
    pub(super) fn contradictions(&self, config: &TransformerConfig) -> Option<ConfigProblem> {
        let widths_differ = self.intra_bottleneck_size != config.hidden_size;
        (self.bottlenecks == Some(Bottlenecks::Residual) && widths_differ).then_some(
            ConfigProblem::BottleneckWithoutAttention {
                bottleneck: self.intra_bottleneck_size,
                hidden: config.hidden_size,
            },
        )
    }
}
