//! Modules that were built for other hosts: programs for WASI preview 1, and plug-ins made with Extism's PDKs.
//!
//! They import what those hosts offer, and get it here: deterministic, bounded and without files or sockets. What
//! they lack of our exports is made up for: a program is run from `_start` with the event's payload as its standard
//! input, a plug-in's function `on_event` is called with the payload as its input. Both may import our own functions
//! as well, and a module with our exports may import theirs.
//!
//! The engine's frames below a host call cannot be unwound: as in `imports.rs`, a panic ends the call here.

mod extism;
mod session;
mod signature;
mod wasi;

pub(crate) use session::Session;
pub(crate) use signature::Signature;

use crate::failure::Failure;
use crate::guest::Guest;
use crate::host::panic_text;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmi::errors::LinkerError;
use wasmi::{Error, Linker};

/// Export of a program: runs it.
pub(crate) const EXPORT_START: &str = "_start";
/// Export of a plug-in: handles one event.
pub(crate) const EXPORT_PLUGIN: &str = "on_event";

/// How a module wants to be run for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Entry {
    /// By our own exports.
    #[default]
    Native,
    /// As a program for WASI preview 1.
    Program,
    /// As a plug-in of Extism.
    Plugin,
}

/// Why a guest that was built for another host cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The program ended itself: no failure if the code is 0.
    #[error("the program ended with code {0}")]
    Exit(i32),
    /// A plug-in wants to wait for an HTTP response.
    #[error(
        "an invocation cannot wait for an HTTP response: import '{import}' of '{module}', the response comes as a message",
        import = "http",
        module = fleetfn_abi::IMPORT_MODULE
    )]
    HttpRequest,
    /// A plug-in wants more memory outside of its own than there is.
    #[error("limit of {0} bytes for inputs, outputs and variables passed")]
    Blocks(usize),
    /// A plug-in gave a place outside of the memory that it was given.
    #[error("{length} bytes at {offset} lie outside of the plug-in's blocks")]
    Block {
        /// Where it starts.
        offset: u64,
        /// How long it is.
        length: usize,
    },
}

impl Entry {
    /// How a module with these exports wants to be run.
    pub(crate) fn of(has: impl Fn(&str) -> bool) -> Self {
        match (has(fleetfn_abi::EXPORT_ON_EVENT), has(EXPORT_PLUGIN), has(EXPORT_START)) {
            (false, true, _) => Self::Plugin,
            (false, false, true) => Self::Program,
            (true, ..) | (false, false, false) => Self::Native,
        }
    }
}

/// The type of a function that other hosts offer and this one makes up for.
pub(crate) fn signature(module: &str, name: &str) -> Option<Signature> {
    match module {
        wasi::MODULE => wasi::signature(name),
        extism::MODULE => extism::signature(name),
        _ => None,
    }
}

/// Adds the functions that other hosts offer.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<(), LinkerError> {
    wasi::link(linker)?;
    extism::link(linker)
}

/// Ends an invocation: what an exit means, what was written without an end of line, what a plug-in answers.
pub(crate) fn finish(guest: &mut Guest, result: Result<i32, Failure>) -> Result<i32, Failure> {
    let result = match result {
        Err(Failure::Foreign(Refusal::Exit(code))) => Ok(code),
        result => result,
    };
    let flushed = wasi::flush(guest);
    let code = result?;
    flushed?;
    extism::finish(guest, code)?;
    Ok(code)
}

/// Runs the work of one host call.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Error> {
    let result = catch_unwind(AssertUnwindSafe(work));
    result.unwrap_or_else(|panic| Err(Failure::Panic(panic_text(&*panic)))).map_err(Error::host)
}

#[cfg(test)]
mod tests {
    use super::{extism, signature, wasi};
    use wasmparser::ValType;

    /// A plug-in that imports these functions of another host, one of them with another result.
    fn importing(module: &str, names: &[&str], wrong: Option<&str>) -> Vec<u8> {
        let list = |values: &[ValType]| values.iter().map(|value| format!(" {value}")).collect::<String>();
        let import = |name: &&str| {
            let (params, results) = signature(module, name).expect("it is in a table").types();
            let results = if wrong == Some(name) { " f32".into() } else { list(&results) };
            format!("(import {module:?} {name:?} (func (param{}) (result{results})))", list(&params))
        };
        let imports: String = names.iter().map(import).collect();
        let text = format!(
            r#"(module
  (@custom "fleetfn_v1_manifest" "{{\"abi\":1,\"name\":\"f\",\"triggers\":[{{\"telemetry\":\"climate\"}}]}}")
  {imports}
  (memory (export "memory") 1)
  (func (export "on_event") (result i32) (i32.const 0)))"#
        );
        wat::parse_str(text).expect("a module")
    }

    #[test]
    fn every_function_of_the_tables_is_there_with_its_type() {
        let wasi_names = wasi::ROWS.map(|row| row.name);
        let extism_names = extism::ROWS.map(|(name, ..)| name);
        for (module, names) in [(wasi::MODULE, &wasi_names[..]), (extism::MODULE, &extism_names[..])] {
            crate::admit(&importing(module, names, None)).expect("every import is offered");
            for wrong in names {
                let refused = crate::admit(&importing(module, names, Some(wrong)));
                let error = refused.expect_err("of another type").to_string();
                assert!(error.contains(wrong) && error.contains("f32"), "{error}");
            }
        }
    }
}
