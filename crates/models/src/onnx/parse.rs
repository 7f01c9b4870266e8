//! Bytes of an ONNX file to its parts, without a step that the bytes do not pay for.
//!
//! What changes a graph's meaning and is not understood is an error; descriptions are left out.

use super::OnnxProblem;
use super::fields::{Content, Fields};
use super::messages::{
    Attribute, AttributeValue, Dimension, Graph, Model, Node, Numbers, Port, Tensor, code,
};

type Parsed<T> = Result<T, OnnxProblem>;

impl Model {
    /// Reads a whole file.
    pub(super) fn from_bytes(bytes: &[u8]) -> Parsed<Self> {
        let mut model = Self::default();
        for field in Fields::of(bytes) {
            match whole(field)? {
                (1, Content::Integer(version)) => model.ir_version = version,
                (2, content) => model.producer_name = text(content)?,
                (3, content) => model.producer_version = text(content)?,
                (6, content) => model.doc = text(content)?,
                (7, content) => model.graph = Graph::read(message(content)?)?,
                (8, content) => model.opset = model.opset.max(standard_opset(message(content)?)?),
                (14, content) => model.metadata.push(entry(message(content)?)?),
                (25, _) => return Err(OnnxProblem::unsupported("functions of its own")),
                _ => {}
            }
        }
        Ok(model)
    }
}

impl Graph {
    fn read(bytes: &[u8]) -> Parsed<Self> {
        let mut graph = Self::default();
        for field in Fields::of(bytes) {
            match whole(field)? {
                (1, content) => graph.nodes.push(Node::read(message(content)?)?),
                (2, content) => graph.name = text(content)?,
                (5, content) => graph.initializers.push(Tensor::read(message(content)?)?),
                (11, content) => graph.inputs.push(Port::read(message(content)?)?),
                (12, content) => graph.outputs.push(Port::read(message(content)?)?),
                (15, _) => return Err(OnnxProblem::unsupported("sparse tensors")),
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl Node {
    fn read(bytes: &[u8]) -> Parsed<Self> {
        let mut node = Self::default();
        for field in Fields::of(bytes) {
            match whole(field)? {
                (1, content) => node.inputs.push(text(content)?),
                (2, content) => node.outputs.push(text(content)?),
                (3, content) => node.name = text(content)?,
                (4, content) => node.operator = text(content)?,
                (5, content) => node.attributes.push(Attribute::read(message(content)?)?),
                (7, content) if !text(content)?.is_empty() => {
                    return Err(OnnxProblem::unsupported("operators outside the standard"));
                }
                _ => {}
            }
        }
        Ok(node)
    }
}

impl Attribute {
    fn read(bytes: &[u8]) -> Parsed<Self> {
        let (mut name, mut kind) = (String::new(), 0);
        let (mut float, mut integer, mut integers) = (0.0, 0, Vec::new());
        for field in Fields::of(bytes) {
            match whole(field)? {
                (1, content) => name = text(content)?,
                (2, Content::Fixed32(bytes)) => float = f32::from_le_bytes(bytes),
                (3, Content::Integer(value)) => integer = value,
                (8, Content::Integer(value)) => integers.push(value),
                (20, Content::Integer(value)) => kind = value,
                (13, _) => {}
                _ => return Err(OnnxProblem::unsupported("settings that are no numbers")),
            }
        }
        let value = match kind {
            code::FLOAT => AttributeValue::Float(float),
            code::INTEGER => AttributeValue::Integer(integer),
            code::INTEGERS => AttributeValue::Integers(integers),
            _ => return Err(OnnxProblem::unsupported("settings that are no numbers")),
        };
        Ok(Self { name, value })
    }
}

impl Tensor {
    fn read(bytes: &[u8]) -> Parsed<Self> {
        let (mut name, mut dims, mut kind, mut raw) = (String::new(), Vec::new(), 0, &[][..]);
        for field in Fields::of(bytes) {
            match whole(field)? {
                (1, Content::Integer(size)) => dims.push(size),
                (2, Content::Integer(value)) => kind = value,
                (8, content) => name = text(content)?,
                (9, content) => raw = message(content)?,
                (12, _) => {}
                (13 | 14, _) => return Err(OnnxProblem::unsupported("weights in another file")),
                _ => return Err(OnnxProblem::unsupported("weights that are not raw bytes")),
            }
        }
        let numbers = match kind {
            code::FLOAT_32 => Numbers::Floats(numbers(raw, f32::from_le_bytes)?),
            code::INT_64 => Numbers::Integers(numbers(raw, i64::from_le_bytes)?),
            _ => return Err(OnnxProblem::unsupported("weights that are neither f32 nor int64")),
        };
        let sizes: Option<Vec<usize>> = dims.iter().map(|&size| usize::try_from(size).ok()).collect();
        let fits = |sizes: &Vec<usize>| {
            let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
            count == Some(numbers.len())
        };
        match sizes.filter(fits) {
            Some(dims) => Ok(Self { name, dims, numbers }),
            None => Err(OnnxProblem::Misshapen { name, numbers: numbers.len(), dims }),
        }
    }
}

impl Port {
    fn read(bytes: &[u8]) -> Parsed<Self> {
        let mut port = Self::default();
        for field in Fields::of(bytes) {
            match whole(field)? {
                (1, content) => port.name = text(content)?,
                (2, content) => (port.element, port.dims) = tensor_type(message(content)?)?,
                _ => {}
            }
        }
        Ok(port)
    }
}

impl Numbers {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Integers(values) => values.len(),
        }
    }
}

impl OnnxProblem {
    pub(super) fn unsupported(what: &str) -> Self {
        Self::Unsupported { what: what.to_owned() }
    }

    pub(super) fn graph(place: &str, reason: &'static str) -> Self {
        Self::Graph { place: place.to_owned(), reason }
    }
}

/// Element code and dimensions out of a `TypeProto`.
fn tensor_type(bytes: &[u8]) -> Parsed<(i64, Vec<Dimension>)> {
    let mut found = (0, Vec::new());
    for field in Fields::of(bytes) {
        match whole(field)? {
            (1, content) => {
                for field in Fields::of(message(content)?) {
                    match whole(field)? {
                        (1, Content::Integer(element)) => found.0 = element,
                        (2, content) => found.1 = shape(message(content)?)?,
                        _ => {}
                    }
                }
            }
            (6, _) => {}
            _ => return Err(OnnxProblem::unsupported("inputs that are no tensors")),
        }
    }
    Ok(found)
}

fn shape(bytes: &[u8]) -> Parsed<Vec<Dimension>> {
    let mut dims = Vec::new();
    for field in Fields::of(bytes) {
        if let (1, content) = whole(field)? {
            dims.push(dimension(message(content)?)?);
        }
    }
    Ok(dims)
}

fn dimension(bytes: &[u8]) -> Parsed<Dimension> {
    let mut found = Dimension::Named(String::new());
    for field in Fields::of(bytes) {
        match whole(field)? {
            (1, Content::Integer(size)) => found = Dimension::Fixed(size),
            (2, content) => found = Dimension::Named(text(content)?),
            _ => {}
        }
    }
    Ok(found)
}

/// The version of the standard operators that an `OperatorSetIdProto` asks for; 0 for another domain.
fn standard_opset(bytes: &[u8]) -> Parsed<i64> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields::of(bytes) {
        match whole(field)? {
            (1, content) => domain = text(content)?,
            (2, Content::Integer(value)) => version = value,
            _ => {}
        }
    }
    Ok(if domain.is_empty() || domain == "ai.onnx" { version } else { 0 })
}

fn entry(bytes: &[u8]) -> Parsed<(String, String)> {
    let mut entry = (String::new(), String::new());
    for field in Fields::of(bytes) {
        match whole(field)? {
            (1, content) => entry.0 = text(content)?,
            (2, content) => entry.1 = text(content)?,
            _ => {}
        }
    }
    Ok(entry)
}

fn whole<T>(field: Option<T>) -> Parsed<T> {
    field.ok_or(OnnxProblem::NotWhole)
}

fn message(content: Content<'_>) -> Parsed<&[u8]> {
    match content {
        Content::Delimited(bytes) => Ok(bytes),
        _ => Err(OnnxProblem::NotWhole),
    }
}

fn text(content: Content<'_>) -> Parsed<String> {
    String::from_utf8(message(content)?.to_vec()).map_err(|_| OnnxProblem::NotWhole)
}

/// Little-endian numbers of `N` bytes.
fn numbers<const N: usize, T>(raw: &[u8], number: impl Fn([u8; N]) -> T) -> Parsed<Vec<T>> {
    let (chunks, rest) = raw.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(OnnxProblem::NotWhole);
    }
    Ok(chunks.iter().map(|chunk| number(*chunk)).collect())
}
