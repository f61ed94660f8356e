//! A filter of a trigger, taken apart once.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A filter over a name of several levels.
#[derive(Debug)]
pub(super) struct Filter(Vec<Level>);

#[derive(Debug)]
enum Level {
    /// Exactly this.
    Literal(Box<str>),
    /// One level, whatever it is: `+` or a named part.
    One,
    /// All that is left, also nothing (MQTT 5, section 4.7.1.2).
    Rest,
}

impl Filter {
    pub(super) fn parse(filter: &str) -> Self {
        let level = |text: &str| match text {
            "+" => Level::One,
            "#" => Level::Rest,
            _ if text.starts_with('{') && text.ends_with('}') => Level::One,
            _ => Level::Literal(text.into()),
        };
        Self(filter.split('/').map(level).collect())
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let mut parts = name.split('/');
        for level in &self.0 {
            match (level, parts.next()) {
                (Level::Rest, _) => return true,
                (Level::One, Some(_)) => {}
                (Level::Literal(literal), Some(part)) if **literal == *part => {}
                (Level::One | Level::Literal(_), _) => return false,
            }
        }
        parts.next().is_none()
    }
}
