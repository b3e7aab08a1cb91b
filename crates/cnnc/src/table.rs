//! Text tables and sizes for people.

/// A table: columns as wide as needed, numbers to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

/// What [`shortened`] leaves.
const WIDEST: usize = 44;

impl Table {
    /// A table with those headings; a heading that starts with `>` stands for a column of numbers.
    pub fn new(headings: &[&str]) -> Table {
        let right = headings.iter().map(|h| h.starts_with('>')).collect();
        Table { rows: vec![headings.iter().map(|h| h.trim_start_matches('>').to_string()).collect()], right }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

/// A name or candidate for a narrow column: long ones keep their end, which tells them apart.
pub fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= WIDEST {
        return text.to_string();
    }
    std::iter::once('…').chain(text.chars().skip(count - WIDEST + 1)).collect()
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |k: usize| self.rows.iter().filter_map(|r| r.get(k)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                let pad = " ".repeat(width - cell.chars().count());
                line += &if *right { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A size: `18.6 MB` (decimal units).
pub fn bytes(count: u64) -> String {
    let scaled = |unit: f64, name: &str| format!("{:.1} {name}", count as f64 / unit);
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => scaled(1e3, "kB"),
        1_000_000..1_000_000_000 => scaled(1e6, "MB"),
        _ => scaled(1e9, "GB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", ">ms"]);
        table.row(vec!["conv".into(), "10.5".into()]);
        table.row(vec!["relu6".into(), "1".into()]);
        assert_eq!(table.to_string(), "name     ms\nconv   10.5\nrelu6     1\n");
        assert_eq!(shortened(&"x".repeat(50)).chars().count(), WIDEST);
        assert_eq!((bytes(999), bytes(18_614_167)), ("999 B".into(), "18.6 MB".into()));
    }
}
