//! Imports, against the table that the linker is made from.

use super::{Error, signature};
use fleetfn_abi::{IMPORT_MODULE, IMPORTS, VERSIONED_PREFIX};
use wasmparser::{FuncType, Imports, TypeRef, ValType};

/// Checks one import; the type of the imported function.
pub(super) fn check(imports: Imports<'_>, types: &[FuncType]) -> Result<u32, Error> {
    let Imports::Single(_, import) = imports else {
        return Err(Error::Unsupported("the compact encoding of imports"));
    };
    if import.module != IMPORT_MODULE && import.module.starts_with(VERSIONED_PREFIX) {
        return Err(Error::AbiVersion { name: import.module.into() });
    }
    let row = IMPORTS.iter().find(|row| import.module == IMPORT_MODULE && row.name == import.name);
    let row =
        row.ok_or_else(|| Error::UnknownImport { module: import.module.into(), name: import.name.into() })?;
    let mismatch = |got: String| Error::ImportType {
        name: import.name.into(),
        got,
        expected: signature::text(&vec![ValType::I32; row.params], &[ValType::I32]),
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
    let fits = function.params().len() == row.params
        && function.params().iter().all(|value| *value == ValType::I32)
        && function.results() == [ValType::I32];
    if fits { Ok(place) } else { Err(mismatch(signature::text(function.params(), function.results()))) }
}
