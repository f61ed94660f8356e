//! The code that the attribute becomes: a value that tests run, and on wasm32 the exports and the manifest section.

use crate::attribute::Settings;
use crate::handler::{Form, Input};
use crate::manifest;
use crate::trigger::Trigger;
use fleetfn_abi::{EXPORT_BUFFER, EXPORT_INITIALIZE, EXPORT_MIGRATE, EXPORT_ON_EVENT, MANIFEST_SECTION};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, ItemFn, Visibility};

/// The value is named as the function was: `climate` then is what a test runs, and a call of the plain function
/// is in it.
pub(crate) fn expand(mut item: ItemFn, settings: &Settings, inputs: &[Input]) -> TokenStream {
    let is_doc = |attribute: &Attribute| attribute.path().is_ident("doc");
    let docs: Vec<Attribute> = item.attrs.iter().filter(|attribute| is_doc(attribute)).cloned().collect();
    let visibility = std::mem::replace(&mut item.vis, Visibility::Inherited);
    let function = item.sig.ident.clone();
    // Lints on names do not look at what a macro wrote.
    let value = Ident::new(&function.to_string(), Span::call_site());
    let arguments: Vec<Ident> = (0..inputs.len()).map(|place| format_ident!("argument_{place}")).collect();
    let reads = arguments.iter().zip(inputs).map(|(argument, input)| read(argument, input));
    let manifest = manifest::json(settings);
    let exports = exports(settings, &manifest);
    let Settings { name, publish, command, send, patch_twin, fetch, secrets, payload_bytes_max, .. } =
        settings;
    let triggers = settings.triggers.iter().map(Trigger::value);
    let files = settings.triggers.iter().filter_map(schema_file);
    let state_version = settings.state_version();
    let migrate = match &settings.migration {
        Some((_, path)) => quote!(::core::option::Option::Some(#path)),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        #(#docs)*
        #visibility const #value: ::fleetfn_function::Function = {
            #item

            fn __fleetfn_handle(
                context: &::fleetfn_function::Context,
            ) -> ::core::result::Result<(), ::fleetfn_function::Error> {
                #(#reads)*
                ::fleetfn_function::expansion::Returned::into_result(#function(#(#arguments),*))
            }

            // Cargo looks at them again when they change.
            #(const _: &[u8] = ::core::include_bytes!(#files);)*

            #exports

            ::fleetfn_function::Function {
                name: #name,
                manifest: #manifest,
                triggers: &[#(#triggers),*],
                publish: &[#(#publish),*],
                command: #command,
                send: &[#(#send),*],
                patch_twin: #patch_twin,
                fetch: &[#(#fetch),*],
                secrets: &[#(#secrets),*],
                state_version: #state_version,
                migrate: #migrate,
                payload_bytes_max: #payload_bytes_max,
                handle: __fleetfn_handle,
            }
        };

        // A function that no test names is used all the same.
        const _: ::fleetfn_function::Function = #value;
    }
}

/// The file that a trigger's schema came from.
fn schema_file(trigger: &Trigger) -> Option<&str> {
    match trigger {
        Trigger::Telemetry { schema: Some(schema), .. } => schema.file.as_deref(),
        _ => None,
    }
}

/// Reads one argument out of the context.
fn read(argument: &Ident, input: &Input) -> TokenStream {
    match input {
        Input::Context => quote! { let #argument = context; },
        Input::Payload(of) => quote! {
            let #argument: #of = ::fleetfn_function::FromPayload::from_payload(context.payload())?;
        },
        Input::Part { name, levels, form } => {
            let levels = levels.iter().map(|level| match level {
                Some(level) => quote!(::core::option::Option::Some(#level)),
                None => quote!(::core::option::Option::None),
            });
            let text = quote!(::fleetfn_function::expansion::part(context, &[#(#levels),*]));
            match form {
                Form::Text => quote! {
                    let #argument = #text.unwrap_or_default();
                },
                Form::OptionalText => quote! { let #argument = #text; },
                Form::Parsed(of) => quote! {
                    let #argument: #of =
                        ::fleetfn_function::expansion::parsed(#name, #text.unwrap_or_default())?;
                },
                Form::Optional(of) => quote! {
                    let #argument: ::core::option::Option<#of> = match #text {
                        ::core::option::Option::Some(text) => ::core::option::Option::Some(
                            ::fleetfn_function::expansion::parsed(#name, text)?,
                        ),
                        ::core::option::Option::None => ::core::option::Option::None,
                    };
                },
            }
        }
    }
}

fn exports(settings: &Settings, manifest: &str) -> TokenStream {
    let payload_bytes_max = settings.payload_bytes_max;
    let bytes = Literal::byte_string(manifest.as_bytes());
    let length = manifest.len();
    let migrate = settings.migration.as_ref().map(|(_, path)| {
        quote! {
            #[unsafe(export_name = #EXPORT_MIGRATE)]
            extern "C" fn migrate(from: i32) -> i32 {
                BUFFER.migrate(from, #path)
            }
        }
    });
    quote! {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static BUFFER: ::fleetfn_function::expansion::Buffer<
                { ::fleetfn_function::expansion::buffer_bytes(#payload_bytes_max) },
            > = ::fleetfn_function::expansion::Buffer::new();

            #[used]
            #[unsafe(link_section = #MANIFEST_SECTION)]
            static MANIFEST: [u8; #length] = *#bytes;

            #[unsafe(export_name = #EXPORT_BUFFER)]
            extern "C" fn buffer() -> i64 {
                BUFFER.place()
            }

            #[unsafe(export_name = #EXPORT_ON_EVENT)]
            extern "C" fn on_event(length: i32) -> i32 {
                BUFFER.handle(length, __fleetfn_handle)
            }

            #migrate

            #[unsafe(export_name = #EXPORT_INITIALIZE)]
            extern "C" fn initialize() {
                ::fleetfn_function::expansion::initialize();
            }
        };
    }
}
