//! What every function answers.

use fleetfn_device::mqtt::{Error, Misuse, Shortage, Silence, Violation};

/// How a call went. Nothing is changed by one that fails, but for `SILENCE` and `VIOLATION`, which end the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// Of 32 bits: compilers of C do not agree on how long an enumeration is on bare metal.
#[repr(u32)]
pub enum Status {
    /// It was done.
    Ok = 0,
    /// A pointer is null, or a length is beyond what there can be.
    NullPointer = 1,
    /// The state was never given to `fleetfn_device_init`, or was overwritten.
    NotInitialised = 2,
    /// A text is not UTF-8.
    NotUtf8 = 3,
    /// The device's name is none.
    DeviceName = 4,
    /// A channel or command name is none.
    TopicName = 5,
    /// A buffer is too small for it, whenever it is tried again; or the server takes no packet of that length.
    TooLong = 6,
    /// The server does not offer it.
    NotOffered = 7,
    /// There is a connection already.
    Connected = 8,
    /// Not now: there is no connection.
    Offline = 9,
    /// Not now: the send buffer is full until something is acknowledged.
    Full = 10,
    /// The server did not answer in time: close the transport.
    Silence = 11,
    /// The server broke the standard: write what is left to be written, then close the transport.
    Violation = 12,
}

impl From<Misuse> for Status {
    fn from(misuse: Misuse) -> Self {
        match misuse {
            Misuse::Connected => Self::Connected,
            Misuse::TopicName | Misuse::TopicFilter => Self::TopicName,
            Misuse::Field | Misuse::LongerThanBuffer | Misuse::LongerThanServerTakes => Self::TooLong,
            Misuse::Qos | Misuse::Retain | Misuse::Subscription | Misuse::ReceiveMaximum => Self::NotOffered,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Caller(misuse) => misuse.into(),
            Error::Peer(violation) => violation.into(),
            Error::Silence(silence) => silence.into(),
            Error::Resource(Shortage::Offline) => Self::Offline,
            Error::Resource(Shortage::SendBuffer | Shortage::PacketIds) => Self::Full,
        }
    }
}

impl From<Violation> for Status {
    fn from(_: Violation) -> Self {
        Self::Violation
    }
}

impl From<Silence> for Status {
    fn from(_: Silence) -> Self {
        Self::Silence
    }
}
