//! How the checkpoints of a family spell and complete their parameters.

use crate::Family;

/// What may differ between checkpoints of one family.
pub(crate) struct Conventions {
    /// The name of the body, left out in checkpoints of the body alone.
    body: &'static str,
    /// First parts of the names inside the body.
    inside: &'static [&'static str],
    /// Modules that are initialised when the checkpoint has no head yet.
    head: &'static [&'static str],
    /// Modules of other heads and derived values, which are left out.
    ignored: &'static [&'static str],
}

/// BERT's checkpoints.
const BERT: Conventions = Conventions {
    body: "bert",
    inside: &["embeddings", "encoder", "pooler"],
    head: &["bert.pooler", "classifier"],
    ignored: &["cls", "bert.embeddings.position_ids"],
};

const DISTILBERT: Conventions = Conventions {
    body: "distilbert",
    inside: &["embeddings", "transformer"],
    head: &["pre_classifier", "classifier"],
    ignored: &[
        "distilbert.embeddings.position_ids",
        "qa_outputs",
        "vocab_layer_norm",
        "vocab_projector",
        "vocab_transform",
    ],
};

const ROBERTA: Conventions = Conventions {
    body: "roberta",
    inside: &["embeddings", "encoder", "pooler"],
    head: &["classifier"],
    ignored: &["lm_head", "roberta.embeddings.position_ids", "roberta.pooler"],
};

const ELECTRA: Conventions = Conventions {
    body: "electra",
    inside: &["embeddings", "embeddings_project", "encoder"],
    head: &["classifier"],
    ignored: &[
        "discriminator_predictions",
        "electra.embeddings.position_ids",
        "generator_lm_head",
        "generator_predictions",
    ],
};

const MOBILEBERT: Conventions = Conventions {
    body: "mobilebert",
    inside: &["embeddings", "encoder", "pooler"],
    head: &["mobilebert.pooler", "classifier"],
    ignored: &["cls", "mobilebert.embeddings.position_ids"],
};

impl Family {
    /// How its checkpoints spell and complete their parameters.
    pub(crate) fn conventions(self) -> &'static Conventions {
        match self {
            Self::Bert => &BERT,
            Self::DistilBert => &DISTILBERT,
            Self::Roberta => &ROBERTA,
            Self::Electra => &ELECTRA,
            Self::MobileBert => &MOBILEBERT,
        }
    }
}

impl Conventions {
    /// The parameter that a tensor of a checkpoint stands for.
    pub(crate) fn parameter(&self, stored: &str) -> String {
        let spelled = match stored.rsplit_once('.') {
            Some((module, "gamma")) => format!("{module}.weight"),
            Some((module, "beta")) => format!("{module}.bias"),
            _ => stored.to_owned(),
        };
        if self.inside.iter().any(|module| is_inside(&spelled, module)) {
            return format!("{}.{spelled}", self.body);
        }
        spelled
    }

    /// Whether a missing parameter belongs to the head.
    pub(crate) fn is_head(&self, parameter: &str) -> bool {
        self.head.iter().any(|module| is_inside(parameter, module))
    }

    /// Whether a tensor that no parameter wants may be left out.
    pub(crate) fn is_ignored(&self, parameter: &str) -> bool {
        self.ignored.iter().any(|module| is_inside(parameter, module))
    }
}

fn is_inside(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_checkpoints_and_old_norm_names_are_understood() {
        assert_eq!(
            BERT.parameter("encoder.layer.0.output.LayerNorm.gamma"),
            "bert.encoder.layer.0.output.LayerNorm.weight"
        );
        assert_eq!(BERT.parameter("bert.embeddings.LayerNorm.beta"), "bert.embeddings.LayerNorm.bias");
        assert_eq!(BERT.parameter("classifier.weight"), "classifier.weight");
    }

    #[test]
    fn only_whole_modules_are_heads_or_ignored() {
        assert!(BERT.is_head("bert.pooler.dense.bias"));
        assert!(!BERT.is_head("classifier_2.bias"));
        assert!(BERT.is_ignored("cls.predictions.bias"));
        assert!(!BERT.is_ignored("clsx.bias"));
    }
}
