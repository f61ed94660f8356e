//! Which addresses functions may talk to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether functions may ask hosts of private networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private {
    /// Only what is reachable for everybody: a function must not see the network that the engine stands in.
    Refused,
    /// Any host: for laboratories.
    Allowed,
}

/// Whether an address is one of the public internet.
///
/// Left out are the special-purpose addresses of RFC 6890 and its registries, and whatever carries one of them inside
/// (IPv4 in IPv6, 6to4, NAT64).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Carrier-grade NAT (RFC 6598), protocol assignments and 6to4 relays (RFC 6890, RFC 7526), benchmarks (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [s0, s1, s2, ..] = address.segments();
    let octets = address.octets();
    let last: [u8; 4] = [octets[12], octets[13], octets[14], octets[15]];
    match (s0, s1) {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address.
        (0x64, 0xff9b) => return s2 == 0 && is_public_v4(last.into()),
        (0x2002, _) => return is_public_v4([octets[2], octets[3], octets[4], octets[5]].into()),
        // Teredo, benchmarks, ORCHID and the like (RFC 6890), documentation (RFC 3849, RFC 9637).
        (0x2001, ..=0x1ff) | (0x2001, 0xdb8) | (0x3fff, ..=0xfff) => return false,
        _ => {}
    }
    // Global unicast (RFC 4291, section 2.4) and nothing else: neither loopback, link-local, unique-local nor multicast.
    (0x2000..0x4000).contains(&s0)
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        let special = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1 192.0.0.8 \
            192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 \
            :: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 2002:a00:1::1 2002:7f00:1::1 \
            2001::1 2001:db8::1 3fff::1 fc00::1 fd12::1 fe80::1 fec0::1 ff02::1 100::1 5f00::1";
        for special in special.split_whitespace() {
            assert!(!is_public(special.parse().expect("an address")), "{special}");
        }
    }
}
