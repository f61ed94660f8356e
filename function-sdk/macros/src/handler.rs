//! What a handler takes, told by the names and types of its parameters.

use crate::attribute::Settings;
use crate::filter::level_of;
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericArgument, ItemFn, Pat, PathArguments, Result, ReturnType, Type};

/// One parameter.
pub(crate) enum Input {
    /// The context.
    Context,
    /// The payload, decoded into the type.
    Payload(Box<Type>),
    /// A named part of the channel, or of another name that a filter is over.
    Part {
        /// Its name.
        name: String,
        /// Its level for each trigger.
        levels: Vec<Option<u16>>,
        /// What it becomes.
        form: Form,
    },
}

/// What a part of the channel becomes.
pub(crate) enum Form {
    /// `&str`
    Text,
    /// `Option<&str>`
    OptionalText,
    /// `Option<T>`, parsed
    Optional(Box<Type>),
    /// `T`, parsed
    Parsed(Box<Type>),
}

pub(crate) fn parse(item: &ItemFn, settings: &Settings) -> Result<Vec<Input>> {
    let signature = &item.sig;
    if let Some(asyncness) = signature.asyncness {
        return Err(Error::new(asyncness.span(), "a handler waits for nothing: remove `async`"));
    }
    if signature.generics.type_params().next().is_some() {
        return Err(Error::new(signature.generics.span(), "a handler has no type parameters"));
    }
    if let ReturnType::Type(_, returned) = &signature.output
        && matches!(**returned, Type::ImplTrait(_))
    {
        return Err(Error::new(returned.span(), "a handler returns `()` or `Result<(), Error>`"));
    }
    let mut inputs = Vec::new();
    for argument in &signature.inputs {
        let FnArg::Typed(argument) = argument else {
            return Err(Error::new(argument.span(), "a handler is a free function: remove `self`"));
        };
        let input = input(&argument.pat, &argument.ty, settings)?;
        let again = match &input {
            Input::Payload(_) => inputs.iter().any(|other| matches!(other, Input::Payload(_))),
            Input::Context => inputs.iter().any(|other| matches!(other, Input::Context)),
            Input::Part { .. } => false,
        };
        if again {
            return Err(Error::new(
                argument.span(),
                "a handler takes one payload, one `&Context`, and parts of the channel under the names that the trigger gives them",
            ));
        }
        inputs.push(input);
    }
    Ok(inputs)
}

fn input(pattern: &Pat, of: &Type, settings: &Settings) -> Result<Input> {
    if let Type::Reference(reference) = of
        && is_path_to(&reference.elem, "Context")
    {
        return match reference.mutability {
            None => Ok(Input::Context),
            Some(mutability) => Err(Error::new(mutability.span(), "take `&Context`: it needs no `mut`")),
        };
    }
    let Pat::Ident(name) = pattern else { return Ok(Input::Payload(Box::new(of.clone()))) };
    let name = name.ident.to_string();
    let levels: Vec<_> = settings.triggers.iter().map(|trigger| level_of(trigger.filter()?, &name)).collect();
    if levels.iter().all(Option::is_none) {
        return Ok(Input::Payload(Box::new(of.clone())));
    }
    let form = form(of);
    let optional = matches!(form, Form::OptionalText | Form::Optional(_));
    if !optional && levels.contains(&None) {
        let reason = format!("not every trigger has the part {{{name}}}: take an `Option`");
        return Err(Error::new(of.span(), reason));
    }
    Ok(Input::Part { name, levels, form })
}

fn form(of: &Type) -> Form {
    if is_text(of) {
        return Form::Text;
    }
    match inner_of_option(of) {
        Some(inner) if is_text(inner) => Form::OptionalText,
        Some(inner) => Form::Optional(Box::new(inner.clone())),
        None => Form::Parsed(Box::new(of.clone())),
    }
}

fn is_text(of: &Type) -> bool {
    matches!(of, Type::Reference(reference) if is_path_to(&reference.elem, "str"))
}

fn is_path_to(of: &Type, last: &str) -> bool {
    matches!(of, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == last))
}

fn inner_of_option(of: &Type) -> Option<&Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Form, Input, parse};
    use crate::attribute;
    use quote::quote;
    use syn::parse_quote;

    fn inputs(item: &syn::ItemFn) -> Result<Vec<Input>, String> {
        let settings = attribute::parse(quote!(telemetry = "gps/{vehicle}", telemetry = "seen"), item)
            .expect("the attribute fits");
        parse(item, &settings).map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_types_tell_what_a_parameter_is() {
        let item = parse_quote! {
            fn f(vehicle: Option<u32>, Json(a): Json<Position>, context: &fleetfn_function::Context) {}
        };
        let inputs = inputs(&item).expect("fits");
        assert!(matches!(&inputs[0], Input::Part { name, levels, form: Form::Optional(_) }
            if name == "vehicle" && *levels == [Some(1), None]));
        assert!(matches!(inputs[1], Input::Payload(_)));
        assert!(matches!(inputs[2], Input::Context));
    }

    #[test]
    fn a_refusal_says_what_would_fit() {
        let refusal = |item| inputs(&item).err().expect("refused");
        assert!(refusal(parse_quote! { fn f(vehicle: &str) {} }).contains("Option"));
        assert!(refusal(parse_quote! { fn f(a: Json<A>, b: Json<B>) {} }).contains("one payload"));
        assert!(refusal(parse_quote! { fn f(context: &mut Context) {} }).contains("no `mut`"));
        assert!(refusal(parse_quote! { async fn f() {} }).contains("async"));
        assert!(refusal(parse_quote! { fn f<T>(a: T) {} }).contains("type parameters"));
    }
}
