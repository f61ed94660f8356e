//! Amounts of bytes on the command line: `8GiB`, `500MB`, or plain bytes.

/// Reads an amount of bytes; one without a unit is in bytes.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let bytes: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("{unit:?} is not a unit of bytes: use kB, MB, GB, KiB, MiB or GiB")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("{text:?} is not an amount of bytes, such as 8GiB"))?;
    number.checked_mul(bytes).ok_or_else(|| format!("{text} is more than can be counted"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_amount_of_bytes_has_a_number_and_a_unit() {
        assert_eq!([parse("0"), parse("12B"), parse("3kB")], [Ok(0), Ok(12), Ok(3_000)]);
        assert_eq!([parse("2MiB"), parse("8GiB")], [Ok(2 << 20), Ok(8 << 30)]);
        for wrong in
            ["", "GiB", "-1", "1.5GiB", "1TB", "1 GB", "99999999999999999999", "18446744073709551615GiB"]
        {
            assert!(parse(wrong).is_err(), "{wrong:?} must be refused");
        }
    }
}
