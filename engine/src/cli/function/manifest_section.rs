//! Finds the manifest in a module, or adds it, without running or checking it: the engine checks it when it is deployed.
//!
//! A module is the magic number and version, eight bytes, then sections: an id byte, a length in LEB128, contents. A
//! custom section has id 0 and begins with its name, a length in LEB128 and UTF-8 (WebAssembly core specification,
//! sections 5.2.2, 5.5.2 and 5.5.3).

use crate::api::ManifestView;
use fleetfn_abi::MANIFEST_SECTION;

/// What every core module begins with.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// The manifest of a module, or why there is none.
pub(super) fn read(wasm: &[u8]) -> Result<ManifestView, String> {
    let json = find(wasm)?.ok_or_else(|| {
        format!("it has no section {MANIFEST_SECTION}: no handler was made with the function SDK")
    })?;
    serde_json::from_slice(json).map_err(|error| format!("its manifest is not understood: {error}"))
}

/// Whether a module carries a manifest.
pub(super) fn is_there(wasm: &[u8]) -> bool {
    matches!(find(wasm), Ok(Some(_)))
}

/// The module with a manifest, which is JSON, or why it cannot have it.
pub(super) fn add(wasm: &[u8], json: &[u8]) -> Result<Vec<u8>, String> {
    if find(wasm)?.is_some() {
        return Err("the module has a manifest already".into());
    }
    let json: serde_json::Value =
        serde_json::from_slice(json).map_err(|error| format!("it is not JSON: {error}"))?;
    // Smaller than what people write, and the same whatever their editor does to spaces.
    let json = json.to_string();
    let mut contents = Vec::with_capacity(json.len() + 32);
    put_counted(&mut contents, MANIFEST_SECTION.as_bytes());
    contents.extend_from_slice(json.as_bytes());
    let mut out = Vec::with_capacity(wasm.len() + contents.len() + 8);
    out.extend_from_slice(wasm);
    out.push(0);
    put_counted(&mut out, &contents);
    Ok(out)
}

/// The text of the manifest section, if the module has one.
fn find(wasm: &[u8]) -> Result<Option<&[u8]>, String> {
    let mut rest = wasm.strip_prefix(MAGIC).ok_or("it is not a WebAssembly core module")?;
    while let Some((&id, after_id)) = rest.split_first() {
        let (contents, after) = counted(after_id).ok_or("the module is cut short")?;
        rest = after;
        if id != 0 {
            continue;
        }
        let (name, json) = counted(contents).ok_or("the module is cut short")?;
        if name == MANIFEST_SECTION.as_bytes() {
            return Ok(Some(json));
        }
    }
    Ok(None)
}

/// Writes bytes after their number.
fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            out.push(low & 0x7f);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend_from_slice(bytes);
}

/// Takes bytes that are preceded by their number, and what follows them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_u32;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        let shift = 7 * u32::try_from(place).ok()?;
        length |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return bytes.get(place + 1..)?.split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{add, read};

    #[test]
    fn a_manifest_that_is_added_is_found_and_cannot_be_added_twice() {
        let wasm = wat::parse_str("(module (memory 1))").expect("a module");
        let long = "x".repeat(300);
        let json = format!("{{ \"abi\": 1,\n \"name\": \"climate\", \"publish\": [\"{long}\"] }}");
        let stamped = add(&wasm, json.as_bytes()).expect("it has none yet");
        assert_eq!(read(&stamped).expect("a manifest").publish, [long]);
        assert!(add(&stamped, json.as_bytes()).expect_err("it has one").contains("already"));
        assert!(add(&wasm, b"{").expect_err("no JSON").contains("not JSON"));
    }

    #[test]
    fn the_manifest_is_found_among_other_sections() {
        let json = r#"{"abi":1,"name":"climate","triggers":[{"telemetry":"climate"}],"command":true}"#;
        let text = format!(
            "(module (memory 1) (@custom \"other\" \"x\") (@custom \"fleetfn_v1_manifest\" {json:?}))"
        );
        let wasm = wat::parse_str(&text).expect("a module");
        let manifest = read(&wasm).expect("a manifest");
        assert_eq!((manifest.name.as_str(), manifest.command), ("climate", true));
        for end in 0..wasm.len() {
            // Cut anywhere, it is refused or understood, never a panic.
            let _ = read(&wasm[..end]);
        }
    }

    #[test]
    fn a_module_without_manifest_is_told_so() {
        assert!(read(b"\0asm\x01\0\0\0").expect_err("no manifest").contains("fleetfn_v1_manifest"));
        assert!(read(b"#!/bin/sh").expect_err("no module").contains("not a WebAssembly"));
        assert!(read(b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\x7f").expect_err("no module").contains("cut short"));
    }
}
