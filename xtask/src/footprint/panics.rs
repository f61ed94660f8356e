//! What of the core library panics or formats, and which of it may be linked into which program, with the reason.

use rustc_demangle::demangle;

/// A function of the core library that panics, and why it is there.
#[derive(Clone, Copy)]
pub(super) struct Panic {
    pub(super) path: &'static str,
    pub(super) reason: &'static str,
}

const fn panic(path: &'static str, reason: &'static str) -> Panic {
    Panic { path, reason }
}

/// Those of the outbox. None is ours, and none can be taken out on a stable compiler: the standard library that is
/// installed calls them, and `sequential-storage` 8.0.2, the newest there is, has no way around.
pub(super) const OUTBOX: [Panic; 7] = [
    panic(
        "core::panicking::panic",
        "every `async fn` panics that is polled again after its end, 25 states of them",
    ),
    panic("core::panicking::panic_fmt", "what all others end in; nothing is formatted"),
    panic("core::panicking::assert_failed", "sequential-storage asserts that its pages are aligned"),
    panic("core::panicking::assert_failed_inner", "as above"),
    panic("core::option::unwrap_failed", "sequential-storage unwraps what it has checked before"),
    panic(
        "core::slice::index::slice_index_fail",
        "sequential-storage cuts buffers by lengths that it has checked",
    ),
    panic(
        "core::slice::copy_from_slice_impl::len_mismatch_fail",
        "sequential-storage copies headers of one length",
    ),
];

const INDEX: &str = "ed25519-dalek and sha2 index what they have checked before";

/// Those of verified updates. None is ours: they are of the signatures and digests, and of the compiler.
pub(super) const UPDATE: [Panic; 5] = [
    panic("core::panicking::panic_bounds_check", INDEX),
    panic(
        "core::panicking::panic_const::panic_const_async_fn_resumed",
        "an `async fn` that is polled after its end",
    ),
    panic("core::panicking::panic_fmt", "what all others end in; nothing is formatted"),
    panic("core::slice::index::slice_index_fail", INDEX),
    panic("core::slice::copy_from_slice_impl::len_mismatch_fail", INDEX),
];

/// Those of updates whose signatures the board verifies.
pub(super) const UPDATE_WITHOUT_ED25519: [Panic; 3] = {
    let [_, resumed, panic_fmt, _, mismatch] = UPDATE;
    [resumed, panic_fmt, mismatch]
};

/// Those of both together: the linker has merged the two that come from `async fn`.
pub(super) const WHOLE: [Panic; 8] = {
    let [panic, panic_fmt, assert, assert_inner, unwrap, slice_index, mismatch] = OUTBOX;
    let [bounds, ..] = UPDATE;
    [panic, panic_fmt, assert, assert_inner, unwrap, slice_index, mismatch, bounds]
};

/// The symbols that panic or format and that `allowed` does not have.
pub(super) fn unwanted<'a>(symbols: impl Iterator<Item = &'a str>, allowed: &[Panic]) -> Vec<String> {
    symbols
        .map(path)
        .filter(|path| panics_or_formats(path) && !allowed.iter().any(|panic| panic.path == path))
        .collect()
}

/// The path of a symbol, without a hash and without what it is generic over.
fn path(symbol: &str) -> String {
    let path = format!("{:#}", demangle(symbol));
    path.split_once("::<").map_or(path.as_str(), |(path, _)| path).to_owned()
}

/// Whether a path is one of the core library's that is there only if something can panic or format.
fn panics_or_formats(path: &str) -> bool {
    let is_core = path.starts_with("core::") || path.starts_with('<') && path.contains(" as core::fmt::");
    let fails = path.ends_with("_fail") || path.ends_with("_failed");
    is_core && (fails || path.contains("core::panicking::") || path.contains("core::fmt::"))
}

#[cfg(test)]
mod tests {
    use super::{OUTBOX, panic, unwanted};

    const SYMBOLS: [&str; 6] = [
        "_start",
        "memcpy",
        "_ZN4core9panicking9panic_fmt17h0123456789abcdefE",
        "_RNvNtCs1_4core6option13unwrap_failed",
        "_RNvNtCs1_4core3fmt5write",
        "_ZN14fleetfn_device4mqtt6client7Session4fail17h0123456789abcdefE",
    ];

    #[test]
    fn what_panics_or_formats_is_known_by_its_symbols() {
        let all = ["core::panicking::panic_fmt", "core::option::unwrap_failed", "core::fmt::write"];
        assert_eq!(unwanted(SYMBOLS.into_iter(), &[]), all);
    }

    #[test]
    fn only_what_is_listed_for_a_program_may_be_in_it() {
        assert_eq!(unwanted(SYMBOLS.into_iter(), &OUTBOX), ["core::fmt::write"]);
        let one = [panic("core::panicking::panic", "another")];
        assert_eq!(unwanted(SYMBOLS.into_iter(), &one).len(), 3, "a path is compared whole");
    }
}
