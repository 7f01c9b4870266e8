//! The parts of an ONNX file that a network needs, under the names of `onnx.proto`.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use super::wire::{Message, Writer};

/// `ModelProto`: a graph, and what it is made for and by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) ir_version: i64,
    /// Version of the standard operators.
    pub(super) opset: i64,
    pub(super) producer_name: String,
    pub(super) producer_version: String,
    pub(super) doc: String,
    pub(super) graph: Graph,
    /// Keys and values for programs and readers.
    pub(super) metadata: Vec<(String, String)>,
}

/// `GraphProto`: nodes in order of computation, and the tensors they start from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Graph {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: Vec<Tensor>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

/// `NodeProto`: one operator on named tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) operator: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: Vec<Attribute>,
}

/// `AttributeProto`: a setting of an operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: AttributeValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum AttributeValue {
    Float(f32),
    Integer(i64),
    Integers(Vec<i64>),
}

/// `TensorProto`: a tensor with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dims: Vec<usize>,
    pub(super) numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// `ValueInfoProto`: an input or output of the graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Port {
    pub(super) name: String,
    /// One of `TensorProto.DataType`.
    pub(super) element: i64,
    pub(super) dims: Vec<Dimension>,
}

/// A dimension of an input or output.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dimension {
    Fixed(i64),
    /// Known at each call; the same name is the same number.
    Named(String),
}

/// Numbers of `TensorProto.DataType` and `AttributeProto.AttributeType`.
pub(super) mod code {
    pub(in super::super) const FLOAT_32: i64 = 1;
    pub(in super::super) const INT_64: i64 = 7;
    pub(in super::super) const BOOL: i64 = 9;
    pub(in super::super) const FLOAT: i64 = 1;
    pub(in super::super) const INTEGER: i64 = 2;
    pub(in super::super) const INTEGERS: i64 = 7;
}

impl Model {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        Writer::bytes_of(self)
    }
}

impl Message for Model {
    fn write(&self, to: &mut Writer) {
        to.integer(1, self.ir_version);
        to.text(2, &self.producer_name);
        to.text(3, &self.producer_version);
        to.text(6, &self.doc);
        to.message(7, &self.graph);
        to.message(8, &OperatorSet(self.opset));
        to.messages(14, self.metadata.iter().map(Entry::of).collect::<Vec<_>>().iter());
    }
}

/// `OperatorSetIdProto` of the standard domain.
struct OperatorSet(i64);

impl Message for OperatorSet {
    fn write(&self, to: &mut Writer) {
        to.integer(2, self.0);
    }
}

/// `StringStringEntryProto`.
struct Entry<'a>(&'a str, &'a str);

impl<'a> Entry<'a> {
    fn of((key, value): &'a (String, String)) -> Self {
        Self(key, value)
    }
}

impl Message for Entry<'_> {
    fn write(&self, to: &mut Writer) {
        to.text(1, self.0);
        to.text(2, self.1);
    }
}

impl Message for Graph {
    fn write(&self, to: &mut Writer) {
        to.messages(1, &self.nodes);
        to.text(2, &self.name);
        to.messages(5, &self.initializers);
        to.messages(11, &self.inputs);
        to.messages(12, &self.outputs);
    }
}

impl Message for Node {
    fn write(&self, to: &mut Writer) {
        self.inputs.iter().for_each(|name| to.text(1, name));
        self.outputs.iter().for_each(|name| to.text(2, name));
        to.text(3, &self.name);
        to.text(4, &self.operator);
        to.messages(5, &self.attributes);
    }
}

impl Message for Attribute {
    fn write(&self, to: &mut Writer) {
        to.text(1, &self.name);
        match &self.value {
            AttributeValue::Float(value) => {
                to.float(2, *value);
                to.integer(20, code::FLOAT);
            }
            AttributeValue::Integer(value) => {
                to.integer(3, *value);
                to.integer(20, code::INTEGER);
            }
            AttributeValue::Integers(values) => {
                values.iter().for_each(|value| to.integer(8, *value));
                to.integer(20, code::INTEGERS);
            }
        }
    }
}

impl Message for Tensor {
    fn write(&self, to: &mut Writer) {
        self.dims.iter().for_each(|&size| to.integer(1, size as i64));
        match &self.numbers {
            Numbers::Floats(values) => {
                to.integer(2, code::FLOAT_32);
                to.text(8, &self.name);
                to.raw(9, values.iter().map(|value| value.to_le_bytes()));
            }
            Numbers::Integers(values) => {
                to.integer(2, code::INT_64);
                to.text(8, &self.name);
                to.raw(9, values.iter().map(|value| value.to_le_bytes()));
            }
        }
    }
}

impl Message for Port {
    fn write(&self, to: &mut Writer) {
        to.text(1, &self.name);
        to.message(2, &PortType(self));
    }
}

/// `TypeProto`, which holds a `TypeProto.Tensor`.
struct PortType<'a>(&'a Port);

impl Message for PortType<'_> {
    fn write(&self, to: &mut Writer) {
        to.message(1, &TensorType(self.0));
    }
}

struct TensorType<'a>(&'a Port);

impl Message for TensorType<'_> {
    fn write(&self, to: &mut Writer) {
        to.integer(1, self.0.element);
        to.message(2, &Shape(&self.0.dims));
    }
}

struct Shape<'a>(&'a [Dimension]);

impl Message for Shape<'_> {
    fn write(&self, to: &mut Writer) {
        to.messages(1, self.0);
    }
}

impl Message for Dimension {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Fixed(size) => to.integer(1, *size),
            Self::Named(name) => to.text(2, name),
        }
    }
}
