//! Which of the releases that a rollout names a device gets: the one that it brings, unless a function of the manufacturer
//! chooses a variant.
//!
//! Of several functions the first that names a release decides, and the others may name the same or none. What is chosen
//! is judged like what is offered: a device that runs it has it, and none goes back.

use super::ask::clip;
use super::machine::{DEFER_MS, Machine};
use super::rows::{Awaits, Choice, Stage};
use crate::rollout::{CHOSEN, Chosen, REPORT, Release, Report};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

impl Machine<'_> {
    /// A function names the release that the device is to get. What cannot be is said in words.
    pub(super) fn choose(&mut self, rollout: &str, choice: Choice) -> Result<(), String> {
        let stage = self.offers.of.get_mut(rollout).map(|standing| &mut standing.stage);
        let Some(Stage::Asked { release, variants, choice: before, .. }) = stage else {
            return Ok(());
        };
        let Choice { release: named, by, .. } = &choice;
        let known: Vec<String> =
            [&**release].into_iter().chain(variants.iter()).map(Release::reference).collect();
        if !known.contains(named) {
            let named = clip(named);
            let known = known.join(", ");
            return Err(format!(
                "function '{by}' chose {named}, which the rollout does not name: it names {known}"
            ));
        }
        match before {
            Some(Choice { release: other, by: first, .. }) if other != named => {
                Err(format!("function '{by}' chose {named}, and function '{first}' {other}"))
            }
            Some(_) => Ok(()),
            None => {
                *before = Some(choice);
                Ok(())
            }
        }
    }

    /// All have agreed: the offer becomes a job, unless an operator was faster.
    pub(super) fn agreed(&mut self, rollout: &str) {
        let Some(Stage::Asked { release, variants, whole, expires_ms, choice, .. }) =
            self.offers.of.get(rollout).map(|standing| standing.stage.clone())
        else {
            return;
        };
        if let Some(number) = self.update.job.as_ref().filter(|job| job.is_open()).map(|job| job.number) {
            let until_ms = self.now_ms.saturating_add(DEFER_MS);
            let why = format!("an operator gave it job {number}");
            return self.defer(rollout, until_ms, Awaits::Freedom, why);
        }
        let variant = choice.and_then(|choice| {
            let variant = variants.into_iter().find(|one| one.reference() == choice.release)?;
            Some((variant, choice))
        });
        match variant {
            None => self.give(rollout, &release, whole, expires_ms),
            Some((variant, choice)) => self.give_variant(rollout, &variant, &choice, whole, expires_ms),
        }
    }

    /// The same with what a function has chosen, of which the rollout hears before anything is reported of it.
    fn give_variant(
        &mut self,
        rollout: &str,
        variant: &Release,
        choice: &Choice,
        whole: bool,
        expires_ms: u64,
    ) {
        let Some(standing) = self.offers.of.get_mut(rollout) else {
            return;
        };
        let generation = standing.generation;
        let why = match clip(&choice.why) {
            "" => format!("function '{}' chose it", choice.by),
            why => format!("function '{}' said: {why}", choice.by),
        };
        let chosen = Chosen { device: self.device, generation, release: variant.reference(), why };
        self.tell(rollout, CHOSEN, &chosen);
        if let Some(running) = self.runs_already(variant) {
            if let Some(standing) = self.offers.of.get_mut(rollout) {
                standing.end(self.now_ms);
            }
            return self.tell(rollout, REPORT, &Report { generation, ..running });
        }
        match self.objection(variant) {
            Some(why) => self.refuse(rollout, why),
            None => self.give(rollout, variant, whole, expires_ms),
        }
    }
}
