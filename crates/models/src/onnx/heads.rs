//! The heads as operators, the same for every body, and what their outputs are called.

use super::graph::{BATCH, GraphBuilder, LENGTH, Value, integer, integers};
use super::messages::{Dimension, Graph};
use crate::head::{LanguageHead, NetworkHead, Predictions, QA_OUTPUTS, Transform};
use crate::{Family, Head, TransformerConfig};

const LOGITS: &str = "logits";
const START_LOGITS: &str = "start_logits";
const END_LOGITS: &str = "end_logits";
const PREDICTION_LOGITS: &str = "prediction_logits";
const SEQ_RELATIONSHIP_LOGITS: &str = "seq_relationship_logits";

/// What the outputs of a network with this head are called, in order, as in `transformers`.
pub fn output_names(head: Head) -> &'static [&'static str] {
    match head {
        Head::Classifier | Head::TokenClassifier | Head::MaskedLanguageModel => &[LOGITS],
        Head::QuestionAnswering => &[START_LOGITS, END_LOGITS],
        Head::Pretraining => &[PREDICTION_LOGITS, SEQ_RELATIONSHIP_LOGITS],
    }
}

/// What heads read.
pub(super) struct HeadInputs {
    /// The last states of every token, (batch, length, hidden).
    pub(super) tokens: Value,
    /// One vector for each text, (batch, hidden); without a pooler the states of the tokens, since no head reads it then.
    pub(super) pooled: Value,
    /// The table of the words, (vocabulary, embedding).
    pub(super) words: Value,
}

/// The family's name of a module of BERT.
pub(super) fn spelled(family: Family, module: &str) -> String {
    family.spelling().map_or_else(|| module.to_owned(), |spelling| spelling.module(module))
}

impl GraphBuilder {
    /// The graph that ends in `head`.
    pub(super) fn ending_in(
        mut self,
        head: &NetworkHead,
        (config, inputs): (&TransformerConfig, &HeadInputs),
    ) -> Graph {
        let labels = config.num_labels();
        match head {
            NetworkHead::Classifier(linear) => {
                let logits = self.dense(&spelled(config.family, "classifier"), linear, &inputs.pooled);
                self.output(LOGITS, &logits, of_texts(labels));
            }
            NetworkHead::TokenClassifier(linear) => {
                let logits = self.linear("classifier", linear, &inputs.tokens);
                self.output(LOGITS, &logits, of_tokens(labels));
            }
            NetworkHead::QuestionAnswering(linear) => {
                let scores = self.linear(QA_OUTPUTS, linear, &inputs.tokens);
                self.spans(&scores);
            }
            NetworkHead::Language(language) => self.language(language, (config, inputs)),
        }
        self.finish()
    }

    /// (batch, length, 2) → one output for each end of an answer, (batch, length).
    fn spans(&mut self, scores: &Value) {
        for (place, name) in (0..).zip([START_LOGITS, END_LOGITS]) {
            let index = self.integer(place);
            let of_end = self.node_with("Gather", name, (&[scores, &index], vec![integer("axis", 2)]));
            self.output(name, &of_end, vec![free(BATCH), free(LENGTH)]);
        }
    }

    /// The scores of words and, where the network says it, of whether the second text follows the first.
    fn language(&mut self, language: &LanguageHead, (config, inputs): (&TransformerConfig, &HeadInputs)) {
        let LanguageHead { predictions, seq_relationship } = language;
        let transformed = self.transformed(&predictions.transform, config.family, &inputs.tokens);
        let scores = self.decoded(predictions, config.family, (&transformed, &inputs.words));
        let name = if seq_relationship.is_some() { PREDICTION_LOGITS } else { LOGITS };
        self.output(name, &scores, of_tokens(config.vocab_size));
        if let Some(follows) = seq_relationship {
            let logits = self.dense("cls.seq_relationship", follows, &inputs.pooled);
            self.output(SEQ_RELATIONSHIP_LOGITS, &logits, of_texts(2));
        }
    }

    /// (batch, length, hidden) → (batch, length, decoded width)
    fn transformed(&mut self, transform: &Transform, family: Family, states: &Value) -> Value {
        let place = spelled(family, "cls.predictions.transform.dense");
        let states = self.linear(&place, &transform.dense, states);
        let states = self.activation(&place, transform.activation, &states);
        let norm = spelled(family, "cls.predictions.transform.LayerNorm");
        self.layer_norm(&norm, &transform.layer_norm, &states)
    }

    /// (batch, length, decoded width) → (batch, length, vocabulary). The file holds the table of the words once; runtimes
    /// turn it when they load the graph.
    fn decoded(
        &mut self,
        predictions: &Predictions,
        family: Family,
        (states, words): (&Value, &Value),
    ) -> Value {
        let place = spelled(family, "cls.predictions");
        let mut decoder = self.node_with("Transpose", &place, (&[words], vec![integers("perm", &[1, 0])]));
        if let Some(further) = &predictions.dense {
            let rows = self.parameter(&format!("{place}.dense.weight"), &further.weight);
            decoder = self.node_with("Concat", &place, (&[&decoder, &rows], vec![integer("axis", 0)]));
        }
        let bias = self.parameter(&format!("{place}.bias"), &predictions.bias);
        let scores = self.node("MatMul", &place, &[states, &decoder]);
        self.node("Add", &place, &[&scores, &bias])
    }
}

/// (batch, width)
fn of_texts(width: usize) -> Vec<Dimension> {
    vec![free(BATCH), Dimension::Fixed(width as i64)]
}

/// (batch, length, width)
fn of_tokens(width: usize) -> Vec<Dimension> {
    vec![free(BATCH), free(LENGTH), Dimension::Fixed(width as i64)]
}

fn free(name: &str) -> Dimension {
    Dimension::Named(name.to_owned())
}
