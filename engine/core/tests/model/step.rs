//! What happens around the partitions, one line of text each: `reading device=0 id=3 script=8,1,0,2`.

use std::fmt;

/// What somebody puts into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A device sends a reading; functions do what its script says.
    Reading { device: u8, id: Option<u8>, script: Vec<u8> },
    /// A device answers a command.
    Reply { device: u8, script: Vec<u8> },
    /// A device reports its twin; `broken` in one of four cases.
    Report { device: u8, value: u8 },
    /// An operator desires something of a twin, perhaps of a version of it.
    Desire { device: u8, expected: Option<u8>, value: u8 },
    /// An operator sends a command.
    Command { device: u8, id: Option<u8> },
    /// An operator deploys versions of a function.
    Deploy { function: u8, line: Line },
    /// An operator removes a function.
    Remove { function: u8 },
    /// An operator says how much fuel a function may burn in a second, in tens; `None` for any.
    Budget { function: u8, tens: Option<u8> },
    /// An operator redrives one of the dead letters.
    Redrive { letter: u8 },
    /// A device moves to another time zone.
    Zone { device: u8, zone: u8 },
}

/// The versions of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) live: u8,
    /// For half of the entities.
    pub(crate) canary: Option<u8>,
    pub(crate) dark: Option<u8>,
    pub(crate) paused: bool,
    /// The first offset of what it handles after the fact.
    pub(crate) backfill: Option<u8>,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Append(Record),
    /// What is in the log becomes durable, and may be handled.
    Sync,
    /// Takes up to so many records and commits; `interrupt` events are interrupted at first.
    Turn {
        records: u8,
        interrupt: u8,
    },
    /// The same, but the node dies before the commit.
    LostTurn {
        records: u8,
    },
    /// The node dies, and with it all but so many of the records that are not durable.
    Crash {
        kept: u8,
    },
    /// The node is stopped in order, and starts.
    Restart,
    /// A device acknowledges the oldest message that it was given.
    Acknowledge {
        device: u8,
    },
    /// Time passes: outboxes expire, what was interrupted goes on.
    Wait {
        ms: u16,
    },
    /// Timers that are due go into the log, as far as there is room.
    Fire {
        room: u8,
    },
    /// Messages go into the log, as far as there is room.
    Send {
        room: u8,
    },
    /// HTTP requests are answered, as far as there is room.
    Fetch {
        room: u8,
    },
    /// What waited for functions goes into the log again.
    Drain,
    /// What came before the deployment of functions goes into the log again, as far as there is room.
    Backfill {
        room: u8,
    },
    /// The log is read again from further back, as when another partition of the worker needs it.
    Reread {
        back: u8,
    },
}

fn optional(value: Option<u8>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

fn list(script: &[u8]) -> String {
    script.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading { device, id, script } => {
                write!(f, "reading device={device} id={} script={}", optional(*id), list(script))
            }
            Self::Reply { device, script } => write!(f, "reply device={device} script={}", list(script)),
            Self::Report { device, value } => write!(f, "report device={device} value={value}"),
            Self::Desire { device, expected, value } => {
                write!(f, "desire device={device} expected={} value={value}", optional(*expected))
            }
            Self::Command { device, id } => write!(f, "command device={device} id={}", optional(*id)),
            Self::Deploy { function, line: Line { live, canary, dark, paused, backfill } } => {
                let (canary, dark, paused) = (optional(*canary), optional(*dark), u8::from(*paused));
                let backfill = optional(*backfill);
                write!(f, "deploy function={function} live={live} canary={canary} dark={dark} ")?;
                write!(f, "paused={paused} backfill={backfill}")
            }
            Self::Remove { function } => write!(f, "remove function={function}"),
            Self::Budget { function, tens } => {
                write!(f, "budget function={function} tens={}", optional(*tens))
            }
            Self::Redrive { letter } => write!(f, "redrive letter={letter}"),
            Self::Zone { device, zone } => write!(f, "zone device={device} zone={zone}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(record) => record.fmt(f),
            Self::Sync => f.write_str("sync"),
            Self::Turn { records, interrupt } => write!(f, "turn records={records} interrupt={interrupt}"),
            Self::LostTurn { records } => write!(f, "lost-turn records={records}"),
            Self::Crash { kept } => write!(f, "crash kept={kept}"),
            Self::Restart => f.write_str("restart"),
            Self::Acknowledge { device } => write!(f, "acknowledge device={device}"),
            Self::Wait { ms } => write!(f, "wait ms={ms}"),
            Self::Fire { room } => write!(f, "fire room={room}"),
            Self::Send { room } => write!(f, "send room={room}"),
            Self::Fetch { room } => write!(f, "fetch room={room}"),
            Self::Drain => f.write_str("drain"),
            Self::Backfill { room } => write!(f, "backfill room={room}"),
            Self::Reread { back } => write!(f, "reread back={back}"),
        }
    }
}

/// The values of a line, taken in the order in which they were written.
struct Values<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Values<'a> {
    fn text(&mut self) -> Option<&'a str> {
        Some(self.0.next()?.split_once('=')?.1)
    }

    fn number(&mut self) -> Option<u8> {
        self.text()?.parse().ok()
    }

    fn optional(&mut self) -> Option<Option<u8>> {
        match self.text()? {
            "-" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }

    fn list(&mut self) -> Option<Vec<u8>> {
        match self.text()? {
            "" => Some(vec![]),
            text => text.split(',').map(|part| part.parse().ok()).collect(),
        }
    }
}

impl Step {
    /// Reads a line; `None` if it is no step.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let verb = words.next()?;
        let mut v = Values(words);
        Some(match verb {
            "sync" => Self::Sync,
            "turn" => Self::Turn { records: v.number()?, interrupt: v.number()? },
            "lost-turn" => Self::LostTurn { records: v.number()? },
            "crash" => Self::Crash { kept: v.number()? },
            "restart" => Self::Restart,
            "acknowledge" => Self::Acknowledge { device: v.number()? },
            "wait" => Self::Wait { ms: v.text()?.parse().ok()? },
            "fire" => Self::Fire { room: v.number()? },
            "send" => Self::Send { room: v.number()? },
            "fetch" => Self::Fetch { room: v.number()? },
            "drain" => Self::Drain,
            "backfill" => Self::Backfill { room: v.number()? },
            "reread" => Self::Reread { back: v.number()? },
            _ => Self::Append(Record::parse(verb, &mut v)?),
        })
    }
}

impl Record {
    fn parse(verb: &str, v: &mut Values<'_>) -> Option<Self> {
        Some(match verb {
            "reading" => Self::Reading { device: v.number()?, id: v.optional()?, script: v.list()? },
            "reply" => Self::Reply { device: v.number()?, script: v.list()? },
            "report" => Self::Report { device: v.number()?, value: v.number()? },
            "desire" => Self::Desire { device: v.number()?, expected: v.optional()?, value: v.number()? },
            "command" => Self::Command { device: v.number()?, id: v.optional()? },
            "deploy" => {
                let function = v.number()?;
                let (live, canary, dark) = (v.number()?, v.optional()?, v.optional()?);
                let (paused, backfill) = (v.number()? == 1, v.optional()?);
                Self::Deploy { function, line: Line { live, canary, dark, paused, backfill } }
            }
            "remove" => Self::Remove { function: v.number()? },
            "budget" => Self::Budget { function: v.number()?, tens: v.optional()? },
            "redrive" => Self::Redrive { letter: v.number()? },
            "zone" => Self::Zone { device: v.number()?, zone: v.number()? },
            _ => return None,
        })
    }
}
