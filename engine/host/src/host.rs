//! What a worker thread holds to run functions.

use crate::admission;
use crate::version::{Ended, Version};
use crate::{Failure, Limits, native};
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::{Read, Role, StateReader};
use fleetfn_core::recorder::{Reads, Recorder, Replay};
use fleetfn_core::{Builtin, Event, Invocation, Offset, Outcome};
use fleetfn_protocol::FunctionName;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where modules come from, by hash.
pub trait ModuleSource: Send + 'static {
    /// The module as it was uploaded.
    ///
    /// # Errors
    /// Whatever keeps it from being read: the invocation is interrupted.
    fn read(&self, hash: &ModuleHash) -> std::io::Result<Vec<u8>>;
}

/// One event for one version of a function.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Name of the function.
    pub function: FunctionName,
    /// The version to run.
    pub version: ModuleHash,
    /// Which of its triggers fired, from 0.
    pub trigger: u16,
    /// What happened.
    pub event: &'a Event,
    /// Its place in the log.
    pub offset: Offset,
    /// Whether the invocation will count.
    pub role: Role,
}

/// Runs functions on one thread; keeps the versions that ran last compiled.
pub struct Host {
    limits: Limits,
    source: Box<dyn ModuleSource>,
    versions: Vec<Kept>,
    /// Counts calls, to know which version ran last.
    calls: u64,
}

/// A compiled version, and when it was called last.
struct Kept {
    called: u64,
    version: Version,
}

impl Host {
    /// A host that has nothing compiled yet.
    #[must_use]
    pub fn new(limits: Limits, source: Box<dyn ModuleSource>) -> Self {
        Self { limits: limits.sound(), source, versions: Vec::new(), calls: 0 }
    }

    /// Runs a version for an event: the same event, state and version give the same invocation on every node,
    /// unless it is interrupted. A version that is a [`Builtin`]'s runs natively.
    ///
    /// What is read of `state` is kept in the invocation. `guest_ns` is left 0: the caller knows the clock. Never
    /// panics, and ends within the limits on fuel and time.
    pub fn call<S: StateReader + 'static>(&mut self, call: &Call<'_>, state: S) -> Invocation {
        let reads = Reads::default();
        let state = Recorder::new(state, reads.clone());
        let ended = match Builtin::of(&call.version) {
            Some(builtin) => native::handle(builtin, call.event, &state),
            None => self.run(call, Box::new(state)),
        };
        let Ended { mut outcome, fuel, effects, logs, is_traceable } = ended;
        let reads = reads.take();
        if is_traceable && let Outcome::Failed { error_type, detail } = &mut outcome {
            detail.push_str(&self.backtrace(call, &reads, error_type));
        }
        Invocation {
            function: call.function,
            version: call.version,
            role: call.role,
            trigger: call.trigger,
            outcome,
            fuel,
            guest_ns: 0,
            effects,
            reads,
            logs,
        }
    }

    fn run(&mut self, call: &Call<'_>, state: Box<dyn StateReader>) -> Ended {
        let version = match self.version(&call.version) {
            Ok(version) => version,
            Err(failure) => return ended(failure),
        };
        let run = AssertUnwindSafe(|| version.handle(call, state));
        catch_unwind(run).unwrap_or_else(|panic| {
            // Whatever it left behind goes with it.
            self.versions.retain(|kept| kept.version.hash() != call.version);
            ended(Failure::Panic(panic_text(&*panic)))
        })
    }

    /// Where in the guest an event failed; empty if that cannot be told.
    fn backtrace(&mut self, call: &Call<'_>, reads: &[Read], error_type: &str) -> String {
        let (Some(replay), Ok(version)) = (Replay::new(reads), self.version(&call.version)) else {
            return String::new();
        };
        let run = AssertUnwindSafe(|| version.backtrace(call, Box::new(replay), error_type));
        catch_unwind(run).unwrap_or_default()
    }

    /// The compiled version; it replaces the one that was not called for the longest time.
    fn version(&mut self, hash: &ModuleHash) -> Result<&mut Version, Failure> {
        self.calls = self.calls.saturating_add(1);
        let place = match self.versions.iter().position(|kept| kept.version.hash() == *hash) {
            Some(place) => place,
            None => {
                let version = self.load(hash)?;
                if self.versions.len() >= self.limits.versions {
                    let oldest = (0..).zip(&self.versions).min_by_key(|(_, kept)| kept.called);
                    if let Some((place, _)) = oldest {
                        self.versions.swap_remove(place);
                    }
                }
                self.versions.push(Kept { called: 0, version });
                self.versions.len() - 1
            }
        };
        let kept =
            self.versions.get_mut(place).ok_or_else(|| Failure::Module("no version is kept".into()))?;
        kept.called = self.calls;
        Ok(&mut kept.version)
    }

    fn load(&self, hash: &ModuleHash) -> Result<Version, Failure> {
        let wasm = self
            .source
            .read(hash)
            .map_err(|error| Failure::Module(format!("cannot read module {hash}: {error}")))?;
        let limits = self.limits;
        let load = || {
            let module = admission::inspect(&wasm).map_err(|error| error.to_string())?;
            if module.hash() != *hash {
                return Err(format!("it has changed, its hash is {} now", module.hash()));
            }
            Version::compile(module, limits)
        };
        let loaded = catch_unwind(load).unwrap_or_else(|panic| Err(panic_text(&*panic)));
        loaded.map_err(|reason| Failure::Module(format!("cannot load module {hash}: {reason}")))
    }
}

pub(crate) fn ended(failure: Failure) -> Ended {
    let outcome = failure.into_outcome();
    Ended { outcome, fuel: 0, effects: Vec::new(), logs: Vec::new(), is_traceable: false }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".into())
}
