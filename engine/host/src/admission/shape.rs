//! Reads the structure of a module: limits, imports, exports, and what its instances can be reset to.
//!
//! Ranges that the parser reports are announced before their bytes were seen: nothing is indexed with them.

use super::exports::Exports;
use super::{Error, imports, limit};
use crate::adapter::Entry;
use crate::limits::{
    BODY_BYTES_MAX, BRANCH_TARGETS_MAX, CUSTOM_BYTES_MAX, ELEMENT_ITEMS_MAX, FUNCTIONS_MAX, GLOBALS_MAX,
    GROWS_MAX, IMPORTS_MAX, LOCALS_MAX, MEMORIES_MAX, MEMORY_PAGES_MAX, NAME_SECTION_BYTES_MAX, PARAMS_MAX,
    SEGMENTS_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX, TYPES_MAX,
};
use fleetfn_abi::{EXPORT_MIGRATE, MANIFEST_SECTION, VERSIONED_PREFIX};
use wasm_encoder::RawSection;
use wasmparser::{
    BinaryReaderError, CustomSectionReader, ElementItems, ElementSectionReader, Encoding, FuncType,
    FunctionBody, GlobalSectionReader, MemorySectionReader, Operator, Parser, Payload, TableSectionReader,
    TypeSectionReader, ValType,
};

/// Custom section in which compilers leave names (WebAssembly, appendix 7.4).
const NAME_SECTION: &str = "name";

/// What was found.
pub(super) struct Shape<'a> {
    /// The manifest section.
    pub(super) manifest: Option<&'a [u8]>,
    /// The section of names, if it is not too large.
    pub(super) names: &'a [u8],
    /// The module without custom sections, mutable globals exported.
    pub(super) wasm: Vec<u8>,
    /// The names of those exports.
    pub(super) reset_exports: Vec<String>,
    /// Whether memory and those globals are all that code can change.
    pub(super) resettable: bool,
    /// Whether it can bring state to another version.
    pub(super) migrates: bool,
    /// How it wants to be run.
    pub(super) entry: Entry,
    /// Whether it imports what other hosts offer.
    pub(super) is_foreign: bool,
}

/// What is known of a module while it is read.
#[derive(Default)]
pub(super) struct Reader<'a> {
    out: wasm_encoder::Module,
    types: Vec<FuncType>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    mutable_globals: Vec<u32>,
    /// Code or globals that a reset could not put back.
    irreversible: bool,
    is_foreign: bool,
    exports: Exports,
    custom_bytes: u64,
    manifest: Option<&'a [u8]>,
    names: &'a [u8],
}

impl From<BinaryReaderError> for Error {
    fn from(error: BinaryReaderError) -> Self {
        Self::NotWasm(error.to_string())
    }
}

pub(super) fn read(wasm: &[u8]) -> Result<Shape<'_>, Error> {
    let mut reader = Reader::default();
    for payload in Parser::new(0).parse_all(wasm) {
        reader.payload(wasm, payload?)?;
    }
    let Reader { out, types, functions, exports, manifest, names, irreversible, is_foreign, .. } = reader;
    let type_of = |function: u32| -> Option<&FuncType> {
        let place = functions.get(usize::try_from(function).ok()?)?;
        types.get(usize::try_from(*place).ok()?)
    };
    let entry = exports.check(type_of)?;
    Ok(Shape {
        manifest,
        names,
        wasm: out.finish(),
        migrates: exports.has(EXPORT_MIGRATE),
        entry,
        is_foreign: is_foreign || entry != Entry::Native,
        reset_exports: exports.into_resets(),
        resettable: !irreversible,
    })
}

impl<'a> Reader<'a> {
    fn payload(&mut self, wasm: &'a [u8], payload: Payload<'a>) -> Result<(), Error> {
        // Exports are written again, custom sections are left out, all else is taken over as it is.
        let section = payload
            .as_section()
            .filter(|_| !matches!(payload, Payload::ExportSection(_) | Payload::CustomSection(_)));
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => return Err(Error::Component),
            Payload::Version { encoding: Encoding::Module, .. } | Payload::End(_) => {}
            Payload::TypeSection(section) => self.types(section)?,
            Payload::ImportSection(section) => {
                limit("imports", section.count(), IMPORTS_MAX)?;
                for imports in section {
                    let offered = imports::check(imports?, &self.types)?;
                    self.functions.push(offered.function);
                    self.is_foreign |= offered.is_foreign;
                }
            }
            Payload::FunctionSection(section) => {
                limit("functions", section.count(), FUNCTIONS_MAX)?;
                for function in section {
                    self.functions.push(function?);
                }
            }
            Payload::TableSection(section) => tables(section)?,
            Payload::MemorySection(section) => memories(section)?,
            Payload::GlobalSection(section) => self.globals(section)?,
            Payload::ExportSection(section) => {
                let section = self.exports.read(section, &self.mutable_globals)?;
                self.out.section(&section);
            }
            Payload::StartSection { .. } => return Err(Error::StartFunction),
            Payload::ElementSection(section) => elements(section)?,
            Payload::DataCountSection { .. } | Payload::CodeSectionStart { .. } => {}
            Payload::DataSection(section) => limit("data segments", section.count(), SEGMENTS_MAX)?,
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::CustomSection(section) => self.custom(&section)?,
            Payload::TagSection(_) => return Err(Error::Unsupported("exception handling")),
            _ => return Err(Error::NotWasm("a section of an unknown kind".into())),
        }
        if let Some((id, range)) = section {
            let cut = || Error::NotWasm("a section is cut short".into());
            let start = usize::try_from(range.start).map_err(|_| cut())?;
            let end = usize::try_from(range.end).map_err(|_| cut())?;
            self.out.section(&RawSection { id, data: wasm.get(start..end).ok_or_else(cut)? });
        }
        Ok(())
    }

    fn types(&mut self, section: TypeSectionReader<'a>) -> Result<(), Error> {
        limit("types", section.count(), TYPES_MAX)?;
        for function in section.into_iter_err_on_gc_types() {
            let function = function?;
            limit("parameters of a function type", function.params().len(), PARAMS_MAX)?;
            limit("results of a function type", function.results().len(), PARAMS_MAX)?;
            for value in function.params().iter().chain(function.results()) {
                supported(*value)?;
            }
            self.types.push(function);
        }
        Ok(())
    }

    fn globals(&mut self, section: GlobalSectionReader<'a>) -> Result<(), Error> {
        limit("globals", section.count(), GLOBALS_MAX)?;
        for (index, global) in (0_u32..).zip(section) {
            let global = global?.ty;
            if global.shared {
                return Err(Error::Unsupported("shared globals"));
            }
            supported(global.content_type)?;
            if global.mutable {
                self.irreversible |= matches!(global.content_type, ValType::Ref(_));
                self.mutable_globals.push(index);
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'a>) -> Result<(), Error> {
        let range = body.range();
        limit("bytes of a function body", range.end.saturating_sub(range.start), BODY_BYTES_MAX)?;
        let mut locals = 0_u64;
        for group in body.get_locals_reader()? {
            let (count, value) = group?;
            supported(value)?;
            locals = locals.saturating_add(u64::from(count));
        }
        limit("locals of a function", locals, LOCALS_MAX)?;
        let (mut targets, mut grows) = (0_u64, 0_u64);
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::TableSet { .. }
                | Operator::TableFill { .. }
                | Operator::TableCopy { .. }
                | Operator::TableInit { .. }
                | Operator::ElemDrop { .. }
                | Operator::DataDrop { .. } => self.irreversible = true,
                Operator::TableGrow { .. } => {
                    self.irreversible = true;
                    grows += 1;
                }
                Operator::MemoryGrow { .. } => grows += 1,
                Operator::BrTable { targets: table } => {
                    targets = targets.saturating_add(u64::from(table.len()))
                }
                _ => {}
            }
        }
        limit("br_table targets of a function", targets, BRANCH_TARGETS_MAX)?;
        limit("memory.grow and table.grow in a function", grows, GROWS_MAX)
    }

    fn custom(&mut self, section: &CustomSectionReader<'a>) -> Result<(), Error> {
        let bytes = u64::try_from(section.data().len()).unwrap_or(u64::MAX);
        self.custom_bytes = self.custom_bytes.saturating_add(bytes);
        limit("bytes of custom sections", self.custom_bytes, CUSTOM_BYTES_MAX)?;
        let name = section.name();
        if name == MANIFEST_SECTION {
            if self.manifest.replace(section.data()).is_some() {
                return Err(Error::SecondManifest);
            }
        } else if name == NAME_SECTION && section.data().len() <= NAME_SECTION_BYTES_MAX {
            self.names = section.data();
        } else if name.starts_with(VERSIONED_PREFIX) {
            return Err(Error::AbiVersion { name: name.into() });
        }
        Ok(())
    }
}

fn supported(value: ValType) -> Result<(), Error> {
    match value {
        ValType::V128 => Err(Error::Unsupported("SIMD")),
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::Ref(_) => Ok(()),
    }
}

fn tables(section: TableSectionReader<'_>) -> Result<(), Error> {
    limit("tables", section.count(), TABLES_MAX)?;
    for table in section {
        let table = table?.ty;
        if table.table64 || table.shared {
            return Err(Error::Unsupported("a 64 bit or shared table"));
        }
        limit("elements of a table", table.initial, TABLE_ELEMENTS_MAX)?;
    }
    Ok(())
}

fn memories(section: MemorySectionReader<'_>) -> Result<(), Error> {
    limit("memories", section.count(), MEMORIES_MAX)?;
    for memory in section {
        let memory = memory?;
        if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
            return Err(Error::Unsupported("a memory that is 64 bit, shared, or of another page size"));
        }
        limit(
            "pages of memory at the start (a smaller stack helps: -zstack-size=16384)",
            memory.initial,
            MEMORY_PAGES_MAX,
        )?;
    }
    Ok(())
}

fn elements(section: ElementSectionReader<'_>) -> Result<(), Error> {
    limit("element segments", section.count(), SEGMENTS_MAX)?;
    let mut items = 0_u64;
    for element in section {
        let count = match element?.items {
            ElementItems::Functions(functions) => functions.count(),
            ElementItems::Expressions(_, expressions) => expressions.count(),
        };
        items = items.saturating_add(u64::from(count));
    }
    limit("items of element segments", items, ELEMENT_ITEMS_MAX)
}
