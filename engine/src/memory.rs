//! How much memory there is, and what of it caches the state when nobody says how much.

/// One part in so many of the memory: a node shares its machine with the page cache of its log, and with others.
const PART: u64 = 32;

/// A node that keeps less than this reads from the disk all the time, and is no smaller for it.
const BYTES_MIN: u64 = 64 << 20;

/// The state of a million devices; who has more of it says so.
const BYTES_MAX: u64 = 512 << 20;

/// Where a container finds its own limit (control groups, version 2).
const LIMIT: &str = "/sys/fs/cgroup/memory.max";

/// Bytes of the state that are cached when nobody says how many.
pub(crate) fn for_cache() -> u64 {
    let info = rustix::system::sysinfo();
    let total = info.totalram.saturating_mul(info.mem_unit.into());
    let limit = std::fs::read_to_string(LIMIT).ok().and_then(|text| text.trim().parse().ok());
    part_of(total.min(limit.unwrap_or(u64::MAX)))
}

fn part_of(memory: u64) -> u64 {
    (memory / PART).clamp(BYTES_MIN, BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_a_small_part_of_the_memory_and_within_bounds() {
        let gibibytes = |count: u64| part_of(count << 30);
        assert_eq!([gibibytes(1), gibibytes(8), gibibytes(64)], [BYTES_MIN, 256 << 20, BYTES_MAX]);
        assert!((BYTES_MIN..=BYTES_MAX).contains(&for_cache()));
    }
}
