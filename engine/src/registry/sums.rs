//! Sums over invocations, and what they were when a version began.

use crate::metrics::Metrics;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::Role;
use fleetfn_protocol::FunctionName;

/// Sums over invocations, from when the engine was started or from a later point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// Invocations, whatever their outcome.
    pub(crate) invocations: u64,
    /// Those of them that failed.
    pub(crate) errors: u64,
    /// Fuel burnt.
    pub(crate) fuel: u64,
}

impl Sums {
    /// Of one version of a function in one role.
    pub(super) fn of_version(metrics: &Metrics, name: FunctionName, version: ModuleHash, role: Role) -> Self {
        let counters = metrics.version((name, version, role));
        Self {
            invocations: counters.invocations.get(),
            errors: counters.errors.get(),
            fuel: counters.fuel.get(),
        }
    }

    /// Of all versions of a function that count.
    pub(super) fn of_function(metrics: &Metrics, name: FunctionName) -> Self {
        let sums = metrics.function(name);
        Self { invocations: sums.invocations, errors: sums.errors, fuel: sums.fuel }
    }

    /// What has come since.
    pub(super) fn since(self, base: Self) -> Self {
        Self {
            invocations: self.invocations.saturating_sub(base.invocations),
            errors: self.errors.saturating_sub(base.errors),
            fuel: self.fuel.saturating_sub(base.fuel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sums;

    #[test]
    fn what_was_before_does_not_count() {
        let (base, now) =
            (Sums { invocations: 50, errors: 50, fuel: 5 }, Sums { invocations: 160, errors: 52, fuel: 900 });
        assert_eq!(now.since(base), Sums { invocations: 110, errors: 2, fuel: 895 });
        assert_eq!(base.since(now), Sums::default());
    }
}
