//! Text as markup: escaped, and tables of it.

use std::fmt::Write;

/// Names and reasons come from others' exports: no one of them may fill the page.
const LONGEST: usize = 400;

/// A text as content of an element, or as an attribute in double quotes.
///
/// Candidates, layers and reasons may hold anything. What could end an element, speak to a terminal or turn the
/// direction of writing becomes harmless, and what is very long ends in an ellipsis.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (k, c) in text.chars().enumerate() {
        if k == LONGEST {
            escaped.push('…');
            break;
        }
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\r' | '\t' => escaped.push(' '),
            // Controls, marks that turn the direction of writing, and code points that are no characters.
            c if c.is_control() => escaped.push('\u{fffd}'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A candidate or layer as code that may be broken after its commas.
pub fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text).replace(", ", ",<wbr/> "))
}

/// Lines of a tooltip: the title of a mark in a figure.
pub fn tip(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
    format!("<title>{}</title>", lines.join("&#10;"))
}

/// A table. Cells are markup, headings are text; those that start with `>` stand for columns of numbers.
pub struct Table {
    headings: Vec<(String, bool)>,
    body: String,
}

impl Table {
    /// A table with those headings.
    pub fn new(headings: &[&str]) -> Table {
        let split = |heading: &&str| match heading.strip_prefix('>') {
            Some(number) => (number.to_string(), true),
            None => (heading.to_string(), false),
        };
        Table { headings: headings.iter().map(split).collect(), body: String::new() }
    }

    /// Adds a row; `class` may be empty.
    pub fn row(&mut self, class: &str, cells: &[String]) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = write!(self.body, "<tr{class}>");
        for (cell, (_, number)) in cells.iter().zip(&self.headings) {
            let _ = write!(self.body, "<td{}>{cell}</td>", if *number { " class=\"n\"" } else { "" });
        }
        self.body.push_str("</tr>\n");
    }

    /// The markup, within a box that scrolls where the page is too narrow.
    pub fn markup(&self) -> String {
        let mut head = String::new();
        for (heading, number) in &self.headings {
            let class = if *number { " class=\"n\"" } else { "" };
            let _ = write!(head, "<th scope=\"col\"{class}>{}</th>", escape(heading));
        }
        format!(
            "<div class=\"scroll\"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_element() {
        assert_eq!(escape("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
        assert_eq!(escape("x\u{0}y\u{1b}[31m\nz\u{202e}"), "x\u{fffd}y\u{fffd}[31m z\u{fffd}");
        assert_eq!(escape(&"ä".repeat(500)).chars().count(), LONGEST + 1);
        assert_eq!(code("f(a=1, b=<)"), "<code>f(a=1,<wbr/> b=&lt;)</code>");
        assert_eq!(tip(&["a".into(), "</title>".into()]), "<title>a&#10;&lt;/title&gt;</title>");
    }

    #[test]
    fn tables_align_numbers() {
        let mut table = Table::new(&["name", ">ms"]);
        table.row("winner", &["x".into(), "1".into()]);
        let markup = table.markup();
        assert!(markup.contains("<th scope=\"col\" class=\"n\">ms</th>"), "{markup}");
        assert!(markup.contains("<tr class=\"winner\"><td>x</td><td class=\"n\">1</td></tr>"), "{markup}");
    }
}
