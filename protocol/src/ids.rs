//! Names that cross the wire: checked once where they enter, plain values from then on.

use crate::limits::NAME_BYTES_MAX;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than [`NAME_BYTES_MAX`].
    #[error("a name has at most {NAME_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text holds a character outside `A-Z a-z 0-9 . _ : -`, or starts with one of `. _ : -`.
    #[error(
        "a name starts with a letter or digit and holds only letters, digits, '.', '_', ':' and '-'; byte {0} does not fit"
    )]
    Character(usize),
}

/// A checked name held inline: no allocation, `Copy`, ordered as its text.
#[derive(Clone, Copy)]
struct Name {
    len: u8,
    bytes: [u8; NAME_BYTES_MAX],
}

impl Name {
    fn parse(text: &str) -> Result<Self, IdError> {
        let source = text.as_bytes();
        if source.is_empty() {
            return Err(IdError::Empty);
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        let Some(room) = bytes.get_mut(..source.len()) else {
            return Err(IdError::TooLong(source.len()));
        };
        for (index, byte) in source.iter().enumerate() {
            let inner = index > 0 && matches!(byte, b'.' | b'_' | b':' | b'-');
            if !byte.is_ascii_alphanumeric() && !inner {
                return Err(IdError::Character(index));
            }
        }
        room.copy_from_slice(source);
        let len = u8::try_from(source.len()).map_err(|_| IdError::TooLong(source.len()))?;
        Ok(Self { len, bytes })
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        crate::text(bytes).unwrap_or_default()
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name(Name);

        impl $name {
            /// Checks `text` and takes it over.
            ///
            /// # Errors
            /// [`IdError`] says which rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                Name::parse(text).map(Self)
            }

            /// The name as it was parsed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> core::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }
        impl core::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

name! {
    /// A device: unique in the fleet, also its MQTT user name and part of its topics.
    DeviceId
}
name! {
    /// A product: what a manufacturer builds and a device is one of.
    ProductId
}
name! {
    /// A class of hardware: which images a device of a product can run.
    ClassId
}
name! {
    /// A part of a device that has a version of its own: `image`, `boot`, a modem.
    ComponentId
}
name! {
    /// A function: the name under which versions are deployed.
    FunctionName
}
name! {
    /// A rollout: the name under which a release is brought to a fleet.
    RolloutName
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn a_name_must_fit_a_topic_level() {
        assert_eq!(DeviceId::parse(""), Err(IdError::Empty));
        assert_eq!(DeviceId::parse("a/b"), Err(IdError::Character(1)));
        assert_eq!(DeviceId::parse("-a"), Err(IdError::Character(0)));
        assert_eq!(DeviceId::parse("+"), Err(IdError::Character(0)));
        assert_eq!(DeviceId::parse("é"), Err(IdError::Character(0)));
        let text = [b'x'; 64];
        let text = core::str::from_utf8(&text).expect("ascii");
        assert_eq!(DeviceId::parse(text), Err(IdError::TooLong(64)));
        assert!(DeviceId::parse(&text[..63]).is_ok());
    }

    proptest! {
        #[test]
        fn a_parsed_name_prints_as_its_text(text in "[A-Za-z0-9][A-Za-z0-9._:-]{0,62}") {
            let id = DeviceId::parse(&text).expect("fits the grammar");
            prop_assert_eq!(id.as_str(), text.as_str());
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = FunctionName::parse(&text);
        }
    }
}
