//! The live view: redrawn in place on a terminal, one line a second in a pipe.

use super::engine::Node;
use super::ledger::Ledger;
use super::rollout::Story;
use crate::cli::drawing::{Drawing, Size};
use crate::cli::{Failure, print, print_line};
use crate::engine::Status;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Pause between two lines in a pipe.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Pause between two drawings on a terminal.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

/// How long counts are remembered for the rates: steady, and soon true after a change.
const RATE_OVER: Duration = Duration::from_secs(2);

/// What is shown, and what was shown before.
pub(super) struct View {
    terminal: bool,
    header: String,
    devices: usize,
    /// What was counted within the last [`RATE_OVER`], oldest first: rates are over this time.
    before: VecDeque<(Instant, Status)>,
    /// What stands on the terminal.
    drawing: Drawing,
}

impl View {
    /// Says where the engine is, so that another terminal can look at it.
    pub(super) fn new(node: &Node) -> Self {
        let data = node.data.display();
        let header = format!(
            "fleetfn demo  mqtt={} http={}\nlook inside:  fleetfn --data {data} fn tail",
            node.engine.mqtt_address(),
            node.api.address(),
        );
        let terminal = std::io::stdout().is_terminal();
        if !terminal {
            eprintln!("{header}");
        }
        Self {
            terminal,
            header,
            devices: node.devices.len(),
            before: VecDeque::new(),
            drawing: Drawing::default(),
        }
    }

    /// How often to draw.
    pub(super) fn interval(&self) -> Duration {
        if self.terminal { REDRAW_EVERY } else { LINE_EVERY }
    }

    /// Shows how it is now.
    pub(super) fn draw(
        &mut self,
        ledger: &Ledger,
        status: &Status,
        story: Option<&Story>,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        while self.before.front().is_some_and(|(then, _)| now.duration_since(*then) > RATE_OVER) {
            self.before.pop_front();
        }
        self.before.push_back((now, *status));
        let Some((then, before)) = self.before.front() else { return Ok(()) };
        if *then == now {
            return Ok(());
        }
        let seconds = now.duration_since(*then).as_secs_f64();
        let rate = |now: u64, before: u64| per_second(now.saturating_sub(before), seconds);
        let invocations = status.invocations.saturating_sub(before.invocations);
        let fuel = status.fuel.saturating_sub(before.fuel).checked_div(invocations);
        let fuel = fuel.map_or_else(|| "-".to_owned(), |fuel| fuel.to_string());
        let events_rate = rate(status.events, before.events);
        let invocations_rate = rate(status.invocations, before.invocations);
        let (p50, p99) = (millis(ledger.latency_us(0.5)), millis(ledger.latency_us(0.99)));
        if !self.terminal {
            let rollout = story.map_or_else(String::new, |story| format!(" rollout=\"{}\"", story.line()));
            return print_line(&format!(
                "devices={}/{} events/s={events_rate:.0} invocations/s={invocations_rate:.0} p50={p50} p99={p99} \
                 fuel/invocation={fuel} commands={} errors={}{rollout}",
                ledger.ready(),
                self.devices,
                status.commands_acknowledged,
                status.errors
            ));
        }
        let rows = [
            ("devices", format!("{} of {} connected", ledger.ready(), self.devices)),
            ("events/s", format!("{events_rate:<12.0}total {}", status.events)),
            ("invocations/s", format!("{invocations_rate:<12.0}total {}", status.invocations)),
            ("command latency", format!("p50 {p50}  p99 {p99}  (PUBLISH to command)")),
            ("fuel/invocation", fuel),
            ("commands", format!("{} acknowledged", status.commands_acknowledged)),
            ("errors", status.errors.to_string()),
        ];
        let rows = rows.map(|(name, value)| format!("{name:<17}{value}\n")).concat();
        let rollout = story.map_or_else(String::new, Story::table);
        let text = format!("{}\n{rows}{rollout}", self.header);
        print(self.drawing.over(&text, Size::of_terminal()).as_bytes())
    }

    /// Leaves the last drawing where it is.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if self.terminal { print_line("") } else { Ok(()) }
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    // Counts of a demo are far below 2^32.
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if seconds > 0.0 { count / seconds } else { 0.0 }
}

fn millis(us: u64) -> String {
    format!("{}.{:01}ms", us / 1000, us % 1000 / 100)
}
