//! What a client wrote on one connection: whole packets of a client, CONNECT first and once, nothing behind DISCONNECT.

/// Bytes in the order in which they were written.
#[derive(Default)]
pub(crate) struct Transcript(Vec<u8>);

impl Transcript {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Another connection begins.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Panics if it is not what a client may write. The last packet may be cut off: so may a connection.
    pub(crate) fn check(&self) {
        let (mut rest, mut index, mut is_over) = (self.0.as_slice(), 0, false);
        while let Some((first, behind)) = rest.split_first() {
            assert!(!is_over, "nothing follows DISCONNECT");
            let (kind, flags) = (first >> 4, first & 0x0f);
            match kind {
                1 => assert_eq!(index, 0, "CONNECT comes first, and once"),
                3 => assert!(
                    flags >> 1 & 3 < 3 && (flags & 8 == 0 || flags & 6 != 0),
                    "a PUBLISH with flags {flags}"
                ),
                6 | 8 | 10 => assert_eq!(flags, 2),
                4 | 5 | 7 | 12 | 14 => assert_eq!(flags, 0),
                _ => unreachable!("a client does not write {first:#x}"),
            }
            assert!(kind == 1 || index > 0, "CONNECT comes first");
            is_over = kind == 14;
            index += 1;
            let Some((len, header)) = length(behind) else { return };
            let Some(next) = behind.get(header + len..) else { return };
            rest = next;
        }
    }
}

/// A variable byte integer and how long it is; `None` if it is cut off.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate() {
        assert!(at < 4, "a length has at most four bytes");
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// A whole packet with that first byte.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let byte = u8::try_from(rest & 0x7f).expect("it has seven bits");
        rest >>= 7;
        out.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}
