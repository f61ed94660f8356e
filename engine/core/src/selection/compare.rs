//! Whether a field of a device is what a selection asks for. What a device does not have equals the empty text and is
//! neither less nor greater than anything.

use super::Operator;
use super::field::{Field, Part, Traits};
use alloc::string::{String, ToString};
use core::cmp::Ordering;
use serde_json::Value;

pub(super) fn holds(field: &Field, operator: Operator, values: &[String], device: &Traits<'_>) -> bool {
    match operator {
        Operator::In => is_any(field, values, device),
        Operator::Out => !is_any(field, values, device),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            let value = values.first().map(String::as_str).unwrap_or_default();
            order(field, value, device).is_some_and(|order| match operator {
                Operator::Less => order.is_lt(),
                Operator::LessOrEqual => order.is_le(),
                Operator::Greater => order.is_gt(),
                Operator::GreaterOrEqual => order.is_ge(),
                Operator::In | Operator::Out => false,
            })
        }
    }
}

fn is_any(field: &Field, patterns: &[String], device: &Traits<'_>) -> bool {
    let matches = |text: &str| patterns.iter().any(|pattern| matches(pattern, text));
    match field {
        Field::Id => matches(device.id),
        Field::Product => matches(device.product.unwrap_or_default()),
        Field::Class => matches(device.class.unwrap_or_default()),
        Field::Tag if device.tags.is_empty() => matches(""),
        Field::Tag => device.tags.iter().any(|tag| matches(tag)),
        Field::TimeZone => matches(device.time_zone.unwrap_or("UTC")),
        Field::Version => matches(device.version.unwrap_or_default()),
        Field::Sequence => matches(&device.sequence.map(|sequence| sequence.to_string()).unwrap_or_default()),
        Field::Online => matches(if device.online { "true" } else { "false" }),
        // The parser lets it be ordered only.
        Field::Seen => false,
        Field::Twin { part, path } => match twin_value(*part, path, device) {
            None | Some(Value::Null) => matches(""),
            Some(Value::String(text)) => matches(text),
            Some(Value::Number(number)) => patterns.iter().any(|pattern| {
                number
                    .as_f64()
                    .zip(pattern.parse().ok())
                    .is_some_and(|(left, right): (f64, f64)| left == right)
            }),
            Some(value @ (Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                matches(&value.to_string())
            }
        },
    }
}

/// How what the device has stands to `value`.
fn order(field: &Field, value: &str, device: &Traits<'_>) -> Option<Ordering> {
    match field {
        Field::Version => Some(order_of_versions(device.version?, value)),
        Field::Sequence => Some(device.sequence?.cmp(&value.parse().ok()?)),
        Field::Twin { part, path } => {
            twin_value(*part, path, device)?.as_f64()?.partial_cmp(&value.parse().ok()?)
        }
        Field::Seen => Some(device.seen_ms.cmp(&span_ms(value)?)),
        Field::Id | Field::Product | Field::Class | Field::Tag | Field::TimeZone | Field::Online => None,
    }
}

fn twin_value<'a>(part: Part, path: &[String], device: &Traits<'a>) -> Option<&'a Value> {
    let twin = device.twin?;
    let root = match part {
        Part::Desired => &twin.desired,
        Part::Reported => &twin.reported,
    };
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(root.get(first)?, |value, name| value.get(name))
}

/// A span of time such as `90s`, `10m`, `12h` or `7d`, in milliseconds.
pub(super) fn span_ms(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_s * 1_000)
}

/// Whether a text is what a pattern describes; `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The leftmost place for each piece leaves the most for the next.
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(end)
}

/// Orders versions as Semantic Versioning does (2.0.0, section 11), missing numbers being zeros.
fn order_of_versions(left: &str, right: &str) -> Ordering {
    let parts = |version: &'_ str| -> (String, Option<String>) {
        let version = version.trim_start_matches('v').split('+').next().unwrap_or_default();
        match version.split_once('-') {
            Some((numbers, before)) => (numbers.into(), Some(before.into())),
            None => (version.into(), None),
        }
    };
    let ((left, left_before), (right, right_before)) = (parts(left), parts(right));
    order_of_lists(&left, &right, "0").then_with(|| match (left_before, right_before) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => order_of_lists(&left, &right, ""),
    })
}

/// Orders texts between dots, numbers before words; a shorter list goes on with `filling`.
fn order_of_lists(left: &str, right: &str, filling: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => (one.unwrap_or(filling), other.unwrap_or(filling)),
        };
        let order = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            (Ok(_), Err(_)) if other.is_empty() => Ordering::Greater,
            (Err(_), Ok(_)) if one.is_empty() => Ordering::Less,
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
