//! The layers of transformers as operators of ONNX. Each takes the place where it stands in the network, which names
//! its nodes and weights.

use super::graph::{GraphBuilder, Value, float, integer, integers};
use super::messages::code;
use crate::config::Activation;
use crate::layers::{Embedding, LayerNorm, Linear};

/// Attention scores of padding: nothing is left of them after the softmax, and half precision reads them as -infinity.
const PADDING_SCORE: f32 = f32::MIN;

/// Queries, keys and values, and what else attention needs.
pub(super) struct AttentionInputs<'a> {
    /// (batch, rows, width)
    pub(super) queries: Value,
    /// (batch, length, width)
    pub(super) keys: Value,
    /// (batch, length, width)
    pub(super) values: Value,
    /// Added to scores, (batch, 1, 1, length).
    pub(super) bias: &'a Value,
    /// Heads and the width of each.
    pub(super) heads: (usize, usize),
}

impl GraphBuilder {
    /// A graph of texts, its token ids, and what their mask adds to attention scores, (batch, 1, 1, length).
    pub(super) fn of_tokens() -> (Self, Value, Value) {
        let mut builder = Self::default();
        let ids = builder.input(super::INPUT_IDS);
        let mask = builder.input(super::ATTENTION_MASK);
        let bias = builder.mask_bias(&mask);
        (builder, ids, bias)
    }

    /// (batch, rows, in) → (batch, rows, out)
    pub(super) fn linear(&mut self, place: &str, linear: &Linear, input: &Value) -> Value {
        let weight = self.parameter(&format!("{place}.weight"), &linear.weight);
        let bias = self.parameter(&format!("{place}.bias"), &linear.bias);
        let product = self.node("MatMul", place, &[input, &weight]);
        self.node("Add", place, &[&product, &bias])
    }

    /// (batch, in) → (batch, out)
    pub(super) fn dense(&mut self, place: &str, linear: &Linear, input: &Value) -> Value {
        // The checkpoint's layout, (out, in).
        let weight = self.transposed(&format!("{place}.weight"), &linear.weight);
        let bias = self.parameter(&format!("{place}.bias"), &linear.bias);
        self.node_with("Gemm", place, (&[input, &weight, &bias], vec![integer("transB", 1)]))
    }

    /// (…, width) → (…, width)
    pub(super) fn layer_norm(&mut self, place: &str, norm: &LayerNorm, input: &Value) -> Value {
        let weight = self.parameter(&format!("{place}.weight"), &norm.weight);
        let bias = self.parameter(&format!("{place}.bias"), &norm.bias);
        let settings = vec![integer("axis", -1), float("epsilon", norm.epsilon as f32)];
        self.node_with("LayerNormalization", place, (&[input, &weight, &bias], settings))
    }

    /// Rows of a table, (batch, length) → (batch, length, width).
    pub(super) fn look_up(&mut self, place: &str, table: &Embedding, ids: &Value) -> Value {
        let table = self.table(place, table);
        self.rows_of(place, &table, ids)
    }

    /// A table for more than one use, (rows, width).
    pub(super) fn table(&mut self, place: &str, table: &Embedding) -> Value {
        self.parameter(&format!("{place}.weight"), &table.weight)
    }

    /// Rows of such a table, (batch, length) → (batch, length, width).
    pub(super) fn rows_of(&mut self, place: &str, table: &Value, ids: &Value) -> Value {
        self.node_with("Gather", place, (&[table, ids], vec![integer("axis", 0)]))
    }

    /// The vectors of as many positions as `ids` has tokens, from row `first` of the table on, (length, width).
    pub(super) fn positions(
        &mut self,
        place: &str,
        (table, first): (&Embedding, usize),
        ids: &Value,
    ) -> Value {
        let table = self.rows(&format!("{place}.weight"), &table.weight, first);
        let length = self.node_with("Shape", place, (&[ids], vec![integer("start", 1), integer("end", 2)]));
        let [begin, axis] = [self.integers(&[0]), self.integers(&[0])];
        self.node("Slice", place, &[&table, &begin, &length, &axis])
    }

    /// What the mask adds to attention scores: int64 (batch, length) → (batch, 1, 1, length).
    fn mask_bias(&mut self, mask: &Value) -> Value {
        let place = "attention_mask";
        let real = self.node_with("Cast", place, (&[mask], vec![integer("to", code::BOOL)]));
        let [nothing, padding] = [self.float(0.0), self.float(PADDING_SCORE)];
        let bias = self.node("Where", place, &[&real, &nothing, &padding]);
        let axes = self.integers(&[1, 2]);
        self.node("Unsqueeze", place, &[&bias, &axes])
    }

    /// Softmax(Q Kᵀ / √size + bias) V in each head, (batch, rows, heads · size).
    pub(super) fn attention(&mut self, place: &str, inputs: &AttentionInputs<'_>) -> Value {
        let (heads, size) = inputs.heads;
        let queries = self.by_head(place, inputs, (&inputs.queries, [0, 2, 1, 3]));
        let keys = self.by_head(place, inputs, (&inputs.keys, [0, 2, 3, 1]));
        let values = self.by_head(place, inputs, (&inputs.values, [0, 2, 1, 3]));
        let scores = self.node("MatMul", place, &[&queries, &keys]); // (batch, heads, rows, length)
        let scale = self.float((size as f32).sqrt().recip());
        let scores = self.node("Mul", place, &[&scores, &scale]);
        let scores = self.node("Add", place, &[&scores, inputs.bias]);
        let probabilities = self.node_with("Softmax", place, (&[&scores], vec![integer("axis", -1)]));
        let context = self.node("MatMul", place, &[&probabilities, &values]);
        let context = self.transpose(place, &context, [0, 2, 1, 3]);
        let sizes = self.integers(&[0, 0, (heads * size) as i64]);
        self.node("Reshape", place, &[&context, &sizes])
    }

    /// (batch, rows, width) → its heads, (batch, rows, heads, size), in the order `axes`.
    fn by_head(
        &mut self,
        place: &str,
        inputs: &AttentionInputs<'_>,
        (states, axes): (&Value, [i64; 4]),
    ) -> Value {
        let (heads, size) = inputs.heads;
        let sizes = self.integers(&[0, 0, heads as i64, size as i64]);
        let states = self.node("Reshape", place, &[states, &sizes]);
        self.transpose(place, &states, axes)
    }

    fn transpose(&mut self, place: &str, states: &Value, axes: [i64; 4]) -> Value {
        self.node_with("Transpose", place, (&[states], vec![integers("perm", &axes)]))
    }

    /// Element by element.
    pub(super) fn activation(&mut self, place: &str, activation: Activation, input: &Value) -> Value {
        match activation {
            Activation::Gelu => self.gelu(place, input),
            Activation::GeluTanh => self.gelu_tanh(place, input),
            Activation::Relu => self.node("Relu", place, &[input]),
        }
    }

    /// x · (1 + erf(x / √2)) / 2, in the steps that runtimes know as one.
    pub(super) fn gelu(&mut self, place: &str, input: &Value) -> Value {
        let [root, one, half] = [std::f32::consts::SQRT_2, 1.0, 0.5].map(|value| self.float(value));
        let scaled = self.node("Div", place, &[input, &root]);
        let erf = self.node("Erf", place, &[&scaled]);
        let doubled = self.node("Add", place, &[&erf, &one]);
        let product = self.node("Mul", place, &[input, &doubled]);
        self.node("Mul", place, &[&product, &half])
    }

    /// x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
    fn gelu_tanh(&mut self, place: &str, input: &Value) -> Value {
        let root = (2.0 / std::f32::consts::PI).sqrt();
        let [root, cubic, one, half] = [root, 0.044_715, 1.0, 0.5].map(|value| self.float(value));
        let square = self.node("Mul", place, &[input, input]);
        let cube = self.node("Mul", place, &[&square, input]);
        let cube = self.node("Mul", place, &[&cube, &cubic]);
        let sum = self.node("Add", place, &[input, &cube]);
        let inner = self.node("Mul", place, &[&sum, &root]);
        let tanh = self.node("Tanh", place, &[&inner]);
        let doubled = self.node("Add", place, &[&tanh, &one]);
        let product = self.node("Mul", place, &[input, &doubled]);
        self.node("Mul", place, &[&product, &half])
    }

    /// The first token's states, (batch, length, width) → (batch, 1, width).
    pub(super) fn first_token(&mut self, place: &str, hidden: &Value) -> Value {
        let [begin, end, axis] = [[0], [1], [1]].map(|value| self.integers(&value));
        self.node("Slice", place, &[hidden, &begin, &end, &axis])
    }

    /// The first token's states as vectors, (batch, rows, width) → (batch, width).
    pub(super) fn first_vector(&mut self, place: &str, hidden: &Value) -> Value {
        let first = self.integer(0);
        self.node_with("Gather", place, (&[hidden, &first], vec![integer("axis", 1)]))
    }
}
