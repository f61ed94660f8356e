//! When a function runs: the triggers of the attribute, in its order.

use crate::filter::{broken_cron, broken_trigger};
use crate::schema::{self, Schema};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitInt, LitStr, Result, Token, parenthesized};

/// Longest time of a `quiet` trigger in seconds: a year.
const QUIET_S_MAX: u32 = 366 * 24 * 60 * 60;

/// One trigger, checked.
pub(crate) enum Trigger {
    Telemetry { filter: String, schema: Option<Schema> },
    Quiet { filter: String, for_s: u32 },
    Presence,
    Twin,
    Timer(String),
    Cron { expression: String, per_device: bool },
    Message(String),
    Reply(String),
    Http(String),
    UpdateOffer,
    UpdateReport,
    Gate,
}

/// What stands between the parentheses of one trigger.
#[derive(Default)]
struct Parts {
    filter: Option<LitStr>,
    schema: Option<LitStr>,
    for_s: Option<LitInt>,
    expression: Option<LitStr>,
    per: Option<LitStr>,
}

impl Trigger {
    /// Reads what follows the word; `None` if the word is none of a trigger.
    pub(crate) fn parse(word: &Ident, input: ParseStream<'_>) -> Result<Option<Self>> {
        Ok(Some(match word.to_string().as_str() {
            "presence" => Self::Presence,
            "twin" => Self::Twin,
            "timer" => Self::Timer(text(input)?),
            "message" => Self::Message(text(input)?),
            "reply" => Self::Reply(text(input)?),
            "http" => Self::Http(text(input)?),
            "gate" => Self::Gate,
            "update" => {
                input.parse::<Token![=]>()?;
                let moment: LitStr = input.parse()?;
                match moment.value().as_str() {
                    "offer" => Self::UpdateOffer,
                    "report" => Self::UpdateReport,
                    _ => return Err(Error::new(moment.span(), "it runs on \"offer\" or on \"report\"")),
                }
            }
            "telemetry" if input.peek(Token![=]) => Self::Telemetry { filter: text(input)?, schema: None },
            "telemetry" => {
                let Parts { filter, schema, .. } = Parts::parse(input, &["filter", "schema"])?;
                let filter = checked(&required(filter, word, "telemetry(filter = \"…\", schema = \"…\")")?)?;
                Self::Telemetry { filter, schema: schema.as_ref().map(schema::read).transpose()? }
            }
            "quiet" => {
                let form = "quiet(filter = \"…\", for_s = N)";
                let Parts { filter, for_s, .. } = Parts::parse(input, &["filter", "for_s"])
                    .map_err(|error| Error::new(error.span(), format!("{error}; write {form}")))?;
                let filter = checked(&required(filter, word, form)?)?;
                Self::Quiet { filter, for_s: seconds(&required(for_s, word, form)?)? }
            }
            "cron" if input.peek(Token![=]) => {
                input.parse::<Token![=]>()?;
                Self::Cron { expression: cron(&input.parse()?)?, per_device: false }
            }
            "cron" => {
                let form = "cron(expression = \"…\", per = \"device\")";
                let Parts { expression, per, .. } = Parts::parse(input, &["expression", "per"])?;
                let expression = cron(&required(expression, word, form)?)?;
                Self::Cron { expression, per_device: per.as_ref().is_some_and(|per| per.value() == "device") }
            }
            _ => return Ok(None),
        }))
    }

    /// The filter whose named parts a parameter can stand for.
    pub(crate) fn filter(&self) -> Option<&str> {
        match self {
            Self::Telemetry { filter, .. }
            | Self::Timer(filter)
            | Self::Message(filter)
            | Self::Reply(filter)
            | Self::Http(filter) => Some(filter),
            Self::Quiet { .. }
            | Self::Presence
            | Self::Twin
            | Self::Cron { .. }
            | Self::UpdateOffer
            | Self::UpdateReport
            | Self::Gate => None,
        }
    }

    /// The trigger as a value of the crate's.
    pub(crate) fn value(&self) -> TokenStream {
        let path = quote!(::fleetfn_function::Trigger);
        match self {
            Self::Telemetry { filter, .. } => quote!(#path::Telemetry(#filter)),
            Self::Quiet { filter, for_s } => quote!(#path::Quiet { filter: #filter, for_s: #for_s }),
            Self::Presence => quote!(#path::Presence),
            Self::Twin => quote!(#path::Twin),
            Self::Timer(filter) => quote!(#path::Timer(#filter)),
            Self::Cron { expression, per_device } => {
                quote!(#path::Cron { expression: #expression, per_device: #per_device })
            }
            Self::Message(filter) => quote!(#path::Message(#filter)),
            Self::Reply(filter) => quote!(#path::Reply(#filter)),
            Self::Http(filter) => quote!(#path::Http(#filter)),
            Self::UpdateOffer => quote!(#path::UpdateOffer),
            Self::UpdateReport => quote!(#path::UpdateReport),
            Self::Gate => quote!(#path::Gate),
        }
    }
}

impl Parts {
    fn parse(input: ParseStream<'_>, allowed: &[&str]) -> Result<Self> {
        let content;
        parenthesized!(content in input);
        let mut parts = Self::default();
        while !content.is_empty() {
            let key: Ident = content.parse()?;
            let name = key.to_string();
            if !allowed.contains(&name.as_str()) {
                return Err(Error::new(key.span(), format!("there are: {}", allowed.join(", "))));
            }
            content.parse::<Token![=]>()?;
            match name.as_str() {
                "filter" => parts.filter = Some(content.parse()?),
                "schema" => parts.schema = Some(content.parse()?),
                "for_s" => parts.for_s = Some(content.parse()?),
                "expression" => parts.expression = Some(content.parse()?),
                _ => parts.per = Some(per(content.parse()?)?),
            }
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(parts)
    }
}

fn required<T>(part: Option<T>, word: &Ident, form: &str) -> Result<T> {
    part.ok_or_else(|| Error::new(word.span(), format!("write {form}")))
}

fn text(input: ParseStream<'_>) -> Result<String> {
    input.parse::<Token![=]>()?;
    checked(&input.parse()?)
}

fn checked(literal: &LitStr) -> Result<String> {
    refuse(broken_trigger(&literal.value()), literal.span())?;
    Ok(literal.value())
}

fn cron(literal: &LitStr) -> Result<String> {
    refuse(broken_cron(&literal.value()), literal.span())?;
    Ok(literal.value())
}

fn per(literal: LitStr) -> Result<LitStr> {
    match literal.value().as_str() {
        "device" | "function" => Ok(literal),
        _ => Err(Error::new(literal.span(), "it runs per \"device\" or per \"function\"")),
    }
}

fn seconds(literal: &LitInt) -> Result<u32> {
    match literal.base10_parse() {
        Ok(seconds @ 1..=QUIET_S_MAX) => Ok(seconds),
        Ok(_) => Err(Error::new(literal.span(), "1 to 31622400 seconds")),
        Err(error) => Err(error),
    }
}

fn refuse(rule: Option<&'static str>, at: Span) -> Result<()> {
    rule.map_or(Ok(()), |rule| Err(Error::new(at, rule)))
}
