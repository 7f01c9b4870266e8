//! `layer_mappings_for_knowledge_transfer` in all its forms.
//!
//! One mapping is `[student, teacher]`, `[student, output, teacher, output]`, `[[student, output], [teacher,
//! output]]` (either output may be left out) or `[[name, output]]`, the same on both sides. A section holds one
//! list of mappings per stage; for a single stage the outer list may be left out.

use autodistillation_distillation::LayerPath;

use super::cursor::Cursor;
use super::node::{Node, Value};
use super::places::Subject;
use super::problem::Problem;

/// A student's layer and the teacher's layer it learns from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayerPair {
    pub(super) student: LayerPath,
    pub(super) teacher: LayerPath,
}

/// The pairs of one stage; `None` where one could not be read.
pub(super) type StagePairs = Vec<Option<LayerPair>>;

/// The pairs of every stage; `expected` says what may stand here. Unreadable ones keep their place, so that other lists can be held against it.
pub(super) fn stage_pairs(cursor: &Cursor<'_>, expected: &str) -> Option<Vec<StagePairs>> {
    let items = cursor.list(expected)?;
    if items.is_empty() {
        cursor.problem(Problem::Empty { what: "layer mapping" });
        return None;
    }
    if is_mapping(cursor.node) {
        return Some(vec![vec![pair(cursor)]]);
    }
    if items.iter().any(|item| is_mapping(item.node)) {
        return Some(vec![items.iter().map(pair).collect()]);
    }
    let stages: Vec<_> = items.iter().map(one_stage).collect();
    stages.into_iter().collect()
}

fn one_stage(cursor: &Cursor<'_>) -> Option<StagePairs> {
    let items = cursor.list("a list of layer mappings")?;
    if items.is_empty() {
        cursor.problem(Problem::Empty { what: "layer mapping" });
        return None;
    }
    Some(items.iter().map(pair).collect())
}

/// Whether a node is a single mapping: a flat list of words, or one or two sides.
pub(super) fn is_mapping(node: &Node) -> bool {
    let Some(items) = node.items().filter(|items| !items.is_empty()) else { return false };
    items.iter().all(|item| !item.is_nested()) || (items.len() <= 2 && items.iter().all(is_side))
}

/// Whether a node is `[name]` or `[name, output]`.
fn is_side(node: &Node) -> bool {
    match node.items() {
        Some([name]) => !name.is_nested(),
        Some([name, output]) => !name.is_nested() && is_output(output),
        _ => false,
    }
}

fn is_output(node: &Node) -> bool {
    match &node.value {
        Value::Integer(_) => true,
        Value::Text(text) => text.trim().parse::<usize>().is_ok(),
        _ => false,
    }
}

fn pair(cursor: &Cursor<'_>) -> Option<LayerPair> {
    let pair = sides(cursor)?;
    cursor.remember(Subject::Mapping { student: pair.student.clone(), teacher: pair.teacher.clone() });
    Some(pair)
}

fn sides(cursor: &Cursor<'_>) -> Option<LayerPair> {
    let items = cursor.list_or_self();
    match items.as_slice() {
        [one] if is_side(one.node) => {
            let path = side(one)?;
            Some(LayerPair { student: path.clone(), teacher: path })
        }
        [student, teacher] if is_side(student.node) && is_side(teacher.node) => {
            let (student, teacher) = (side(student), side(teacher));
            Some(LayerPair { student: student?, teacher: teacher? })
        }
        [student, teacher] if !student.node.is_nested() && !is_output(teacher.node) => {
            let (student, teacher) = (student.text(), teacher.text());
            Some(LayerPair { student: LayerPath::new(student?), teacher: LayerPath::new(teacher?) })
        }
        [student, output, teacher, other] if items.iter().all(|item| !item.node.is_nested()) => {
            let (student, teacher) = (path(student, output), path(teacher, other));
            Some(LayerPair { student: student?, teacher: teacher? })
        }
        _ => {
            let expected = "[student, teacher], [student, output, teacher, output], \
                            [[student, output], [teacher, output]] or [[name, output]]";
            cursor.problem(Problem::WrongType {
                expected: expected.to_owned(),
                found: cursor.node.to_json().to_string(),
            });
            None
        }
    }
}

fn side(cursor: &Cursor<'_>) -> Option<LayerPath> {
    match cursor.list_or_self().as_slice() {
        [name, output] => path(name, output),
        [name] => name.text().map(LayerPath::new),
        _ => None,
    }
}

fn path(module: &Cursor<'_>, output: &Cursor<'_>) -> Option<LayerPath> {
    let module = module.text()?;
    let index = match &output.node.value {
        Value::Integer(index) => index.to_string(),
        _ => output.text()?.to_owned(),
    };
    match LayerPath::parse(module, &index) {
        Ok(path) => Some(path),
        Err(error) => {
            output.problem(error.into());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Report;
    use super::super::parse::parse;
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Vec<LayerPair>>, String> {
        let (node, problems) = parse(text);
        let report = Report::new(problems);
        let pairs = stage_pairs(&Cursor::root(&node.unwrap(), &report), "a list of layer mappings");
        let complete =
            pairs.and_then(|stages| stages.into_iter().map(|pairs| pairs.into_iter().collect()).collect());
        complete.ok_or_else(|| report.into_problems().iter().map(|p| p.problem.to_string()).collect())
    }

    fn attention(student: &str, teacher: &str) -> LayerPair {
        LayerPair { student: LayerPath::with_output(student, 1), teacher: LayerPath::with_output(teacher, 1) }
    }

    proptest! {
        #[test]
        fn every_form_of_a_mapping_says_the_same(
            student in "[a-z]+(\\.[a-z0-9]+)?", teacher in "[a-z]+\\.[a-z]+", output in 0usize..3
        ) {
            let flat = read(&format!("[[['{student}', '{output}', '{teacher}', {output}]]]")).unwrap();
            let nested = read(&format!("[[[['{student}', {output}], ['{teacher}', '{output}']]]]")).unwrap();
            let single_stage = read(&format!("[['{student}', '{output}', '{teacher}', {output}]]")).unwrap();
            let single_nested = read(&format!("[[['{student}', {output}], ['{teacher}', '{output}']]]")).unwrap();
            prop_assert_eq!(&flat, &nested);
            prop_assert_eq!(&flat, &single_stage);
            prop_assert_eq!(&flat, &single_nested);
        }
    }

    #[test]
    fn outputs_left_out_are_the_first() {
        assert_eq!(read("[[a.b, c.d]]"), read("[[a.b, 0, c.d, 0]]"));
        assert_eq!(read("[[[a.b], [c.d]]]"), read("[[a.b, c.d]]"));
        assert_eq!(read("[[[cls]]]"), read("[[cls, cls]]"));
        assert_eq!(read("[[[cls, '1']]]"), Ok(vec![vec![attention("cls", "cls")]]));
    }

    #[test]
    fn stages_keep_their_mappings_apart() {
        let two = read("[[[a, '1', b, '1'], [[c, '1'], [d, '1']]], [[e, '1', f, '1']]]").unwrap();
        assert_eq!(two, [vec![attention("a", "b"), attention("c", "d")], vec![attention("e", "f")]]);
    }

    #[test]
    fn other_forms_are_explained() {
        assert!(read("[[[a, '1', b]]]").unwrap_err().contains("expected [student, teacher], "));
        assert!(read("[[[a, first, b, '1']]]").unwrap_err().contains("output `first` of layer `a`"));
        assert!(read("[]").unwrap_err().contains("at least one layer mapping"));
        assert!(read("[[], [[a, b]]]").unwrap_err().contains("at least one layer mapping"));
        assert!(read("none").unwrap_err().contains("expected a list of layer mappings, found"));
    }
}
