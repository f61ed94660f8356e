//! `/functions/{name}/timers`: what a function will be told, and when.

use super::Api;
use super::function::parse_name;
use super::page::{Page, PageQuery};
use super::problem::{Kind, Problem};
use super::request::{Name, Parameters};
use crate::admit::Waiter;
use axum::Json;
use axum::extract::State;
use fleetfn_core::commit::Due;
use fleetfn_core::event::Purpose;
use fleetfn_core::{Entity, Facts, PartitionId};
use fleetfn_protocol::FunctionName;
use fleetfn_store::{Error, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Timers read at once.
const PAGE_TIMERS: usize = 4_096;

/// A timer of a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TimerView {
    /// When it fires, in milliseconds since 1970.
    pub(crate) due_ms: u64,
    /// For which entity.
    pub(crate) entity: String,
    /// `timer`, `cron`, `quiet`, `reply`, `expiry` or `send`.
    pub(crate) purpose: String,
    /// The timer's name, the expression, the trigger, the command, the key, or the effect.
    pub(crate) name: String,
}

/// `GET /functions/{name}/timers`: those that fire first, in one page of at most `limit`.
pub(super) async fn list(
    State(api): State<Api>,
    Name(name): Name,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<TimerView>>, Problem> {
    let (name, limit) = (parse_name(&name)?, query.limit()?);
    if query.after.is_some() {
        return Err(Problem::new(Kind::Malformed, "after: timers come in one page; raise limit"));
    }
    let engine = api.engine.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut timers = Vec::new();
        for partition in (0..engine.partitions()).map(PartitionId) {
            timers.extend(of_partition(engine.store(), partition, name, limit)?);
        }
        timers.sort();
        timers.truncate(limit);
        Ok::<_, Error>(timers)
    });
    let unavailable = |why: String| Problem::new(Kind::Unavailable, why);
    let items = read.await.map_err(|error| unavailable(error.to_string()))?;
    Ok(Json(Page { items: items.map_err(|error| unavailable(error.to_string()))?, next: None }))
}

/// The first timers of a function in one partition, about in the order in which they fire.
fn of_partition(
    store: &Store<Waiter>,
    partition: PartitionId,
    function: FunctionName,
    limit: usize,
) -> Result<Vec<TimerView>, Error> {
    let facts = store.view().partition(partition);
    let (mut timers, mut after) = (Vec::new(), None::<Due>);
    while timers.len() < limit {
        let page = store.view().due(partition, after.as_ref(), PAGE_TIMERS)?;
        for due in page.iter().filter(|due| due.key.function == function) {
            if let Some(row) = facts.timer(&due.key)? {
                timers.extend(view(due, row.due_ms));
            }
        }
        let last = page.len() < PAGE_TIMERS;
        after = page.into_iter().next_back();
        if last {
            break;
        }
    }
    Ok(timers)
}

fn view(due: &Due, due_ms: u64) -> Option<TimerView> {
    let entity = Entity::from_canonical(&due.key.entity)?.to_string();
    let (purpose, name) = match Purpose::from_bytes(&due.key.purpose)? {
        Purpose::Named(name) => ("timer", name.to_owned()),
        Purpose::Cron(expression) => ("cron", expression.to_owned()),
        Purpose::Quiet(for_s, filter) => ("quiet", format!("{filter} for {for_s} s")),
        Purpose::Reply(name) => ("reply", name.to_owned()),
        Purpose::Expiry(key) => ("expiry", String::from_utf8_lossy(key).into_owned()),
        Purpose::Send(offset, index) => ("send", format!("{offset}.{index}.{}", due.key.function)),
    };
    Some(TimerView { due_ms, entity, purpose: purpose.into(), name })
}
