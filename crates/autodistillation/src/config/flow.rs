//! Lines within brackets that stand too far left, which most YAML parsers accept and ours does not.
//!
//! YAML wants everything between brackets to the right of the key they belong to. Configs written by hand often
//! close a list at the key's own column; such lines are moved right before the text is parsed again.

use super::problem::Position;

/// A text whose bracketed lines were moved right.
pub(super) struct Moved {
    pub(super) text: String,
    /// How far each line was moved.
    by: Vec<usize>,
}

impl Moved {
    /// The same place in the text as it was written.
    pub(super) fn original(&self, position: Position) -> Position {
        let by = self.by.get(position.line.saturating_sub(1)).copied().unwrap_or_default();
        Position { column: position.column.saturating_sub(by).max(1), ..position }
    }
}

/// Moves every line that begins within brackets to the right of the outermost one.
pub(super) fn move_right(text: &str) -> Moved {
    let mut scanner = Scanner::default();
    let mut moved = Moved { text: String::with_capacity(text.len() * 2), by: Vec::new() };
    for line in text.split_inclusive('\n') {
        let by = if scanner.depth > 0 { scanner.column + 1 } else { 0 };
        moved.text.extend(std::iter::repeat_n(' ', by));
        moved.text.push_str(line);
        moved.by.push(by);
        scanner.read(line);
    }
    moved
}

/// Follows brackets and quotes through a text.
#[derive(Default)]
struct Scanner {
    /// Brackets that are open.
    depth: usize,
    /// The column of the outermost, from 0.
    column: usize,
    /// The quote that is open.
    quote: Option<char>,
}

impl Scanner {
    fn read(&mut self, line: &str) {
        let mut characters = line.chars().enumerate();
        let (mut last, mut before) = (' ', None);
        while let Some((column, character)) = characters.next() {
            // The last character that is not a space tells whether a value begins here.
            let begins = self.depth > 0 || matches!(before, None | Some(':' | '-' | '?' | ','));
            match (self.quote, character) {
                (Some('"'), '\\') => drop(characters.next()),
                (Some(quote), _) if quote == character => self.quote = None,
                (Some(_), _) => {}
                (None, '#') if last.is_whitespace() => return,
                (None, '\'' | '"') if !last.is_alphanumeric() && begins => self.quote = Some(character),
                (None, '[' | '{') if begins => {
                    if self.depth == 0 {
                        self.column = column;
                    }
                    self.depth += 1;
                }
                (None, ']' | '}') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            last = character;
            before = if character.is_whitespace() { before } else { Some(character) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_within_brackets_are_moved() {
        let moved = move_right("a: [\n  'x]', # ]\n]\nb: it's {1\nc: {\n}\n");
        assert_eq!(moved.text, "a: [\n      'x]', # ]\n    ]\nb: it's {1\nc: {\n    }\n");
        let place = |line, column| Position { line, column };
        assert_eq!(moved.original(place(2, 7)), place(2, 3));
        assert_eq!(moved.original(place(4, 3)), place(4, 3));
    }
}
