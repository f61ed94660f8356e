//! The manifest of a function, as it stands in the custom section of its module.

use crate::attribute::Settings;
use std::fmt::Write as _;

/// The manifest's JSON.
pub(crate) fn json(settings: &Settings) -> String {
    let triggers: Vec<String> =
        settings.telemetry.iter().map(|filter| format!("{{\"telemetry\":{}}}", quoted(filter))).collect();
    let publish: Vec<String> = settings.publish.iter().map(|filter| quoted(filter)).collect();
    format!(
        "{{\"abi\":{},\"name\":{},\"triggers\":[{}],\"publish\":[{}],\"command\":{}}}",
        fleetfn_abi::ABI_VERSION,
        quoted(&settings.name),
        triggers.join(","),
        publish.join(","),
        settings.command,
    )
}

/// A JSON string (RFC 8259, section 7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ if character < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{json, quoted};
    use crate::attribute::Settings;

    #[test]
    fn a_manifest_has_the_form_that_the_interface_documents() {
        let settings = Settings {
            name: "climate".into(),
            telemetry: vec!["climate".into()],
            publish: vec!["alerts/#".into()],
            command: true,
            payload_bytes_max: 1,
        };
        let expected = r#"{"abi":1,"name":"climate","triggers":[{"telemetry":"climate"}],"publish":["alerts/#"],"command":true}"#;
        assert_eq!(json(&settings), expected);
    }

    #[test]
    fn what_json_cannot_hold_is_escaped() {
        assert_eq!(quoted("a\"b\\c\u{1}"), r#""a\"b\\c\u0001""#);
    }
}
