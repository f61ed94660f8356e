//! `/dead-letters`: events that could not be handled.

use super::Api;
use super::function::parse_name;
use super::invocation::EventView;
use super::page::{self, LIMIT_MAX, Page};
use super::problem::{Kind, Problem};
use super::request::{Name, Parameters};
use crate::registry;
use axum::Json;
use axum::extract::State;
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::{Entity, Event, Offset};
use fleetfn_protocol::FunctionName;
use fleetfn_store::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Letters that are looked through for one page, whatever passes the filters: bounds the time of one request.
const LOOK_MAX: usize = 10_000;

/// An event that a function could not handle.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DeadLetterView {
    /// Log offset of the event.
    pub(crate) offset: u64,
    /// The function that failed.
    pub(crate) function: String,
    /// The version that failed: SHA-256 of the module.
    pub(crate) version: String,
    /// When the event was admitted, in milliseconds since 1970.
    pub(crate) received_at_ms: u64,
    /// A word for the kind: `trap`, `fuel`, `rejected`, ...
    pub(crate) error_type: String,
    /// What happened, of a trap with its backtrace.
    pub(crate) detail: String,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// What the handler logged, one line each.
    pub(crate) logs: Vec<String>,
    /// The event; absent if it cannot be read any more.
    pub(crate) event: Option<EventView>,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let event = Event::decode(letter.event).ok();
        Self {
            offset: letter.offset.0,
            function: letter.function.to_string(),
            version: letter.version.to_string(),
            received_at_ms: letter.received_at_ms,
            error_type: letter.error_type,
            detail: letter.detail,
            fuel: letter.fuel,
            logs: letter.logs,
            event: event.map(|event| EventView::plain(letter.offset, &event)),
        }
    }
}

/// What a client may ask for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    function: Option<String>,
    entity: Option<String>,
    error_type: Option<String>,
    /// `newest`, which is the default, or `oldest`.
    first: Option<String>,
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// The same, understood.
struct Search {
    function: Option<FunctionName>,
    entity: Option<String>,
    error_type: Option<String>,
    first: First,
    limit: usize,
    after: Option<(Offset, FunctionName)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Newest,
    Oldest,
}

impl ListQuery {
    fn parse(self) -> Result<Search, Problem> {
        let function = self.function.as_deref().map(FunctionName::parse).transpose();
        let entity = self.entity.as_deref().map(|text| Entity::parse(text).ok_or(text)).transpose();
        let entity = entity
            .map_err(|text| Problem::new(Kind::Malformed, format!("entity: {text:?} is none")))?
            .map(|entity| entity.to_string());
        let first = match self.first.as_deref() {
            None | Some("newest") => First::Newest,
            Some("oldest") => First::Oldest,
            Some(_) => return Err(Problem::new(Kind::Malformed, "first: it is newest or oldest")),
        };
        let limit = page::checked(self.limit)?;
        let after = self.after.as_deref().map(|text| {
            let (offset, function) = text.split_once('.')?;
            Some((Offset(offset.parse().ok()?), FunctionName::parse(function).ok()?))
        });
        let after = match after {
            Some(None) => {
                return Err(Problem::new(Kind::Malformed, "after: it is the next of another page"));
            }
            Some(Some(after)) => Some(after),
            None => None,
        };
        Ok(Search {
            function: function.map_err(|error| Problem::malformed("function", &error))?,
            entity,
            error_type: self.error_type,
            first,
            limit,
            after,
        })
    }
}

impl Search {
    fn wants(&self, letter: &DeadLetterView) -> bool {
        let entity = letter.event.as_ref().map(|event| &event.entity);
        self.error_type.as_ref().is_none_or(|wanted| letter.error_type == *wanted)
            && self.entity.as_ref().is_none_or(|wanted| entity == Some(wanted))
    }

    /// Looks through the letters until the page is full or enough of them were looked at.
    fn run(mut self, view: &View) -> Result<Page<DeadLetterView>, registry::Error> {
        let (mut items, mut looked_at) = (Vec::new(), 0);
        loop {
            let letters = match self.first {
                First::Newest => view.dead_letters_before(self.function, self.after, self.limit)?,
                First::Oldest => view.dead_letters_after(self.function, self.after, self.limit)?,
            };
            let is_last = letters.len() < self.limit;
            looked_at += letters.len();
            for letter in letters {
                if items.len() >= self.limit {
                    return Ok(Page { items, next: self.after.map(cursor) });
                }
                self.after = Some((letter.offset, letter.function));
                items.push(DeadLetterView::from(letter));
                if items.last().is_some_and(|letter| !self.wants(letter)) {
                    items.pop();
                }
            }
            if is_last {
                return Ok(Page { items, next: None });
            }
            if items.len() >= self.limit || looked_at >= LOOK_MAX {
                return Ok(Page { items, next: self.after.map(cursor) });
            }
        }
    }
}

fn cursor((offset, function): (Offset, FunctionName)) -> String {
    format!("{offset}.{function}")
}

/// `GET /dead-letters`: the newest or the oldest first, that pass the filters. A page may be short although there is
/// another: one request looks through a bounded number of letters.
pub(super) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    let (search, store) = (query.parse()?, api.engine.store().clone());
    let found = tokio::task::spawn_blocking(move || search.run(store.view())).await;
    Ok(Json(found.map_err(registry::Error::from)??))
}

/// `GET /dead-letters/{offset}`: the letters of one event, by function.
pub(super) async fn show(
    State(api): State<Api>,
    Name(offset): Name,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    let offset = offset.parse().map(Offset).map_err(|error| Problem::malformed("offset", &error))?;
    // Letters stand by offset and then by function: what of the event before comes along is dropped below.
    let after = offset.0.checked_sub(1).zip(FunctionName::parse("zzzz").ok());
    let after = after.map(|(before, function)| (Offset(before), function));
    let store = api.engine.store().clone();
    let found =
        tokio::task::spawn_blocking(move || store.view().dead_letters_after(None, after, LIMIT_MAX)).await;
    let found = found.map_err(registry::Error::from)?.map_err(registry::Error::from)?;
    let of_event = found.into_iter().filter(|letter| letter.offset == offset);
    let items: Vec<_> = of_event.map(DeadLetterView::from).collect();
    if items.is_empty() {
        return Err(Problem::new(
            Kind::Missing,
            format!("there is no dead letter of an event at offset {offset}"),
        ));
    }
    Ok(Json(Page { items, next: None }))
}

/// `GET /functions/{name}/refused`: the newest payload of each partition that the schema of a function refused, newest
/// first.
pub(super) async fn refused(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    let name = parse_name(&name)?;
    let store = api.engine.store().clone();
    let found = tokio::task::spawn_blocking(move || store.view().refused(&name)).await;
    let found = found.map_err(registry::Error::from)?.map_err(registry::Error::from)?;
    if found.is_empty() {
        // Nothing was refused, or there is nobody to refuse it.
        api.engine.registry().function(name)?;
    }
    Ok(Json(Page { items: found.into_iter().map(DeadLetterView::from).collect(), next: None }))
}
