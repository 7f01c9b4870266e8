//! Tables: sortable columns, scrolling on narrow screens.

use super::markup::{Element, element};

/// A column's heading and the kind of its cells.
pub(super) struct Column {
    pub title: String,
    pub kind: Kind,
}

/// How a column is aligned and sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Words,
}

/// Whether readers can sort by clicking a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorting {
    Clickable,
    Fixed,
}

impl Column {
    pub fn number(title: impl Into<String>) -> Self {
        Self { title: title.into(), kind: Kind::Number }
    }

    pub fn words(title: impl Into<String>) -> Self {
        Self { title: title.into(), kind: Kind::Words }
    }
}

/// A table in a region that scrolls sideways and can be reached by keyboard.
pub(super) fn table(caption: &str, sorting: Sorting, columns: &[Column], rows: Vec<Element>) -> Element {
    let headings = columns.iter().map(|column| heading(column, sorting));
    let class = if sorting == Sorting::Clickable { "sortable" } else { "plain" };
    let table = element("table")
        .class(class)
        .child(element("caption").text(caption))
        .child(element("thead").child(element("tr").children(headings)))
        .child(element("tbody").children(rows));
    element("div")
        .class("scroll panel")
        .with("role", "region")
        .with("aria-label", caption)
        .with("tabindex", "0")
        .child(table)
}

fn heading(column: &Column, sorting: Sorting) -> Element {
    let heading = element("th").with("scope", "col").class(class(column.kind));
    match sorting {
        Sorting::Clickable => {
            let button = breakable(element("button").with("type", "button"), &column.title);
            heading.with("aria-sort", "none").child(button)
        }
        Sorting::Fixed => breakable(heading, &column.title),
    }
}

/// Lets a long name such as `num_attention_heads` go on in the next line after an underscore.
fn breakable(parent: Element, name: &str) -> Element {
    name.split_inclusive('_').enumerate().fold(parent, |parent, (at, part)| {
        let parent = if at == 0 { parent } else { parent.child(element("wbr")) };
        parent.text(part)
    })
}

/// A cell with a number as text and, for sorting, in full; empty without one.
pub(super) fn number_cell(value: Option<(f64, String)>) -> Element {
    let cell = element("td").class(class(Kind::Number));
    match value {
        Some((value, text)) => cell.with("data-value", value).text(text),
        None => cell,
    }
}

/// A cell with words.
pub(super) fn words_cell(text: impl Into<String>) -> Element {
    element("td").class(class(Kind::Words)).text(text)
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "number",
        Kind::Words => "words",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_sort_by_the_full_value_and_show_the_short_one() {
        let markup = number_cell(Some((0.822_247_7, "82.22 %".into()))).render();
        assert_eq!(markup, "<td class=\"number\" data-value=\"0.8222477\">82.22 %</td>");
    }

    #[test]
    fn long_names_may_break_after_underscores() {
        let markup = heading(&Column::number("hidden_size"), Sorting::Fixed).render();
        assert!(markup.contains(">hidden_<wbr/>size</th>"), "{markup}");
    }

    #[test]
    fn only_clickable_tables_have_buttons() {
        let columns = [Column::number("Latency")];
        assert!(table("t", Sorting::Clickable, &columns, vec![]).render().contains("<button"));
        assert!(!table("t", Sorting::Fixed, &columns, vec![]).render().contains("<button"));
    }
}
