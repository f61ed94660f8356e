//! What this image is. The next release has another version, and a higher sequence.

/// As people call it.
pub(crate) const VERSION: &str = match option_env!("FIRMWARE_VERSION") {
    Some(version) => version,
    None => "1.0.0",
};

/// Which of two releases is the newer one.
pub(crate) const SEQUENCE: u32 = match option_env!("FIRMWARE_SEQUENCE") {
    Some(digits) => number(digits),
    None => 1,
};

/// What a manufacturer builds.
pub(crate) const PRODUCT: &str = "room-sensor";

/// The hardware that it runs on.
pub(crate) const CLASS: &str = "mps2-an385";

const fn number(digits: &str) -> u32 {
    let (bytes, mut at, mut number) = (digits.as_bytes(), 0, 0);
    while at < bytes.len() {
        assert!(bytes[at].is_ascii_digit(), "FIRMWARE_SEQUENCE is a number");
        number = number * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    number
}
