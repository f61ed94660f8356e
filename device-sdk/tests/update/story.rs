//! Any story: images of all kinds, networks, cuts and failures at random. Whatever happens, the device starts what is
//! whole, the floor rises with what was confirmed alone, and there is an end.

use crate::image::{Behaviour, Image};
use crate::server::{Manner, Server};
use crate::world::{Life, Loader, World};
use fleetfn_device::update::memory::Torn;
use fleetfn_protocol::update::{Phase, Reason};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        4 => Just(Behaviour::Works),
        1 => Just(Behaviour::Hangs),
        1 => Just(Behaviour::IsDeaf),
        1 => Just(Behaviour::Lies),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        3 => Just(Manner::Honest),
        2 => (2_u32..9).prop_map(Manner::Messy),
        1 => (1_u32..5).prop_map(Manner::Bad),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_story_comes_to_an_end_that_is_told(
        kinds in proptest::collection::vec((behaviour(), manner(), 5_usize..1_000, any::<bool>()), 1..5),
        is_embassy: bool,
        block_bits in 6_u32..10,
        cuts in proptest::collection::vec((1_u32..900, 0_usize..3, any::<u32>()), 0..8),
        failures in proptest::collection::vec((0_u32..3, 0_u32..3), 5),
    ) {
        let first = Image::new(4, Behaviour::Works, 600);
        let images: Vec<Image> = kinds.iter().zip(3_u32..).map(|((behaviour, _, len, _), number)| {
            Image::new(number * 2, *behaviour, (*len).max(5))
        }).collect();
        let mut world = World::new(&first, Server::offering(1, &images[0]), &images);
        world.loader = if is_embassy { Loader::Embassy } else { Loader::Model };
        world.block_bytes = 1 << block_bits;
        let mut cuts = cuts.into_iter();
        for (index, (image, (behaviour, manner, _, is_patch))) in images.iter().zip(&kinds).enumerate() {
            let job = u32::try_from(index).expect("few") + 1;
            let before = world.running();
            world.server = if *is_patch { Server::patching(job, &before, image) } else { Server::offering(job, image) };
            world.server.manner = *manner;
            world.floors.clear();
            let (writes, erases) = failures[index];
            world.board.chip().fail_writes(writes);
            world.board.chip().fail_erases(erases);
            let mut was_cut = 0;
            for (after, torn, seed) in cuts.by_ref().take(2) {
                let torn = [Torn::Front, Torn::Programmed, Torn::Untouched][torn];
                world.board.chip().cut_after(after, torn, seed);
                while world.live() == Life::Reset {}
                was_cut += u32::from(world.board.chip().restore());
            }
            was_cut += world.run();
            world.board.chip().fail_writes(0);
            world.board.chip().fail_erases(0);
            let (phase, reason) = world.server.last().expect("it was told");
            let runs = world.running();
            prop_assert!(phase.is_end(), "{phase} {reason}: {:?}", world.server.heard);
            prop_assert_eq!(&runs == image, phase == Phase::Confirmed, "{} {}: {:?}", phase, reason, world.server.heard);
            prop_assert!(runs == *image || runs == before);
            if *behaviour != Behaviour::Works {
                prop_assert!(phase != Phase::Confirmed);
            } else if was_cut == 0 && failures[index] == (0, 0) && matches!(manner, Manner::Honest | Manner::Messy(_)) {
                let may_fail = reason == Reason::Size && *is_patch;
                prop_assert!(phase == Phase::Confirmed || may_fail, "{phase} {reason}: {:?}", world.server.heard);
            }
            for (floor, running) in &world.floors {
                prop_assert!(*floor <= before.sequence() || *running == image.signed_sequence() && phase == Phase::Confirmed);
            }
        }
    }
}
