//! From YAML or JSON text to a tree of values with their places.
//!
//! JSON is read as the YAML it is. Nothing is ever executed: a tag other than the plain types is refused.
//! Nesting and the expansion of aliases are bounded, so no text can exhaust the stack or the memory.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::flow::move_right;
use super::node::{Entry, Node, Value};
use super::problem::{LocatedProblem, Position, Problem};

/// The deepest nesting that is read.
const DEEPEST: usize = 64;
/// The most values that are read, aliases written out.
const MOST_VALUES: usize = 200_000;

/// A tree, or none, with the problems met on the way.
///
/// Repeated keys are reported and the first is kept, so that the rest of the config can still be checked.
pub(super) fn parse(text: &str) -> (Option<Node>, Vec<LocatedProblem>) {
    let text = text.trim_start_matches('\u{feff}');
    let read = build(text, |position| position);
    if !read.1.iter().any(|found| matches!(found.problem, Problem::Syntax { .. })) {
        return read;
    }
    // The first reading explains the text better where moving brackets does not mend it.
    let moved = move_right(text);
    match build(&moved.text, |position| moved.original(position)) {
        (Some(root), problems) => (Some(root), problems),
        _ => read,
    }
}

fn build(text: &str, original: impl Fn(Position) -> Position) -> (Option<Node>, Vec<LocatedProblem>) {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, original(place(&span.start))),
            Err(source) => Err((original(place(source.marker())), Problem::Syntax { source })),
        };
        if let Err((position, problem)) = step {
            builder.report(position, problem);
            return (None, builder.problems);
        }
    }
    if builder.root.is_none() {
        let key_path = String::new();
        builder.problems.push(LocatedProblem { position: None, key_path, problem: Problem::EmptyConfig });
    }
    (builder.root, builder.problems)
}

type Refusal = (Position, Problem);

fn place(marker: &saphyr_parser::Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
    problems: Vec<LocatedProblem>,
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, in a map.
    key: Option<(String, Position)>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, position: Position) -> Result<(), Refusal> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, style, tag).map_err(|problem| (position, problem))?;
                self.place(Node { position, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.open(position, Value::List(Vec::new()), anchor, tag),
            Event::MappingStart(anchor, tag) => self.open(position, Value::Map(Vec::new()), anchor, tag),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.place(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => self.repeat(anchor, position),
            Event::DocumentStart(_) if self.root.is_some() => Err((position, Problem::SeveralDocuments)),
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        position: Position,
        value: Value,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
    ) -> Result<(), Refusal> {
        let is_plain = |tag: &Tag| tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq");
        if let Some(tag) = tag.filter(|tag| !is_plain(tag)) {
            return Err((position, Problem::Tagged { tag: tag.to_string() }));
        }
        self.check_depth(1, position)?;
        self.open.push(Open { node: Node { position, value }, anchor, key: None });
        Ok(())
    }

    /// Writes out an alias, which keeps the place of the anchor's values.
    fn repeat(&mut self, anchor: usize, position: Position) -> Result<(), Refusal> {
        // An alias inside its own anchor names a value that is not finished.
        let Some(node) = self.anchors.get(&anchor) else {
            return Err((position, Problem::TooDeep { limit: DEEPEST }));
        };
        let (size, depth) = (node.size(), node.depth());
        // Counted before it is copied, so that a bomb does not get the memory first.
        self.values += size;
        self.count(0, position)?;
        self.check_depth(depth, position)?;
        let node = self.anchors.get(&anchor).cloned();
        node.map_or(Ok(()), |node| self.place(node, 0))
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Refusal> {
        self.count(1, node.position)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some((key, position))) => {
                match entries.iter().find(|entry| entry.key == key) {
                    Some(first) => {
                        let first_line = first.position.line;
                        self.report(position, Problem::DuplicateKey { key, first_line });
                    }
                    None => entries.push(Entry { key, position, node }),
                }
            }
            (Value::Map(_), None) => parent.key = Some((key_text(&node)?, node.position)),
            (scalar, _) => unreachable!("only lists and maps are opened, not {scalar:?}"),
        }
        Ok(())
    }

    fn count(&mut self, values: usize, position: Position) -> Result<(), Refusal> {
        self.values += values;
        if self.values > MOST_VALUES {
            return Err((position, Problem::TooLarge { limit: MOST_VALUES }));
        }
        Ok(())
    }

    fn check_depth(&self, more: usize, position: Position) -> Result<(), Refusal> {
        if self.open.len() + more > DEEPEST {
            return Err((position, Problem::TooDeep { limit: DEEPEST }));
        }
        Ok(())
    }

    fn report(&mut self, position: Position, problem: Problem) {
        self.problems.push(LocatedProblem { position: Some(position), key_path: String::new(), problem });
    }
}

fn key_text(node: &Node) -> Result<String, Refusal> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Real(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        Value::Null => Ok("null".to_owned()),
        Value::List(_) | Value::Map(_) => Err((node.position, Problem::ComplexKey)),
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<Cow<'_, Tag>>) -> Result<Value, Problem> {
    if let Some(tag) = tag.as_ref().filter(|tag| !tag.is_yaml_core_schema()) {
        return Err(Problem::Tagged { tag: tag.to_string() });
    }
    let name = tag.as_ref().map(ToString::to_string);
    match Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref()) {
        Some(Scalar::Null) => Ok(Value::Null),
        Some(Scalar::Boolean(value)) => Ok(Value::Boolean(value)),
        Some(Scalar::Integer(value)) => Ok(Value::Integer(value)),
        Some(Scalar::FloatingPoint(value)) => Ok(Value::Real(value.into_inner())),
        Some(Scalar::String(value)) => Ok(Value::Text(value.into_owned())),
        None => Err(Problem::Tagged { tag: name.unwrap_or_default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn json_of(text: &str) -> Json {
        let (node, problems) = parse(text);
        assert!(problems.is_empty(), "{problems:?}");
        node.unwrap().to_json()
    }

    fn refusal(text: &str) -> String {
        let (node, problems) = parse(text);
        assert!(node.is_none());
        problems.last().unwrap().problem.to_string()
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (-1e300..1e300f64).prop_map(Json::from),
            "[ -~äß€]{0,12}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::btree_map("[a-z_ :#-]{1,8}", inner, 0..5)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_text_gives_back_the_same_values(value in any_json()) {
            prop_assert_eq!(json_of(&value.to_string()), value.clone());
            prop_assert_eq!(json_of(&format!("{value:#}")), value);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-a-z0-9:{}\\[\\],&*!|>'\"# \n\t?%@]{0,80}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "a: {b: [1, 2.5, 'x', True], c: null}\nd:\n  - ~\n  - \"0\"\n";
        let expected = json!({"a": {"b": [1, 2.5, "x", true], "c": null}, "d": [null, "0"]});
        assert_eq!(json_of(yaml), expected);
        assert_eq!(json_of(&serde_json::to_string_pretty(&expected).unwrap().replace("  ", "\t")), expected);
    }

    #[test]
    fn places_are_counted_from_one() {
        let (node, _) = parse("a:\n  b: [1,\n    2]\n");
        let Value::Map(entries) = node.unwrap().value else { panic!("a map") };
        let Value::Map(inner) = &entries[0].node.value else { panic!("a map") };
        assert_eq!(inner[0].position, Position { line: 2, column: 3 });
        let second = &inner[0].node.items().unwrap()[1];
        assert_eq!(second.position, Position { line: 3, column: 5 });
    }

    #[test]
    fn brackets_may_close_at_the_column_of_their_key() {
        assert_eq!(
            json_of("a:\n  b: [\n    ['x', 'y'],\n  ]\n  c: 1\n"),
            json!({"a": {"b": [["x", "y"]], "c": 1}})
        );
        let (node, _) = parse("a: [\n['x'],\n]\n");
        let Value::Map(entries) = node.unwrap().value else { panic!("a map") };
        assert_eq!(entries[0].node.items().unwrap()[0].position, Position { line: 2, column: 1 });
    }

    #[test]
    fn aliases_repeat_their_anchor() {
        assert_eq!(json_of("a: &x [1, 2]\nb: *x\n"), json!({"a": [1, 2], "b": [1, 2]}));
    }

    #[test]
    fn a_repeated_key_is_reported_and_the_first_is_kept() {
        let (node, problems) = parse("a: 1\nb: 2\na: 3\n");
        assert_eq!(node.unwrap().to_json(), json!({"a": 1, "b": 2}));
        assert_eq!(problems[0].problem.to_string(), "key `a` is already given at line 1: remove one of them");
        assert_eq!(problems[0].position, Some(Position { line: 3, column: 1 }));
    }

    #[test]
    fn bombs_are_defused() {
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(refusal(&bomb).contains("more than 200000 values"));
        assert!(refusal(&"- ".repeat(10_000)).contains("nested more than 64 deep"));
        assert!(refusal(&"[".repeat(100)).contains("nested more than 64 deep"));
        let nested = format!("{}1{}", "{a: ".repeat(70), "}".repeat(70));
        assert!(refusal(&nested).contains("nested more than 64 deep"));
        assert!(!refusal(&"{a: ".repeat(10_000)).is_empty());
        assert!(refusal("a: &x [*x]").contains("nested more than 64 deep"));
    }

    #[test]
    fn tags_documents_and_complex_keys_are_refused() {
        assert!(refusal("a: !!python/object:os.system {}").contains("plain values only"));
        assert!(refusal("a: !run ls").contains("`!run`"));
        assert!(refusal("a: 1\n---\nb: 2\n").contains("a second YAML document"));
        assert!(refusal("[a, b]: 1").contains("must be plain text"));
        assert!(refusal("").contains("the config is empty"));
        assert!(refusal("# nothing\n").contains("the config is empty"));
        assert!(refusal("a: [1, 2").contains("not valid YAML or JSON"));
    }
}
