//! What an invocation reads: the state of its (entity, function), the twin of its device, its configuration.

use super::{Error, View};
use crate::key;
use bytes::Bytes;
use fleetfn_core::Facts;
use fleetfn_core::PartitionId;
use fleetfn_core::commit::Value;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::settings::Config;
use fleetfn_core::update::Update;
use fleetfn_protocol::{DeviceId, FunctionName};
use std::sync::Arc;

/// What one invocation of one function reads of one entity.
pub struct StateView {
    view: View,
    partition: PartitionId,
    prefix: Vec<u8>,
    at_ms: u64,
    device: Option<DeviceId>,
    config: Option<Arc<Config>>,
}

fn unavailable(error: impl Into<Error>) -> StateUnavailable {
    StateUnavailable(error.into().to_string())
}

impl View {
    /// The state of one function and one entity, to be read later, as an event of the time `at_ms` (in milliseconds
    /// since 1970) sees it: without what has expired by then. It has no device and no configuration yet.
    #[must_use]
    pub fn state(
        &self,
        partition: PartitionId,
        entity: &[u8],
        function: &FunctionName,
        at_ms: u64,
    ) -> StateView {
        let prefix = key::state::prefix(partition, entity, function);
        StateView { view: self.clone(), partition, prefix, at_ms, device: None, config: None }
    }
}

impl StateView {
    /// With the twin of a device, which must live in the same partition; `None` if the event is not about a device.
    #[must_use]
    pub fn with_device(self, device: Option<DeviceId>) -> Self {
        Self { device, ..self }
    }

    /// With the function's configuration.
    #[must_use]
    pub fn with_config(self, config: Arc<Config>) -> Self {
        Self { config: Some(config), ..self }
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + name.len());
        key.extend_from_slice(&self.prefix);
        key.extend_from_slice(name);
        key
    }

    fn is_visible(&self, value: &Value) -> bool {
        value.expires_at_ms > self.at_ms
    }
}

impl StateReader for StateView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        let Some(row) = self.view.get(self.partition, &self.key(key)).map_err(unavailable)? else {
            return Ok(None);
        };
        let value = key::state::decode_value(row).map_err(unavailable)?;
        Ok(self.is_visible(&value).then_some(value.bytes))
    }

    /// The empty key is not shown: what stands there is the version of the state, for [`StateReader::get`] only.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        let after = after.map(|after| self.key(after));
        let own = self.prefix.len();
        self.view
            .each(self.partition, &self.key(prefix), after.as_deref(), |key, row| {
                let name = key.get(own..).unwrap_or_default();
                let value = key::state::decode_value(row)?;
                Ok(name.is_empty() || !self.is_visible(&value) || visit(name, &value.bytes))
            })
            .map_err(unavailable)
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        let Some(device) = &self.device else { return Ok(None) };
        let twin = self.view.twin_in(self.partition, device).map_err(unavailable)?;
        Ok(Some(twin.unwrap_or_default().shown()))
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.config.as_ref().and_then(|config| config.get(key).cloned()))
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        let Some(device) = &self.device else { return Ok(None) };
        Facts::update(&self.view.partition(self.partition), device).map_err(unavailable)
    }
}
