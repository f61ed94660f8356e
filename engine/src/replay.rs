//! A live invocation, run again: on what it read then, by the version that ran then or by another one.
//!
//! A handler sees nothing but its event and what it reads, and both are recorded: the same version does the same again,
//! bit for bit, wherever the state has gone since. Nothing is changed by it. Another version may read what was not read
//! then; it finds nothing there.

use crate::admit::Waiter;
use crate::follow::{self, Follower, Shown};
use crate::modules::Modules;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::{Invocation, LogLine, Role};
use fleetfn_core::recorder::Replay;
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Effect, Given, Offset};
use fleetfn_host::{Call, Host, Limits, ModuleSource};
use fleetfn_protocol::FunctionName;
use fleetfn_store::Store;

/// Records that are searched for an invocation behind its event: a turn is committed within some thousand of them, and
/// one that waited for a module within some seconds.
const SEARCH_RECORDS_MAX: u64 = 4_000_000;

/// Why an invocation cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing ran for it.
    #[error(
        "no invocation of an event at offset {0} is recorded: the log is kept for a time, and not every record is an event"
    )]
    NoInvocation(Offset),
    /// Not this one.
    #[error("function '{function}' was not run for the event at offset {offset}; these were: {ran}")]
    OtherFunction {
        /// The event.
        offset: Offset,
        /// Who was asked for.
        function: FunctionName,
        /// Who ran.
        ran: String,
    },
    /// Its reads were too large.
    #[error("the invocation read more than is recorded: it cannot be replayed")]
    Lost,
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] follow::Error),
}

/// What an invocation did, in the parts that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed {
    /// Which version.
    pub(crate) version: ModuleHash,
    /// Why it failed, if it did: the word for metrics, and what happened.
    pub(crate) failure: Option<(String, String)>,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// What it asked for.
    pub(crate) effects: Vec<Effect>,
    /// What it logged.
    pub(crate) logs: Vec<LogLine>,
}

/// Then and now.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The event's place in the log.
    pub(crate) offset: Offset,
    /// The function.
    pub(crate) function: FunctionName,
    /// What it did live.
    pub(crate) then: Deed,
    /// What it did now.
    pub(crate) now: Deed,
}

impl Replayed {
    /// What differs, in words; nothing if it did the same.
    pub(crate) fn differences(&self) -> Vec<&'static str> {
        let Self { then, now, .. } = self;
        let parts = [
            ("outcome", then.failure != now.failure),
            ("fuel", then.fuel != now.fuel),
            ("effects", then.effects != now.effects),
            ("logs", then.logs != now.logs),
        ];
        parts.into_iter().filter(|(_, differ)| *differ).map(|(name, _)| name).collect()
    }
}

impl From<Recording> for Deed {
    fn from(recording: Recording) -> Self {
        let failure = match recording.outcome {
            RecordedOutcome::Done => None,
            RecordedOutcome::Failed { error_type, detail } => Some((error_type, detail)),
        };
        let Recording { version, fuel, effects, logs, .. } = recording;
        Self { version, failure, fuel, effects, logs }
    }
}

impl From<Invocation> for Deed {
    fn from(invocation: Invocation) -> Self {
        let failure = invocation.outcome.failure().map(|(error_type, detail)| (error_type.into(), detail));
        let Invocation { version, fuel, effects, logs, .. } = invocation;
        Self { version, failure, fuel, effects, logs }
    }
}

/// Which code runs again.
#[derive(Debug, Clone)]
pub(crate) enum Code {
    /// That which ran live.
    Same,
    /// A version that was deployed.
    Version(ModuleHash),
    /// A module that was never deployed, checked.
    Module(fleetfn_host::Module, Vec<u8>),
}

/// A source of one module that is not among those deployed.
struct Single(Vec<u8>);

impl ModuleSource for Single {
    fn read(&self, _: &ModuleHash) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

/// Runs again what ran for the event at `offset`: of one function, or of the only one. Blocks.
pub(crate) fn replay(
    store: &Store<Waiter>,
    modules: &Modules,
    offset: Offset,
    function: Option<FunctionName>,
    code: Code,
) -> Result<Replayed, Error> {
    let (given, recording) = find(store, offset, function)?;
    let reader = Replay::new(&recording.reads).ok_or(Error::Lost)?;
    let (version, source): (_, Box<dyn ModuleSource>) = match code {
        Code::Same => (recording.version, Box::new(modules.clone())),
        Code::Version(version) => (version, Box::new(modules.clone())),
        Code::Module(module, wasm) => (module.hash(), Box::new(Single(wasm))),
    };
    let mut host = Host::new(Limits::default(), source);
    let call = Call {
        function: recording.function,
        version,
        role: recording.role,
        trigger: recording.trigger,
        event: &given.event,
        offset,
    };
    let now = host.call(&call, reader).into();
    Ok(Replayed { offset, function: recording.function, then: recording.into(), now })
}

/// The event at an offset, and the recording of what a function did with it.
fn find(
    store: &Store<Waiter>,
    offset: Offset,
    function: Option<FunctionName>,
) -> Result<(Given, Recording), Error> {
    let mut follower = Follower::new(store.clone(), offset);
    let mut ran = Vec::new();
    while ran.is_empty() && !follower.is_at_end() && follower.position().0 < offset.0 + SEARCH_RECORDS_MAX {
        ran = follower.next_batch(usize::MAX, |recording| recording.offset == offset)?;
    }
    if ran.is_empty() {
        return Err(Error::NoInvocation(offset));
    }
    let names: Vec<_> = ran.iter().map(|shown| shown.recording.function.to_string()).collect();
    let wanted = |shown: &Shown| match function {
        Some(name) => shown.recording.function == name,
        None => shown.recording.role == Role::Live,
    };
    match (ran.into_iter().find(wanted), function) {
        (Some(Shown { given: Some(given), recording, .. }), _) => Ok((given, recording)),
        (None, Some(function)) => Err(Error::OtherFunction { offset, function, ran: names.join(", ") }),
        _ => Err(Error::NoInvocation(offset)),
    }
}
