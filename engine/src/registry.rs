//! Devices, tokens and deployments: who may connect, and which version of which function is live.
//!
//! Every act is one control record of the log, so that a restart, and later another node, sees it at the same
//! place between the same events. Acts are made one at a time. A module is on disk, synced, before the record
//! that names it.

use crate::admit::{Waiter, now_ms};
use crate::modules::Modules;
use bytes::Bytes;
use fleetfn_broker::{Directory, Principal, Refused, Role};
use fleetfn_core::commit::DeviceRow;
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash};
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName, ProductId};
use fleetfn_store::{Committed, Store};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, oneshot};

/// User name under which an operator connects to the broker; no device may be registered under it.
pub(crate) const OPERATOR: &str = "operator";

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
    /// The module is not fit to run.
    #[error("the module is refused")]
    Refused(#[source] fleetfn_host::admission::Error),
    /// The name is taken by the engine itself.
    #[error("the name '{OPERATOR}' is reserved")]
    Reserved,
    /// The module could not be written.
    #[error("cannot keep the module in the data directory")]
    Module(#[source] std::io::Error),
    /// No randomness for a token.
    #[error("the system gives no randomness for a token: {0}")]
    Random(getrandom::Error),
    /// The store did not take or give it.
    #[error("the store cannot do it: {0}")]
    Store(String),
}

/// A device, as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct DeviceInfo {
    /// Its id.
    pub(crate) id: DeviceId,
    /// What it is one of.
    pub(crate) product: Option<ProductId>,
    /// Free words for selecting it.
    pub(crate) tags: Vec<String>,
    /// When it was added, in milliseconds since 1970.
    pub(crate) added_at_ms: u64,
    /// Whether it has a session now.
    pub(crate) online: bool,
}

/// What a deployment did, or would do.
#[derive(Debug, Clone)]
pub(crate) struct DeployReport {
    /// What the module says of itself.
    pub(crate) manifest: Manifest,
    /// The version by hash.
    pub(crate) version: ModuleHash,
    /// The version that was live before.
    pub(crate) previous: Option<ModuleHash>,
    /// Events after this offset run the new version; `None` for a dry run.
    pub(crate) offset: Option<Offset>,
}

/// The registry of one node.
pub(crate) struct Registry {
    store: Store<Waiter>,
    modules: Modules,
    epoch: Epoch,
    operator_sha256: [u8; 32],
    access: Access,
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
    pub(crate) fn new(
        store: Store<Waiter>,
        modules: Modules,
        epoch: Epoch,
        operator_token: &str,
        access: Access,
    ) -> Arc<Self> {
        let operator_sha256 = sha256(operator_token.as_bytes());
        Arc::new(Self { store, modules, epoch, operator_sha256, access, acts: Mutex::new(()) })
    }

    /// Whether `token` is the operator's, compared in constant time.
    pub(crate) fn is_operator(&self, token: &[u8]) -> bool {
        bool::from(sha256(token).ct_eq(&self.operator_sha256))
    }

    /// Registers a device and returns its token, which is kept nowhere else. Durable on return.
    pub(crate) async fn add_device(
        &self,
        id: DeviceId,
        product: Option<ProductId>,
        tags: Vec<String>,
    ) -> Result<String, Error> {
        if id.as_str() == OPERATOR {
            return Err(Error::Reserved);
        }
        let token = new_token()?;
        let token_sha256 = sha256(token.as_bytes());
        let row = DeviceRow { product, token_sha256, tags, added_at_ms: now_ms() };
        let _one_at_a_time = self.acts.lock().await;
        if self.device(id)?.is_some() {
            return Err(Error::Exists(format!("device '{id}'")));
        }
        self.record(Change::Device { id, row: Some(row) }).await?;
        Ok(token)
    }

    /// Forgets a device; its state stays. Durable on return.
    pub(crate) async fn remove_device(&self, id: DeviceId) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        if self.device(id)?.is_none() {
            return Err(Error::Missing(format!("device '{id}'")));
        }
        self.record(Change::Device { id, row: None }).await?;
        Ok(())
    }

    fn device(&self, id: DeviceId) -> Result<Option<DeviceRow>, Error> {
        self.store.view().device(id).map_err(|error| Error::Store(error.to_string()))
    }

    /// Devices by id, after one, at most `limit`.
    pub(crate) fn devices(
        &self,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<(DeviceId, DeviceRow)>, Error> {
        self.store.view().devices(after, limit).map_err(|error| Error::Store(error.to_string()))
    }

    /// Checks a module and puts it live under the name of its manifest. Durable on return.
    pub(crate) async fn deploy(&self, wasm: Bytes, dry_run: bool) -> Result<DeployReport, Error> {
        let image = wasm.clone();
        let admitted = tokio::task::spawn_blocking(move || fleetfn_host::admit(&image))
            .await
            .map_err(|error| Error::Store(error.to_string()))?;
        let module = admitted.map_err(Error::Refused)?;
        let manifest = module.manifest().clone();
        if manifest.name.as_str() == OPERATOR {
            return Err(Error::Reserved);
        }
        let version = module.hash();
        let _one_at_a_time = self.acts.lock().await;
        let previous = self.live(manifest.name)?.map(|deployment| deployment.version);
        if dry_run {
            return Ok(DeployReport { manifest, version, previous, offset: None });
        }
        let modules = self.modules.clone();
        tokio::task::spawn_blocking(move || modules.write(&version, &wasm))
            .await
            .map_err(|error| Error::Store(error.to_string()))?
            .map_err(Error::Module)?;
        let deployment = Deployment { manifest: manifest.clone(), version, deployed_at_ms: now_ms() };
        let change = Change::Deployment { name: manifest.name, deployment: Some(deployment) };
        let offset = self.record(change).await?;
        Ok(DeployReport { manifest, version, previous, offset: Some(offset) })
    }

    /// Takes a function out of service; its state stays. Durable on return.
    pub(crate) async fn remove_function(&self, name: FunctionName) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        if self.live(name)?.is_none() {
            return Err(Error::Missing(format!("function '{name}'")));
        }
        self.record(Change::Deployment { name, deployment: None }).await?;
        Ok(())
    }

    fn live(&self, name: FunctionName) -> Result<Option<Deployment>, Error> {
        Ok(self.functions()?.into_iter().find(|deployment| deployment.manifest.name == name))
    }

    /// The version that is live of each function, by name.
    pub(crate) fn functions(&self) -> Result<Vec<Deployment>, Error> {
        let rows = self.store.view().deployments().map_err(|error| Error::Store(error.to_string()))?;
        let mut live = std::collections::BTreeMap::new();
        for (_, name, deployment) in rows {
            live.insert(name, deployment);
        }
        Ok(live.into_values().flatten().collect())
    }

    /// Appends one control record and waits until it is durable.
    async fn record(&self, change: Change) -> Result<Offset, Error> {
        let commit = Commit {
            partition: PartitionId::CONTROL,
            epoch: self.epoch,
            cursor: None,
            changes: vec![change],
        };
        let (caller, durable) = oneshot::channel();
        let store = self.store.clone();
        // The store blocks while its view has no room.
        let committed =
            tokio::task::spawn_blocking(move || store.commit(&commit, Some(Waiter::Call(caller))))
                .await
                .map_err(|error| Error::Store(error.to_string()))?
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
