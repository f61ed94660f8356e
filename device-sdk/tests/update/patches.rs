//! Patches over the network: those that are none, and those that make something else.

use crate::image::{Behaviour, Image, digest};
use crate::server::{Manner, Server};
use crate::world::World;
use fleetfn_protocol::update::{Delivery, Phase, Reason};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

fn images() -> (Image, Image) {
    (Image::new(4, Behaviour::Works, 700), Image::new(6, Behaviour::Works, 650))
}

/// A server whose patch is such bytes, and which says so.
fn with(patch: Vec<u8>) -> World {
    let (old, new) = images();
    let delivery = Delivery::Patch {
        base_size: old.size(),
        base: digest(&old.0),
        size: u32::try_from(patch.len()).expect("short"),
        digest: digest(&patch),
    };
    World::new(&old, Server::with(1, &new.manifest(), &[1], patch, delivery), &[new])
}

#[test]
fn a_patch_is_applied_and_its_image_confirmed() {
    let (old, new) = images();
    let mut world = World::new(&old, Server::patching(1, &old, &new), std::slice::from_ref(&new));
    assert!(world.server.payload.len() < new.0.len(), "it is worth it");
    world.run();
    assert_eq!((world.server.last(), world.running()), (Some((Phase::Confirmed, Reason::None)), new));
}

#[test]
fn a_patch_that_comes_damaged_is_fetched_again() {
    let (old, new) = images();
    let mut world = World::new(&old, Server::patching(1, &old, &new), std::slice::from_ref(&new));
    world.block_bytes = 64;
    world.server.manner = Manner::Bad(1);
    world.run();
    assert_eq!((world.server.last(), world.running()), (Some((Phase::Confirmed, Reason::None)), new));
}

#[test]
fn a_patch_that_makes_another_image_fails_after_three_downloads() {
    let (old, new) = images();
    let mut other = new;
    other.0[300] ^= 1;
    let mut world = with(fleetfn_patch::make(&old.0, &other.0));
    world.run();
    assert_eq!((world.server.last(), world.running()), (Some((Phase::Failed, Reason::Digest)), old));
    let blocks = u32::try_from(world.server.payload.len().div_ceil(128)).expect("few");
    assert_eq!(world.server.served, 3 * blocks);
}

#[test]
fn what_is_no_patch_fails_at_once() {
    let (old, new) = images();
    let good = fleetfn_patch::make(&old.0, &new.0);
    let longer = [good.as_slice(), &[0]].concat();
    let shorter = good[..good.len() - 2].to_vec();
    for patch in [vec![2, 0, 0], vec![1], longer, shorter, vec![1; 300]] {
        let mut world = with(patch);
        world.run();
        assert_eq!(
            (world.server.last(), world.running()),
            (Some((Phase::Failed, Reason::Patch)), old.clone())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn whatever_a_patch_is_the_device_stays_as_it_is(
        mut patch in proptest::collection::vec(any::<u8>(), 1..400),
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..3),
        is_mutant: bool,
    ) {
        let (old, new) = images();
        if is_mutant {
            patch = fleetfn_patch::make(&old.0, &new.0);
        }
        patch[0] = 1;
        for (at, byte) in changes {
            let at = usize::from(at) % patch.len();
            patch[at] = byte;
        }
        let mut world = with(patch);
        world.run();
        let runs = world.running();
        match world.server.last() {
            Some((Phase::Confirmed, Reason::None)) => prop_assert!(runs == new),
            Some((Phase::Failed, Reason::Patch | Reason::Digest)) => prop_assert!(runs == old),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
