//! Every bound that a guest lives under, each with its reason.
//!
//! What a module may be made of is fixed: the same module is admitted by every node. What an invocation may use
//! is in [`Limits`], fixed for the life of a [`crate::Host`].

use std::time::Duration;

/// Largest module in bytes: compiled in about 50 ms.
pub(crate) const MODULE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most function types: each is kept for the life of an engine.
pub(crate) const TYPES_MAX: u64 = 1_000;
/// Most parameters, and most results, of a function type.
pub(crate) const PARAMS_MAX: u64 = 32;
/// Most imports: the table has far fewer rows, and each import is resolved for each instance.
pub(crate) const IMPORTS_MAX: u64 = 64;
/// Most functions: each has an entry in the engine's table of code.
pub(crate) const FUNCTIONS_MAX: u64 = 10_000;
/// Most exports: each instance allocates a name for each (100,000 took 34 ms for every instance).
pub(crate) const EXPORTS_MAX: u64 = 256;
/// Most globals: restored after every event.
pub(crate) const GLOBALS_MAX: u64 = 256;
/// Most locals of a function: clearing them is not metered (1,000 take 17 ns per unit of fuel instead of 1.2).
pub(crate) const LOCALS_MAX: u64 = 256;
/// Largest function body in bytes: translation time grows with it.
pub(crate) const BODY_BYTES_MAX: u64 = 128 * 1024;
/// Most targets of all `br_table` of one function: each becomes an instruction.
pub(crate) const BRANCH_TARGETS_MAX: u64 = 20_000;
/// Most `memory.grow` and `table.grow` of one function: they take native stack until the slice of fuel ends, and
/// a straight line of code is paid for in one piece (11,860 of them overflow a stack of 2 MiB).
pub(crate) const GROWS_MAX: u64 = 64;
/// Most pages of 64 KiB that memory starts with: the image of each instance.
pub(crate) const MEMORY_PAGES_MAX: u64 = 16;
/// Most memories: exactly the exported one.
pub(crate) const MEMORIES_MAX: u64 = 1;
/// Most tables: compilers make one.
pub(crate) const TABLES_MAX: u64 = 1;
/// Most elements that a table starts with: allocated for each instance, and not metered.
pub(crate) const TABLE_ELEMENTS_MAX: u64 = 10_000;
/// Most items in all element segments: copied for each instance.
pub(crate) const ELEMENT_ITEMS_MAX: u64 = 10_000;
/// Most element segments, and most data segments: applied to each instance.
pub(crate) const SEGMENTS_MAX: u64 = 1_000;
/// Most bytes in all custom sections: names and debug information that is dropped.
pub(crate) const CUSTOM_BYTES_MAX: u64 = 1024 * 1024;
/// Largest manifest in bytes: kept in the log with every deployment.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 16 * 1024;
/// Most triggers, and most filters of grants, in a manifest: tried one after the other.
pub(crate) const FILTERS_MAX: u64 = 32;
/// Longest command name in bytes: the topic `devices/{id}/commands/{name}` stays far below its own limit.
pub(crate) const COMMAND_NAME_BYTES_MAX: usize = 128;
/// Longest expression of a `cron` trigger in bytes: five fields with long lists.
pub(crate) const CRON_BYTES_MAX: usize = 128;
/// Longest time of a `quiet` trigger in seconds: a year.
pub(crate) const QUIET_S_MAX: u32 = 366 * 24 * 60 * 60;
/// Most values and lists of a schema in JSON, with each reference counted as what it stands for: bounds the work
/// for one payload.
pub(crate) const SCHEMA_NODES_MAX: u64 = 4_000;
/// Most values of a payload times those of its schema: about 50 ms and 100 MB, if every one of them is wrong.
pub(crate) const SCHEMA_STEPS_MAX: u64 = 500_000;
/// Bytes of a compiled pattern of a schema, enough for `.{1,64}`: matching may take 14 us for each byte at worst.
pub(crate) const SCHEMA_PATTERN_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of texts in a payload times the patterns of its schema: 3 s, if every pattern is made to be slow.
pub(crate) const SCHEMA_PATTERN_STEPS_MAX: u64 = 200_000;

/// Longest URL of a request in bytes.
pub(crate) const HTTP_URL_BYTES_MAX: usize = 2 * 1024;
/// Longest method of a request in bytes.
pub(crate) const HTTP_METHOD_BYTES_MAX: usize = 16;
/// Most headers of a request.
pub(crate) const HTTP_HEADERS_MAX: usize = 32;
/// Bytes of all header lines of a request: what servers take.
pub(crate) const HTTP_HEADER_BYTES_MAX: usize = 8 * 1024;
/// Longest media type of a response in bytes.
pub(crate) const HTTP_TYPE_BYTES_MAX: usize = 256;

/// Most fuel of a failed invocation that is run again to see where it failed: what fails later costs too much twice.
pub(crate) const TRACE_FUEL_MAX: u64 = 1_000_000;
/// Most frames of a backtrace: kept with the dead letter.
pub(crate) const TRACE_FRAMES_MAX: usize = 16;
/// Largest section of names that is kept for backtraces, in bytes.
pub(crate) const NAME_SECTION_BYTES_MAX: usize = 512 * 1024;

/// Most fuel in one slice. `memory.grow` costs 255: at most 400 of them run between two returns to the host,
/// so that their native stack (176 bytes each) never matters.
const FUEL_SLICE_MAX: u64 = 100_000;

/// Fuel of any host call: about its time at 1.2 ns per unit.
pub(crate) const CALL_FUEL: u64 = 50;
/// Fuel of a host call that reads the store.
pub(crate) const READ_FUEL: u64 = 500;
/// Fuel of parsing a URL and some headers.
pub(crate) const HTTP_FUEL: u64 = 5_000;
/// Fuel for each byte of JSON that a host call parses.
pub(crate) const JSON_BYTE_FUEL: u64 = 16;
/// Bytes that a host call moves for one unit of fuel.
pub(crate) const BYTES_PER_FUEL: u64 = 8;

/// What one invocation may use. More fuel, calls or effects end it; more memory is refused to the guest.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Fuel for one invocation, and for starting an instance: 10 million take 10 to 50 ms.
    pub fuel: u64,
    /// Fuel between two looks at the clock; at most 100,000, whatever is set here.
    pub fuel_slice: u64,
    /// Linear memory in bytes.
    pub memory_bytes: usize,
    /// Elements of a table.
    pub table_elements: usize,
    /// Stack of the guest in bytes.
    pub stack_bytes: usize,
    /// Depth of calls.
    pub recursion_depth: usize,
    /// Host calls.
    pub host_calls: u32,
    /// Effects.
    pub effects: usize,
    /// Bytes of all effects: a largest value with its key, and as much again.
    pub effect_bytes: usize,
    /// Bytes of all log lines; each line counts 16 more.
    pub log_bytes: usize,
    /// Compiled versions that a host keeps: about 1 MB each with its instance.
    pub versions: usize,
    /// Backstop for what fuel does not foresee (a stalled machine): the invocation is interrupted and tried
    /// again. Looked at between slices.
    pub wall_clock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 10_000_000,
            fuel_slice: FUEL_SLICE_MAX,
            memory_bytes: 1024 * 1024,
            table_elements: 10_000,
            stack_bytes: 256 * 1024,
            recursion_depth: 512,
            host_calls: 1_000,
            effects: 64,
            effect_bytes: 128 * 1024,
            log_bytes: 8 * 1024,
            versions: 64,
            wall_clock: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The limits with what the sandbox cannot do without.
    pub(crate) fn sound(mut self) -> Self {
        self.fuel_slice = self.fuel_slice.clamp(1, FUEL_SLICE_MAX);
        self.versions = self.versions.max(1);
        self
    }
}
