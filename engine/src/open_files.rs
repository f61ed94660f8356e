//! How many files this process may have open: each connection is one, and simulated devices have both ends here.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Files beside those of the devices: the log, the view, the listeners.
const OTHERS: u64 = 512;

/// Which ends of the connections of simulated devices are in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The devices' and the broker's.
    Both,
    /// The devices' alone.
    Devices,
}

/// Raises the soft limit as far as that many simulated devices need it; the error says what is missing.
pub(crate) fn for_devices(devices: usize, ends: Ends) -> Result<(), String> {
    let of_a_device = match ends {
        Ends::Both => 2,
        Ends::Devices => 1,
    };
    let wanted =
        u64::try_from(devices).unwrap_or(u64::MAX).saturating_mul(of_a_device).saturating_add(OTHERS);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        let maximum = limit.maximum.unwrap_or_default();
        return Err(format!(
            "{devices} devices need {wanted} open files, and this process may have {maximum}"
        ));
    }
    limit.current = Some(wanted);
    setrlimit(Resource::Nofile, limit).map_err(|error| format!("cannot allow {wanted} open files: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Ends, for_devices};

    #[test]
    fn few_devices_are_possible() {
        assert_eq!(for_devices(1, Ends::Both), Ok(()));
    }
}
