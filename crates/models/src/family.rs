//! The network families: what they are called, and what their configs, modules and parameters are called.
//!
//! BERT, DistilBERT, RoBERTa and ELECTRA compute the same layers under other names, so one network
//! ([`crate::Bert`]) serves them all and a `Spelling` translates. MobileBERT has layers of its own.

mod keys;
mod spelling;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Head;

pub(crate) use spelling::Spelling;

/// A network family of Hugging Face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Family {
    /// BERT (Devlin et al. 2019).
    Bert,
    /// DistilBERT (Sanh et al. 2019): BERT without segments, its head a ReLU instead of a pooler.
    DistilBert,
    /// RoBERTa and DistilRoBERTa (Liu et al. 2019): BERT with positions counted from the padding id.
    Roberta,
    /// ELECTRA's discriminator (Clark et al. 2020): BERT with embeddings of their own width.
    Electra,
    /// MobileBERT (Sun et al. 2020): narrow layers between bottlenecks, several feed-forward parts in each.
    MobileBert,
}

impl Family {
    /// All families, the usual one first.
    pub const ALL: [Self; 5] = [Self::Bert, Self::DistilBert, Self::Roberta, Self::Electra, Self::MobileBert];

    /// The `model_type` of its configs.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta => "roberta",
            Self::Electra => "electra",
            Self::MobileBert => "mobilebert",
        }
    }

    /// The family whose configs have this `model_type`.
    pub fn of_model_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.model_type() == name)
    }

    /// The family that a class of `transformers` such as `BertForMaskedLM` belongs to.
    pub fn of_architecture(class: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.architectures().any(|known| known == class))
    }

    /// The class of `transformers` that a network of this family with this head is.
    pub fn class_of(self, head: Head) -> String {
        format!("{}{}", self.class(), head.class())
    }

    /// The classes of `transformers` whose encoder can be loaded, the usual one first.
    pub fn architectures(self) -> impl Iterator<Item = String> {
        let pretraining = match self {
            Self::Bert | Self::MobileBert | Self::Electra => Some(Head::Pretraining.class()),
            Self::DistilBert | Self::Roberta => None,
        };
        let heads =
            [Head::Classifier, Head::TokenClassifier, Head::QuestionAnswering, Head::MaskedLanguageModel];
        let of_any = heads.map(Head::class);
        let ends = of_any.into_iter().chain(["Model"]).chain(pretraining);
        ends.map(move |end| format!("{}{end}", self.class()))
    }

    /// The head of a class of this family; `None` where it has none that is known. What ELECTRA's `ForPreTraining` says of
    /// tokens is no head here, so that its encoder comes with a classifier to be trained.
    pub(crate) fn head_of(self, class: &str) -> Option<Head> {
        let end = class.strip_prefix(self.class())?;
        Head::ALL.into_iter().find(|head| head.class() == end && head.in_family(self) == *head)
    }

    /// What the names of its classes begin with.
    const fn class(self) -> &'static str {
        match self {
            Self::Bert => "Bert",
            Self::DistilBert => "DistilBert",
            Self::Roberta => "Roberta",
            Self::Electra => "Electra",
            Self::MobileBert => "MobileBert",
        }
    }

    /// The dotted path in front of a layer's number.
    pub fn layer_prefix(self) -> &'static str {
        match self {
            Self::DistilBert => "distilbert.transformer.layer",
            Self::Bert => "bert.encoder.layer",
            Self::Roberta => "roberta.encoder.layer",
            Self::Electra => "electra.encoder.layer",
            Self::MobileBert => "mobilebert.encoder.layer",
        }
    }

    /// The module inside a layer whose output 1 is the attention probabilities.
    pub fn attention_module(self) -> &'static str {
        match self {
            Self::DistilBert => "attention",
            _ => "attention.self",
        }
    }

    /// The module inside a layer whose output is the layer's.
    pub fn output_module(self) -> &'static str {
        match self {
            Self::DistilBert => "output_layer_norm",
            _ => "output",
        }
    }
}

impl Serialize for Family {
    /// As its `model_type`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.model_type())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_found_by_the_names_that_configs_give() {
        for family in Family::ALL {
            assert_eq!(Family::of_model_type(family.model_type()), Some(family));
            assert_eq!(Family::of_architecture(&family.class_of(Head::Classifier)), Some(family));
            for head in Head::ALL.into_iter().filter(|head| head.in_family(family) == *head) {
                assert_eq!(family.head_of(&family.class_of(head)), Some(head));
            }
            assert_eq!(family.head_of(&format!("{}Model", family.class())), None);
        }
        assert_eq!(Family::of_model_type("gpt2"), None);
        assert_eq!(Family::of_architecture("MobileBertForPreTraining"), Some(Family::MobileBert));
        assert_eq!(Family::Electra.head_of("ElectraForPreTraining"), None);
    }
}
