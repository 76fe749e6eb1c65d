//! Answers as columns for people.

use serde_json::Value;
use std::fmt;

/// Rows under headings, each column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Table {
        Table { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Items of a list, by these fields; each has its heading.
    pub(crate) fn of(items: &Value, fields: &[&str]) -> Table {
        let headings: Vec<String> = fields.iter().map(|field| field.to_ascii_uppercase().replace('_', " ")).collect();
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let mut table = Table::new(&headings);
        for item in items.as_array().into_iter().flatten() {
            table.row(fields.iter().map(|field| match &item[*field] {
                Value::Array(words) => words.iter().map(text).collect::<Vec<_>>().join(" "),
                other => text(other),
            }));
        }
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            let newline = if index + 1 < self.rows.len() { "\n" } else { "" };
            write!(f, "{}{newline}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A value as a cell. What came from a session may hold anything; a terminal is shown no control characters.
pub(crate) fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    printable(&text)
}

/// Text without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }).collect()
}
