//! `fleetfn rollout history NAME`.

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use fleetfn_core::rollout::{Instant, Line};
use fleetfn_protocol::RolloutName;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of the rollout
    name: RolloutName,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let name = arguments.name;
    let tried = format!("cannot read the history of rollout '{name}'");
    let lines: Vec<Line> = Client::open(data)?
        .list(&tried, &format!("/rollouts/{name}/history"))
        .map_err(|failure| failure.or_next("fleetfn rollout ls"))?;
    list::print(arguments.output, &lines, COLUMNS, row)
}

const COLUMNS: [&str; 4] = ["TIME", "BY", "WHAT", "WHY"];

fn row(line: &Line) -> [String; 4] {
    [Instant(line.at_ms).to_string(), line.by.clone(), line.what.clone(), line.why.clone()]
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, row};
    use crate::cli::output::align;
    use fleetfn_core::rollout::Line;

    #[test]
    fn a_history_is_who_did_what_when_and_why() {
        let line = |at_ms, by: &str, what: &str, why: &str| Line {
            at_ms,
            by: by.into(),
            what: what.into(),
            why: why.into(),
        };
        let lines = [
            line(1_774_872_000_000, "ann", "starts fan 2.4.1 (sequence 7)", "fixes the\u{1b}[31m stall"),
            line(1_774_872_000_000, "rollout", "ENROLLING", "the devices of the selection are being found"),
            line(1_774_872_001_000, "bob", "pauses", ""),
        ];
        let expected = "\
TIME                     BY       WHAT                           WHY
2026-03-30 12:00:00 UTC  ann      starts fan 2.4.1 (sequence 7)  fixes the [31m stall
2026-03-30 12:00:00 UTC  rollout  ENROLLING                      the devices of the selection are being found
2026-03-30 12:00:01 UTC  bob      pauses
";
        assert_eq!(align(COLUMNS, &lines.each_ref().map(row)), expected);
    }
}
