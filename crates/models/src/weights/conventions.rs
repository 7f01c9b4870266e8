//! How the checkpoints of a family spell and complete their parameters.

use crate::head::QA_OUTPUTS;
use crate::{Family, Head};

/// What may differ between checkpoints of one family.
struct Names {
    /// The name of the body, left out in checkpoints of the body alone.
    body: &'static str,
    /// First parts of the names inside the body.
    inside: &'static [&'static str],
    /// Modules of a classifier of texts.
    classifier: &'static [&'static str],
    /// Modules of a language model.
    language: &'static [&'static str],
    /// Its decoder, which is the table of the words, and the decoder's own name of the bias.
    decoder: (&'static str, Option<&'static str>),
    /// Modules that are never read: other heads and derived values.
    ignored: &'static [&'static str],
}

const BERT: Names = Names {
    body: "bert",
    inside: &["embeddings", "encoder", "pooler"],
    classifier: &["bert.pooler", "classifier"],
    language: &["bert.pooler", "cls"],
    decoder: ("cls.predictions.decoder.weight", Some("cls.predictions.decoder.bias")),
    ignored: &["bert.embeddings.position_ids"],
};

const DISTILBERT: Names = Names {
    body: "distilbert",
    inside: &["embeddings", "transformer"],
    classifier: &["pre_classifier", "classifier"],
    language: &["vocab_layer_norm", "vocab_projector", "vocab_transform"],
    decoder: ("vocab_projector.weight", None),
    ignored: &["distilbert.embeddings.position_ids"],
};

const ROBERTA: Names = Names {
    body: "roberta",
    inside: &["embeddings", "encoder", "pooler"],
    classifier: &["classifier"],
    language: &["lm_head"],
    decoder: ("lm_head.decoder.weight", Some("lm_head.decoder.bias")),
    ignored: &["roberta.embeddings.position_ids", "roberta.pooler"],
};

const ELECTRA: Names = Names {
    body: "electra",
    inside: &["embeddings", "embeddings_project", "encoder"],
    classifier: &["classifier"],
    language: &["generator_lm_head", "generator_predictions"],
    decoder: ("generator_lm_head.weight", None),
    ignored: &["discriminator_predictions", "electra.embeddings.position_ids"],
};

const MOBILEBERT: Names = Names {
    body: "mobilebert",
    inside: &["embeddings", "encoder", "pooler"],
    classifier: &["mobilebert.pooler", "classifier"],
    language: &["mobilebert.pooler", "cls"],
    decoder: ("cls.predictions.decoder.weight", Some("cls.predictions.decoder.bias")),
    ignored: &["mobilebert.embeddings.position_ids"],
};

/// How checkpoints of a family spell the parameters of a network with a certain head, and what may be missing or left over.
pub(crate) struct Conventions {
    names: &'static Names,
    head: Head,
    /// The head of the network that was saved.
    stored: Head,
}

impl Family {
    /// How its checkpoints spell and complete the parameters of a network with this head.
    pub(crate) fn conventions(self, head: Head) -> Conventions {
        let names = match self {
            Self::Bert => &BERT,
            Self::DistilBert => &DISTILBERT,
            Self::Roberta => &ROBERTA,
            Self::Electra => &ELECTRA,
            Self::MobileBert => &MOBILEBERT,
        };
        Conventions { names, head, stored: head }
    }
}

impl Conventions {
    /// The same in the checkpoint of a network that ended in `stored`.
    pub(crate) fn in_checkpoint_of(self, stored: Head) -> Self {
        Self { stored, ..self }
    }

    /// Whether a tensor only has the name of this head's classifier: one of texts says nothing about tokens.
    pub(crate) fn is_of_another_task(&self, parameter: &str) -> bool {
        self.stored != self.head && is_inside(parameter, "classifier")
    }

    /// The parameter that a tensor of a checkpoint stands for.
    pub(crate) fn parameter(&self, stored: &str) -> String {
        let spelled = match stored.rsplit_once('.') {
            Some((module, "gamma")) => format!("{module}.weight"),
            Some((module, "beta")) => format!("{module}.bias"),
            _ => stored.to_owned(),
        };
        if self.names.inside.iter().any(|module| is_inside(&spelled, module)) {
            return format!("{}.{spelled}", self.names.body);
        }
        spelled
    }

    /// Whether a missing parameter belongs to the head.
    pub(crate) fn is_head(&self, parameter: &str) -> bool {
        let modules = match self.head {
            Head::Classifier | Head::TokenClassifier => self.names.classifier,
            Head::QuestionAnswering => &[QA_OUTPUTS],
            Head::MaskedLanguageModel | Head::Pretraining => self.names.language,
        };
        modules.iter().any(|module| is_inside(parameter, module))
    }

    /// Whether a tensor that no parameter wants may be left out: it is derived, or belongs to another head.
    pub(crate) fn is_ignored(&self, parameter: &str) -> bool {
        let Names { classifier, language, ignored, .. } = self.names;
        let of_others = match self.head {
            // A classifier of texts has all of its own, and no tensor that only looks like one is passed over.
            Head::Classifier => [*language, *ignored, &[QA_OUTPUTS]].concat(),
            _ => [*classifier, *language, *ignored, &[QA_OUTPUTS]].concat(),
        };
        of_others.iter().any(|module| is_inside(parameter, module))
    }

    /// Whether a tensor is a language model's decoder, which is the table of the words, or that decoder's name of the bias.
    pub(crate) fn is_decoder(&self, parameter: &str) -> bool {
        let (weight, bias) = self.names.decoder;
        self.head.is_language_model() && (parameter == weight || Some(parameter) == bias)
    }

    /// The name that the bias of scores has in a checkpoint where `has` says that it has no own one.
    pub(crate) fn stands_for(&self, stored: &str, has: impl Fn(&str) -> bool) -> Option<&'static str> {
        let bias = self.names.decoder.1.filter(|bias| self.head.is_language_model() && *bias == stored)?;
        let own = match bias {
            "lm_head.decoder.bias" => "lm_head.bias",
            _ => "cls.predictions.bias",
        };
        (!has(own)).then_some(own)
    }
}

/// Whether a name is that of a module or of something in it.
pub(super) fn is_inside(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_checkpoints_and_old_norm_names_are_understood() {
        let bert = Family::Bert.conventions(Head::Classifier);
        assert_eq!(
            bert.parameter("encoder.layer.0.output.LayerNorm.gamma"),
            "bert.encoder.layer.0.output.LayerNorm.weight"
        );
        assert_eq!(bert.parameter("bert.embeddings.LayerNorm.beta"), "bert.embeddings.LayerNorm.bias");
        assert_eq!(bert.parameter("classifier.weight"), "classifier.weight");
    }

    #[test]
    fn only_whole_modules_are_heads_or_ignored() {
        let bert = Family::Bert.conventions(Head::Classifier);
        assert!(bert.is_head("bert.pooler.dense.bias"));
        assert!(!bert.is_head("classifier_2.bias"));
        assert!(bert.is_ignored("cls.predictions.bias"));
        assert!(!bert.is_ignored("clsx.bias"));
    }

    #[test]
    fn what_belongs_to_another_head_is_ignored() {
        let language = Family::Bert.conventions(Head::Pretraining);
        assert!(language.is_head("cls.seq_relationship.weight") && !language.is_head("classifier.weight"));
        assert!(
            language.is_ignored("classifier.weight") && language.is_ignored("cls.predictions.decoder.weight")
        );
        let bias = |has| language.stands_for("cls.predictions.decoder.bias", |_| has);
        assert_eq!((bias(false), bias(true)), (Some("cls.predictions.bias"), None));
    }
}
