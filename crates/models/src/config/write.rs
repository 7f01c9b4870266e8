//! A configuration as the `config.json` of a stock Hugging Face network.

use serde_json::{Map, Value, json};

use super::{Head, TransformerConfig, labels};
use crate::Family;

impl TransformerConfig {
    /// The stock Hugging Face config of this network, keys sorted.
    pub fn to_json(&self) -> Value {
        let mut object = self.extra.clone();
        let keys = self.family.keys();
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("architectures", json!([self.family.class_of(self.head)]));
        set("model_type", json!(self.family.model_type()));
        set(keys.hidden_size, json!(self.hidden_size));
        set(keys.layers, json!(self.num_hidden_layers));
        set(keys.heads, json!(self.num_attention_heads));
        set(keys.intermediate_size, json!(self.intermediate_size));
        set("vocab_size", json!(self.vocab_size));
        set("max_position_embeddings", json!(self.max_position_embeddings));
        set(keys.activation, json!(self.hidden_act.name()));
        set(keys.dropout, json!(self.hidden_dropout_prob));
        set(keys.attention_dropout, json!(self.attention_probs_dropout_prob));
        set(keys.classifier_dropout, json!(self.classifier_dropout));
        set("initializer_range", json!(self.initializer_range));
        set("pad_token_id", json!(self.pad_token_id));
        if self.head == Head::Classifier {
            set("problem_type", json!(self.task().name()));
        }
        if !self.head.is_language_model() {
            set("id2label", labels::id2label(&self.labels));
            set("label2id", labels::label2id(&self.labels));
        }
        self.set_what_is_the_familys(&mut object);
        object.sort_keys();
        Value::Object(object)
    }

    fn set_what_is_the_familys(&self, object: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        match self.family {
            Family::DistilBert => return,
            Family::MobileBert => {}
            Family::Electra => {
                set("embedding_size", json!(self.embedding_size));
                set("summary_activation", json!("gelu"));
            }
            Family::Bert | Family::Roberta => {}
        }
        set("type_vocab_size", json!(self.type_vocab_size));
        set("layer_norm_eps", json!(self.layer_norm_eps));
        match &self.mobilebert {
            Some(settings) => {
                set("embedding_size", json!(self.embedding_size));
                settings.write(self.hidden_size, object);
            }
            None => {
                set("position_embedding_type", json!("absolute"));
                set("is_decoder", json!(false));
                set("add_cross_attention", json!(false));
            }
        }
    }
}
