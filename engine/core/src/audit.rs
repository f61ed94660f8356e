//! What operators do, as lines for people: who did what, when and why.
//!
//! A line stands in the same record of the log as what it tells of, so that there is neither without the other.

use alloc::string::String;

/// Lines that are kept, the newest: years of releases and deployments, and at most four megabytes.
pub const LINES_KEPT: u64 = 4_096;

/// Something that an operator does. The discriminants are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Deed {
    /// Publishes a release, or replaces its signatures.
    Publish = 1,
    /// Takes a release out of use; it stays in the list.
    Yank = 2,
    /// Lets a release be used again.
    Unyank = 3,
    /// Forgets a release.
    Remove = 4,
    /// Lets a key sign for a product.
    AddKey = 5,
    /// Takes a key out of use.
    RevokeKey = 6,
    /// Says how many keys must have signed a release of a product.
    Threshold = 7,
    /// Registers a device, or several together.
    AddDevice = 8,
    /// Changes what is known of a device.
    ChangeDevice = 9,
    /// Forgets a device.
    RemoveDevice = 10,
    /// Gives traffic to a version of a function.
    Deploy = 11,
    /// Gives all traffic to a canary or a dark version.
    Promote = 12,
    /// Takes a version back.
    RollBack = 13,
    /// Lets the events of a function wait.
    Pause = 14,
    /// Lets a function handle what has waited.
    Resume = 15,
    /// Takes a function out of service.
    RemoveFunction = 16,
    /// Sets a value of a function's configuration.
    SetConfig = 17,
    /// Removes a value of a function's configuration.
    RemoveConfig = 18,
    /// Sets a secret of a function.
    SetSecret = 19,
    /// Removes a secret of a function.
    RemoveSecret = 20,
    /// Bounds the fuel of an owner's functions.
    SetBudget = 21,
    /// Takes the bound of an owner's functions away.
    RemoveBudget = 22,
    /// Deletes what is kept of a rollout.
    RemoveRollout = 23,
}

impl Deed {
    /// All, in order.
    pub const ALL: [Self; 23] = [
        Self::Publish,
        Self::Yank,
        Self::Unyank,
        Self::Remove,
        Self::AddKey,
        Self::RevokeKey,
        Self::Threshold,
        Self::AddDevice,
        Self::ChangeDevice,
        Self::RemoveDevice,
        Self::Deploy,
        Self::Promote,
        Self::RollBack,
        Self::Pause,
        Self::Resume,
        Self::RemoveFunction,
        Self::SetConfig,
        Self::RemoveConfig,
        Self::SetSecret,
        Self::RemoveSecret,
        Self::SetBudget,
        Self::RemoveBudget,
        Self::RemoveRollout,
    ];

    /// The word for it in interfaces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "release.publish",
            Self::Yank => "release.yank",
            Self::Unyank => "release.unyank",
            Self::Remove => "release.rm",
            Self::AddKey => "key.add",
            Self::RevokeKey => "key.rm",
            Self::Threshold => "key.threshold",
            Self::AddDevice => "device.add",
            Self::ChangeDevice => "device.set",
            Self::RemoveDevice => "device.rm",
            Self::Deploy => "fn.deploy",
            Self::Promote => "fn.promote",
            Self::RollBack => "fn.rollback",
            Self::Pause => "fn.pause",
            Self::Resume => "fn.resume",
            Self::RemoveFunction => "fn.rm",
            Self::SetConfig => "config.set",
            Self::RemoveConfig => "config.rm",
            Self::SetSecret => "secret.set",
            Self::RemoveSecret => "secret.rm",
            Self::SetBudget => "budget.set",
            Self::RemoveBudget => "budget.rm",
            Self::RemoveRollout => "rollout.rm",
        }
    }

    /// Its byte in stored rows.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Reads [`Deed::byte`].
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|deed| deed.byte() == byte).copied()
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who, as the client says.
    pub by: String,
    /// What was done.
    pub deed: Deed,
    /// To what.
    pub subject: String,
    /// Why; may be empty.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::Deed;

    #[test]
    fn a_deed_survives_its_byte_and_has_a_word_of_its_own() {
        for deed in Deed::ALL {
            assert_eq!(Deed::from_byte(deed.byte()), Some(deed));
            let same = Deed::ALL.iter().filter(|other| other.as_str() == deed.as_str());
            assert_eq!(same.count(), 1, "{}", deed.as_str());
        }
        assert_eq!(Deed::from_byte(0), None);
    }
}
