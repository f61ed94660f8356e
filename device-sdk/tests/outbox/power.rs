//! Power cuts: at every step of a short story, and at random ones of a long story.

use crate::device::{Device, Memory, payloads};
use crate::flash::{Fault, Flash, Torn};
use crate::server::Server;
use fleetfn_device::outbox::{Error, Policy};
use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use std::collections::BTreeSet;

/// What a device does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Send,
    /// So many packets go, and the last is not acknowledged.
    Exchange(usize),
    Lose,
    /// The device reboots with its power on.
    Reboot,
}

/// What the application knows, and what arrived in the end.
#[derive(Default)]
struct Story {
    server: Server,
    /// Messages so far.
    said: usize,
    /// Those whose `send` returned without an error.
    kept: Vec<String>,
}

impl Story {
    /// Goes through the steps with a cut after so many steps of the flash, then delivers what is left; `false` if the
    /// power was never cut.
    fn tell(&mut self, flash: &Flash, steps: &[Step], policy: Policy) -> bool {
        let mut rest = steps.iter();
        let mut was_cut = false;
        loop {
            let ended = self.live(flash, &mut rest, policy);
            match ended {
                Ok(true) => return was_cut,
                Ok(false) => {}
                Err(Error::Flash(Fault::Power)) => {
                    assert!(flash.restore(), "the power was gone");
                    was_cut = true;
                }
                Err(error) => unreachable!("{error}"),
            }
        }
    }

    /// One life: `Ok(true)` if the steps are at an end and everything is delivered.
    fn live(
        &mut self,
        flash: &Flash,
        steps: &mut std::slice::Iter<'_, Step>,
        policy: Policy,
    ) -> Result<bool, Error<Fault>> {
        let mut memory = Memory::new();
        let mut device = Device::boot(flash, policy, &mut memory)?;
        assert_eq!(device.outbox.counts().erased, 0, "no cut makes the ring unreadable");
        for step in steps {
            match step {
                Step::Send => self.send(&mut device)?,
                Step::Exchange(packets) => {
                    device.connect();
                    device.exchange(&mut self.server, *packets)?;
                }
                Step::Lose => device.lose(),
                Step::Reboot => return Ok(false),
            }
        }
        device.lose();
        device.deliver(&mut self.server)?;
        assert_eq!(crate::flash::now(device.outbox.kept())?, 0, "everything is delivered");
        Ok(true)
    }

    fn send(&mut self, device: &mut Device<'_>) -> Result<(), Error<Fault>> {
        let payload = format!("{:04}{}", self.said, "x".repeat(self.said * 7 % 40));
        self.said += 1;
        match device.send(&payload) {
            Ok(()) => self.kept.push(payload),
            Err(Error::Full) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Nothing lost, nothing doubled, nothing out of order.
    fn check(&self) {
        let arrived = payloads(&self.server);
        let there: BTreeSet<&String> = arrived.iter().collect();
        assert_eq!(there.len(), arrived.len(), "each message has one id: {arrived:?}");
        assert!(arrived.is_sorted(), "in order: {arrived:?}");
        for payload in &self.kept {
            assert!(there.contains(payload), "{payload} was kept and is lost: {arrived:?}");
        }
        assert!(arrived.len() <= self.said);
        assert!(self.server.arrived.iter().all(|message| !message.id.is_empty()));
    }
}

/// Fills some pages, delivers, acknowledges in part, reboots, goes round the ring.
fn short_story() -> Vec<Step> {
    let mut steps = vec![Step::Send; 12];
    steps.extend([Step::Exchange(7), Step::Lose, Step::Send, Step::Send, Step::Exchange(30)]);
    for _ in 0..5 {
        steps.extend([Step::Send; 6]);
        steps.extend([Step::Exchange(5), Step::Lose]);
    }
    steps.extend([Step::Reboot, Step::Send, Step::Exchange(4), Step::Send]);
    steps
}

#[test]
fn a_cut_at_any_moment_loses_and_doubles_nothing() {
    let steps = short_story();
    for torn in [Torn::Front, Torn::Programmed, Torn::Untouched] {
        let mut cuts = 0;
        for seed in [1, 77] {
            for cut in 1.. {
                let flash = Flash::new();
                flash.cut_after(cut, torn, seed);
                let mut story = Story::default();
                let was_cut = story.tell(&flash, &steps, Policy::RefuseNew);
                story.check();
                if !was_cut {
                    break;
                }
                cuts += 1;
            }
        }
        assert!(cuts > 1_000, "there were only {cuts} moments to cut at");
    }
}

#[test]
fn a_cut_during_the_recovery_from_a_cut_loses_nothing_either() {
    let steps = short_story();
    for first in (1..900).step_by(13) {
        for second in 1..24 {
            let flash = Flash::new();
            let mut story = Story::default();
            flash.cut_after(first, Torn::Front, first);
            let mut rest = steps.iter();
            // The first life ends with a cut, the second after a few steps more.
            while let Ok(false) = story.live(&flash, &mut rest, Policy::RefuseNew) {}
            flash.restore();
            flash.cut_after(second, Torn::Front, second);
            let left: Vec<Step> = rest.copied().collect();
            story.tell(&flash, &left, Policy::RefuseNew);
            story.check();
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Send),
        2 => (1_usize..12).prop_map(Step::Exchange),
        1 => Just(Step::Lose),
        1 => Just(Step::Reboot),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn any_story_with_many_cuts_loses_and_doubles_nothing(
        steps in steps(),
        cuts in proptest::collection::vec((1_u32..400, 0_u8..3, 1_u32..u32::MAX), 0..12),
    ) {
        let flash = Flash::new();
        let mut story = Story::default();
        let mut rest = steps.iter();
        for (after, torn, seed) in cuts {
            let torn = [Torn::Front, Torn::Programmed, Torn::Untouched][usize::from(torn)];
            flash.cut_after(after, torn, seed);
            while let Ok(false) = story.live(&flash, &mut rest, Policy::RefuseNew) {}
            flash.restore();
        }
        let left: Vec<Step> = rest.copied().collect();
        story.tell(&flash, &left, Policy::RefuseNew);
        story.check();
    }

    #[test]
    fn with_drop_oldest_what_arrives_is_in_order_and_once(
        steps in steps(),
        cut in 1_u32..3_000,
        seed in 1_u32..u32::MAX,
    ) {
        let flash = Flash::new();
        flash.cut_after(cut, Torn::Front, seed);
        let mut story = Story::default();
        story.tell(&flash, &steps, Policy::DropOldest);
        let arrived = payloads(&story.server);
        prop_assert!(arrived.is_sorted_by(|a, b| a < b), "{arrived:?}");
        prop_assert!(story.kept.last().is_none_or(|last| arrived.contains(last)), "the newest is never dropped");
    }
}
