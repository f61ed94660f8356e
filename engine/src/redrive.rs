//! Events that a function could not handle, handled again.
//!
//! A dead letter keeps its event whole, so that it outlives the log. Redriven, the event goes into the log again, for the
//! one function that failed; the commit of that turn deletes the letter, or renews it if the function fails again.
//! Letters go oldest first: of one entity they come in the order in which they failed.

use crate::admit::Waiter;
use crate::engine::Engine;
use crate::registry::{self, Mode};
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::invocation::Role;
use fleetfn_core::{Event, EventKind, Offset, PartitionId, Routes};
use fleetfn_protocol::FunctionName;
use fleetfn_store::{AppendError, Haste};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Letters that are redriven in one go: bounds what one request takes into memory.
pub(crate) const LETTERS_MAX: usize = 100;

/// How long it is waited until all of them are handled: the longest invocation, and what stands before it in the log.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// How soon to look again: for room in the log, or for events to be handled.
const LOOK_AFTER: Duration = Duration::from_millis(5);

/// What the sequence of an [`Origin`] says of an event that failed, in contrast to those that waited.
const FAILED: u64 = 0;

/// Which letters.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    /// Those of these events, in their order in the log.
    Of(Vec<Offset>),
    /// The oldest behind `after` and below `until`.
    Oldest { after: Option<Offset>, until: Offset },
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It would be redriven.
    Chosen,
    /// It is handled, and the letter gone.
    Handled,
    /// It failed again.
    Failed {
        /// A word for the kind.
        error_type: String,
        /// What happened.
        detail: String,
    },
    /// The function, as it is live, does not take such events, or this version of the engine cannot read it: it was left
    /// where it is.
    Untaken,
    /// It is in the log and was not handled in time.
    Waiting,
}

/// A letter and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Redriven {
    /// The event that failed.
    pub(crate) offset: Offset,
    /// What it is about.
    pub(crate) entity: String,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Report {
    /// One for each letter, oldest first.
    pub(crate) items: Vec<Redriven>,
    /// Whether there may be more.
    pub(crate) is_cut: bool,
}

/// An event under way.
struct UnderWay {
    /// Of its letter among the items.
    place: usize,
    partition: PartitionId,
    offset: Offset,
}

/// Redrives dead letters of a function, at most [`LETTERS_MAX`], and waits until they are handled; a dry run only
/// says which.
///
/// # Errors
/// [`registry::Error`]: nothing was done if there is no such function, it has no live version or is paused, or one of the
/// letters that were named is not there.
pub(crate) async fn redrive(
    engine: &Engine,
    function: FunctionName,
    choice: Choice,
    mode: Mode,
) -> Result<Report, registry::Error> {
    let mut routes = routes(engine, function)?;
    let letters = {
        let engine = engine.clone();
        tokio::task::spawn_blocking(move || choose(&engine, function, &choice)).await??
    };
    let is_cut = letters.len() >= LETTERS_MAX;
    let (mut items, mut receipts) = (Vec::with_capacity(letters.len()), Vec::new());
    for letter in &letters {
        let event = Event::decode(letter.event.clone()).ok();
        let entity = event.as_ref().map(|event| event.entity().to_string()).unwrap_or_default();
        let fate = match event.filter(|event| is_taken(&mut routes, event, function)) {
            None => Fate::Untaken,
            Some(_) if mode == Mode::DryRun => Fate::Chosen,
            Some(event) => {
                receipts.push((items.len(), admit(engine, letter, &event).await?));
                Fate::Waiting
            }
        };
        items.push(Redriven { offset: letter.offset, entity, fate });
    }
    let mut under_way = Vec::with_capacity(receipts.len());
    for (place, (partition, receipt)) in receipts {
        let durable = receipt.await.map_err(|_| registry::Error::Store("the log has stopped".into()))?;
        let offset = durable.map_err(|error| registry::Error::Store(error.to_string()))?;
        under_way.push(UnderWay { place, partition, offset });
    }
    settle(engine, function, &mut items, under_way).await?;
    Ok(Report { items, is_cut })
}

/// What the live version of the function takes. One that is paused takes nothing: its letters would run ahead of the
/// events that wait.
fn routes(engine: &Engine, function: FunctionName) -> Result<Routes, registry::Error> {
    let (_, line) = engine.registry().function(function)?;
    if line.live.is_none() {
        let why = format!("function '{function}' has no live version to handle anything: deploy one first");
        return Err(registry::Error::Invalid(why));
    }
    if line.paused.is_some() {
        let why = format!("function '{function}' is paused: resume it first, or letters overtake what waits");
        return Err(registry::Error::Invalid(why));
    }
    let mut routes = Routes::default();
    routes.handle_deployment(Offset(0), function, Some(&line));
    Ok(routes)
}

fn is_taken(routes: &mut Routes, event: &Event, function: FunctionName) -> bool {
    let entity = event.entity().canonical();
    let routed = routes.route(Offset(u64::MAX), event, Some(function), &entity);
    routed.targets.iter().any(|target| target.role == Role::Live)
}

fn choose(
    engine: &Engine,
    function: FunctionName,
    choice: &Choice,
) -> Result<Vec<DeadLetter>, registry::Error> {
    let view = engine.store().view();
    match choice {
        Choice::Oldest { after, until } => {
            let after = after.map(|after| (after, function));
            let mut letters = view.dead_letters_after(Some(function), after, LETTERS_MAX)?;
            letters.retain(|letter| letter.offset < *until);
            Ok(letters)
        }
        Choice::Of(offsets) => {
            let mut offsets: Vec<Offset> = offsets.iter().take(LETTERS_MAX).copied().collect();
            offsets.sort_unstable();
            offsets.dedup();
            let letter = |offset: Offset| {
                let found = view.dead_letter(offset, &function)?;
                let what = format!("dead letter of function '{function}' at offset {offset}");
                found.map(|(_, letter)| letter).ok_or(registry::Error::Missing(what))
            };
            offsets.into_iter().map(letter).collect()
        }
    }
}

type Receipt = oneshot::Receiver<Result<Offset, fleetfn_store::Failure>>;

/// Puts the event of a letter into the log again. The log keeps the order of these calls; it is waited for room, not for
/// the disk.
async fn admit(
    engine: &Engine,
    letter: &DeadLetter,
    event: &Event,
) -> Result<(PartitionId, Receipt), registry::Error> {
    let partition = event.entity().partition(engine.partitions());
    let (cause, function) = (letter.offset, letter.function);
    let parts = EventParts {
        entity: event.entity(),
        kind: EventKind::Redrive,
        received_at_ms: engine.clock().now_ms(),
        expiry_s: 0,
        message_id: "",
        origin: Some(Origin { cause, function, partition, sequence: FAILED, hops: 0, source: "" }),
        payload: event.bytes(),
    };
    let record = parts.encode().map_err(|error| registry::Error::Store(error.to_string()))?;
    loop {
        let (sender, receipt) = oneshot::channel();
        match engine.store().admit(partition, record.clone(), Haste::Now, Waiter::Call(sender)) {
            Ok(_) => return Ok((partition, receipt)),
            Err(AppendError::Full(_)) => tokio::time::sleep(LOOK_AFTER).await,
            Err(error) => return Err(registry::Error::Store(error.to_string())),
        }
    }
}

/// Waits until the events were handled, and finds out what came of them.
async fn settle(
    engine: &Engine,
    function: FunctionName,
    items: &mut [Redriven],
    mut under_way: Vec<UnderWay>,
) -> Result<(), registry::Error> {
    let view = engine.store().view();
    let begun = Instant::now();
    while !under_way.is_empty() && begun.elapsed() < WAIT_MAX {
        let mut waiting = Vec::with_capacity(under_way.len());
        for one in under_way {
            let Some(item) = items.get_mut(one.place) else { continue };
            // In this order: a letter that is read after the commit is as the commit left it.
            let is_handled = view.cursor(one.partition)? > one.offset;
            match view.dead_letter(item.offset, &function)? {
                None => item.fate = Fate::Handled,
                Some((_, letter)) if is_handled => {
                    item.fate = Fate::Failed { error_type: letter.error_type, detail: letter.detail };
                }
                Some(_) => waiting.push(one),
            }
        }
        under_way = waiting;
        if !under_way.is_empty() {
            tokio::time::sleep(LOOK_AFTER).await;
        }
    }
    Ok(())
}
