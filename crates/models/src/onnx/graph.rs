//! A graph under construction: each call adds a node and returns the tensor that it puts out.

use std::collections::BTreeMap;

use burn::module::Param;
use burn::tensor::{Tensor as BurnTensor, TensorData};

use super::messages::{Attribute, AttributeValue, Dimension, Graph, Node, Numbers, Port, Tensor, code};

/// A tensor of the graph, by its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value(String);

/// The nodes and tensors so far. Names of nodes and tensors are those of the module that they belong to, such as
/// `bert.pooler.dense/Gemm`, with a number where that is taken.
#[derive(Default)]
pub(super) struct GraphBuilder {
    graph: Graph,
    /// How often a name was asked for.
    asked: BTreeMap<String, usize>,
    /// Small constants by their numbers, each held once.
    constants: BTreeMap<String, Value>,
}

/// The dimension that is the number of examples.
pub(super) const BATCH: &str = "batch";
/// The dimension that is the number of tokens of the longest example.
pub(super) const LENGTH: &str = "length";

impl GraphBuilder {
    /// An input of token ids or the like: int64, (batch, length).
    pub(super) fn input(&mut self, name: &str) -> Value {
        let dims = [BATCH, LENGTH].map(|name| Dimension::Named(name.to_owned())).to_vec();
        self.graph.inputs.push(Port { name: name.to_owned(), element: code::INT_64, dims });
        Value(self.unique(name.to_owned()))
    }

    /// `operator` on `inputs`, at a place of the network.
    pub(super) fn node(&mut self, operator: &str, place: &str, inputs: &[&Value]) -> Value {
        self.node_with(operator, place, (inputs, Vec::new()))
    }

    /// As [`GraphBuilder::node`], with settings of the operator.
    pub(super) fn node_with(
        &mut self,
        operator: &str,
        place: &str,
        (inputs, attributes): (&[&Value], Vec<Attribute>),
    ) -> Value {
        let name = self.unique(format!("{place}/{operator}"));
        self.graph.nodes.push(Node {
            name: name.clone(),
            operator: operator.to_owned(),
            inputs: inputs.iter().map(|input| input.0.clone()).collect(),
            outputs: vec![name.clone()],
            attributes,
        });
        Value(name)
    }

    /// A parameter of the network in its own layout: (in, out) for linear maps.
    pub(super) fn parameter<const D: usize>(&mut self, name: &str, of: &Param<BurnTensor<D>>) -> Value {
        self.numbers(name, of.val().without_autodiff().into_data())
    }

    /// The transpose of a matrix.
    pub(super) fn transposed(&mut self, name: &str, of: &Param<BurnTensor<2>>) -> Value {
        self.numbers(name, of.val().without_autodiff().transpose().into_data())
    }

    /// Rows of a table from `first` on.
    pub(super) fn rows(&mut self, name: &str, of: &Param<BurnTensor<2>>, first: usize) -> Value {
        let [rows, width] = of.val().dims();
        self.numbers(name, of.val().without_autodiff().slice([first..rows, 0..width]).into_data())
    }

    /// One f32.
    pub(super) fn float(&mut self, value: f32) -> Value {
        self.constant(format!("constant.{value:e}"), (Vec::new(), Numbers::Floats(vec![value])))
    }

    /// One int64.
    pub(super) fn integer(&mut self, value: i64) -> Value {
        self.constant(format!("constant.{value}"), (Vec::new(), Numbers::Integers(vec![value])))
    }

    /// A vector of int64: axes, ends or sizes.
    pub(super) fn integers(&mut self, values: &[i64]) -> Value {
        let written: Vec<String> = values.iter().map(ToString::to_string).collect();
        let numbers = Numbers::Integers(values.to_vec());
        self.constant(format!("constant.[{}]", written.join(",")), (vec![values.len()], numbers))
    }

    /// The graph as it stands.
    pub(super) fn finish(self) -> Graph {
        self.graph
    }

    /// Makes `value`, in f32, an output called `name`.
    pub(super) fn output(&mut self, name: &str, value: &Value, dims: Vec<Dimension>) {
        for node in &mut self.graph.nodes {
            let names = node.outputs.iter_mut().chain(&mut node.inputs);
            names.filter(|other| **other == value.0).for_each(|other| name.clone_into(other));
        }
        self.graph.outputs.push(Port { name: name.to_owned(), element: code::FLOAT_32, dims });
    }

    fn constant(&mut self, name: String, (dims, numbers): (Vec<usize>, Numbers)) -> Value {
        if let Some(value) = self.constants.get(&name) {
            return value.clone();
        }
        let value = self.hold(&name, (dims, numbers));
        self.constants.insert(name, value.clone());
        value
    }

    fn numbers(&mut self, name: &str, data: TensorData) -> Value {
        let dims = data.shape().to_vec();
        // An f32 tensor always reads as f32; the conversion is there for other precisions.
        let values = data.convert::<f32>().try_into_vec().unwrap_or_default();
        self.hold(name, (dims, Numbers::Floats(values)))
    }

    fn hold(&mut self, name: &str, (dims, numbers): (Vec<usize>, Numbers)) -> Value {
        let name = self.unique(name.to_owned());
        self.graph.initializers.push(Tensor { name: name.clone(), dims, numbers });
        Value(name)
    }

    fn unique(&mut self, name: String) -> String {
        let asked = self.asked.entry(name.clone()).or_default();
        *asked += 1;
        if *asked == 1 { name } else { format!("{name}_{}", *asked - 1) }
    }
}

/// A setting that is a whole number.
pub(super) fn integer(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), value: AttributeValue::Integer(value) }
}

/// A setting that is a list of whole numbers.
pub(super) fn integers(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), value: AttributeValue::Integers(values.to_vec()) }
}

/// A setting that is a real number.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute { name: name.to_owned(), value: AttributeValue::Float(value) }
}
