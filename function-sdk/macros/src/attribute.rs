//! What stands between the parentheses of `#[function(...)]`.

use crate::filter::{broken_grant, broken_name, broken_trigger};
use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Error, Ident, ItemFn, LitInt, LitStr, Result, Token};

/// Bytes of payload that the buffer takes when nothing is said: most readings are far smaller, and all of memory
/// is put back before each event.
const PAYLOAD_BYTES_DEFAULT: u32 = 4 * 1024;
/// Largest payload of a message.
const PAYLOAD_BYTES_MAX: u32 = 64 * 1024;
/// Most triggers, and most filters of published topics.
const FILTERS_MAX: usize = 32;

/// The attribute, checked.
pub(crate) struct Settings {
    /// Name under which it is deployed.
    pub(crate) name: String,
    /// Filters over channels.
    pub(crate) telemetry: Vec<String>,
    /// Filters of topics that it may publish to.
    pub(crate) publish: Vec<String>,
    /// Whether it may send commands.
    pub(crate) command: bool,
    /// Largest payload that its buffer takes.
    pub(crate) payload_bytes_max: u32,
}

pub(crate) fn parse(attribute: TokenStream, item: &ItemFn) -> Result<Settings> {
    let ident = &item.sig.ident;
    let mut name = None;
    let mut settings = Settings {
        name: ident.to_string().replace('_', "-"),
        telemetry: Vec::new(),
        publish: Vec::new(),
        command: false,
        payload_bytes_max: PAYLOAD_BYTES_DEFAULT,
    };
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "name" => name = Some(text(input, broken_name)?),
                "telemetry" => push(&mut settings.telemetry, text(input, broken_trigger)?, key.span())?,
                "publish" => push(&mut settings.publish, text(input, broken_grant)?, key.span())?,
                "command" => settings.command = true,
                "payload_bytes_max" => settings.payload_bytes_max = bytes(input)?,
                _ => {
                    return Err(Error::new(
                        key.span(),
                        "there are: name = \"…\", telemetry = \"…\", publish = \"…\", command, payload_bytes_max = N",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    parser.parse2(attribute)?;
    if settings.telemetry.is_empty() {
        return Err(Error::new(Span::call_site(), "nothing triggers it: add telemetry = \"CHANNEL\""));
    }
    match name {
        Some(name) => settings.name = name,
        None => {
            if let Some(rule) = broken_name(&settings.name) {
                return Err(Error::new(ident.span(), format!("say name = \"…\": {rule}")));
            }
        }
    }
    Ok(settings)
}

fn text(input: ParseStream<'_>, broken: fn(&str) -> Option<&'static str>) -> Result<String> {
    input.parse::<Token![=]>()?;
    let literal: LitStr = input.parse()?;
    match broken(&literal.value()) {
        Some(rule) => Err(Error::new(literal.span(), rule)),
        None => Ok(literal.value()),
    }
}

fn push(filters: &mut Vec<String>, filter: String, at: Span) -> Result<()> {
    if filters.len() >= FILTERS_MAX {
        return Err(Error::new(at, "there are at most 32 of these"));
    }
    filters.push(filter);
    Ok(())
}

fn bytes(input: ParseStream<'_>) -> Result<u32> {
    input.parse::<Token![=]>()?;
    let literal: LitInt = input.parse()?;
    let bytes = literal.base10_parse()?;
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(Error::new(literal.span(), "the broker takes payloads of up to 65536 bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Settings, parse};
    use quote::quote;

    fn of(attribute: proc_macro2::TokenStream) -> Result<Settings, String> {
        let item = syn::parse_quote! { fn room_climate() {} };
        parse(attribute, &item).map_err(|error| error.to_string())
    }

    #[test]
    fn the_name_is_that_of_the_rust_function_unless_said_otherwise() {
        let settings = of(quote!(telemetry = "climate")).expect("fits");
        assert_eq!((settings.name.as_str(), settings.command), ("room-climate", false));
        let settings = of(quote!(name = "c", telemetry = "a", telemetry = "b", command)).expect("fits");
        assert_eq!((settings.name.as_str(), settings.command), ("c", true));
        assert_eq!(settings.telemetry, ["a", "b"]);
    }

    #[test]
    fn a_refusal_says_what_would_fit() {
        let refusal = |attribute| of(attribute).err().expect("refused");
        assert!(refusal(quote!()).contains("telemetry"));
        assert!(refusal(quote!(telemetri = "a")).contains("payload_bytes_max"));
        assert!(refusal(quote!(telemetry = "a//b")).contains("empty"));
        assert!(refusal(quote!(telemetry = "a", payload_bytes_max = 65_537)).contains("65536"));
        assert!(refusal(quote!(telemetry = "a", publish = "devices/x")).contains("command"));
    }
}
