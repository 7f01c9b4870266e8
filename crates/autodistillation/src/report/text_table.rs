//! Tables in plain text: columns as wide as their widest cell, numbers to the right.

/// Rows under a header, separated by two spaces.
pub struct TextTable {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table of these columns without rows.
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(single_line).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells at its end are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(single_line).collect());
    }

    /// The table, each line indented by two spaces.
    pub fn render(&self) -> String {
        let lines = std::iter::once(&self.header).chain(&self.rows);
        lines.map(|cells| self.line(cells)).collect()
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for column in 0..self.header.len() {
            let cell = cells.get(column).map_or("", String::as_str);
            let padding = " ".repeat(self.width(column) - cell.chars().count());
            let (left, right) =
                if self.is_numeric(column) { (padding, String::new()) } else { (String::new(), padding) };
            line += &format!("  {left}{cell}{right}");
        }
        line.trim_end().to_owned() + "\n"
    }

    fn width(&self, column: usize) -> usize {
        self.column(column)
            .map(|cell| cell.chars().count())
            .chain([self.header[column].chars().count()])
            .max()
            .unwrap_or(0)
    }

    /// Whether every filled cell starts as a number does.
    fn is_numeric(&self, column: usize) -> bool {
        let starts_as_number =
            |cell: &str| cell.starts_with(|first: char| first.is_ascii_digit() || "-∞".contains(first));
        self.column(column).filter(|cell| !cell.is_empty()).all(starts_as_number)
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(String::as_str)
    }
}

/// Keeps one row on one line, whatever a reason or a name holds.
fn single_line(text: impl Into<String>) -> String {
    text.into().split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_right_aligned_and_words_left() {
        let mut table = TextTable::new(["trial", "status", "latency"]);
        table.row(["7", "completed", "2.63 ms"]);
        table.row(["10", "failed\n\tat once", ""]);
        assert_eq!(
            table.render(),
            "  trial  status          latency\n      7  completed       2.63 ms\n     10  failed at once\n"
        );
    }
}
