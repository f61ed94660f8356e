//! For authors of functions: write a plain Rust function, deploy it as a sandboxed one.
