//! SUBSCRIBE and UNSUBSCRIBE (MQTT 5, sections 3.8 and 3.10) and what answers them.

use super::property::{self, Property};
use super::publish::Qos;
use super::read::Reader;
use super::reason::Reason;
use super::{Malformed, Version, put_header};
use fleetfn_protocol::validate_filter;

/// Most filters in one packet: bounds the work that one packet can ask for.
const FILTERS_MAX: usize = 64;

/// One filter that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription<'a> {
    pub(crate) filter: &'a str,
    /// QoS 2 is granted as QoS 1.
    pub(crate) qos: Qos,
    /// Not to be sent what the client itself published.
    pub(crate) no_local: bool,
    /// Why it cannot be granted, whoever asks.
    pub(crate) refused: Option<Reason>,
}

/// Decodes the body of a SUBSCRIBE: packet id and filters.
pub(crate) fn decode(body: &[u8], version: Version) -> Result<(u16, Vec<Subscription<'_>>), Malformed> {
    let mut reader = Reader::new(body);
    let id = reader.packet_id()?;
    if version == Version::V5 {
        property::each(&mut reader, &[property::SUBSCRIPTION_ID, property::USER], |found| match found {
            Property::Number(..) => Err(Malformed {
                reason: Reason::SubscriptionIdNotSupported,
                why: "a subscription id, which is not offered",
            }),
            _ => Ok(()),
        })?;
    }
    let mut subscriptions = Vec::new();
    while !reader.is_empty() {
        let filter = reader.text()?;
        let options = reader.u8()?;
        let qos = match options & 3 {
            0 => Qos::AtMostOnce,
            1 | 2 => Qos::AtLeastOnce,
            _ => return Err(Malformed::new("a subscription of QoS 3")),
        };
        let reserved = if version == Version::V5 { 0xc0 } else { 0xfc };
        if options & reserved != 0 || options & 0x30 == 0x30 {
            return Err(Malformed::new("reserved options of a subscription are set"));
        }
        let refused = if filter.starts_with("$share/") {
            Some(Reason::SharedNotSupported)
        } else {
            validate_filter(filter).err().map(|_| Reason::BadTopicFilter)
        };
        subscriptions.push(Subscription { filter, qos, no_local: options & 4 != 0, refused });
    }
    check_count(subscriptions.len())?;
    Ok((id, subscriptions))
}

/// Decodes the body of an UNSUBSCRIBE: packet id and filters.
pub(crate) fn decode_unsubscribe(body: &[u8], version: Version) -> Result<(u16, Vec<&str>), Malformed> {
    let mut reader = Reader::new(body);
    let id = reader.packet_id()?;
    if version == Version::V5 {
        property::each(&mut reader, &[property::USER], |_| Ok(()))?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(reader.text()?);
    }
    check_count(filters.len())?;
    Ok((id, filters))
}

fn check_count(count: usize) -> Result<(), Malformed> {
    match count {
        0 => Err(Malformed::protocol("a packet without a filter")),
        1..=FILTERS_MAX => Ok(()),
        _ => Err(Malformed { reason: Reason::QuotaExceeded, why: "a packet with too many filters" }),
    }
}

/// What a client is told of one filter.
pub(crate) type Granted = Result<Qos, Reason>;

/// Appends a SUBACK.
pub(crate) fn put_suback(out: &mut Vec<u8>, id: u16, granted: &[Granted], version: Version) {
    put_codes(
        out,
        0x90,
        id,
        version,
        granted.iter().map(|granted| match granted {
            Ok(Qos::AtMostOnce) => 0,
            Ok(Qos::AtLeastOnce) => 1,
            Err(_) if version == Version::V3 => 0x80,
            Err(reason) => reason.code(),
        }),
    );
}

/// Appends an UNSUBACK.
pub(crate) fn put_unsuback(out: &mut Vec<u8>, id: u16, reasons: &[Reason], version: Version) {
    match version {
        Version::V3 => {
            put_header(out, 0xb0, 2);
            out.extend_from_slice(&id.to_be_bytes());
        }
        Version::V5 => put_codes(out, 0xb0, id, version, reasons.iter().map(|reason| reason.code())),
    }
}

fn put_codes(
    out: &mut Vec<u8>,
    first: u8,
    id: u16,
    version: Version,
    codes: impl ExactSizeIterator<Item = u8>,
) {
    let properties = usize::from(version == Version::V5);
    put_header(out, first, 2 + properties + codes.len());
    out.extend_from_slice(&id.to_be_bytes());
    if version == Version::V5 {
        out.push(0);
    }
    out.extend(codes);
}
