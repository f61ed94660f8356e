//! The attribute `#[function]` of `fleetfn-function`, which documents it.

#![forbid(unsafe_code)]

mod attribute;
mod expansion;
mod filter;
mod handler;
mod manifest;
mod schema;
mod trigger;

use proc_macro::TokenStream;

/// Makes a function of fleetfn out of a plain one. The documentation of `fleetfn_function` says how.
#[proc_macro_attribute]
pub fn function(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = match syn::parse(item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error().into(),
    };
    let expanded = attribute::parse(attribute.into(), &item)
        .and_then(|settings| handler::parse(&item, &settings).map(|inputs| (settings, inputs)));
    match expanded {
        Ok((settings, inputs)) => expansion::expand(item, &settings, &inputs).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
