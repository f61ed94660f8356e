//! Runs guests: admits, meters and isolates wasm functions.
