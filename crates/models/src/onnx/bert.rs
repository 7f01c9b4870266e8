//! BERT as a graph.

use super::graph::{GraphBuilder, Value};
use super::messages::Graph;
use super::operators::AttentionInputs;
use crate::bert::{Attention, Bert, Embeddings, EncoderLayer, ResidualOutput};
use crate::layers::Linear;

/// The graph from token ids to logits.
pub(super) fn graph(network: &Bert) -> Graph {
    let mut builder = GraphBuilder::default();
    let ids = builder.input(super::INPUT_IDS);
    let mask = builder.input(super::ATTENTION_MASK);
    let bias = builder.mask_bias(&mask);
    let mut body = Body { network, bias, builder };
    let mut hidden = body.embeddings(&network.bert.embeddings, &ids);
    for layer in 0..network.bert.encoder.layer.len() {
        hidden = body.layer(layer, &hidden);
    }
    let logits = body.head(&hidden);
    body.builder.finish(super::LOGITS, (logits, network.config().num_labels()))
}

struct Body<'a> {
    network: &'a Bert,
    /// Of the mask, (batch, 1, 1, length).
    bias: Value,
    builder: GraphBuilder,
}

impl Body<'_> {
    /// (batch, length) → (batch, length, hidden)
    fn embeddings(&mut self, embeddings: &Embeddings, ids: &Value) -> Value {
        let place = "bert.embeddings";
        let at = |module: &str| format!("{place}.{module}");
        let builder = &mut self.builder;
        let segments = builder.input(super::TOKEN_TYPE_IDS);
        let words = builder.look_up(&at("word_embeddings"), &embeddings.word_embeddings, ids);
        let segments =
            builder.look_up(&at("token_type_embeddings"), &embeddings.token_type_embeddings, &segments);
        let table = (&embeddings.position_embeddings, 0);
        let positions = builder.positions(&at("position_embeddings"), table, ids);
        let sum = builder.node("Add", place, &[&words, &segments]);
        let sum = builder.node("Add", place, &[&sum, &positions]);
        builder.layer_norm(&at("LayerNorm"), &embeddings.layer_norm, &sum)
    }

    /// (batch, length, hidden) → (batch, rows, hidden). The head reads the first token only, so the last layer computes
    /// one row.
    fn layer(&mut self, index: usize, hidden: &Value) -> Value {
        let place = format!("bert.encoder.layer.{index}");
        let layers = &self.network.bert.encoder.layer;
        let EncoderLayer { attention, intermediate, output } = &layers[index];
        let rows = match index + 1 == layers.len() {
            true => self.builder.first_token(&place, hidden),
            false => hidden.clone(),
        };
        let attended = self.attention(&place, attention, (hidden, &rows));
        let wide = format!("{place}.intermediate");
        let activation = self.network.config().hidden_act;
        let states = self.builder.linear(&format!("{wide}.dense"), &intermediate.dense, &attended);
        let states = self.builder.activation(&wide, activation, &states);
        self.residual(&format!("{place}.output"), output, (&states, &attended))
    }

    fn attention(&mut self, layer: &str, attention: &Attention, (hidden, rows): (&Value, &Value)) -> Value {
        let place = format!("{layer}.attention.self");
        let of = &attention.self_attention;
        let mut project = |module: &str, linear: &Linear, input: &Value| {
            self.builder.linear(&format!("{place}.{module}"), linear, input)
        };
        let queries = project("query", &of.query, rows);
        let keys = project("key", &of.key, hidden);
        let values = project("value", &of.value, hidden);
        let config = self.network.config();
        let heads = (config.num_attention_heads, config.head_size());
        let inputs = AttentionInputs { queries, keys, values, bias: &self.bias, heads };
        let context = self.builder.attention(&place, &inputs);
        self.residual(&format!("{layer}.attention.output"), &attention.output, (&context, rows))
    }

    /// Projection, residual, norm: (batch, rows, in) → (batch, rows, hidden).
    fn residual(
        &mut self,
        place: &str,
        output: &ResidualOutput,
        (input, residual): (&Value, &Value),
    ) -> Value {
        let projected = self.builder.linear(&format!("{place}.dense"), &output.dense, input);
        let sum = self.builder.node("Add", place, &[&projected, residual]);
        self.builder.layer_norm(&format!("{place}.LayerNorm"), &output.layer_norm, &sum)
    }

    /// (batch, rows, hidden) → (batch, labels)
    fn head(&mut self, hidden: &Value) -> Value {
        let place = "bert.pooler";
        let first = self.builder.first_vector(place, hidden);
        let pooled = self.builder.dense("bert.pooler.dense", &self.network.bert.pooler.dense, &first);
        let pooled = self.builder.node("Tanh", place, &[&pooled]);
        self.builder.dense("classifier", &self.network.classifier, &pooled)
    }
}
