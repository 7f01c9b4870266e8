//! What a family's `config.json` calls the sizes and rates that all families have.

use super::Family;

/// The keys of one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    pub(crate) hidden_size: &'static str,
    pub(crate) layers: &'static str,
    pub(crate) heads: &'static str,
    pub(crate) intermediate_size: &'static str,
    pub(crate) activation: &'static str,
    pub(crate) dropout: &'static str,
    pub(crate) attention_dropout: &'static str,
    pub(crate) classifier_dropout: &'static str,
}

const BERT: Keys = Keys {
    hidden_size: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    intermediate_size: "intermediate_size",
    activation: "hidden_act",
    dropout: "hidden_dropout_prob",
    attention_dropout: "attention_probs_dropout_prob",
    classifier_dropout: "classifier_dropout",
};

const DISTILBERT: Keys = Keys {
    hidden_size: "dim",
    layers: "n_layers",
    heads: "n_heads",
    intermediate_size: "hidden_dim",
    activation: "activation",
    dropout: "dropout",
    attention_dropout: "attention_dropout",
    classifier_dropout: "seq_classif_dropout",
};

impl Keys {
    fn all(self) -> [&'static str; 8] {
        [
            self.hidden_size,
            self.layers,
            self.heads,
            self.intermediate_size,
            self.activation,
            self.dropout,
            self.attention_dropout,
            self.classifier_dropout,
        ]
    }
}

impl Family {
    /// The keys of its configs.
    pub(crate) fn keys(self) -> Keys {
        match self {
            Self::DistilBert => DISTILBERT,
            _ => BERT,
        }
    }

    /// The family's own key for `name`, which may also be BERT's.
    pub(crate) fn own_key(self, name: &str) -> &str {
        let place = BERT.all().iter().position(|key| *key == name);
        place.map_or(name, |place| self.keys().all()[place])
    }

    /// The values of its configs that a student may set: in its own spelling and in BERT's.
    pub fn student_dimensions(self) -> Vec<&'static str> {
        let own = self.keys().all();
        let others: &[&'static str] = match self {
            Self::DistilBert => &["max_position_embeddings", "initializer_range", "sinusoidal_pos_embds"],
            Self::Bert | Self::Roberta => &["max_position_embeddings", "layer_norm_eps", "initializer_range"],
            Self::Electra => {
                &["max_position_embeddings", "layer_norm_eps", "initializer_range", "embedding_size"]
            }
            Self::MobileBert => &[
                "max_position_embeddings",
                "layer_norm_eps",
                "initializer_range",
                "embedding_size",
                "intra_bottleneck_size",
                "num_feedforward_networks",
                "trigram_input",
                "use_bottleneck",
                "use_bottleneck_attention",
                "key_query_shared_bottleneck",
                "normalization_type",
                "classifier_activation",
            ],
        };
        let mut names = BERT.all().to_vec();
        names.extend(own.into_iter().filter(|key| !BERT.all().contains(key)));
        names.extend(others);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn berts_names_stand_for_a_familys_own() {
        assert_eq!(Family::DistilBert.own_key("intermediate_size"), "hidden_dim");
        assert_eq!(Family::DistilBert.own_key("dim"), "dim");
        assert_eq!(Family::MobileBert.own_key("intra_bottleneck_size"), "intra_bottleneck_size");
    }

    #[test]
    fn every_spelling_of_a_size_may_be_set() {
        let names = Family::DistilBert.student_dimensions();
        assert!(
            ["dim", "hidden_size", "hidden_dim", "intermediate_size"].iter().all(|name| names.contains(name))
        );
        assert!(!Family::Bert.student_dimensions().contains(&"dim"));
    }
}
