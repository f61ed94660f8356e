//! Who may do what, as one table.
//!
//! | who | publishes on | subscribes to |
//! |---|---|---|
//! | device | its own telemetry, twin report, command replies, update status and requests | filters below `devices/{its id}/` |
//! | operator | commands of any device, shared topics | anything but `$` topics |
//! | manufacturer, viewer | nothing | anything but `$` topics |
//!
//! Twin, update manifest and blocks are sent by the engine only.

use fleetfn_protocol::{DeviceId, Topic};

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A device of the fleet.
    Device(DeviceId),
    /// Anything else.
    Service {
        /// Its name.
        name: String,
        /// What it may do.
        role: Role,
    },
}

/// What a service may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs the fleet.
    Operator,
    /// Builds the devices and their functions.
    Manufacturer,
    /// Looks on.
    Viewer,
}

impl Principal {
    /// The device, if it is one.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Device(id) => Some(*id),
            Self::Service { .. } => None,
        }
    }

    pub(crate) fn may_publish(&self, topic: &Topic<'_>) -> bool {
        match self {
            Self::Device(id) => match topic {
                Topic::Telemetry { device, .. }
                | Topic::TwinReported { device }
                | Topic::CommandReply { device, .. }
                | Topic::UpdateRequest { device }
                | Topic::UpdateStatus { device } => device == id,
                Topic::TwinDesired { .. }
                | Topic::Command { .. }
                | Topic::UpdateManifest { .. }
                | Topic::UpdateBlock { .. }
                | Topic::Shared(_) => false,
            },
            Self::Service { role: Role::Operator, .. } => {
                matches!(topic, Topic::Command { .. } | Topic::Shared(_))
            }
            Self::Service { role: Role::Manufacturer | Role::Viewer, .. } => false,
        }
    }

    pub(crate) fn may_subscribe(&self, filter: &str) -> bool {
        match self {
            Self::Device(id) => filter
                .strip_prefix("devices/")
                .and_then(|rest| rest.strip_prefix(id.as_str()))
                .is_some_and(|rest| rest.starts_with('/')),
            Self::Service { .. } => !filter.starts_with('$'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic<'_> {
        Topic::parse(name).expect("a topic")
    }

    #[test]
    fn a_device_reaches_only_its_own_topics() {
        let device = Principal::Device(DeviceId::parse("d1").expect("a name"));
        for own in ["telemetry/a/b", "update/request", "update/status"] {
            assert!(device.may_publish(&topic(&format!("devices/d1/{own}"))), "{own}");
        }
        for foreign in [
            "devices/d2/telemetry/a",
            "devices/d2/update/request",
            "devices/d1/update/block",
            "devices/d1/commands/x",
            "devices/d1/twin/desired",
            "alerts",
        ] {
            assert!(!device.may_publish(&topic(foreign)), "{foreign}");
        }
        assert!(device.may_subscribe("devices/d1/#"));
        assert!(device.may_subscribe("devices/d1/commands/+"));
        for foreign in
            ["#", "devices/+/commands/x", "devices/d1", "devices/d11/#", "devices/d2/#", "alerts/#"]
        {
            assert!(!device.may_subscribe(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_service_reaches_what_its_role_grants() {
        let service = |role| Principal::Service { name: "s".into(), role };
        assert!(service(Role::Operator).may_publish(&topic("devices/d1/commands/x")));
        assert!(service(Role::Operator).may_publish(&topic("alerts/fire")));
        assert!(!service(Role::Operator).may_publish(&topic("devices/d1/telemetry/x")));
        assert!(!service(Role::Viewer).may_publish(&topic("alerts/fire")));
        assert!(service(Role::Viewer).may_subscribe("#"));
        assert!(!service(Role::Viewer).may_subscribe("$SYS/#"));
    }
}
