//! The result: one Markdown table, a row per question.

use std::fmt;

/// One row: what was measured, ours, what it is held against, and what was aimed at.
#[derive(Debug)]
struct Row {
    what: String,
    ours: String,
    reference: String,
    ratio: String,
    goal: &'static str,
}

/// Rows in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A figure beside its reference, with ours / reference.
    pub(crate) fn compare(&mut self, what: &str, ours: f64, reference: f64, unit: &str, goal: &'static str) {
        self.0.push(Row {
            what: what.to_owned(),
            ours: figure(ours, unit),
            reference: figure(reference, unit),
            ratio: format!("{:.2}", ours / reference),
            goal,
        });
    }

    /// A figure that stands alone.
    pub(crate) fn report(&mut self, what: &str, ours: f64, unit: &str, goal: &'static str) {
        self.0.push(Row {
            what: what.to_owned(),
            ours: figure(ours, unit),
            reference: String::new(),
            ratio: String::new(),
            goal,
        });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measured | fleetfn | reference | ratio | goal |")?;
        writeln!(f, "|---|---:|---:|---:|---|")?;
        for row in &self.0 {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} |",
                row.what, row.ours, row.reference, row.ratio, row.goal
            )?;
        }
        Ok(())
    }
}

/// A value with about three digits, and its unit.
pub(crate) fn figure(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}
