//! One event of a rollout: from what is stored and what is said to effects.

use super::RolloutError;
use super::book::{Book, HEAD, POLICY};
use super::head::{FORMAT, Head, Hold, State};
use super::history::{self, ITSELF, Line};
use super::input::{Act, Input, TICK, Verb};
use super::policy::Policy;
use crate::effect::Effect;
use crate::event::Event;
use crate::invocation::StateReader;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::RolloutName;

/// Messages in a row after which a rollout goes on with its timer instead: half of what the engine lets pass. A timer is a
/// new beginning.
const HOPS_CALM: u8 = 8;

/// What came of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what is not committed has not happened"]
pub struct Decision {
    /// What is to happen, in this order.
    pub effects: Vec<Effect>,
    /// What moved and why, or why nothing did.
    pub moves: Moves,
}

/// What moved and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "an unread report is not actionable"]
pub struct Moves {
    /// What the history says about it.
    pub lines: Vec<Line>,
    /// Devices that were offered the release.
    pub offered: u32,
    /// Why what was said changed nothing, if it did not.
    pub ignored: Option<String>,
}

/// A rollout while it handles one event.
pub(super) struct Machine<'a> {
    pub(super) name: RolloutName,
    pub(super) now_ms: u64,
    pub(super) policy: Rc<Policy>,
    pub(super) head: Head,
    pub(super) book: Book<'a>,
    pub(super) messages: Vec<Effect>,
    pub(super) moves: Moves,
    /// Whether something was left for a second later.
    pub(super) more: bool,
    /// Whether nothing is left of the rollout.
    pub(super) is_gone: bool,
}

/// Handles an event of the entity of a rollout.
///
/// # Errors
/// [`RolloutError`]; only [`RolloutError::Unavailable`] is worth another try.
pub fn handle_event(event: &Event, reader: &dyn StateReader) -> Result<Decision, RolloutError> {
    let entity = event.entity();
    let name = super::rollout_of(entity.name()).ok_or_else(|| RolloutError::Entity(entity.to_string()))?;
    let hops = event.origin().map_or(0, |origin| origin.hops);
    match Input::of(event)? {
        Some(input) => handle(&name, input, event.received_at_ms(), hops, reader),
        None => Ok(nothing("a rollout does not look at such an event".into())),
    }
}

/// Handles what a rollout is told, `hops` messages after anything but a message.
///
/// # Errors
/// [`RolloutError`]; only [`RolloutError::Unavailable`] is worth another try.
pub fn handle(
    name: &RolloutName,
    input: Input,
    now_ms: u64,
    hops: u8,
    reader: &dyn StateReader,
) -> Result<Decision, RolloutError> {
    let book = Book::new(reader);
    let stored = (book.get::<Policy>(POLICY)?, book.get::<Head>(HEAD)?);
    let machine = |policy, head, book| Machine {
        name: *name,
        now_ms,
        policy: Rc::new(policy),
        head,
        book,
        messages: Vec::new(),
        moves: Moves::default(),
        more: false,
        is_gone: false,
    };
    match (stored, input) {
        ((Some(policy), Some(head)), input) => {
            if head.format != FORMAT || head.phases.len() != policy.phases.len() {
                return Err(RolloutError::Damaged { key: HEAD.into(), wrong: "not of this version".into() });
            }
            let before = head.clone();
            let mut machine = machine(policy, head, book);
            machine.take(input)?;
            machine.proceed(hops)?;
            machine.finish(Some(&before))
        }
        (_, Input::Act(Act { by, why, verb: Verb::Start(policy), .. })) => {
            if let Err(error) = super::act::permitted_start(name, &policy) {
                return Ok(nothing(error.to_string()));
            }
            let head = super::act::first_head(&policy, by, why, now_ms);
            let mut machine = machine(*policy, head, book);
            machine.go_on_counting()?;
            machine.book.put(POLICY.into(), &*Rc::clone(&machine.policy));
            machine.started();
            machine.proceed(hops)?;
            machine.finish(None)
        }
        _ => Ok(nothing(format!("there is no rollout '{name}'"))),
    }
}

fn nothing(why: String) -> Decision {
    Decision { effects: Vec::new(), moves: Moves { ignored: Some(why), ..Moves::default() } }
}

impl Machine<'_> {
    fn take(&mut self, input: Input) -> Result<(), RolloutError> {
        if self.head.removal.is_some() && !matches!(input, Input::Act(_) | Input::Tick) {
            self.ignore("the rollout is being removed");
            return Ok(());
        }
        match input {
            Input::Act(act) => self.act(&act),
            Input::Taken(taken) => {
                self.taken(&taken);
                Ok(())
            }
            Input::Candidates(candidates) => self.enrol(&candidates.devices),
            Input::Enrolled => {
                self.end_of_candidates();
                Ok(())
            }
            Input::Pace(pace) => {
                self.set_pace(pace);
                Ok(())
            }
            Input::Patches(new) => self.take_patches(new),
            Input::Awake(awake) => {
                self.awake(awake.since_ms);
                Ok(())
            }
            Input::Report(report) => self.report(&report),
            Input::Absent(absent) => self.absent(&absent),
            Input::Here(heard) => self.here(&heard),
            Input::Silent(silent) => self.silent(&silent),
            Input::Heard(heard) => self.heard(&heard),
            Input::Deferred(deferred) => self.deferred(&deferred),
            Input::Refused(refused) => self.refused(&refused),
            Input::Chosen(chosen) => self.chosen(&chosen),
            Input::Verdict(gate, answer) => {
                self.verdict(&gate, &answer);
                Ok(())
            }
            Input::Tick => {
                self.head.tick_ms = None;
                Ok(())
            }
        }
    }

    /// Does what follows from how things stand.
    fn proceed(&mut self, hops: u8) -> Result<(), RolloutError> {
        if self.head.removal.is_some() {
            // Its pace is that of its timer, whatever it is told.
            return if self.moves.ignored.is_none() { self.go_on_removing() } else { Ok(()) };
        }
        self.look_at_due()?;
        self.stop_if_bad();
        self.sweep()?;
        if hops >= HOPS_CALM {
            self.more = true;
            return Ok(());
        }
        if self.head.paused.is_none() {
            self.advance();
            self.offer_some()?;
        }
        Ok(())
    }

    fn finish(mut self, before: Option<&Head>) -> Result<Decision, RolloutError> {
        let timer = self.timer();
        if !self.is_gone && before != Some(&self.head) {
            self.book.put(HEAD.into(), &self.head);
        }
        let mut effects = self.book.into_effects();
        effects.append(&mut self.messages);
        effects.extend(timer);
        Ok(Decision { effects, moves: self.moves })
    }

    /// Sets the timer for whatever comes next. One that is set for an earlier time stays: most of what it waits for is put
    /// off again and again, and it then fires once in vain instead of being set with every event.
    fn timer(&mut self) -> Option<Effect> {
        let next_ms = self.next_ms().map(|next_ms| next_ms.max(self.now_ms.saturating_add(1_000)));
        let is_soon_enough = match (self.head.tick_ms, next_ms) {
            (Some(tick_ms), Some(next_ms)) => tick_ms <= next_ms,
            (tick_ms, next_ms) => tick_ms == next_ms,
        };
        if is_soon_enough {
            return None;
        }
        self.head.tick_ms = next_ms;
        let name = Bytes::from_static(TICK.as_bytes());
        let Some(next_ms) = next_ms else {
            return Some(Effect::TimerCancel { name });
        };
        let delay_s = next_ms.saturating_sub(self.now_ms).div_ceil(1_000);
        let delay_s = u32::try_from(delay_s).unwrap_or(u32::MAX).max(1);
        Some(Effect::TimerSet { name, payload: Bytes::new(), delay_s })
    }

    /// When something is to be done without anybody saying anything.
    fn next_ms(&self) -> Option<u64> {
        if self.more || (self.head.sweep.is_some()) {
            return Some(self.now_ms);
        }
        if self.head.removal.is_some() {
            return None;
        }
        let due_ms = self.head.due_ms;
        if self.head.paused.is_some() {
            return due_ms;
        }
        let until_ms = match (self.head.state, self.head.hold) {
            (State::Scheduled | State::Soaking | State::Judging, _) | (State::Held, Some(Hold::Gate)) => {
                self.head.until_ms
            }
            (State::Running, _) => self.next_start_ms(),
            (State::WaitingForApproval | State::Enrolling, _)
            | (State::Held | State::Completed | State::Aborted, _) => None,
        };
        [due_ms, until_ms].into_iter().flatten().min()
    }

    /// Adds a line to the history.
    pub(super) fn note(&mut self, by: &str, what: impl Into<String>, why: impl Into<String>) {
        let line = Line { at_ms: self.now_ms, by: by.into(), what: what.into(), why: why.into() };
        history::write(&mut self.book, &mut self.head, &line);
        self.moves.lines.push(line);
    }

    /// What was said changes nothing.
    pub(super) fn ignore(&mut self, why: impl Into<String>) {
        self.moves.ignored = Some(why.into());
    }

    /// A report that makes no sense changes nothing, but is counted.
    pub(super) fn ignore_nonsense(&mut self, why: impl Into<String>) {
        self.head.ignored = self.head.ignored.saturating_add(1);
        self.ignore(why);
    }

    /// Enters a state of the rollout's own doing.
    pub(super) fn enter(&mut self, state: State, because: impl Into<String>) {
        self.enter_by(ITSELF, state, because);
    }

    /// Enters a state.
    pub(super) fn enter_by(&mut self, by: &str, state: State, because: impl Into<String>) {
        let because = because.into();
        self.head.state = state;
        self.head.since_ms = self.now_ms;
        self.head.hold = None;
        self.head.until_ms = None;
        self.head.because.clone_from(&because);
        self.note(by, state.to_string(), because);
    }

    /// Is held until something that it cannot do itself.
    pub(super) fn hold(&mut self, hold: Hold, until_ms: Option<u64>, because: impl Into<String>) {
        self.enter(State::Held, because);
        self.head.hold = Some(hold);
        self.head.until_ms = until_ms;
    }
}
