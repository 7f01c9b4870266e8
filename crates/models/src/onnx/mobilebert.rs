//! MobileBERT as a graph.

use super::graph::{GraphBuilder, Value, integer};
use super::heads::HeadInputs;
use super::messages::Graph;
use super::operators::AttentionInputs;
use crate::config::Bottlenecks;
use crate::layers::Linear;
use crate::mobilebert::{
    Bottleneck, BottleneckLayer, Embeddings, Intermediate, Layer, MobileBert, Norm, Output,
};

/// The graph from token ids to logits.
pub(super) fn graph(network: &MobileBert) -> Graph {
    let (builder, ids, bias) = GraphBuilder::of_tokens();
    let mut body = Body { network, bias, builder };
    let (words, mut hidden) = body.embeddings(&network.mobilebert.embeddings, &ids);
    for layer in 0..network.mobilebert.encoder.layer.len() {
        hidden = body.layer(layer, &hidden);
    }
    let inputs = HeadInputs { pooled: body.pooled(&hidden), tokens: hidden, words };
    body.builder.ending_in(&network.head, (network.config(), &inputs))
}

struct Body<'a> {
    network: &'a MobileBert,
    /// Of the mask, (batch, 1, 1, length).
    bias: Value,
    builder: GraphBuilder,
}

/// What an attention and its residual start from, as in the network.
struct Entering {
    queries: Value,
    keys: Value,
    values: Value,
    residual: Value,
}

impl Body<'_> {
    /// The table of the words, and what the embeddings make of ids: (batch, length) → (batch, length, hidden).
    fn embeddings(&mut self, embeddings: &Embeddings, ids: &Value) -> (Value, Value) {
        let place = "mobilebert.embeddings";
        let at = |module: &str| format!("{place}.{module}");
        let builder = &mut self.builder;
        let module = at("word_embeddings");
        let table_of_words = builder.table(&module, &embeddings.word_embeddings);
        let mut words = builder.rows_of(&module, &table_of_words, ids);
        if embeddings.has_trigrams() {
            words = builder.with_neighbours(place, (&words, ids));
        }
        if embeddings.widens() {
            let widening = &embeddings.embedding_transformation;
            words = builder.linear(&at("embedding_transformation"), widening, &words);
        }
        let segments = builder.input(super::TOKEN_TYPE_IDS);
        let table = &embeddings.token_type_embeddings;
        let segments = builder.look_up(&at("token_type_embeddings"), table, &segments);
        let table = (&embeddings.position_embeddings, 0);
        let positions = builder.positions(&at("position_embeddings"), table, ids);
        let sum = builder.node("Add", place, &[&words, &positions]);
        let sum = builder.node("Add", place, &[&sum, &segments]);
        (table_of_words, builder.norm(&at("LayerNorm"), &embeddings.layer_norm, &sum))
    }

    /// (batch, length, hidden) → (batch, rows, hidden); for a classifier of texts the last layer computes the first token
    /// alone.
    fn layer(&mut self, index: usize, hidden: &Value) -> Value {
        let place = format!("mobilebert.encoder.layer.{index}");
        let layers = &self.network.mobilebert.encoder.layer;
        let layer = &layers[index];
        let reads_first = self.network.head.classifier().is_some();
        let rows = match reads_first && index + 1 == layers.len() {
            true => self.builder.first_token(&place, hidden),
            false => hidden.clone(),
        };
        let mut narrow = self.attention(&place, layer, (hidden, &rows));
        for (part, feed_forward) in layer.ffn.iter().enumerate() {
            let at = format!("{place}.ffn.{part}");
            let wide = self.widened(&at, &feed_forward.intermediate, &narrow);
            let output = &feed_forward.output;
            narrow =
                self.residual(&format!("{at}.output"), (&output.dense, &output.layer_norm), (&wide, &narrow));
        }
        let wide = self.widened(&place, &layer.intermediate, &narrow);
        self.leave(&format!("{place}.output"), &layer.output, (&wide, &narrow, &rows))
    }

    /// (batch, rows, width) → (batch, rows, intermediate)
    fn widened(&mut self, place: &str, intermediate: &Intermediate, narrow: &Value) -> Value {
        let place = format!("{place}.intermediate");
        let wide = self.builder.linear(&format!("{place}.dense"), &intermediate.dense, narrow);
        self.builder.activation(&place, self.network.config().hidden_act, &wide)
    }

    /// The last feed-forward part's end and the way out of the bottleneck: (batch, rows, hidden).
    fn leave(
        &mut self,
        place: &str,
        output: &Output,
        (wide, inside, around): (&Value, &Value, &Value),
    ) -> Value {
        let narrow = self.residual(place, (&output.dense, &output.layer_norm), (wide, inside));
        match &output.bottleneck {
            None => narrow,
            Some(out) => self.residual(
                &format!("{place}.bottleneck"),
                (&out.dense, &out.layer_norm),
                (&narrow, around),
            ),
        }
    }

    /// (batch, length, hidden) and its rows → (batch, rows, width)
    fn attention(&mut self, layer: &str, of: &Layer, (hidden, rows): (&Value, &Value)) -> Value {
        let entering = match &of.bottleneck {
            Some(bottleneck) => self.enter(&format!("{layer}.bottleneck"), bottleneck, (hidden, rows)),
            None => Entering {
                queries: rows.clone(),
                keys: hidden.clone(),
                values: hidden.clone(),
                residual: rows.clone(),
            },
        };
        let place = format!("{layer}.attention.self");
        let maps = &of.attention.self_attention;
        let builder = &mut self.builder;
        let queries = builder.linear(&format!("{place}.query"), &maps.query, &entering.queries);
        let keys = builder.linear(&format!("{place}.key"), &maps.key, &entering.keys);
        let values = builder.linear(&format!("{place}.value"), &maps.value, &entering.values);
        let config = self.network.config();
        let heads = (config.num_attention_heads, config.head_size());
        let inputs = AttentionInputs { queries, keys, values, bias: &self.bias, heads };
        let context = self.builder.attention(&place, &inputs);
        let output = &of.attention.output;
        let maps = (&output.dense, &output.layer_norm);
        self.residual(&format!("{layer}.attention.output"), maps, (&context, &entering.residual))
    }

    fn enter(&mut self, place: &str, of: &Bottleneck, (hidden, rows): (&Value, &Value)) -> Entering {
        let shared = self.network.config().mobilebert.and_then(|settings| settings.bottlenecks);
        let input = format!("{place}.input");
        if shared == Some(Bottlenecks::All) {
            let (queries, keys) = self.narrowed_pair(&input, &of.input, (hidden, rows));
            return Entering { residual: queries.clone(), queries, values: keys.clone(), keys };
        }
        let residual = self.narrowed(&input, &of.input, rows);
        let (queries, keys) = match (&of.attention, shared) {
            (Some(attention), Some(Bottlenecks::KeyAndQuery)) => {
                self.narrowed_pair(&format!("{place}.attention"), attention, (hidden, rows))
            }
            _ => (rows.clone(), hidden.clone()),
        };
        Entering { queries, keys, values: hidden.clone(), residual }
    }

    /// The narrow states of the rows and of all tokens, which are computed once: the rows are the first of them.
    fn narrowed_pair(
        &mut self,
        place: &str,
        of: &BottleneckLayer,
        (hidden, rows): (&Value, &Value),
    ) -> (Value, Value) {
        let keys = self.narrowed(place, of, hidden);
        let queries = if hidden == rows { keys.clone() } else { self.builder.first_token(place, &keys) };
        (queries, keys)
    }

    fn narrowed(&mut self, place: &str, of: &BottleneckLayer, states: &Value) -> Value {
        let narrow = self.builder.linear(&format!("{place}.dense"), &of.dense, states);
        self.builder.norm(&format!("{place}.LayerNorm"), &of.layer_norm, &narrow)
    }

    /// Projection, residual, norm.
    fn residual(
        &mut self,
        place: &str,
        (dense, norm): (&Linear, &Norm),
        (input, residual): (&Value, &Value),
    ) -> Value {
        let projected = self.builder.linear(&format!("{place}.dense"), dense, input);
        let sum = self.builder.node("Add", place, &[&projected, residual]);
        self.builder.norm(&format!("{place}.LayerNorm"), norm, &sum)
    }

    /// (batch, length, hidden) → (batch, hidden), where there is a pooler.
    fn pooled(&mut self, hidden: &Value) -> Value {
        let Some(pooler) = &self.network.mobilebert.pooler else { return hidden.clone() };
        let place = "mobilebert.pooler";
        let mut pooled = self.builder.first_vector(place, hidden);
        if let Some(dense) = &pooler.dense {
            pooled = self.builder.dense("mobilebert.pooler.dense", dense, &pooled);
            pooled = self.builder.node("Tanh", place, &[&pooled]);
        }
        pooled
    }
}

impl GraphBuilder {
    /// (…, width) → (…, width)
    fn norm(&mut self, place: &str, norm: &Norm, input: &Value) -> Value {
        match norm {
            Norm::LayerNorm(norm) => self.layer_norm(place, norm, input),
            Norm::NoNorm(norm) => {
                let weight = self.parameter(&format!("{place}.weight"), &norm.weight);
                let bias = self.parameter(&format!("{place}.bias"), &norm.bias);
                let scaled = self.node("Mul", place, &[input, &weight]);
                self.node("Add", place, &[&scaled, &bias])
            }
        }
    }

    /// [next, own, previous] of each token, zeros beyond the ends: (batch, length, width) → (batch, length, 3 · width).
    fn with_neighbours(&mut self, place: &str, (words, ids): (&Value, &Value)) -> Value {
        let nothing = self.float(0.0);
        let edge = self.first_token(place, words);
        let edge = self.node("Mul", place, &[&edge, &nothing]);
        let joined = |axis: i64| vec![integer("axis", axis)];
        let longer = self.node_with("Concat", place, (&[&edge, words, &edge], joined(1)));
        let sizes = vec![integer("start", 1), integer("end", 2)];
        let length = self.node_with("Shape", place, (&[ids], sizes.clone()));
        let all = self.node_with("Shape", place, (&[&longer], sizes));
        let [begin, second, axis] = [[0], [2], [1]].map(|value| self.integers(&value));
        let previous = self.node("Slice", place, &[&longer, &begin, &length, &axis]);
        let next = self.node("Slice", place, &[&longer, &second, &all, &axis]);
        self.node_with("Concat", place, (&[&next, words, &previous], joined(2)))
    }
}
