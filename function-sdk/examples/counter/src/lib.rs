//! Counts the readings of each device and answers every one with a command: the smallest function with state, by
//! which the engine is measured.
//!
//! The command `count` holds the number of the reading in decimal, a space, and the reading's payload.

use fleetfn_function::{Context, Error, function};

/// Counts one reading.
#[function(telemetry = "#", command)]
fn counter(payload: &[u8], context: &Context) -> Result<(), Error> {
    let count = context.state().get::<u64>("count")?.unwrap_or(0) + 1;
    context.state().put("count", &count)?;
    let mut answer = Vec::with_capacity(DECIMAL_BYTES_MAX + 1 + payload.len());
    push_decimal(&mut answer, count);
    answer.push(b' ');
    answer.extend_from_slice(payload);
    context.command("count", answer)
}

/// Digits of the largest `u64`.
const DECIMAL_BYTES_MAX: usize = 20;

/// Formatting costs several times as much, and this runs for every reading.
fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        // One digit fits.
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::{counter, push_decimal};
    use fleetfn_function::testing::Device;

    #[test]
    fn every_reading_is_answered_with_its_number() {
        let mut device = Device::new("d-1", counter);
        for number in 1..=12 {
            let reply = device.telemetry("any/channel", "31.5").expect_done();
            assert_eq!(reply.command("count").text(), format!("{number} 31.5"));
        }
        assert_eq!(device.state::<u64>("count"), Some(12));
    }

    #[test]
    fn a_number_has_its_digits_in_order() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut text = b"x".to_vec();
            push_decimal(&mut text, number);
            assert_eq!(text, format!("x{number}").as_bytes());
        }
    }
}
