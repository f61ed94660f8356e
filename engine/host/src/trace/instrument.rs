//! Makes every function of a module say that it begins and that it has ended.
//!
//! A function `f` of the module becomes two: one under its old number that says that `f` begins, calls the other, and
//! says that it ended; and one behind all others with the old code, whose calls go to the first kind again.

use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, DataSection, ElementSection, EntityType, ExportSection, Function, FunctionSection,
    GlobalSection, ImportSection, Instruction, MemorySection, Module, RawSection, TableSection, TypeSection,
    ValType,
};
use wasmparser::{FuncType, Parser, Payload, TypeRef};

/// Module of the two imports.
pub(super) const MODULE: &str = "fleetfn_trace";
/// Import: a function begins; its number in the original module.
pub(super) const BEGIN: &str = "begin";
/// Import: the function that began last has ended.
pub(super) const END: &str = "end";

/// How many imports are added, behind those that there are.
const ADDED: u32 = 2;

/// Renumbers functions while a module is written again.
#[derive(Default)]
struct Renumber {
    /// Functions that the module imports.
    imported: u32,
}

impl Reencode for Renumber {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        Ok(if function < self.imported { function } else { function.saturating_add(ADDED) })
    }
}

/// What is known while the module is read.
#[derive(Default)]
struct Writer {
    renumber: Renumber,
    types: Vec<FuncType>,
    type_section: TypeSection,
    import_section: ImportSection,
    /// The type of each function that is not imported.
    functions: Vec<u32>,
    code: CodeSection,
    bodies_left: u32,
    out: Module,
}

/// Instruments an admitted module. The error says what cannot be read.
pub(super) fn instrument(wasm: &[u8]) -> Result<Vec<u8>, String> {
    let mut writer = Writer::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| error.to_string())?;
        writer.payload(wasm, payload).map_err(|error| error.to_string())?;
    }
    Ok(writer.out.finish())
}

impl Writer {
    fn payload(&mut self, wasm: &[u8], payload: Payload<'_>) -> Result<(), Error<Infallible>> {
        match payload {
            Payload::TypeSection(section) => {
                self.types = section.clone().into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                self.renumber.parse_type_section(&mut self.type_section, section)?;
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let is_function = matches!(import?.ty, TypeRef::Func(_));
                    self.renumber.imported += u32::from(is_function);
                }
                self.renumber.parse_import_section(&mut self.import_section, section)?;
            }
            Payload::FunctionSection(section) => {
                self.functions = section.into_iter().collect::<Result<_, _>>()?;
                self.head();
            }
            Payload::TableSection(section) => {
                let mut out = TableSection::new();
                self.renumber.parse_table_section(&mut out, section)?;
                self.out.section(&out);
            }
            Payload::MemorySection(section) => {
                let mut out = MemorySection::new();
                self.renumber.parse_memory_section(&mut out, section)?;
                self.out.section(&out);
            }
            Payload::GlobalSection(section) => {
                let mut out = GlobalSection::new();
                self.renumber.parse_global_section(&mut out, section)?;
                self.out.section(&out);
            }
            Payload::ExportSection(section) => {
                let mut out = ExportSection::new();
                self.renumber.parse_export_section(&mut out, section)?;
                self.out.section(&out);
            }
            Payload::ElementSection(section) => {
                let mut out = ElementSection::new();
                self.renumber.parse_element_section(&mut out, section)?;
                self.out.section(&out);
            }
            Payload::CodeSectionStart { count, .. } => {
                self.bodies_left = count;
                self.wrappers();
            }
            Payload::CodeSectionEntry(body) => {
                self.renumber.parse_function_body(&mut self.code, body)?;
                self.bodies_left = self.bodies_left.saturating_sub(1);
                if self.bodies_left == 0 {
                    self.out.section(&self.code);
                }
            }
            Payload::DataSection(section) => {
                let mut out = DataSection::new();
                self.renumber.parse_data_section(&mut out, section)?;
                self.out.section(&out);
            }
            other => self.copy(wasm, &other),
        }
        Ok(())
    }

    /// Types, imports and functions: the first three sections, each of which may have been missing.
    fn head(&mut self) {
        let begin = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        self.type_section.ty().function([ValType::I32], []);
        self.type_section.ty().function([], []);
        self.import_section.import(MODULE, BEGIN, EntityType::Function(begin));
        self.import_section.import(MODULE, END, EntityType::Function(begin.saturating_add(1)));
        let mut functions = FunctionSection::new();
        for function in self.functions.iter().chain(&self.functions) {
            functions.function(*function);
        }
        self.out.section(&self.type_section).section(&self.import_section).section(&functions);
    }

    /// The functions under the old numbers.
    fn wrappers(&mut self) {
        let imported = self.renumber.imported;
        let count = u32::try_from(self.functions.len()).unwrap_or(u32::MAX);
        for (place, kind) in (0_u32..).zip(&self.functions) {
            let kind = usize::try_from(*kind).ok().and_then(|kind| self.types.get(kind));
            let params = kind.map_or(0, |kind| kind.params().len());
            let mut body = Function::new([]);
            body.instruction(&Instruction::I32Const((imported + place).cast_signed()));
            body.instruction(&Instruction::Call(imported));
            for (param, _) in (0_u32..).zip(0..params) {
                body.instruction(&Instruction::LocalGet(param));
            }
            body.instruction(&Instruction::Call(imported + ADDED + count + place));
            body.instruction(&Instruction::Call(imported + 1));
            body.instruction(&Instruction::End);
            self.code.function(&body);
        }
    }

    /// A section in which there are no functions.
    fn copy(&mut self, wasm: &[u8], payload: &Payload<'_>) {
        if let Some((id, range)) = payload.as_section() {
            let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            if let Some(data) = part.and_then(|(start, end)| wasm.get(start..end)) {
                self.out.section(&RawSection { id, data });
            }
        }
    }
}
