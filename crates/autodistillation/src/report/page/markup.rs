//! Elements of a page that is HTML and well-formed XML at once; text is escaped by construction.

use std::fmt::Write;

/// Elements that HTML closes by themselves.
const VOID: [&str; 3] = ["link", "meta", "wbr"];

/// One element: a name, attributes and children.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Element(Element),
    Text(String),
    /// This crate's own style or script; being static, it cannot hold a user's text.
    Asset(&'static str),
}

/// An element without attributes or children.
pub(super) fn element(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), children: Vec::new() }
}

impl Element {
    /// Adds an attribute.
    pub fn with(mut self, attribute: &'static str, value: impl ToString) -> Self {
        self.attributes.push((attribute, value.to_string()));
        self
    }

    /// Sets the class.
    pub fn class(self, class: &str) -> Self {
        self.with("class", class)
    }

    /// Adds text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// Adds a child.
    pub fn child(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// Adds children; an `Option` adds one or none.
    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Adds a style or a script as it stands.
    pub fn asset(mut self, asset: &'static str) -> Self {
        self.children.push(Node::Asset(asset));
        self
    }

    /// The markup.
    pub fn render(&self) -> String {
        let mut markup = String::new();
        self.render_into(&mut markup);
        markup
    }

    fn render_into(&self, markup: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(markup, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(markup, " {name}=\"{}\"", escaped(value));
        }
        if VOID.contains(&self.name) {
            markup.push_str("/>");
            return;
        }
        markup.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.render_into(markup),
                Node::Text(text) => markup.push_str(&escaped(text)),
                // The comment hides the CDATA mark from CSS and JavaScript alike.
                Node::Asset(asset) => {
                    let _ = write!(markup, "/*<![CDATA[*/\n{asset}/*]]>*/");
                }
            }
        }
        let _ = write!(markup, "</{}>", self.name);
        if is_block(self.name) {
            markup.push('\n');
        }
    }
}

/// Ends a line after the larger elements, so that the file can be read and compared.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "section" | "tr" | "p" | "figure" | "svg" | "h1" | "h2" | "h3" | "li" | "g" | "a" | "dd" | "style"
    )
}

/// Text for an element or a quoted attribute. Characters that neither HTML nor XML allows become U+FFFD.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            control if control.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// A position in an SVG to a tenth of a unit, without a needless fraction.
pub(super) fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_back_from_elements_and_attributes(text in "\\PC*") {
            let markup = element("p").with("title", &text).text(&text).render();
            let document = roxmltree::Document::parse(&markup).unwrap();
            let paragraph = document.root_element();
            let expected = text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
            prop_assert_eq!(paragraph.text().unwrap_or_default(), &expected);
            prop_assert_eq!(paragraph.attribute("title"), Some(expected.as_str()));
        }

        #[test]
        fn control_characters_never_break_the_page(text in any::<String>()) {
            let markup = element("p").with("title", &text).text(text).render();
            prop_assert!(roxmltree::Document::parse(&markup).is_ok());
        }
    }

    #[test]
    fn markup_in_text_is_shown_and_not_obeyed() {
        let markup = element("b").text("<script>alert('x')</script>").render();
        assert_eq!(markup, "<b>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</b>");
    }

    #[test]
    fn void_elements_close_themselves_and_others_never_do() {
        assert_eq!(element("meta").with("charset", "utf-8").render(), "<meta charset=\"utf-8\"/>");
        assert_eq!(element("script").render(), "<script></script>");
    }
}
