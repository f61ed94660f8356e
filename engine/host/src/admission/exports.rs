//! Exports: those that every guest has, and those that a reset needs.

use super::{Error, limit, signature};
use crate::adapter::{EXPORT_PLUGIN, EXPORT_START, Entry};
use crate::limits::EXPORTS_MAX;
use fleetfn_abi::{
    EXPORT_BUFFER, EXPORT_INITIALIZE, EXPORT_MEMORY, EXPORT_MIGRATE, EXPORT_ON_EVENT, IMPORT_MODULE,
    VERSIONED_PREFIX,
};
use wasm_encoder::{ExportKind, ExportSection};
use wasmparser::{ExportSectionReader, ExternalKind, FuncType, ValType};

/// Prefix of the names under which mutable globals are exported.
const RESET_PREFIX: &str = "fleetfn_reset_";

/// A function that a guest exports.
struct Wanted {
    name: &'static str,
    expected: &'static str,
    params: &'static [ValType],
    results: &'static [ValType],
    /// How a module that must have it wants to be run; `None` if no module must.
    entry: Option<Entry>,
}

const FUNCTIONS: [Wanted; 6] = [
    Wanted {
        name: EXPORT_ON_EVENT,
        expected: "(i32) -> i32",
        params: &[ValType::I32],
        results: &[ValType::I32],
        entry: Some(Entry::Native),
    },
    Wanted {
        name: EXPORT_BUFFER,
        expected: "() -> i64",
        params: &[],
        results: &[ValType::I64],
        entry: Some(Entry::Native),
    },
    Wanted {
        name: EXPORT_MIGRATE,
        expected: "(i32) -> i32",
        params: &[ValType::I32],
        results: &[ValType::I32],
        entry: None,
    },
    Wanted { name: EXPORT_INITIALIZE, expected: "() -> ()", params: &[], results: &[], entry: None },
    Wanted {
        name: EXPORT_START,
        expected: "() -> ()",
        params: &[],
        results: &[],
        entry: Some(Entry::Program),
    },
    Wanted {
        name: EXPORT_PLUGIN,
        expected: "() -> i32",
        params: &[],
        results: &[ValType::I32],
        entry: Some(Entry::Plugin),
    },
];

/// What a module exports under the names of the interface.
#[derive(Default)]
pub(super) struct Exports {
    found: Vec<(&'static str, ExternalKind, u32)>,
    /// A name of another version of the interface.
    other_version: Option<String>,
    resets: Vec<String>,
}

impl Exports {
    /// Reads the section; returns it with the mutable globals added.
    pub(super) fn read(
        &mut self,
        section: ExportSectionReader<'_>,
        mutable_globals: &[u32],
    ) -> Result<ExportSection, Error> {
        limit("exports", section.count(), EXPORTS_MAX)?;
        let mut out = ExportSection::new();
        for export in section {
            let export = export?;
            if export.name.starts_with(RESET_PREFIX) {
                return Err(Error::ReservedExport(export.name.into()));
            }
            let names = FUNCTIONS.iter().map(|wanted| wanted.name).chain([EXPORT_MEMORY]);
            for name in names.filter(|name| *name == export.name) {
                self.found.push((name, export.kind, export.index));
            }
            if export.name.starts_with(VERSIONED_PREFIX) && !export.name.starts_with(IMPORT_MODULE) {
                self.other_version.get_or_insert_with(|| export.name.into());
            }
            let kind = match export.kind {
                ExternalKind::Func => ExportKind::Func,
                ExternalKind::Table => ExportKind::Table,
                ExternalKind::Memory => ExportKind::Memory,
                ExternalKind::Global => ExportKind::Global,
                ExternalKind::Tag => return Err(Error::Unsupported("exception handling")),
                ExternalKind::FuncExact => return Err(Error::Unsupported("an exact function type")),
            };
            out.export(export.name, kind, export.index);
        }
        for global in mutable_globals {
            let name = format!("{RESET_PREFIX}{global}");
            out.export(&name, ExportKind::Global, *global);
            self.resets.push(name);
        }
        Ok(out)
    }

    /// Checks that all is there and of the right type; how the module wants to be run.
    pub(super) fn check<'t>(&self, type_of: impl Fn(u32) -> Option<&'t FuncType>) -> Result<Entry, Error> {
        let entry = Entry::of(|name| self.has(name));
        // What belongs to another way of being run may be there and of any type.
        for wanted in FUNCTIONS.iter().filter(|wanted| wanted.entry.is_none_or(|of| of == entry)) {
            let Some((_, kind, index)) = self.found.iter().find(|(name, ..)| *name == wanted.name) else {
                if wanted.entry.is_none() {
                    continue;
                }
                return Err(self.missing(wanted.name, wanted.expected));
            };
            let function = Some(*index).filter(|_| *kind == ExternalKind::Func).and_then(&type_of);
            let fits = |function: &FuncType| {
                function.params() == wanted.params && function.results() == wanted.results
            };
            if !function.is_some_and(fits) {
                let got = function.map(|function| signature::text(function.params(), function.results()));
                let got = got.unwrap_or_else(|| "no function".into());
                return Err(Error::ExportType { name: wanted.name, got, expected: wanted.expected });
            }
        }
        match self.found.iter().find(|(name, ..)| *name == EXPORT_MEMORY) {
            Some((_, ExternalKind::Memory, _)) => Ok(entry),
            Some(_) => {
                let got = "something else".into();
                Err(Error::ExportType { name: EXPORT_MEMORY, got, expected: "the memory" })
            }
            None => Err(self.missing(EXPORT_MEMORY, "the memory")),
        }
    }

    fn missing(&self, name: &'static str, expected: &'static str) -> Error {
        match &self.other_version {
            Some(name) => Error::AbiVersion { name: name.clone() },
            None => Error::MissingExport { name, expected },
        }
    }

    /// Whether there is an export of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(found, ..)| *found == name)
    }

    /// The names of the exports for a reset.
    pub(super) fn into_resets(self) -> Vec<String> {
        self.resets
    }
}
