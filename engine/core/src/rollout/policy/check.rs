//! What a policy must be before a rollout starts with it. Each error names the field.

use super::{Bad, Criterion, Phase, Policy, Rate, Release, Repair, Silence, Size};
use crate::event::Entity;
use crate::rollout::book::json;
use crate::rollout::decimal::Decimal;
use crate::selection::Selection;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::limits::NAME_BYTES_MAX;

/// Longest policy in bytes of JSON: read with every event of its rollout.
pub const POLICY_BYTES_MAX: usize = 16 * 1024;

/// Most phases: more than any plan that people can follow; the head of a rollout grows with them.
pub const PHASES_MAX: usize = 32;

/// Most gates of one phase: each costs a message and an answer.
pub const GATES_MAX: usize = 8;

/// Most criteria: each is asked with every event.
pub const CRITERIA_MAX: usize = 8;

/// Most variants of the release: each makes every offer, and every question to a function, longer.
pub const VARIANTS_MAX: usize = 4;

/// Most devices at it at once, and most in a minute: far above what one node serves.
const DEVICES_MAX: u32 = 1_000_000;

/// Longest time that a policy may name, in seconds: a year.
const TIME_S_MAX: u32 = 366 * 86_400;

/// Why a policy is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is not JSON, a field is missing, unknown, or of another type.
    #[error("the policy cannot be read: {0}")]
    Json(String),
    /// It is longer than [`POLICY_BYTES_MAX`].
    #[error("a policy has at most {POLICY_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// A field says something that cannot be.
    #[error("{field}: {wrong}")]
    Field {
        /// Which, as one writes it in JSON.
        field: String,
        /// What is wrong with it.
        wrong: String,
    },
}

type Checked = Result<(), PolicyError>;

fn wrong(field: impl Into<String>, wrong: impl Into<String>) -> PolicyError {
    PolicyError::Field { field: field.into(), wrong: wrong.into() }
}

fn within(field: impl Into<String>, value: u32, least: u32, most: u32) -> Checked {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(wrong(field, format!("{value} is not from {least} to {most}")))
}

impl Policy {
    /// Reads a policy and checks it.
    ///
    /// # Errors
    /// [`PolicyError`] names the field that is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyError> {
        if json.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong(json.len()));
        }
        let policy: Self =
            serde_json::from_slice(json).map_err(|error| PolicyError::Json(error.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// Checks what its types do not say.
    ///
    /// # Errors
    /// [`PolicyError`] names the field that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        let bytes = json(self).len();
        if bytes > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong(bytes));
        }
        release("release", &self.release)?;
        self.check_variants()?;
        Selection::parse(&self.selection).map_err(|error| wrong("selection", error.to_string()))?;
        self.check_phases()?;
        if let Some(window) = &self.window {
            window.check().map_err(|what| wrong("window", what))?;
        }
        within("concurrency", self.concurrency, 1, DEVICES_MAX)?;
        self.rate.as_ref().map_or(Ok(()), rate)?;
        within("load.hold_percent", self.load.hold_percent, 1, 101)?;
        within("load.slow_percent", self.load.slow_percent, self.load.hold_percent, 101)?;
        within("timeouts.offer_s", self.timeouts.offer_s, 1, TIME_S_MAX)?;
        within("timeouts.step_s", self.timeouts.step_s, 1, TIME_S_MAX)?;
        within("timeouts.in_progress_s", self.timeouts.in_progress_s, 1, TIME_S_MAX)?;
        within("retries.attempts", self.retries.attempts, 1, 100)?;
        within("retries.deliveries", self.retries.deliveries, 0, 1_000)?;
        within("retries.delay_s", self.retries.delay_s, 1, TIME_S_MAX)?;
        if let Some(penalty) = self.penalty {
            within("penalty.failures", penalty.failures, 1, u32::MAX)?;
        }
        if self.abort.len() > CRITERIA_MAX {
            return Err(wrong("abort", format!("there are at most {CRITERIA_MAX} criteria")));
        }
        self.abort.iter().enumerate().try_for_each(|(index, one)| self.criterion(index, one))?;
        self.silence.as_ref().map_or(Ok(()), |silence| self.check_silence(silence))?;
        self.repair.as_ref().map_or(Ok(()), |repair| self.check_repair(repair))
    }

    fn check_variants(&self) -> Checked {
        if self.variants.len() > VARIANTS_MAX {
            return Err(wrong("variants", format!("there are at most {VARIANTS_MAX}")));
        }
        for (index, variant) in self.variants.iter().enumerate() {
            let field = format!("variants[{index}]");
            release(&field, variant)?;
            if (variant.product, variant.class) != (self.release.product, self.release.class) {
                return Err(wrong(field, "it is for another product or class than the release"));
            }
            let mut others = self.variants.iter().take(index).chain([&self.release]);
            if others.any(|other| other.version == variant.version) {
                return Err(wrong(field, format!("{} is named already", variant.reference())));
            }
        }
        Ok(())
    }

    fn check_phases(&self) -> Checked {
        let Some(last) = self.phases.last() else {
            return Err(wrong("phases", "there must be at least one"));
        };
        if self.phases.len() > PHASES_MAX {
            return Err(wrong("phases", format!("there are at most {PHASES_MAX}")));
        }
        let (mut names, mut tags) = (BTreeSet::new(), BTreeSet::new());
        let mut reached = Decimal::default();
        for (index, one) in self.phases.iter().enumerate() {
            phase(index, one)?;
            if !names.insert(&one.name) {
                return Err(wrong(
                    format!("phases[{index}].name"),
                    format!("'{}' is another phase's", one.name),
                ));
            }
            match &one.size {
                Size::Count(_) => {}
                Size::Percent(percent) if *percent <= reached => {
                    let what = format!("{percent} is not above the {reached} percent before it");
                    return Err(wrong(format!("phases[{index}].size.percent"), what));
                }
                Size::Percent(percent) => reached = *percent,
                Size::Tag(tag) => {
                    if !tags.insert(tag) {
                        let what = format!("'{tag}' is another phase's");
                        return Err(wrong(format!("phases[{index}].size.tag"), what));
                    }
                }
            }
        }
        let index = self.phases.len() - 1;
        if last.size != Size::Percent(Decimal::HUNDRED) {
            return Err(wrong(
                format!("phases[{index}].size"),
                "the last phase must be {\"percent\": 100}: else devices would be left without an answer",
            ));
        }
        Ok(())
    }

    fn criterion(&self, index: usize, criterion: &Criterion) -> Checked {
        let field = |name: &str| format!("abort[{index}].{name}");
        if criterion.of.is_empty() || criterion.of.len() > 5 {
            return Err(wrong(field("of"), "one to five of FAILED, REJECTED, TIMED_OUT, SILENT, ALL"));
        }
        if criterion.of.contains(&Bad::Silent) && self.silence.is_none() {
            return Err(wrong(
                field("of"),
                "SILENT needs the field 'silence', which says when a device is silent",
            ));
        }
        if criterion.percent == Decimal::default() || criterion.percent > Decimal::HUNDRED {
            return Err(wrong(
                field("percent"),
                format!("{} is not above 0 and up to 100", criterion.percent),
            ));
        }
        within(field("at_least"), criterion.at_least, 1, u32::MAX)
    }

    /// Whether a criterion names silence.
    pub(in crate::rollout) fn asks_silence(&self) -> bool {
        self.abort.iter().any(|criterion| criterion.of.contains(&Bad::Silent))
    }

    fn check_silence(&self, silence: &Silence) -> Checked {
        within("silence.cadences", silence.cadences, 1, 1_000)?;
        within("silence.floor_s", silence.floor_s, 1, TIME_S_MAX)?;
        within("silence.watch_s", silence.watch_s, silence.floor_s, TIME_S_MAX)?;
        if !self.asks_silence() {
            return Ok(());
        }
        let earlier = self.phases.iter().enumerate().rev().skip(1);
        for (index, phase) in earlier {
            if phase.soak_s < silence.floor_s {
                let what = format!(
                    "{} is shorter than silence.floor_s ({}): a silent device would not show before the next phase",
                    phase.soak_s, silence.floor_s
                );
                return Err(wrong(format!("phases[{index}].soak_s"), what));
            }
        }
        Ok(())
    }

    fn check_repair(&self, repair: &Repair) -> Checked {
        release("repair.release", &repair.release)?;
        if repair.release.product != self.release.product || repair.release.class != self.release.class {
            return Err(wrong("repair.release", "it is for another product or class than the release"));
        }
        let newest = self.releases().map(|one| one.sequence).max().unwrap_or_default();
        if repair.release.sequence <= newest {
            let what = format!(
                "{} is not above {newest}: devices never go back below a sequence that they have confirmed",
                repair.release.sequence
            );
            return Err(wrong("repair.release.sequence", what));
        }
        Selection::parse(&self.repair_selection())
            .map(drop)
            .map_err(|error| wrong("selection", format!("with what a repair adds: {error}")))
    }

    /// What it may bring: the release, then its variants.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        [&self.release].into_iter().chain(&self.variants)
    }

    /// Whom a repair is for: those of the selection that run the release, or a variant of it.
    #[must_use]
    pub fn repair_selection(&self) -> String {
        let sequence = |one: &Release| format!("sequence=={}", one.sequence);
        let runs: Vec<String> = self.releases().map(sequence).collect();
        match runs.as_slice() {
            [release] => format!("({});{release}", self.selection),
            several => format!("({});({})", self.selection, several.join(",")),
        }
    }
}

fn release(field: &str, release: &Release) -> Checked {
    release.check().map_err(|(name, what)| wrong(format!("{field}.{name}"), what))
}

fn phase(index: usize, phase: &Phase) -> Checked {
    let field = |name: &str| format!("phases[{index}].{name}");
    if !is_word(&phase.name) {
        return Err(wrong(field("name"), format!("one line of 1 to {NAME_BYTES_MAX} bytes")));
    }
    match &phase.size {
        Size::Count(0) => return Err(wrong(field("size.count"), "a phase of no devices proves nothing")),
        Size::Count(_) => {}
        Size::Percent(percent) if *percent > Decimal::HUNDRED => {
            return Err(wrong(field("size.percent"), format!("{percent} is above 100")));
        }
        Size::Percent(percent) if *percent == Decimal::default() => {
            return Err(wrong(field("size.percent"), "a phase of no devices proves nothing"));
        }
        Size::Percent(_) => {}
        Size::Tag(tag) if !is_word(tag) => {
            return Err(wrong(field("size.tag"), format!("one line of 1 to {NAME_BYTES_MAX} bytes")));
        }
        Size::Tag(_) => {}
    }
    within(field("soak_s"), phase.soak_s, 0, TIME_S_MAX)?;
    if phase.success > Decimal::HUNDRED {
        return Err(wrong(field("success"), format!("{} is above 100", phase.success)));
    }
    if phase.gates.len() > GATES_MAX {
        return Err(wrong(field("gates"), format!("there are at most {GATES_MAX}")));
    }
    for (gate, asked) in phase.gates.iter().enumerate() {
        let field = |name: &str| field(&format!("gates[{gate}].{name}"));
        if phase.gates.iter().take(gate).any(|other| other.function == asked.function) {
            return Err(wrong(field("function"), format!("'{}' is asked already", asked.function)));
        }
        if asked.entity.as_deref().is_some_and(|entity| Entity::parse(entity).is_none()) {
            return Err(wrong(field("entity"), "not the name of an entity, such as fleet/eu"));
        }
        within(field("timeout_s"), asked.timeout_s, 1, 86_400)?;
    }
    Ok(())
}

fn rate(rate: &Rate) -> Checked {
    match rate {
        Rate::Constant { per_minute } => within("rate.constant.per_minute", *per_minute, 1, DEVICES_MAX),
        Rate::Exponential { base_per_minute, factor, after, max_per_minute } => {
            within("rate.exponential.base_per_minute", *base_per_minute, 1, DEVICES_MAX)?;
            within("rate.exponential.after", *after, 1, DEVICES_MAX)?;
            within("rate.exponential.max_per_minute", *max_per_minute, *base_per_minute, DEVICES_MAX)?;
            let (least, most) = (Decimal::from_hundredths(101), Decimal::from_hundredths(1_000));
            if *factor < least || *factor > most {
                let what = format!("{factor} is not from {least} to {most}");
                return Err(wrong("rate.exponential.factor", what));
            }
            Ok(())
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}
