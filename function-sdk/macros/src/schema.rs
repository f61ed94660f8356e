//! The JSON Schema of a trigger: a file beside the author's `Cargo.toml`, or the schema itself.

use serde_json::Value;
use std::path::PathBuf;
use syn::{Error, LitStr, Result};

/// A schema.
pub(crate) struct Schema {
    pub(crate) json: Value,
    /// Where it was read from, so that a change of the file is noticed.
    pub(crate) file: Option<String>,
}

/// Reads a schema. Text that begins with a brace is one, all else names a file.
pub(crate) fn read(literal: &LitStr) -> Result<Schema> {
    let value = literal.value();
    let refused = |text: String| Error::new(literal.span(), text);
    if value.trim_start().starts_with('{') {
        let json = parse(&value).map_err(|why| refused(format!("the schema is not JSON: {why}")))?;
        return Ok(Schema { json, file: None });
    }
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let path = root.join(&value);
    let shown = path.display();
    let text =
        std::fs::read_to_string(&path).map_err(|why| refused(format!("cannot read '{shown}': {why}")))?;
    let json = parse(&text).map_err(|why| refused(format!("'{shown}' is not JSON: {why}")))?;
    Ok(Schema { json, file: path.to_str().map(Into::into) })
}

fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}
