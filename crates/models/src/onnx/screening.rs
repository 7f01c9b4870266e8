//! Which ONNX files are given to the runtime: graphs of the operators that [`super::save_onnx`] writes and a few like
//! them, whose every tensor follows from the inputs, so that no file of few bytes asks for much memory or time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::OnnxProblem;
use super::messages::{
    Attribute, AttributeValue, Dimension, Graph, Model, Node, Numbers, Port, Tensor, code,
};
use super::output_names;
use crate::Head;

/// An operator that is run.
struct Operator {
    name: &'static str,
    /// The fewest and the most inputs.
    inputs: (usize, usize),
    /// Its whole-number settings with the values that each may have: those that no runtime reads as a large number.
    settings: &'static [(&'static str, RangeInclusive<i64>)],
}

const fn operator(name: &'static str, fewest: usize, most: usize) -> Operator {
    Operator { name, inputs: (fewest, most), settings: &[] }
}

impl Operator {
    const fn with(self, settings: &'static [(&'static str, RangeInclusive<i64>)]) -> Self {
        Self { settings, ..self }
    }
}

/// None makes a tensor whose size is a number in the file.
const OPERATORS: [Operator; 19] = [
    operator("Add", 2, 2),
    operator("Cast", 1, 1).with(&[("to", code::FLOAT_32..=code::BOOL)]),
    operator("Concat", 2, 3).with(&[("axis", 0..=2)]),
    operator("Div", 2, 2),
    operator("Erf", 1, 1),
    operator("Gather", 2, 2).with(&[("axis", 0..=2)]),
    operator("Gemm", 2, 3).with(&[("transA", 0..=0), ("transB", 0..=1)]),
    operator("LayerNormalization", 2, 3).with(&[("axis", -1..=-1), ("stash_type", 1..=1)]),
    operator("MatMul", 2, 2),
    operator("Mul", 2, 2),
    operator("Relu", 1, 1),
    operator("Reshape", 2, 2),
    operator("Shape", 1, 1).with(&[("start", 0..=2), ("end", 0..=2)]),
    operator("Slice", 3, 4),
    operator("Softmax", 1, 1).with(&[("axis", -1..=-1)]),
    operator("Tanh", 1, 1),
    operator("Transpose", 1, 1).with(&[("perm", 0..=3)]),
    operator("Unsqueeze", 2, 2),
    operator("Where", 3, 3),
];

/// What may be computed from the file alone: a decoder, which is the table of the words, turned, and further rows.
const OF_THE_FILE: [&str; 2] = ["Transpose", "Concat"];
const MOST_OF_THE_FILE: usize = 2;

const OPSETS: RangeInclusive<i64> = 13..=18;
const MOST_NODES: usize = 20_000;
const MOST_DIMS: usize = 6;
/// What int64 tensors hold: axes, ends and sizes.
const SIZES: RangeInclusive<i64> = 0..=1 << 20;

/// What a graph asks of its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Screened {
    /// Its inputs in order.
    pub(super) inputs: Vec<Screen>,
    /// The names of its outputs in order: those of a head.
    pub(super) outputs: &'static [&'static str],
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Its name.
    pub(super) name: String,
    /// Rows of the smallest table that it looks up; its values are below.
    pub(super) rows: Option<usize>,
}

/// What is known of a tensor before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It is in the file, or follows from what is.
    Held,
    /// It follows from the inputs.
    Computed,
}

/// Checks a graph as a whole.
pub(super) fn screen(model: &Model) -> Result<Screened, OnnxProblem> {
    if !OPSETS.contains(&model.opset) {
        return Err(OnnxProblem::unsupported(&format!("version {} of ONNX's operators", model.opset)));
    }
    let graph = &model.graph;
    if graph.nodes.len() > MOST_NODES {
        return Err(OnnxProblem::unsupported(&format!("{} operators", graph.nodes.len())));
    }
    let mut origins = BTreeMap::new();
    for tensor in &graph.initializers {
        held(tensor)?;
        define(&mut origins, &tensor.name, Origin::Held)?;
    }
    for port in &graph.inputs {
        input(port)?;
        define(&mut origins, &port.name, Origin::Computed)?;
    }
    let mut of_the_file = 0;
    for node in &graph.nodes {
        known_operator(node)?;
        let origin = origin(node, &origins)?;
        of_the_file += usize::from(origin == Origin::Held);
        if of_the_file > MOST_OF_THE_FILE {
            return Err(OnnxProblem::graph(&node.name, NO_INPUT));
        }
        define(&mut origins, &node.outputs[0], origin)?;
    }
    let outputs = outputs(graph, &origins)?;
    Ok(Screened { inputs: graph.inputs.iter().map(|port| looked_up(graph, port)).collect(), outputs })
}

fn define<'a>(
    origins: &mut BTreeMap<&'a str, Origin>,
    name: &'a str,
    origin: Origin,
) -> Result<(), OnnxProblem> {
    if name.is_empty() || origins.insert(name, origin).is_some() {
        return Err(OnnxProblem::graph(name, "its name is empty or given twice"));
    }
    Ok(())
}

fn held(tensor: &Tensor) -> Result<(), OnnxProblem> {
    if tensor.dims.len() > MOST_DIMS || tensor.numbers.len() == 0 {
        return Err(OnnxProblem::graph(&tensor.name, "a tensor has no numbers, or more than 6 dimensions"));
    }
    match &tensor.numbers {
        Numbers::Integers(values) if !values.iter().all(|value| SIZES.contains(value)) => {
            Err(OnnxProblem::graph(&tensor.name, "an axis or size is out of range"))
        }
        _ => Ok(()),
    }
}

fn input(port: &Port) -> Result<(), OnnxProblem> {
    let known = [super::INPUT_IDS, super::ATTENTION_MASK, super::TOKEN_TYPE_IDS].contains(&&*port.name);
    let free = port.dims.iter().all(|dim| matches!(dim, Dimension::Named(_)));
    if !known || port.element != code::INT_64 || port.dims.len() != 2 || !free {
        return Err(OnnxProblem::graph(
            &port.name,
            "an input is not `input_ids`, `attention_mask` or `token_type_ids` of free (batch, length) in int64",
        ));
    }
    Ok(())
}

fn known_operator(node: &Node) -> Result<(), OnnxProblem> {
    let Some(operator) = OPERATORS.iter().find(|operator| operator.name == node.operator) else {
        return Err(OnnxProblem::unsupported(&format!("the operator {}", shown(&node.operator))));
    };
    let (fewest, most) = operator.inputs;
    if !(fewest..=most).contains(&node.inputs.len()) || node.outputs.len() != 1 {
        return Err(OnnxProblem::graph(&node.name, "an operator has too few or too many inputs or outputs"));
    }
    let names: BTreeSet<&str> = node.attributes.iter().map(|attribute| &*attribute.name).collect();
    let known = |attribute: &Attribute| is_known(attribute, operator.settings);
    if names.len() < node.attributes.len() || !node.attributes.iter().all(known) {
        return Err(OnnxProblem::graph(&node.name, "a setting is unknown, given twice or out of range"));
    }
    Ok(())
}

fn is_known(attribute: &Attribute, settings: &[(&str, RangeInclusive<i64>)]) -> bool {
    let setting = settings.iter().find(|(name, _)| *name == attribute.name).map(|(_, range)| range);
    match (&attribute.value, setting) {
        (AttributeValue::Float(value), None) => {
            ["epsilon", "alpha", "beta"].contains(&&*attribute.name) && value.is_finite()
        }
        (AttributeValue::Integer(value), Some(range)) => range.contains(value),
        (AttributeValue::Integers(values), Some(range)) => {
            values.iter().all(|value| range.contains(value)) && is_permutation(values)
        }
        _ => false,
    }
}

/// Whether each of the first axes is there once: the runtime sorts other lists for ever.
fn is_permutation(axes: &[i64]) -> bool {
    let different: BTreeSet<&i64> = axes.iter().collect();
    different.into_iter().copied().eq(0..axes.len() as i64)
}

const NO_INPUT: &str = "an operator depends on no input";

/// Where what a node puts out comes from. All its inputs are there already, and one of them follows from the graph's: but
/// for a decoder's sake nothing is computed from the file alone.
fn origin(node: &Node, origins: &BTreeMap<&str, Origin>) -> Result<Origin, OnnxProblem> {
    let found: Option<Vec<Origin>> =
        node.inputs.iter().map(|name| origins.get(name.as_str()).copied()).collect();
    match found {
        None => Err(OnnxProblem::graph(&node.name, "an operator comes before its inputs")),
        Some(found) if found.contains(&Origin::Computed) => Ok(Origin::Computed),
        Some(_) if OF_THE_FILE.contains(&&*node.operator) => Ok(Origin::Held),
        Some(_) => Err(OnnxProblem::graph(&node.name, NO_INPUT)),
    }
}

/// The names of the outputs, which are computed and those of a head.
fn outputs(graph: &Graph, origins: &BTreeMap<&str, Origin>) -> Result<&'static [&'static str], OnnxProblem> {
    let found: Vec<&str> = graph.outputs.iter().map(|port| &*port.name).collect();
    let Some(names) = Head::ALL.map(output_names).into_iter().find(|names| *names == found) else {
        let named = found.join(", ");
        return Err(OnnxProblem::graph(&named, "these are not the outputs of a network that is run here"));
    };
    match names.iter().find(|name| origins.get(**name) != Some(&Origin::Computed)) {
        Some(name) => Err(OnnxProblem::graph(name, "the output is not computed")),
        None => Ok(names),
    }
}

/// An input with the rows of the tables that it looks up.
fn looked_up(graph: &Graph, port: &Port) -> Screen {
    let looks_up = |node: &&Node| node.operator == "Gather" && node.inputs[1] == port.name;
    let tables: BTreeSet<&str> =
        graph.nodes.iter().filter(looks_up).map(|node| node.inputs[0].as_str()).collect();
    let of_tables = graph.initializers.iter().filter(|tensor| tables.contains(tensor.name.as_str()));
    let rows = of_tables.filter_map(|tensor| tensor.dims.first().copied()).min();
    Screen { name: port.name.clone(), rows }
}

fn shown(name: &str) -> String {
    let short: String = name.chars().take(40).collect();
    format!("`{}`", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::model;
    use crate::{Transformer, test_networks, test_reference};

    fn broken(change: impl Fn(&mut Model)) -> String {
        let mut model = model(&test_networks::tiny(0));
        change(&mut model);
        screen(&model).unwrap_err().to_string()
    }

    #[test]
    fn an_exported_network_passes_with_the_rows_of_its_tables() {
        let screened = screen(&model(&test_networks::tiny(0))).unwrap();
        let rows: Vec<_> = screened.inputs.iter().map(|input| (&*input.name, input.rows)).collect();
        assert_eq!(rows, [("input_ids", Some(60)), ("attention_mask", None), ("token_type_ids", Some(2))]);
    }

    #[test]
    fn operators_that_are_not_run_are_named() {
        let said = broken(|model| model.graph.nodes[3].operator = "Expand".to_owned());
        assert!(said.contains("`Expand`") && said.contains("export --format onnx"), "{said}");
        assert!(broken(|model| model.opset = 99).contains("version 99"));
    }

    /// The runtime counts through 2⁶⁴ axes of a norm over axis -9.
    #[test]
    fn settings_out_of_range_are_refused() {
        let said = broken(|model| {
            let norms = model.graph.nodes.iter_mut().filter(|node| node.operator == "LayerNormalization");
            norms.for_each(|node| node.attributes[0].value = AttributeValue::Integer(-9));
        });
        assert!(said.contains("LayerNorm/") && said.contains("out of range"), "{said}");
        let said = broken(|model| {
            let tensors = &mut model.graph.initializers;
            let axis = tensors.iter_mut().find(|tensor| tensor.name == "constant.[1]").unwrap();
            axis.numbers = Numbers::Integers(vec![-9]);
        });
        assert!(said.contains("`constant.[1]`"), "{said}");
        for order in [vec![0, 2, 2, 3], vec![0, 1, 3], vec![0; 9]] {
            let said = broken(|model| {
                let turns = model.graph.nodes.iter_mut().filter(|node| node.operator == "Transpose");
                turns.for_each(|node| node.attributes[0].value = AttributeValue::Integers(order.clone()));
            });
            assert!(said.contains("attention.self/Transpose") && said.contains("out of range"), "{said}");
        }
    }

    #[test]
    fn nothing_is_computed_from_the_file_alone() {
        let said = broken(|model| {
            let held = model.graph.initializers[0].name.clone();
            let node = &mut model.graph.nodes[2];
            node.inputs.iter_mut().for_each(|input| input.clone_from(&held));
        });
        assert!(said.contains("depends on no input"), "{said}");
    }

    #[test]
    fn a_decoder_is_the_only_exception() {
        let folder = test_reference::fixture("mobilebert_masked");
        let network = Transformer::load(&folder, &burn::tensor::Device::flex()).unwrap().network;
        let mut model = model(&network);
        assert_eq!(screen(&model).unwrap().outputs, ["logits"]);
        let turned = model.graph.nodes.iter().rposition(|node| node.operator == "Concat").unwrap();
        let again = Node {
            operator: "Transpose".to_owned(),
            name: "once more".to_owned(),
            inputs: model.graph.nodes[turned].outputs.clone(),
            outputs: vec!["once more".to_owned()],
            attributes: Vec::new(),
        };
        model.graph.nodes.insert(turned + 1, again);
        let said = screen(&model).unwrap_err().to_string();
        assert!(said.contains("`once more`") && said.contains("depends on no input"), "{said}");
    }

    #[test]
    fn broken_graphs_say_where() {
        let said = broken(|model| model.graph.nodes.reverse());
        assert!(said.contains("comes before its inputs") && said.contains("classifier/Gemm"), "{said}");
        let said = broken(|model| model.graph.outputs[0].name = "scores".to_owned());
        assert!(said.contains("`scores`"), "{said}");
        let said = broken(|model| model.graph.inputs[0].element = code::FLOAT_32);
        assert!(said.contains("`input_ids`") && said.contains("int64"), "{said}");
        let said =
            broken(|model| model.graph.initializers[1].name = model.graph.initializers[0].name.clone());
        assert!(said.contains("given twice"), "{said}");
        let said = broken(|model| model.graph.initializers[0].numbers = Numbers::Floats(Vec::new()));
        assert!(said.contains("no numbers"), "{said}");
    }
}
