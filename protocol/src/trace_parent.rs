//! Where a message stands in a distributed trace: the `traceparent` of W3C Trace Context, level 1.

/// The span that led to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Of the whole trace; not all zero.
    pub trace_id: [u8; 16],
    /// The span itself; not all zero.
    pub span_id: [u8; 8],
    /// Bit 0 says that the caller keeps the trace.
    pub flags: u8,
}

impl TraceParent {
    /// Name of the MQTT 5 user property that carries it.
    pub const USER_PROPERTY: &str = "traceparent";

    /// Bytes of [`TraceParent::to_bytes`].
    pub const BYTES: usize = 25;

    /// Reads `version-trace-span-flags` (section 3.2.2); `None` for what is to be ignored as if it were not there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let [version] = hex(parts.next()?)?;
        let (trace_id, span_id) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        // Later versions may go on behind the flags, the first one may not.
        let ends = parts.next().is_none() || version > 0;
        let valid = version != 0xff && trace_id != [0; 16] && span_id != [0; 8] && ends;
        valid.then_some(Self { trace_id, span_id, flags })
    }

    /// The parts one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [self.flags; Self::BYTES];
        let parts = self.trace_id.iter().chain(&self.span_id);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads [`TraceParent::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        Some(Self { trace_id: *trace_id, span_id: *span_id, flags: *rest.first()? })
    }
}

/// Reads lower-case hexadecimal digits, two a byte.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut out = [0; N];
    for (to, [high, low]) in out.iter_mut().zip(pairs) {
        *to = digit(*high)? * 16 + digit(*low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_specification_is_read_and_survives_its_bytes() {
        let parent = TraceParent::parse(TEXT).expect("is valid");
        assert_eq!((parent.trace_id[0], parent.span_id[7], parent.flags), (0x4b, 0xb7, 1));
        assert_eq!(TraceParent::from_bytes(&parent.to_bytes()), Some(parent));
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(TraceParent::parse(later), Some(parent));
    }

    #[test]
    fn what_is_not_of_its_form_is_ignored() {
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong:?}");
        }
    }
}
