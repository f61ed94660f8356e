//! Finds the manifest in a module without running or checking it: the engine checks it when it is deployed.
//!
//! A module is the magic number and version, eight bytes, then sections: an id byte, a length in LEB128, contents. A
//! custom section has id 0 and begins with its name, a length in LEB128 and UTF-8 (WebAssembly core specification,
//! sections 5.2.2, 5.5.2 and 5.5.3).

use crate::api::ManifestView;
use fleetfn_abi::MANIFEST_SECTION;

/// The manifest of a module, or why there is none.
pub(super) fn read(wasm: &[u8]) -> Result<ManifestView, String> {
    let mut rest = wasm.strip_prefix(b"\0asm\x01\0\0\0").ok_or("it is not a WebAssembly core module")?;
    while let Some((&id, after_id)) = rest.split_first() {
        let (contents, after) = counted(after_id).ok_or("the module is cut short")?;
        rest = after;
        if id != 0 {
            continue;
        }
        let (name, json) = counted(contents).ok_or("the module is cut short")?;
        if name == MANIFEST_SECTION.as_bytes() {
            return serde_json::from_slice(json)
                .map_err(|error| format!("its manifest is not understood: {error}"));
        }
    }
    Err(format!("it has no section {MANIFEST_SECTION}: no handler was made with the function SDK"))
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
    use super::read;

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
