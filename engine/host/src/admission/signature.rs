//! Function types as a reader of an error sees them.

use wasmparser::ValType;

/// As in the documentation of the interface: `(i32, i32) -> i32`.
pub(super) fn text(params: &[ValType], results: &[ValType]) -> String {
    format!(
        "({}) -> {}",
        list(params),
        if results.len() == 1 { list(results) } else { format!("({})", list(results)) }
    )
}

fn list(values: &[ValType]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(", ")
}
