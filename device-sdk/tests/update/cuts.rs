//! Power cuts at every word of whole updates, and again while the device recovers.

use crate::image::{Behaviour, Image};
use crate::server::Server;
use crate::world::{Life, Loader, World};
use fleetfn_device::update::memory::Torn;
use fleetfn_protocol::update::{Phase, Reason};

/// A kind of update, told anew for each cut.
#[derive(Debug, Clone, Copy)]
struct Tale {
    loader: Loader,
    is_patch: bool,
    behaviour: Behaviour,
}

/// A tale with what is needed to tell it, which takes longer to make than to tell.
struct Told {
    tale: Tale,
    old: Image,
    new: Image,
    server: Server,
}

impl Told {
    fn world(&self) -> World {
        let mut world = World::new(&self.old, self.server.clone(), std::slice::from_ref(&self.new));
        world.loader = self.tale.loader;
        world
    }
}

impl Tale {
    fn told(self) -> Told {
        let old = Image::new(4, Behaviour::Works, 500);
        let mut new = Image::new(6, self.behaviour, 540);
        if self.is_patch {
            // Most of it is as it was.
            new.0.truncate(5);
            new.0.extend_from_slice(&old.0[5..]);
            new.0.extend_from_slice(b"and something more, which is longer than a word");
        }
        let server = if self.is_patch { Server::patching(1, &old, &new) } else { Server::offering(1, &new) };
        Told { tale: self, old, new, server }
    }

    /// What has to be true in the end, wherever the cuts were.
    fn check(self, world: &World, cuts: u32) {
        let old = world.images[0].sequence();
        let (runs, said) = (world.running(), world.server.last());
        let context = format!("{self:?} after {cuts} cuts: {:?}", world.server.heard);
        match self.behaviour {
            // Three trials that were cut look like three that failed.
            Behaviour::Works if cuts >= 3 && said != Some((Phase::Confirmed, Reason::None)) => {
                let ends = [Some((Phase::RolledBack, Reason::Reset)), Some((Phase::Failed, Reason::Boot))];
                assert!(ends.contains(&said), "{context}");
                assert_eq!(runs.sequence(), old, "{context}");
            }
            Behaviour::Works => {
                assert_eq!(said, Some((Phase::Confirmed, Reason::None)), "{context}");
                assert_eq!(runs.sequence(), 6, "{context}");
            }
            Behaviour::Hangs => {
                let ends = [Some((Phase::RolledBack, Reason::Reset)), Some((Phase::Failed, Reason::Boot))];
                assert!(ends.contains(&said), "{context}");
                assert_eq!(runs.sequence(), old, "{context}");
            }
            Behaviour::IsDeaf | Behaviour::Lies => {
                let is_known = matches!(
                    said,
                    Some(
                        (Phase::RolledBack, Reason::Unhealthy | Reason::Reset)
                            | (Phase::Failed, Reason::Boot)
                    )
                );
                assert!(is_known, "{context}");
                assert_eq!(runs.sequence(), old, "{context}");
            }
        }
        for (floor, running) in &world.floors {
            let is_raised = *floor > old;
            assert!(
                !is_raised || *running == 6 && said == Some((Phase::Confirmed, Reason::None)),
                "{context}"
            );
        }
    }
}

fn tales() -> Vec<Tale> {
    let mut tales = Vec::new();
    for loader in [Loader::Model, Loader::Embassy] {
        for is_patch in [false, true] {
            for behaviour in [Behaviour::Works, Behaviour::Hangs, Behaviour::IsDeaf, Behaviour::Lies] {
                tales.push(Tale { loader, is_patch, behaviour });
            }
        }
    }
    tales
}

#[test]
fn without_a_cut_each_update_comes_to_its_end() {
    for tale in tales() {
        let mut world = tale.told().world();
        assert_eq!(world.run(), 0);
        tale.check(&world, 0);
        let resets = match tale.behaviour {
            Behaviour::Works => 1,
            // Once to start it, once to put it back.
            Behaviour::IsDeaf | Behaviour::Lies => 2,
            Behaviour::Hangs => 6,
        };
        assert_eq!(world.resets, resets, "{tale:?}: {:?}", world.server.heard);
    }
}

#[test]
fn a_cut_at_any_word_leaves_what_starts_and_an_update_that_ends() {
    let mut all = 0;
    for tale in tales() {
        let told = tale.told();
        for (torn, seed, step) in [(Torn::Front, 1, 1), (Torn::Programmed, 77, 3), (Torn::Untouched, 99, 7)] {
            for cut in (1..).step_by(step) {
                let mut world = told.world();
                world.board.chip().cut_after(cut, torn, seed);
                let cuts = world.run();
                tale.check(&world, cuts);
                if cuts == 0 {
                    break;
                }
                all += 1;
            }
        }
    }
    assert!(all > 5_000, "there were only {all} moments to cut at");
}

#[test]
fn cuts_during_the_recovery_from_a_cut_leave_the_same() {
    for tale in tales() {
        let told = tale.told();
        for first in (1..600).step_by(23) {
            for second in (1..300).step_by(37) {
                let mut world = told.world();
                world.board.chip().cut_after(first, Torn::Front, first);
                // Until it is cut, or has come to its end before.
                while world.live() == Life::Reset {
                    world.resets += 1;
                    assert!(world.resets < 40, "{:?}", world.server.heard);
                }
                let mut cuts = u32::from(world.board.chip().restore());
                world.board.chip().cut_after(second, Torn::Programmed, first);
                cuts += world.run();
                tale.check(&world, cuts);
            }
        }
    }
}
