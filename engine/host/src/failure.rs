//! Why guest code did not finish.

use crate::adapter::Refusal;
use fleetfn_core::Outcome;
use fleetfn_core::invocation::StateUnavailable;
use fleetfn_core::twin::TwinError;
use fleetfn_protocol::TopicError;
use wasmi::TrapCode;
use wasmi::errors::HostError;

/// Why an invocation, or the start of an instance, ended early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The guest broke a rule of WebAssembly, or gave up.
    #[error("{}", trap_text(*.0))]
    Trap(TrapCode),
    /// All fuel is burnt.
    #[error("fuel limit of {} passed", grouped(*.0))]
    Fuel(u64),
    /// Calls nested too deep, or their locals took too much.
    #[error("stack limit of {bytes} bytes or {depth} nested calls passed")]
    Stack {
        /// Bytes of stack.
        bytes: usize,
        /// Depth of calls.
        depth: usize,
    },
    /// The event does not fit the guest's buffer.
    #[error("the event takes {event_bytes} bytes, the guest's buffer has {capacity}")]
    Buffer {
        /// Header, names and payload.
        event_bytes: usize,
        /// What the guest offers.
        capacity: usize,
    },
    /// The buffer export returned a place outside of memory.
    #[error("the buffer of {capacity} bytes at {pointer} lies outside the memory of {memory_bytes} bytes")]
    BufferOutside {
        /// Where the buffer starts.
        pointer: u32,
        /// How long it is.
        capacity: u32,
        /// How long the memory is.
        memory_bytes: usize,
    },
    /// The buffer export returned less than a small event takes.
    #[error("the buffer has {0} bytes, at least {min} are needed", min = fleetfn_abi::limits::BUFFER_BYTES_MIN)]
    BufferSmall(u32),
    /// A pointer and length outside of memory.
    #[error("{length} bytes at {pointer} lie outside the guest's memory")]
    Pointer {
        /// Where it starts.
        pointer: u32,
        /// How long it is.
        length: u32,
    },
    /// Too many host calls.
    #[error("limit of {0} host calls passed")]
    HostCalls(u32),
    /// A host call before the first event.
    #[error("a host call before the first event: there is nothing to act on yet")]
    TooEarly,
    /// Too many effects.
    #[error("limit of {0} effects passed")]
    Effects(usize),
    /// Effects too large together.
    #[error("limit of {0} bytes of effects passed")]
    EffectBytes(usize),
    /// Too much logged.
    #[error("limit of {0} bytes of log passed")]
    LogBytes(usize),
    /// No such log level.
    #[error("log level {0} is none of 0 to 3")]
    LogLevel(u32),
    /// A state key that is empty or too long.
    #[error("a state key has 1 to {max} bytes, this one has {0}", max = fleetfn_abi::limits::KEY_BYTES_MAX)]
    Key(u32),
    /// A state value that is too large.
    #[error("a state value has at most {max} bytes, this one has {0}", max = fleetfn_abi::limits::VALUE_BYTES_MAX)]
    Value(u32),
    /// A payload that is too large.
    #[error("a payload has at most {max} bytes, this one has {0}", max = fleetfn_protocol::limits::PAYLOAD_BYTES_MAX)]
    Payload(u32),
    /// A topic name that is not UTF-8.
    #[error("the topic to publish on is not UTF-8")]
    TopicText,
    /// Not a topic name.
    #[error("cannot publish on '{topic}'")]
    Topic {
        /// What the guest gave.
        topic: String,
        /// The rule it breaks.
        #[source]
        source: TopicError,
    },
    /// A topic outside of the manifest's grants.
    #[error("the manifest grants no publish on '{0}'")]
    PublishGrant(String),
    /// A command without the grant.
    #[error("the manifest does not ask for commands")]
    CommandGrant,
    /// Not a command name.
    #[error("'{0}' is no command name: one topic level of 1 to {max} bytes", max = crate::limits::COMMAND_NAME_BYTES_MAX)]
    CommandName(String),
    /// A command for an event that is not about a device.
    #[error("the event is not about a device that could get a command")]
    CommandDevice,
    /// Not a name of a timer, message, request or key of the configuration.
    #[error("'{name}' is no name of a {what}: {reason}")]
    Name {
        /// What it was to name.
        what: &'static str,
        /// What the guest gave.
        name: String,
        /// The rule it breaks.
        reason: String,
    },
    /// A number of seconds that is too small or too large.
    #[error("{what} is {min} to {max} seconds, not {got}")]
    Seconds {
        /// Of what.
        what: &'static str,
        /// What the guest gave.
        got: u32,
        /// At least.
        min: u32,
        /// At most.
        max: u32,
    },
    /// Not an entity.
    #[error("'{0}' is no entity: 'devices/ID' or another topic name of at most {max} bytes", max = fleetfn_protocol::limits::ENTITY_BYTES_MAX)]
    Entity(String),
    /// A message to an entity outside of the manifest's grants.
    #[error("the manifest grants no send to '{0}'")]
    SendGrant(String),
    /// A change of the twin without the grant.
    #[error("the manifest does not ask for changes of the twin")]
    TwinGrant,
    /// A change of the twin for an event that is not about a device.
    #[error("the event is not about a device that has a twin")]
    TwinDevice,
    /// Not a change of a twin.
    #[error("the twin cannot be changed so")]
    TwinPatch(#[source] TwinError),
    /// Not a URL to be asked.
    #[error("'{url}' is no URL of a request: {reason}")]
    Url {
        /// What the guest gave.
        url: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A URL outside of the manifest's grants.
    #[error("the manifest grants no HTTP request to '{0}'")]
    HttpGrant(String),
    /// Not a method.
    #[error("'{0}' is no method of an HTTP request")]
    HttpMethod(String),
    /// Not a header.
    #[error("the header '{header}' cannot be sent: {reason}")]
    HttpHeader {
        /// What the guest gave.
        header: String,
        /// The rule it breaks.
        reason: String,
    },
    /// A secret that the manifest does not name.
    #[error("the manifest does not ask for the secret '{0}'")]
    SecretGrant(String),
    /// A response to what is no request.
    #[error("the event is no HTTP request that could be answered")]
    RespondRequest,
    /// A second response.
    #[error("the request is answered already")]
    RespondTwice,
    /// Not a final status.
    #[error("the status of a response is 200 to 599, not {0}")]
    RespondStatus(u32),
    /// Not a media type.
    #[error("'{0}' is no content type")]
    RespondType(String),
    /// No such kind of metric.
    #[error("a metric is of kind 0 (counter) or 1 (gauge), not {0}")]
    MetricKind(u32),
    /// Not a name of a metric.
    #[error("'{0}' is no name of a metric: a small letter, then small letters, digits and '_', at most {max} bytes", max = fleetfn_abi::limits::NAME_BYTES_MAX)]
    MetricName(String),
    /// Not a value of a metric.
    #[error("the metric '{name}' cannot take the value {value}: it is finite, and at least 0 for a counter")]
    MetricValue {
        /// Of which metric.
        name: String,
        /// What the guest gave.
        value: f64,
    },
    /// The state could not be brought to the manifest's version.
    #[error("cannot bring the state from version {from} to {to}: {reason}")]
    Migration {
        /// The version that the state has.
        from: u32,
        /// The version that the manifest has.
        to: u32,
        /// What became of it.
        reason: String,
    },
    /// The event is of a kind that this version of the interface does not carry.
    #[error("events of this kind are not handed to functions")]
    EventKind,
    /// The instance could not be made.
    #[error("cannot make an instance: {0}")]
    Instance(String),
    /// The sandbox itself broke off.
    #[error("the sandbox panicked: {0}")]
    Panic(String),
    /// Longer than the backstop allows.
    #[error("not finished after {0} ms")]
    WallClock(u128),
    /// The node has no memory left.
    #[error("the node has no memory left for the guest")]
    OutOfSystemMemory,
    /// The store cannot answer.
    #[error(transparent)]
    State(#[from] StateUnavailable),
    /// A guest that was built for another host cannot go on.
    #[error(transparent)]
    Foreign(#[from] Refusal),
    /// The module cannot be had.
    #[error("{0}")]
    Module(String),
}

impl HostError for Failure {}

/// A number with a comma before every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn trap_text(code: TrapCode) -> &'static str {
    match code {
        TrapCode::UnreachableCodeReached => "unreachable: the guest panicked or aborted",
        TrapCode::MemoryOutOfBounds => "memory-out-of-bounds: read or wrote outside of memory",
        TrapCode::TableOutOfBounds => "table-out-of-bounds: called or touched an element that does not exist",
        TrapCode::IndirectCallToNull => "indirect-call-to-null: called an empty table element",
        TrapCode::IntegerDivisionByZero => "integer-division-by-zero: divided an integer by zero",
        TrapCode::IntegerOverflow => "integer-overflow: an integer division overflowed",
        TrapCode::BadConversionToInteger => "bad-conversion-to-integer: a float has no integer value",
        TrapCode::StackOverflow => "stack-overflow: calls nested too deep",
        TrapCode::BadSignature => "bad-signature: called a function of another type",
        TrapCode::OutOfFuel => "out-of-fuel: all fuel is burnt",
        TrapCode::GrowthOperationLimited => "growth-limited: memory or table cannot grow",
        TrapCode::OutOfSystemMemory => "out-of-system-memory: no memory left",
    }
}

impl Failure {
    /// A word for metrics: the same for all failures that concern the same limit or rule.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Trap(TrapCode::GrowthOperationLimited) => "memory",
            Self::Trap(_) => "trap",
            Self::Fuel(_) => "fuel",
            Self::Stack { .. } => "stack",
            Self::Buffer { .. } | Self::BufferOutside { .. } | Self::BufferSmall(_) => "buffer",
            Self::Pointer { .. } => "pointer",
            Self::HostCalls(_) => "host-calls",
            Self::TooEarly => "too-early",
            Self::Effects(_) => "effects",
            Self::EffectBytes(_) => "effect-bytes",
            Self::LogBytes(_) => "log-bytes",
            Self::LogLevel(_) => "log-level",
            Self::Key(_) => "key",
            Self::Value(_) => "value",
            Self::Payload(_) => "payload",
            Self::TopicText | Self::Topic { .. } => "topic",
            Self::PublishGrant(_)
            | Self::CommandGrant
            | Self::SendGrant(_)
            | Self::TwinGrant
            | Self::HttpGrant(_)
            | Self::SecretGrant(_) => "grant",
            Self::CommandName(_) | Self::CommandDevice => "command",
            Self::Name { .. } => "name",
            Self::Seconds { .. } => "seconds",
            Self::Entity(_) => "entity",
            Self::TwinDevice => "twin",
            Self::TwinPatch(error) => error.error_type(),
            Self::Url { .. } => "url",
            Self::HttpMethod(_) => "http-method",
            Self::HttpHeader { .. } => "http-header",
            Self::RespondRequest | Self::RespondTwice | Self::RespondStatus(_) | Self::RespondType(_) => {
                "respond"
            }
            Self::MetricKind(_) | Self::MetricName(_) | Self::MetricValue { .. } => "metric",
            Self::Migration { .. } => "migration",
            Self::EventKind => "event-kind",
            Self::Instance(_) => "instance",
            Self::Panic(_) => "panic",
            Self::WallClock(_) => "wall-clock",
            Self::OutOfSystemMemory => "system-memory",
            Self::State(_) => "state",
            Self::Foreign(_) => "foreign",
            Self::Module(_) => "module",
        }
    }

    /// Whether it is the node's doing, not the guest's: another try may end otherwise.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self, Self::WallClock(_) | Self::OutOfSystemMemory | Self::State(_) | Self::Module(_))
    }

    /// The text with its cause.
    pub(crate) fn detail(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) if !matches!(self, Self::State(_)) => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// What it means for the event: the guest's doing is a failure, the node's an interruption.
    pub(crate) fn into_outcome(self) -> Outcome {
        let detail = self.detail();
        if self.is_interruption() {
            Outcome::Interrupted { detail }
        } else {
            Outcome::Failed { error_type: self.error_type(), detail }
        }
    }
}
