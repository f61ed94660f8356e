//! Devices, tokens, deployments, settings and releases: who may connect, which version of which function runs, and what it is
//! told.
//!
//! Every act is one control record of the log, so that a restart, and later another node, sees it at the same
//! place between the same events. Acts are made one at a time. A module is on disk, synced, before the record
//! that names it.

mod audit;
mod backfill;
mod comparison;
mod devices;
mod functions;
mod guard;
mod keys;
mod line;
mod releases;
mod settings;
mod standing;
mod sums;
mod ticket;
mod versions;

pub(crate) use audit::{Mode, Told};
pub(crate) use comparison::Comparison;
pub(crate) use devices::{DeviceChange, DeviceInfo, NewDevice};
pub(crate) use functions::{Act, DeployReport, Newcomer, Source};
pub(crate) use guard::start as start_guard;
pub(crate) use line::{Candidate, Placement};
pub(crate) use releases::Release;
pub(crate) use standing::Withheld;
pub(crate) use sums::Sums;
pub(crate) use ticket::Ticket;
pub(crate) use versions::{State, VersionInfo};

use crate::admit::Waiter;
use crate::artifacts::Artifacts;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::seal::Seal;
use fleetfn_broker::{Directory, Principal, Refused, Role};
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{Committed, Store};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, oneshot};

/// User name under which an operator connects to the broker; no device may be registered under it.
pub(crate) const OPERATOR: &str = fleetfn_core::partition::OPERATOR;

/// Names that no function may have: they stand for the engine itself, or for functions of its own, where functions are
/// named.
const RESERVED: [&str; 4] =
    [OPERATOR, "fleetfn", fleetfn_core::rollout::FUNCTION, fleetfn_core::rollout::DEVICE_FUNCTION];

/// Random bytes in a token: 256 bits need no slow hash.
const TOKEN_BYTES: usize = 32;

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is one of that name already.
    #[error("{0} exists already")]
    Exists(String),
    /// There is none of that name.
    #[error("there is no {0}")]
    Missing(String),
    /// More than one could be meant.
    #[error("{0}")]
    Ambiguous(String),
    /// What is asked for breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// The versions of the function do not allow it.
    #[error("function '{name}': {source}")]
    Line {
        /// The function.
        name: FunctionName,
        /// Why.
        source: line::Error,
    },
    /// A dark version is not known to do what the live one does.
    #[error("the dark version of function '{name}' is not promoted without approval: {why}")]
    Unproven {
        /// The function.
        name: FunctionName,
        /// What is known of it.
        why: String,
    },
    /// A release is not believed.
    #[error(transparent)]
    Release(#[from] fleetfn_core::update::ReleaseError),
    /// A release may not be offered.
    #[error(transparent)]
    Withheld(#[from] Box<Withheld>),
    /// The image of a release is not there, or not as it was.
    #[error(transparent)]
    Artifact(#[from] crate::artifacts::Error),
    /// An address is not good.
    #[error("{0}")]
    Ticket(&'static str),
    /// The module is not fit to run.
    #[error("the module is refused")]
    Refused(#[source] fleetfn_host::admission::Error),
    /// The name is taken by the engine itself.
    #[error("the name '{0}' is reserved")]
    Reserved(String),
    /// The module could not be written or read.
    #[error("cannot keep or read the module in the data directory")]
    Module(#[source] std::io::Error),
    /// A secret could not be sealed.
    #[error("the secret cannot be sealed: {0}")]
    Seal(String),
    /// No randomness for a token.
    #[error("the system gives no randomness for a token: {0}")]
    Random(getrandom::Error),
    /// The store did not take or give it.
    #[error("the store cannot do it: {0}")]
    Store(String),
}

impl From<fleetfn_store::Error> for Error {
    fn from(error: fleetfn_store::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Store(error.to_string())
    }
}

/// What a registry is made of.
pub(crate) struct Parts<'a> {
    /// Log and state.
    pub(crate) store: Store<Waiter>,
    /// Where modules are kept.
    pub(crate) modules: Modules,
    /// Where images are kept.
    pub(crate) artifacts: Artifacts,
    /// The lease of the control lane.
    pub(crate) epoch: Epoch,
    /// The operator's token.
    pub(crate) operator_token: &'a str,
    /// Who may connect.
    pub(crate) access: Access,
    /// The key of secrets.
    pub(crate) seal: Seal,
    /// What versions have done.
    pub(crate) metrics: Arc<Metrics>,
    /// When acts are done.
    pub(crate) clock: Clock,
}

/// The registry of one node.
pub(crate) struct Registry {
    store: Store<Waiter>,
    modules: Modules,
    artifacts: Artifacts,
    epoch: Epoch,
    operator_sha256: [u8; 32],
    access: Access,
    seal: Seal,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// Where the log ended when the counters began at zero.
    counted_from: Offset,
    /// The counters when dark versions began: as many as there are functions.
    compared: std::sync::Mutex<BTreeMap<FunctionName, comparison::Base>>,
    /// The counters when versions under guard began: as many as there are functions.
    guarded: std::sync::Mutex<BTreeMap<FunctionName, guard::Base>>,
    settings: RwLock<settings::Settings>,
    releases: RwLock<releases::Releases>,
    /// Functions whose backfill is under way on this node.
    backfilling: std::sync::Mutex<BTreeSet<FunctionName>>,
    /// The number of the next line of the audit.
    audit_next: AtomicU64,
    acts: Mutex<()>,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever shows the token of a registered device, or the operator's.
    Tokens,
    /// Anybody, as any device or as operator: for labs and benchmarks on loopback.
    Open,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A new token: 256 random bits as hexadecimal text.
pub(crate) fn new_token() -> Result<String, Error> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Registry {
    /// Reads what operators have set so far.
    pub(crate) fn new(parts: Parts<'_>) -> Result<Arc<Self>, Error> {
        let Parts { store, modules, artifacts, epoch, operator_token, access, seal, metrics, clock } = parts;
        let settings = RwLock::new(settings::load(store.view())?);
        let releases = RwLock::new(releases::load(store.view())?);
        let audit_next = AtomicU64::new(audit::next(store.view())?);
        Ok(Arc::new(Self {
            counted_from: store.durable_end(),
            store,
            modules,
            artifacts,
            epoch,
            operator_sha256: sha256(operator_token.as_bytes()),
            access,
            seal,
            metrics,
            clock,
            compared: std::sync::Mutex::default(),
            guarded: std::sync::Mutex::default(),
            settings,
            releases,
            backfilling: std::sync::Mutex::default(),
            audit_next,
            acts: Mutex::new(()),
        }))
    }

    /// Whether `token` is the operator's, compared in constant time.
    pub(crate) fn is_operator(&self, token: &[u8]) -> bool {
        bool::from(sha256(token).ct_eq(&self.operator_sha256))
    }

    /// Appends one control record and waits until it is durable.
    async fn record(&self, change: Change) -> Result<Offset, Error> {
        self.record_all(vec![change]).await
    }

    /// The same with several changes, of which there are all or none.
    async fn record_all(&self, changes: Vec<Change>) -> Result<Offset, Error> {
        let commit = Commit {
            partition: PartitionId::CONTROL,
            epoch: self.epoch,
            cursor: None,
            changes,
            recordings: Vec::new(),
        };
        let (caller, durable) = oneshot::channel();
        let store = self.store.clone();
        // The store blocks while its view has no room.
        let committed =
            tokio::task::spawn_blocking(move || store.commit(&commit, Some(Waiter::Call(caller))))
                .await?
                .map_err(|error| Error::Store(error.to_string()))?;
        if let Committed::Fenced = committed {
            return Err(Error::Store("another node has taken over".into()));
        }
        durable
            .await
            .map_err(|_| Error::Store("the log has stopped".into()))?
            .map_err(|error| Error::Store(error.to_string()))
    }
}

impl Directory for Registry {
    fn authenticate(&self, username: &str, password: &[u8]) -> Result<Principal, Refused> {
        let operator = || Principal::Service { name: OPERATOR.into(), role: Role::Operator };
        if self.access == Access::Open {
            if username.is_empty() || username == OPERATOR {
                return Ok(operator());
            }
            return DeviceId::parse(username).map(Principal::Device).map_err(|_| Refused::BadCredentials);
        }
        if username == OPERATOR {
            return if self.is_operator(password) { Ok(operator()) } else { Err(Refused::BadCredentials) };
        }
        let id = DeviceId::parse(username).map_err(|_| Refused::BadCredentials)?;
        let row = self.store.view().device(id).map_err(|_| Refused::Unavailable)?;
        // Compares in any case, so that the time does not tell whether the device exists.
        let expected = row.as_ref().map_or([0; 32], |row| row.token_sha256);
        let fits = bool::from(sha256(password).ct_eq(&expected));
        if fits && row.is_some() { Ok(Principal::Device(id)) } else { Err(Refused::BadCredentials) }
    }
}
