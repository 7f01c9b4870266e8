//! A network of any family, under its own family's names.

use std::path::Path;

use autodistillation_distillation::{Batch, Features, LayerOutput, LayerPath, Mode, Network, Taps};
use autodistillation_kernels::Arithmetic;
use burn::module::Module;
use burn::tensor::Device;

use crate::bert::paths::logits;
use crate::family::Spelling;
use crate::head::{self, Spelled};
use crate::{Bert, Error, Family, Loaded, MobileBert, TransformerConfig, folder, weights};

/// An encoder with a head.
///
/// Layers and parameters have the names of its family's checkpoints. The families that compute as BERT does hold a
/// [`Bert`].
#[derive(Module, Debug)]
pub enum Transformer {
    /// [`Family::Bert`]
    Bert(Bert),
    /// [`Family::DistilBert`]
    DistilBert(Bert),
    /// [`Family::Roberta`]
    Roberta(Bert),
    /// [`Family::Electra`]
    Electra(Bert),
    /// [`Family::MobileBert`]
    MobileBert(MobileBert),
}

impl Transformer {
    /// A network with random weights: normal with `initializer_range`, norms 1 and 0, biases 0.
    ///
    /// Each parameter's values depend on `seed` and its name alone.
    pub fn random(config: TransformerConfig, seed: u64, device: &Device) -> Self {
        let deviation = config.initializer_range;
        weights::fill(Self::blank(config, device), |slot| Some(slot.random(seed, deviation)))
    }

    /// Reads a Hugging Face folder. A missing head is random, with seed 0, and listed in the warnings.
    ///
    /// # Errors
    ///
    /// See [`Transformer::load_as`], and those of [`TransformerConfig::from_folder`].
    pub fn load(folder: &Path, device: &Device) -> Result<Loaded<Self>, Error> {
        Self::load_as(folder, TransformerConfig::from_folder(folder)?, 0, device)
    }

    /// Reads the weights of a folder into the network of `config`, whose labels may differ from the folder's
    /// when it has no classifier. A missing head is random from `seed` and listed in the warnings.
    ///
    /// # Errors
    ///
    /// No weights, an unreadable or corrupt file, or one error that lists every tensor that is missing,
    /// unexpected or misshapen.
    pub fn load_as(
        folder: &Path,
        config: TransformerConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Loaded<Self>, Error> {
        let deviation = config.initializer_range;
        folder::load(folder, Self::blank(config, device), |slot| slot.random(seed, deviation))
    }

    /// The network without values: every parameter has its shape, and is filled before use.
    pub(crate) fn blank(config: TransformerConfig, device: &Device) -> Self {
        match (config.family, config.mobilebert) {
            (Family::MobileBert, Some(settings)) => {
                Self::MobileBert(MobileBert::blank(config, &settings, device))
            }
            (Family::DistilBert, _) => Self::DistilBert(Bert::blank(config, device)),
            (Family::Roberta, _) => Self::Roberta(Bert::blank(config, device)),
            (Family::Electra, _) => Self::Electra(Bert::blank(config, device)),
            // A config of MobileBERT always has its settings.
            (Family::Bert | Family::MobileBert, _) => Self::Bert(Bert::blank(config, device)),
        }
    }

    /// The network's configuration.
    pub fn config(&self) -> &TransformerConfig {
        match self {
            Self::Bert(network) | Self::DistilBert(network) => network.config(),
            Self::Roberta(network) | Self::Electra(network) => network.config(),
            Self::MobileBert(network) => network.config(),
        }
    }

    /// The BERT network that its family only spells otherwise; `None` for MobileBERT.
    pub fn as_bert(&self) -> Option<&Bert> {
        match self {
            Self::Bert(network) | Self::DistilBert(network) => Some(network),
            Self::Roberta(network) | Self::Electra(network) => Some(network),
            Self::MobileBert(_) => None,
        }
    }

    /// The same network with its BERT network changed; a MobileBERT comes back as it is.
    ///
    /// # Errors
    ///
    /// That of `change`.
    pub(crate) fn try_map_bert<E>(self, change: impl FnOnce(Bert) -> Result<Bert, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Bert(network) => Self::Bert(change(network)?),
            Self::DistilBert(network) => Self::DistilBert(change(network)?),
            Self::Roberta(network) => Self::Roberta(change(network)?),
            Self::Electra(network) => Self::Electra(change(network)?),
            Self::MobileBert(network) => Self::MobileBert(network),
        })
    }

    /// As [`Transformer::try_map_bert`], for a change that cannot fail.
    pub(crate) fn map_bert(self, change: impl FnOnce(Bert) -> Bert) -> Self {
        let changed: Result<Self, std::convert::Infallible> =
            self.try_map_bert(|network| Ok(change(network)));
        match changed {
            Ok(network) => network,
        }
    }

    /// The same network with the matrix products of its encoder layers in `arithmetic`, forward and backward. Weights
    /// stay f32; embeddings, attention scores, norms and the head are computed in f32 as before.
    #[must_use]
    pub fn compute_in(self, arithmetic: Arithmetic) -> Self {
        match self {
            Self::Bert(network) => Self::Bert(network.compute_in(arithmetic)),
            Self::DistilBert(network) => Self::DistilBert(network.compute_in(arithmetic)),
            Self::Roberta(network) => Self::Roberta(network.compute_in(arithmetic)),
            Self::Electra(network) => Self::Electra(network.compute_in(arithmetic)),
            Self::MobileBert(network) => Self::MobileBert(network.compute_in(arithmetic)),
        }
    }

    /// What the matrix products of its encoder layers are computed in.
    pub fn arithmetic(&self) -> Arithmetic {
        match self {
            Self::MobileBert(network) => network.arithmetic(),
            other => other.as_bert().map_or(Arithmetic::F32, Bert::arithmetic),
        }
    }

    /// The BERT network with the spelling of its family, where that differs from BERT's.
    fn spelled(&self) -> Option<(&Bert, Spelling)> {
        Some((self.as_bert()?, self.config().family.spelling()?))
    }
}

impl Network for Transformer {
    /// Features are those of the Hugging Face modules; attention probabilities are taken before dropout.
    ///
    /// Panics when the batch is longer than [`TransformerConfig::max_length`] or holds ids outside the embeddings.
    fn forward(&self, batch: &Batch, taps: &Taps, mode: Mode) -> Features {
        match self {
            Self::Bert(network) => return network.forward(batch, taps, mode),
            Self::MobileBert(network) => return network.forward(batch, taps, mode),
            Self::DistilBert(_) | Self::Roberta(_) | Self::Electra(_) => {}
        }
        let Some((network, spelling)) = self.spelled() else { return Features::new() };
        let berts: Vec<(&LayerPath, LayerPath)> = taps
            .paths()
            .filter_map(|path| Some((path, spelling.bert_feature(&self.resolve(path))?)))
            .collect();
        let found = network.forward(batch, &Taps::new(berts.iter().map(|(_, bert)| bert.clone())), mode);
        let mut features = Features::new();
        for (own, bert) in berts {
            if let Some(feature) = found.get(&bert) {
                features.insert(own.clone(), feature.clone());
            }
        }
        features
    }

    fn layers(&self) -> Vec<LayerOutput> {
        match self {
            Self::Bert(network) => network.layers(),
            Self::MobileBert(network) => network.layers(),
            _ => self.spelled().map_or_else(Vec::new, |(network, spelling)| {
                let own =
                    |LayerOutput { path, shape }| Some(LayerOutput { path: spelling.feature(&path)?, shape });
                network.layers().into_iter().filter_map(own).collect()
            }),
        }
    }

    fn logits(&self) -> LayerPath {
        let path = logits(self.config());
        match self.spelled() {
            Some((_, spelling)) => spelling.feature(&path).unwrap_or(path),
            None => path,
        }
    }

    fn next_sentence(&self) -> Option<LayerPath> {
        match self {
            Self::MobileBert(network) => network.next_sentence(),
            other => other.as_bert()?.next_sentence(),
        }
    }

    /// The first field is the family, the rest the field path in its network.
    fn parameter_name(field_path: &str) -> String {
        let (variant, rest) = field_path.split_once('.').unwrap_or((field_path, ""));
        let family = match variant {
            "MobileBert" => return MobileBert::parameter_name(rest),
            "DistilBert" => Family::DistilBert,
            "Roberta" => Family::Roberta,
            "Electra" => Family::Electra,
            _ => Family::Bert,
        };
        let bert = Bert::parameter_name(rest);
        if let Some((name, Spelled::Alike)) = head::parameter_name(rest) {
            return name;
        }
        family.spelling().map_or_else(|| bert.clone(), |spelling| spelling.parameter(&bert))
    }

    fn resolve(&self, path: &LayerPath) -> LayerPath {
        match self {
            Self::Bert(network) => network.resolve(path),
            Self::MobileBert(network) => network.resolve(path),
            _ => self.spelled().map_or_else(
                || path.clone(),
                |(network, spelling)| spelling.resolve(path, network.config().num_hidden_layers),
            ),
        }
    }
}

#[cfg(test)]
mod head_tests;
#[cfg(test)]
mod tests;
