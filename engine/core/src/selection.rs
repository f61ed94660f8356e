//! Which devices are meant: a text such as `product==fan;tag==eu;version<2.4`, read once and asked of each device.
//!
//! The language is RSQL's (a superset of FIQL), which hawkBit's operators know:
//!
//! ```text
//! selection  = all *( ( "," / " or " ) all )
//! all        = term *( ( ";" / " and " ) term )
//! term       = "(" selection ")" / field operator value / field ( "=in=" / "=out=" ) "(" value *( "," value ) ")"
//! operator   = "==" / "!=" / "<" / "<=" / ">" / ">=" / "=lt=" / "=le=" / "=gt=" / "=ge="
//! value      = 1*( any character but space, quotes, parentheses and ; , < > = ! ) / "'" text "'" / '"' text '"'
//! ```
//!
//! `;` binds stronger than `,`. In what `==`, `!=`, `=in=` and `=out=` compare with, `*` stands for any text. Each
//! operator has its opposite, so that there is no word for *not*.

mod compare;
mod field;
mod parse;

pub use field::Traits;
pub use parse::{SelectionError, Wrong};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use field::Field;

/// Longest selection in bytes: it is kept with what uses it, and read by people.
pub const SELECTION_BYTES_MAX: usize = 1024;

/// Deepest nesting of parentheses: bounds the stack.
const DEPTH_MAX: usize = 16;

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    Out,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    /// `==` and `!=` are `In` and `Out` with one value; the others have exactly one.
    Compare(Box<Field>, Operator, Vec<String>),
}

/// A selection that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    text: String,
    expression: Expression,
}

impl Selection {
    /// Reads a selection.
    ///
    /// # Errors
    /// [`SelectionError`] says what is wrong and at which byte.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        Ok(Self { text: text.into(), expression: parse::parse(text)? })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it looks into twins, which cost more to read than the rest.
    #[must_use]
    pub fn reads_twins(&self) -> bool {
        asks(&self.expression, is_twin)
    }

    /// Whether it asks for the firmware, which costs another read.
    #[must_use]
    pub fn reads_firmware(&self) -> bool {
        asks(&self.expression, is_firmware)
    }

    /// Whether it asks if devices are there, or when they were heard.
    #[must_use]
    pub fn reads_presence(&self) -> bool {
        asks(&self.expression, |field| matches!(field, Field::Online | Field::Seen))
    }

    /// Whether a device is meant.
    #[must_use]
    pub fn matches(&self, device: &Traits<'_>) -> bool {
        holds(&self.expression, device)
    }

    /// Whether a device may be meant, of which neither twin nor firmware was read: `false` is certain.
    #[must_use]
    pub fn may_match(&self, device: &Traits<'_>) -> bool {
        may_hold(&self.expression, device)
    }
}

/// The terms of a selection that must all hold, as they are written; one if there are alternatives.
#[must_use]
pub fn terms(selection: &Selection) -> Vec<&str> {
    parse::terms(&selection.text)
}

// The parser bounds how deep these go.
fn holds(expression: &Expression, device: &Traits<'_>) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| holds(part, device)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, device)),
        Expression::Compare(field, operator, values) => compare::holds(field, *operator, values, device),
    }
}

// What was not read may be anything. There is no negation, so that a part that may hold never makes the whole fail.
fn may_hold(expression: &Expression, device: &Traits<'_>) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| may_hold(part, device)),
        Expression::Any(parts) => parts.iter().any(|part| may_hold(part, device)),
        Expression::Compare(field, ..) if is_twin(field) || is_firmware(field) => true,
        Expression::Compare(field, operator, values) => compare::holds(field, *operator, values, device),
    }
}

fn is_twin(field: &Field) -> bool {
    matches!(field, Field::Twin { .. })
}

fn is_firmware(field: &Field) -> bool {
    matches!(field, Field::Version | Field::Sequence)
}

fn asks(expression: &Expression, is: fn(&Field) -> bool) -> bool {
    match expression {
        Expression::All(parts) | Expression::Any(parts) => parts.iter().any(|part| asks(part, is)),
        Expression::Compare(field, ..) => is(field),
    }
}

#[cfg(test)]
mod tests;
