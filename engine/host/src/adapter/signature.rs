//! Types of functions, as tables write them: `i` for `i32`, `I` for `i64`.

use wasmparser::ValType;

/// The type of a function of another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature {
    params: &'static str,
    results: &'static str,
}

impl Signature {
    pub(super) const fn new(params: &'static str, results: &'static str) -> Self {
        Self { params, results }
    }

    /// The parameters, and the results.
    pub(crate) fn types(self) -> (Vec<ValType>, Vec<ValType>) {
        let list = |letters: &str| letters.bytes().map(value).collect();
        (list(self.params), list(self.results))
    }

    /// The same for the engine.
    pub(super) fn of_engine(self) -> wasmi::FuncType {
        let list = |letters: &'static str| {
            letters.bytes().map(|letter| match letter {
                b'I' => wasmi::ValType::I64,
                _ => wasmi::ValType::I32,
            })
        };
        wasmi::FuncType::new(list(self.params), list(self.results))
    }
}

fn value(letter: u8) -> ValType {
    match letter {
        b'I' => ValType::I64,
        _ => ValType::I32,
    }
}
