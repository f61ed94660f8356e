//! What stands between the parentheses of `#[function(...)]`.

use crate::filter::{broken_grant, broken_name, broken_prefix, broken_send};
use crate::trigger::Trigger;
use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Error, Ident, ItemFn, LitInt, LitStr, Path, Result, Token};

/// Bytes of payload that the buffer takes when nothing is said: most readings are far smaller, and all of memory
/// is put back before each event.
const PAYLOAD_BYTES_DEFAULT: u32 = 4 * 1024;
/// Largest payload of a message.
const PAYLOAD_BYTES_MAX: u32 = 64 * 1024;
/// Most triggers, and most values of each grant.
const VALUES_MAX: usize = 32;

/// The attribute, checked.
pub(crate) struct Settings {
    /// Name under which it is deployed.
    pub(crate) name: String,
    /// When it runs.
    pub(crate) triggers: Vec<Trigger>,
    /// Filters of topics that it may publish to.
    pub(crate) publish: Vec<String>,
    /// Whether it may send commands.
    pub(crate) command: bool,
    /// Filters of entities that it may send messages to.
    pub(crate) send: Vec<String>,
    /// Whether it may patch the twin.
    pub(crate) patch_twin: bool,
    /// What the URLs of its HTTP requests begin with.
    pub(crate) fetch: Vec<String>,
    /// Secrets that its HTTP requests may carry.
    pub(crate) secrets: Vec<String>,
    /// Version of its state, and what brings older state there.
    pub(crate) migration: Option<(u32, Path)>,
    /// Largest payload that its buffer takes.
    pub(crate) payload_bytes_max: u32,
}

impl Settings {
    fn new(name: String) -> Self {
        Self {
            name,
            triggers: Vec::new(),
            publish: Vec::new(),
            command: false,
            send: Vec::new(),
            patch_twin: false,
            fetch: Vec::new(),
            secrets: Vec::new(),
            migration: None,
            payload_bytes_max: PAYLOAD_BYTES_DEFAULT,
        }
    }

    /// Version of the state; 0 if it never changed.
    pub(crate) fn state_version(&self) -> u32 {
        self.migration.as_ref().map_or(0, |(version, _)| *version)
    }
}

const WORDS: &str = "there are the triggers telemetry, quiet, presence, twin, timer, cron, message, reply, http, update, gate; the \
    grants command, publish, send, patch_twin, fetch, secret; and name, payload_bytes_max, state_version, migrate";

pub(crate) fn parse(attribute: TokenStream, item: &ItemFn) -> Result<Settings> {
    let ident = &item.sig.ident;
    let (mut name, mut version, mut migrate) = (None, None, None);
    let mut settings = Settings::new(ident.to_string().replace('_', "-"));
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            let at = key.span();
            match key.to_string().as_str() {
                "name" => name = Some(text(input, broken_name)?),
                "publish" => push(&mut settings.publish, text(input, broken_grant)?, at)?,
                "send" => push(&mut settings.send, text(input, broken_send)?, at)?,
                "fetch" => push(&mut settings.fetch, text(input, broken_prefix)?, at)?,
                "secret" => push(&mut settings.secrets, text(input, broken_name)?, at)?,
                "command" => settings.command = true,
                "patch_twin" => settings.patch_twin = true,
                "payload_bytes_max" => settings.payload_bytes_max = bytes(input)?,
                "state_version" => version = Some(number(input)?),
                "migrate" => {
                    input.parse::<Token![=]>()?;
                    migrate = Some(input.parse::<Path>()?);
                }
                _ => match Trigger::parse(&key, input)? {
                    Some(trigger) => push(&mut settings.triggers, trigger, at)?,
                    None => return Err(Error::new(at, WORDS)),
                },
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    parser.parse2(attribute)?;
    settings.migration = match (version, migrate) {
        (None, None) => None,
        (Some(version), Some(migrate)) => Some((version, migrate)),
        _ => {
            let both = "state_version = N and migrate = PATH come together: a fn(u32, &Context) -> Result<(), Error>";
            return Err(Error::new(Span::call_site(), both));
        }
    };
    if settings.triggers.is_empty() {
        let reason = "nothing triggers it: add telemetry = \"CHANNEL\", or another trigger";
        return Err(Error::new(Span::call_site(), reason));
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

fn push<T>(values: &mut Vec<T>, value: T, at: Span) -> Result<()> {
    if values.len() >= VALUES_MAX {
        return Err(Error::new(at, "there are at most 32 of these"));
    }
    values.push(value);
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

fn number(input: ParseStream<'_>) -> Result<u32> {
    input.parse::<Token![=]>()?;
    let literal: LitInt = input.parse()?;
    match literal.base10_parse() {
        Ok(0) => Err(Error::new(literal.span(), "state begins with version 0: count from 1")),
        other => other,
    }
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
        let filters: Vec<_> = settings.triggers.iter().filter_map(|trigger| trigger.filter()).collect();
        assert_eq!(filters, ["a", "b"]);
    }

    #[test]
    fn a_refusal_says_what_would_fit() {
        let refusal = |attribute| of(attribute).err().expect("refused");
        assert!(refusal(quote!()).contains("telemetry"));
        assert!(refusal(quote!(telemetri = "a")).contains("payload_bytes_max"));
        assert!(refusal(quote!(telemetry = "a//b")).contains("empty"));
        assert!(refusal(quote!(telemetry = "a", payload_bytes_max = 65_537)).contains("65536"));
        assert!(refusal(quote!(telemetry = "a", publish = "devices/x")).contains("command"));
        assert!(refusal(quote!(quiet = "a")).contains("for_s = N"));
        assert!(refusal(quote!(quiet(filter = "a"))).contains("for_s = N"));
        assert!(refusal(quote!(quiet(filter = "a", for_s = 0))).contains("1 to"));
        assert!(refusal(quote!(telemetry(schema = "{}"))).contains("filter = "));
        assert!(refusal(quote!(telemetry(filter = "a", schema = "{"))).contains("not JSON"));
        assert!(refusal(quote!(telemetry(filter = "a", schema = "none.json"))).contains("cannot read"));
        assert!(refusal(quote!(telemetry(filter = "a", for_s = 3))).contains("there are: filter, schema"));
        assert!(refusal(quote!(cron = "0 2 * *")).contains("five fields"));
        assert!(refusal(quote!(cron(expression = "0 2 * * *", per = "moon"))).contains("device"));
        assert!(refusal(quote!(update = "later")).contains("offer"));
        assert!(refusal(quote!(presence, send = "$SYS/a")).contains("broker"));
        assert!(refusal(quote!(presence, fetch = "https://a")).contains("slash"));
        assert!(refusal(quote!(presence, secret = "a b")).contains("letter"));
        assert!(refusal(quote!(presence, state_version = 1)).contains("come together"));
        assert!(refusal(quote!(presence, state_version = 0, migrate = a)).contains("from 1"));
    }
}
