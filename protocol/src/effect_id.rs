//! The identity of one effect, by which every receiver drops what it has already seen.

use crate::ids::{FunctionName, IdError};
use core::fmt;

/// One effect of one invocation: stable across re-execution, restarts and redelivery.
///
/// Its text form, `OFFSET.INDEX.FUNCTION`, travels as the MQTT 5 user property `effect-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId {
    /// Log offset of the event that caused the effect.
    pub offset: u64,
    /// Function that asked for it. Operator commands carry the reserved name `operator`.
    pub function: FunctionName,
    /// Position among the effects of that invocation, from 0.
    pub index: u32,
}

/// Why a text is not an effect id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EffectIdError {
    /// The text has not the form `OFFSET.INDEX.FUNCTION`.
    #[error("an effect id has the form OFFSET.INDEX.FUNCTION")]
    Form,
    /// The function part is not a name.
    #[error("the function part of an effect id is not a name")]
    Function(#[source] IdError),
}

impl EffectId {
    /// Name of the MQTT 5 user property that carries an effect id.
    pub const USER_PROPERTY: &'static str = "effect-id";

    /// Reads the text form.
    ///
    /// # Errors
    /// [`EffectIdError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, EffectIdError> {
        let mut parts = text.splitn(3, '.');
        let (Some(offset), Some(index), Some(function)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(EffectIdError::Form);
        };
        Ok(Self {
            offset: offset.parse().map_err(|_| EffectIdError::Form)?,
            index: index.parse().map_err(|_| EffectIdError::Form)?,
            function: FunctionName::parse(function).map_err(EffectIdError::Function)?,
        })
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.offset, self.index, self.function)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::string::ToString;

    proptest! {
        #[test]
        fn an_effect_id_survives_its_text_form(
            offset in any::<u64>(),
            index in any::<u32>(),
            name in "[a-z][a-z0-9.-]{0,20}",
        ) {
            let id = EffectId { offset, index, function: FunctionName::parse(&name).expect("a name") };
            prop_assert_eq!(EffectId::parse(&id.to_string()), Ok(id));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = EffectId::parse(&text);
        }
    }
}
