//! Imports, against the tables that the linker is made from.

use super::{Error, signature};
use crate::adapter;
use fleetfn_abi::{IMPORT_MODULE, IMPORTS, VERSIONED_PREFIX};
use wasmparser::{FuncType, Imports, TypeRef, ValType};

/// An import that the host offers.
pub(super) struct Offered {
    /// The type of the imported function.
    pub(super) function: u32,
    /// Whether it is what other hosts offer.
    pub(super) is_foreign: bool,
}

/// Checks one import.
pub(super) fn check(imports: Imports<'_>, types: &[FuncType]) -> Result<Offered, Error> {
    let Imports::Single(_, import) = imports else {
        return Err(Error::Unsupported("the compact encoding of imports"));
    };
    if import.module != IMPORT_MODULE && import.module.starts_with(VERSIONED_PREFIX) {
        return Err(Error::AbiVersion { name: import.module.into() });
    }
    let row = IMPORTS.iter().find(|row| import.module == IMPORT_MODULE && row.name == import.name);
    let ours = row.map(|row| (vec![ValType::I32; row.params], vec![ValType::I32]));
    let is_foreign = ours.is_none();
    let foreign = || adapter::signature(import.module, import.name).map(adapter::Signature::types);
    let (params, results) = ours
        .or_else(foreign)
        .ok_or_else(|| Error::UnknownImport { module: import.module.into(), name: import.name.into() })?;
    let mismatch = |got: String| Error::ImportType {
        name: import.name.into(),
        got,
        expected: signature::text(&params, &results),
    };
    let place = match import.ty {
        TypeRef::Func(place) => place,
        TypeRef::FuncExact(_) => return Err(Error::Unsupported("an exact function type")),
        TypeRef::Table(_) => return Err(mismatch("a table".into())),
        TypeRef::Memory(_) => return Err(mismatch("a memory".into())),
        TypeRef::Global(_) => return Err(mismatch("a global".into())),
        TypeRef::Tag(_) => return Err(mismatch("a tag".into())),
    };
    let function = usize::try_from(place).ok().and_then(|place| types.get(place));
    let function =
        function.ok_or_else(|| Error::NotWasm("an import of a type that does not exist".into()))?;
    if function.params() == params && function.results() == results {
        Ok(Offered { function: place, is_foreign })
    } else {
        Err(mismatch(signature::text(function.params(), function.results())))
    }
}
