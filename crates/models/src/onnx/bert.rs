//! BERT as a graph, and the families that only spell it otherwise.

use super::graph::{GraphBuilder, Value};
use super::heads::{HeadInputs, spelled};
use super::messages::Graph;
use super::operators::AttentionInputs;
use crate::bert::head::HeadActivation;
use crate::bert::{Attention, Bert, Embeddings, EncoderLayer, ResidualOutput};
use crate::config::Activation;
use crate::layers::Linear;

/// The graph from token ids to logits.
pub(super) fn graph(network: &Bert) -> Graph {
    let (builder, ids, bias) = GraphBuilder::of_tokens();
    let mut body = Body { network, bias, builder };
    let (words, mut hidden) = body.embeddings(&network.bert.embeddings, &ids);
    if let Some(project) = &network.bert.embeddings_project {
        hidden = body.linear("bert.embeddings_project", project, &hidden);
    }
    for layer in 0..network.bert.encoder.layer.len() {
        hidden = body.layer(layer, &hidden);
    }
    let inputs = HeadInputs { pooled: body.pooled(&hidden), tokens: hidden, words };
    body.builder.ending_in(&network.head, (network.config(), &inputs))
}

struct Body<'a> {
    network: &'a Bert,
    /// Of the mask, (batch, 1, 1, length).
    bias: Value,
    builder: GraphBuilder,
}

impl Body<'_> {
    /// The family's name of a module of BERT.
    fn at(&self, module: &str) -> String {
        spelled(self.network.config().family, module)
    }

    /// (batch, rows, in) → (batch, rows, out)
    fn linear(&mut self, module: &str, linear: &Linear, input: &Value) -> Value {
        let place = self.at(module);
        self.builder.linear(&place, linear, input)
    }

    /// The table of the words, and what the embeddings make of ids: (batch, length) → (batch, length, embedding).
    fn embeddings(&mut self, embeddings: &Embeddings, ids: &Value) -> (Value, Value) {
        let place = self.at("bert.embeddings");
        let at = |module: &str| format!("{place}.{module}");
        let first = self.network.config().first_position();
        let builder = &mut self.builder;
        let module = at("word_embeddings");
        let words = builder.table(&module, &embeddings.word_embeddings);
        let mut sum = builder.rows_of(&module, &words, ids);
        if let Some(table) = &embeddings.token_type_embeddings {
            let module = at("token_type_embeddings");
            // RoBERTa's one segment, which its tokenizer does not name.
            let segments = if self.network.config().type_vocab_size == 1 {
                builder.parameter(&format!("{module}.weight"), &table.weight)
            } else {
                let segments = builder.input(super::TOKEN_TYPE_IDS);
                builder.look_up(&module, table, &segments)
            };
            sum = builder.node("Add", &place, &[&sum, &segments]);
        }
        let table = (&embeddings.position_embeddings, first);
        let positions = builder.positions(&at("position_embeddings"), table, ids);
        let sum = builder.node("Add", &place, &[&sum, &positions]);
        (words, builder.layer_norm(&at("LayerNorm"), &embeddings.layer_norm, &sum))
    }

    /// (batch, length, hidden) → (batch, rows, hidden). A classifier of texts reads the first token only, so that its last
    /// layer computes one row.
    fn layer(&mut self, index: usize, hidden: &Value) -> Value {
        let place = format!("bert.encoder.layer.{index}");
        let layers = &self.network.bert.encoder.layer;
        let EncoderLayer { attention, intermediate, output } = &layers[index];
        let reads_first = self.network.head.classifier().is_some();
        let rows = match reads_first && index + 1 == layers.len() {
            true => self.builder.first_token(&self.at(&place), hidden),
            false => hidden.clone(),
        };
        let attended = self.attention(&place, attention, (hidden, &rows));
        let wide = format!("{place}.intermediate");
        let activation = self.network.config().hidden_act;
        let states = self.linear(&format!("{wide}.dense"), &intermediate.dense, &attended);
        let states = self.builder.activation(&self.at(&wide), activation, &states);
        self.residual(&format!("{place}.output"), output, (&states, &attended))
    }

    fn attention(&mut self, layer: &str, attention: &Attention, (hidden, rows): (&Value, &Value)) -> Value {
        let place = format!("{layer}.attention.self");
        let of = &attention.self_attention;
        let queries = self.linear(&format!("{place}.query"), &of.query, rows);
        let keys = self.linear(&format!("{place}.key"), &of.key, hidden);
        let values = self.linear(&format!("{place}.value"), &of.value, hidden);
        let config = self.network.config();
        let heads = (config.num_attention_heads, config.head_size());
        let inputs = AttentionInputs { queries, keys, values, bias: &self.bias, heads };
        let spelled = self.at(&place);
        let context = self.builder.attention(&spelled, &inputs);
        self.residual(&format!("{layer}.attention.output"), &attention.output, (&context, rows))
    }

    /// Projection, residual, norm: (batch, rows, in) → (batch, rows, hidden).
    fn residual(
        &mut self,
        place: &str,
        output: &ResidualOutput,
        (input, residual): (&Value, &Value),
    ) -> Value {
        let projected = self.linear(&format!("{place}.dense"), &output.dense, input);
        let norm = self.at(&format!("{place}.LayerNorm"));
        let sum = self.builder.node("Add", &norm, &[&projected, residual]);
        self.builder.layer_norm(&norm, &output.layer_norm, &sum)
    }

    /// (batch, length, hidden) → (batch, hidden), where there is a pooler.
    fn pooled(&mut self, hidden: &Value) -> Value {
        let Some(pooler) = &self.network.bert.pooler else { return hidden.clone() };
        let place = self.at("bert.pooler.dense");
        let builder = &mut self.builder;
        let first = builder.first_vector(&place, hidden);
        let pooled = builder.dense(&place, &pooler.dense, &first);
        match HeadActivation::of(self.network.config().family) {
            HeadActivation::Tanh => builder.node("Tanh", &place, &[&pooled]),
            HeadActivation::Relu => builder.activation(&place, Activation::Relu, &pooled),
            HeadActivation::Gelu => builder.activation(&place, Activation::Gelu, &pooled),
        }
    }
}
