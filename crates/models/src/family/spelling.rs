//! The names that a family gives to the modules of a BERT network.

use autodistillation_distillation::LayerPath;

use super::Family;

/// Where BERT's modules are in another family. Modules inside a layer are told by the rest of their path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    /// The body: `roberta` for `bert`.
    body: &'static str,
    /// What stands in front of a layer's number.
    layers: &'static str,
    /// Parameters inside a layer, BERT's module first; empty = as in BERT.
    parameters: &'static [(&'static str, &'static str)],
    /// Parameters elsewhere that are not in the body under BERT's name.
    outside: &'static [(&'static str, &'static str)],
    /// The module that puts out a language model's scores, BERT's `cls`.
    scores: &'static str,
    /// Features inside a layer, BERT's module and output first; empty = as in BERT.
    features: &'static [(Output, Output)],
}

/// A module inside a layer and the place of one of its outputs.
type Output = (&'static str, usize);

const BERT_BODY: &str = "bert";
const BERT_LAYERS: &str = "bert.encoder.layer";
const POOLER: &str = "bert.pooler";
const SCORES: &str = "cls";

const DISTILBERT: Spelling = Spelling {
    body: "distilbert",
    layers: "distilbert.transformer.layer",
    parameters: &[
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
        ("output.LayerNorm", "output_layer_norm"),
    ],
    outside: &[
        ("bert.pooler.dense", "pre_classifier"),
        ("cls.predictions.transform.dense", "vocab_transform"),
        ("cls.predictions.transform.LayerNorm", "vocab_layer_norm"),
        ("cls.predictions", "vocab_projector"),
    ],
    scores: "vocab_projector",
    features: &[
        (("attention.self.query", 0), ("attention.q_lin", 0)),
        (("attention.self.key", 0), ("attention.k_lin", 0)),
        (("attention.self.value", 0), ("attention.v_lin", 0)),
        (("attention.self", 1), ("attention", 1)),
        (("attention.output", 0), ("sa_layer_norm", 0)),
        (("intermediate", 0), ("ffn.activation", 0)),
        (("output", 0), ("output_layer_norm", 0)),
    ],
};

const ROBERTA: Spelling = Spelling {
    body: "roberta",
    layers: "roberta.encoder.layer",
    parameters: &[],
    outside: &[
        ("bert.pooler.dense", "classifier.dense"),
        ("classifier", "classifier.out_proj"),
        ("cls.predictions.transform.dense", "lm_head.dense"),
        ("cls.predictions.transform.LayerNorm", "lm_head.layer_norm"),
        ("cls.predictions", "lm_head"),
    ],
    scores: "lm_head",
    features: &[],
};

const ELECTRA: Spelling = Spelling {
    body: "electra",
    layers: "electra.encoder.layer",
    parameters: &[],
    outside: &[
        ("bert.pooler.dense", "classifier.dense"),
        ("classifier", "classifier.out_proj"),
        ("cls.predictions.transform.dense", "generator_predictions.dense"),
        ("cls.predictions.transform.LayerNorm", "generator_predictions.LayerNorm"),
        ("cls.predictions", "generator_lm_head"),
    ],
    scores: "generator_lm_head",
    features: &[],
};

impl Family {
    /// How it spells a BERT network; `None` for BERT itself and for what is no such network.
    pub(crate) fn spelling(self) -> Option<Spelling> {
        match self {
            Self::Bert | Self::MobileBert => None,
            Self::DistilBert => Some(DISTILBERT),
            Self::Roberta => Some(ROBERTA),
            Self::Electra => Some(ELECTRA),
        }
    }
}

impl Spelling {
    /// The family's name of BERT's module `name`; the pooler is the first map of the family's head.
    pub(crate) fn module(&self, name: &str) -> String {
        match (name, in_layer(name, BERT_LAYERS)) {
            (POOLER, _) => self.parameter("bert.pooler.dense"),
            (_, Some((layer, ""))) => format!("{}.{layer}", self.layers),
            _ => self.parameter(name),
        }
    }

    /// The family's name of BERT's parameter `name`.
    pub(crate) fn parameter(&self, name: &str) -> String {
        if let Some((layer, inside)) = in_layer(name, BERT_LAYERS) {
            let inside = replaced(inside, self.parameters).unwrap_or_else(|| inside.to_owned());
            return format!("{}.{layer}.{inside}", self.layers);
        }
        replaced(name, self.outside)
            .or_else(|| replaced(name, &[(BERT_BODY, self.body)]))
            .unwrap_or_else(|| name.to_owned())
    }

    /// Where the family has BERT's feature `path`; `None` where no module of it puts that out.
    pub(crate) fn feature(&self, path: &LayerPath) -> Option<LayerPath> {
        if let Some((layer, inside)) = in_layer(&path.module, BERT_LAYERS) {
            let (module, output) = match self.features {
                [] => (inside, path.output),
                features => features.iter().find(|(bert, _)| *bert == (inside, path.output))?.1,
            };
            return Some(LayerPath::with_output(format!("{}.{layer}.{module}", self.layers), output));
        }
        match path.module.as_str() {
            POOLER => return None, // The activation of its head is no module.
            SCORES => return Some(LayerPath::with_output(self.scores, path.output)),
            _ => {}
        }
        let module = replaced(&path.module, &[(BERT_BODY, self.body)]);
        Some(LayerPath::with_output(module.unwrap_or_else(|| path.module.clone()), path.output))
    }

    /// BERT's feature at the family's `path`.
    pub(crate) fn bert_feature(&self, path: &LayerPath) -> Option<LayerPath> {
        if let Some((layer, inside)) = in_layer(&path.module, self.layers) {
            let (module, output) = match self.features {
                [] => (inside, path.output),
                features => features.iter().find(|(_, own)| *own == (inside, path.output))?.0,
            };
            return Some(LayerPath::with_output(format!("{BERT_LAYERS}.{layer}.{module}"), output));
        }
        if path.module == self.scores {
            return Some(LayerPath::with_output(SCORES, path.output));
        }
        let module = replaced(&path.module, &[(self.body, BERT_BODY)]);
        let path = LayerPath::with_output(module.unwrap_or_else(|| path.module.clone()), path.output);
        self.feature(&path).is_some().then_some(path)
    }

    /// What an alias stands for: the body or its stack is the last hidden state, a whole layer its output, and where
    /// features are called as in BERT, BERT's aliases hold inside a layer too.
    pub(crate) fn resolve(&self, path: &LayerPath, layers: usize) -> LayerPath {
        let stack = self.layers.strip_suffix(".layer").unwrap_or(self.layers);
        let output = |layer: usize| {
            let bert = LayerPath::new(format!("{BERT_LAYERS}.{layer}.output"));
            self.feature(&bert).unwrap_or(bert)
        };
        let last = format!("{}.output", self.body);
        if path.output == 0 && [self.body, stack, last.as_str()].contains(&path.module.as_str()) {
            return output(layers.saturating_sub(1));
        }
        match (in_layer(&path.module, self.layers), path.output) {
            (Some((layer, "")), 0) => layer.parse().map_or_else(|_| path.clone(), output),
            (Some((layer, "attention")), 0) if self.features.is_empty() => {
                LayerPath::new(format!("{}.{layer}.attention.output", self.layers))
            }
            (Some((layer, "" | "attention")), 1) => {
                let bert = LayerPath::with_output(format!("{BERT_LAYERS}.{layer}.attention.self"), 1);
                self.feature(&bert).unwrap_or(bert)
            }
            _ => path.clone(),
        }
    }
}

/// Splits `bert.encoder.layer.3.attention` into `3` and `attention`; a whole layer has nothing inside.
fn in_layer<'a>(name: &'a str, layers: &str) -> Option<(&'a str, &'a str)> {
    let rest = name.strip_prefix(layers)?.strip_prefix('.')?;
    Some(rest.split_once('.').unwrap_or((rest, "")))
}

/// `name` with the module that it is or lies in replaced, where the table has it.
fn replaced(name: &str, table: &[(&str, &str)]) -> Option<String> {
    table.iter().find_map(|(from, to)| {
        let rest = name.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{to}{rest}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_called_as_in_the_familys_checkpoints() {
        let distilbert = |name: &str| DISTILBERT.parameter(name);
        assert_eq!(
            distilbert("bert.encoder.layer.3.attention.output.LayerNorm.bias"),
            "distilbert.transformer.layer.3.sa_layer_norm.bias"
        );
        assert_eq!(
            distilbert("bert.encoder.layer.0.output.dense.weight"),
            "distilbert.transformer.layer.0.ffn.lin2.weight"
        );
        assert_eq!(distilbert("bert.embeddings.LayerNorm.weight"), "distilbert.embeddings.LayerNorm.weight");
        assert_eq!(distilbert("bert.pooler.dense.weight"), "pre_classifier.weight");
        assert_eq!(distilbert("classifier.weight"), "classifier.weight");
        assert_eq!(ROBERTA.parameter("classifier.bias"), "classifier.out_proj.bias");
        assert_eq!(ROBERTA.parameter("bert.pooler.dense.bias"), "classifier.dense.bias");
        assert_eq!(
            ELECTRA.parameter("bert.encoder.layer.1.attention.self.query.weight"),
            "electra.encoder.layer.1.attention.self.query.weight"
        );
    }

    #[test]
    fn a_feature_goes_to_the_family_and_back() {
        let paths = [
            ("bert.encoder.layer.2.attention.self", 1),
            ("bert.encoder.layer.2.output", 0),
            ("bert.embeddings", 0),
            ("classifier", 0),
        ];
        for (module, output) in paths {
            let path = LayerPath::with_output(module, output);
            for spelling in [DISTILBERT, ROBERTA, ELECTRA] {
                let own = spelling.feature(&path).unwrap();
                assert_eq!(spelling.bert_feature(&own), Some(path.clone()), "{own}");
            }
        }
        assert_eq!(ROBERTA.feature(&LayerPath::new("bert.pooler")), None);
        assert_eq!(DISTILBERT.feature(&LayerPath::new("bert.encoder.layer.0.attention.self")), None);
    }

    #[test]
    fn aliases_stand_for_the_modules_that_compute_them() {
        let resolved = |spelling: Spelling, module: &str, output| {
            spelling.resolve(&LayerPath::with_output(module, output), 3).to_string()
        };
        assert_eq!(
            resolved(DISTILBERT, "distilbert.output", 0),
            "distilbert.transformer.layer.2.output_layer_norm"
        );
        assert_eq!(
            resolved(DISTILBERT, "distilbert.transformer.layer.1", 0),
            "distilbert.transformer.layer.1.output_layer_norm"
        );
        assert_eq!(
            resolved(DISTILBERT, "distilbert.transformer.layer.1", 1),
            "distilbert.transformer.layer.1.attention[1]"
        );
        assert_eq!(resolved(ROBERTA, "roberta.encoder", 0), "roberta.encoder.layer.2.output");
        assert_eq!(
            resolved(ROBERTA, "roberta.encoder.layer.0.attention", 1),
            "roberta.encoder.layer.0.attention.self[1]"
        );
        assert_eq!(
            resolved(ROBERTA, "roberta.encoder.layer.0.attention", 0),
            "roberta.encoder.layer.0.attention.output"
        );
    }
}
