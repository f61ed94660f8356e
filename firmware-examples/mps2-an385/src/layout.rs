//! Where what lies in flash. The programs that make a flash on a host know the same numbers.

use core::ops::Range;

/// A page: what is erased at once.
pub const PAGE_BYTES: u32 = 4_096;

/// The image that runs.
pub const ACTIVE: Range<u32> = 0..0x4_0000;

/// The image that is to run next, or that ran before; a page longer, which swapping needs.
pub const NEXT: Range<u32> = 0x4_0000..0x8_1000;

/// What the boot loader remembers of a swap.
pub const SWAP: Range<u32> = 0x10_0000..0x10_1000;

/// How far an update is.
pub const JOURNAL: Range<u32> = 0x10_2000..0x10_4000;

/// Who the device is, written in the factory.
pub const FACTORY: Range<u32> = 0x11_0000..0x11_1000;

/// What the device has to say.
pub const OUTBOX: Range<u32> = 0x12_0000..0x13_0000;

/// What the device is desired to be.
pub const TWIN: Range<u32> = 0x13_0000..0x13_2000;
