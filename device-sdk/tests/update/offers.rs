//! Which offers are followed, and what is said of those that are not.

use crate::image::{Behaviour, Image, envelope, public};
use crate::server::{Heard, Manner, Server};
use crate::world::{App, World};
use fleetfn_protocol::limits::OFFER_BYTES_MAX;
use fleetfn_protocol::update::{Delivery, Dependencies, Dependency, Digest, Manifest, Offer, Phase, Reason};
use fleetfn_protocol::{ClassId, ComponentId, ProductId};

fn old() -> Image {
    Image::new(4, Behaviour::Works, 500)
}

fn new() -> Image {
    Image::new(6, Behaviour::Works, 540)
}

fn needing(component: &str, at_least: u32) -> Dependencies {
    let mut dependencies = Dependencies::NONE;
    let component = ComponentId::parse(component).expect("a name");
    dependencies.push(Dependency { component, at_least }).expect("one");
    dependencies
}

/// Offers what such a manifest describes, signed by such people, and says what came of it.
fn offer(manifest: &Manifest<'_>, people: &[u8], change: impl FnOnce(&mut World)) -> World {
    let new = new();
    let server = Server::with(1, manifest, people, new.0.clone(), Delivery::Whole);
    let mut world = World::new(&old(), server, &[new]);
    change(&mut world);
    world.run();
    world
}

fn assert_refused(world: &World, reason: Reason) {
    let heard = &world.server.heard;
    assert_eq!(world.server.last(), Some((Phase::Failed, reason)), "{heard:?}");
    assert_eq!((world.server.requests, world.board.chip().steps()), (0, 0), "nothing is fetched or written");
    assert_eq!(world.running(), old());
}

#[test]
fn what_is_not_for_this_device_is_refused_by_its_reason_before_a_byte_is_fetched() {
    let good = new().manifest();
    let other = |text| ProductId::parse(text).expect("a name");
    let cases = [
        (Manifest { product: other("kettle"), ..good }, Reason::Product),
        (Manifest { class: ClassId::parse("rev-a").expect("a name"), ..good }, Reason::Class),
        (Manifest { sequence: 4, ..good }, Reason::Sequence),
        (Manifest { sequence: 3, ..good }, Reason::Sequence),
        (Manifest { not_after_s: Some(999), ..good }, Reason::Expired),
        (Manifest { dependencies: needing("boot", 4), ..good }, Reason::Dependency),
        (Manifest { dependencies: needing("modem", 1), ..good }, Reason::Dependency),
        (Manifest { dependencies: needing("image", 5), ..good }, Reason::Dependency),
        (Manifest { size: 0, ..good }, Reason::Size),
        (Manifest { size: 1_025, ..good }, Reason::Size),
        (Manifest { size: u32::MAX, ..good }, Reason::Size),
    ];
    for (manifest, reason) in cases {
        let world = offer(&manifest, &[1], |world| world.unix_s = Some(1_000));
        assert_refused(&world, reason);
    }
}

#[test]
fn what_has_not_expired_and_has_what_it_needs_is_taken() {
    let good = new().manifest();
    let cases = [
        (Manifest { not_after_s: Some(1_200), ..good }, Some(1_000)),
        (Manifest { not_after_s: Some(1), ..good }, None),
        (Manifest { dependencies: needing("boot", 3), ..good }, None),
        (Manifest { dependencies: needing("image", 4), ..good }, None),
    ];
    for (manifest, unix_s) in cases {
        let world = offer(&manifest, &[1], |world| world.unix_s = unix_s);
        assert_eq!(world.server.last(), Some((Phase::Confirmed, Reason::None)), "{:?}", world.server.heard);
    }
}

#[test]
fn a_signature_counts_if_its_key_is_trusted_and_each_key_counts_once() {
    let good = new().manifest();
    assert_refused(&offer(&good, &[2], |_| {}), Reason::UnknownKey);
    let two_of_three = |world: &mut World| {
        world.keys = vec![public(1), public(2), public(3)];
        world.threshold = 2;
    };
    for people in [[1].as_slice(), &[2, 2], &[1, 9], &[3, 3, 3, 3]] {
        assert_refused(&offer(&good, people, two_of_three), Reason::UnknownKey);
    }
    for people in [[1, 2].as_slice(), &[9, 3, 1]] {
        let world = offer(&good, people, two_of_three);
        assert_eq!(world.server.last(), Some((Phase::Confirmed, Reason::None)));
    }
    // Revoked: the firmware that runs does not list it any more.
    assert_refused(&offer(&good, &[1], |world| world.keys = vec![public(2)]), Reason::UnknownKey);
    assert_refused(&offer(&good, &[1], |world| world.keys = Vec::new()), Reason::UnknownKey);
}

#[test]
fn the_signature_comes_before_the_manifest() {
    let spoil = |at: usize| {
        move |world: &mut World| {
            let len = world.server.offer.len();
            world.server.offer[len - at] ^= 1;
        }
    };
    // A byte of the body, of the signature, of the key's name.
    let good = new().manifest();
    let body = envelope(&good, &[1]).len() - 2 - 72;
    assert_refused(&offer(&good, &[1], spoil(1)), Reason::Signature);
    assert_refused(&offer(&good, &[1], spoil(body)), Reason::Signature);
    assert_refused(&offer(&good, &[1], spoil(body + 1)), Reason::Signature);
    assert_refused(&offer(&good, &[1], spoil(body + 72)), Reason::UnknownKey);
    // A format that is newer, signed or not.
    assert_refused(&offer(&good, &[1], |world| world.server.offer[6] = 9), Reason::Format);
    let silent = offer(&good, &[1], |world| world.server.offer.truncate(4));
    assert!(silent.server.heard.iter().all(|heard| heard.0 == 0 && heard.2 == Phase::Idle));
}

#[test]
fn a_replayed_manifest_is_refused_after_what_came_later_was_confirmed() {
    let (first, second) = (new(), Image::new(8, Behaviour::Works, 600));
    let mut world = World::new(&old(), Server::offering(1, &first), &[first.clone(), second.clone()]);
    world.run();
    assert_eq!(world.server.last(), Some((Phase::Confirmed, Reason::None)));
    world.server = Server::offering(2, &second);
    world.run();
    assert_eq!(
        (world.server.last(), world.running()),
        (Some((Phase::Confirmed, Reason::None)), second.clone())
    );
    // The old manifest as it was signed, under a new number: what a server could send.
    let again = Server::offering(3, &first);
    world.server = again;
    world.run();
    assert_eq!(world.server.last(), Some((Phase::Failed, Reason::Sequence)));
    // The old offer as it was: it is out of date.
    world.server = Server::offering(1, &first);
    world.run();
    assert_eq!((world.server.requests, world.running()), (0, second));
}

#[test]
fn a_busy_device_fetches_and_starts_nothing_and_says_so() {
    let mut world = World::new(&old(), Server::offering(1, &new()), &[new()]);
    world.on_round = Some(|app: &mut dyn App, round| app.busy(round < 20));
    world.run();
    let heard = world.server.heard.clone();
    let (paused, others): (Vec<&Heard>, Vec<&Heard>) =
        heard.iter().partition(|heard| heard.2 == Phase::Paused);
    assert!(!paused.is_empty() && paused.iter().all(|heard| heard.3 == Reason::Busy && heard.4 == 0));
    assert!(others.iter().all(|heard| heard.3 == Reason::None));
    assert_eq!(world.server.last(), Some((Phase::Confirmed, Reason::None)));
    // Busy for ever after the download: it is not started.
    let mut world = World::new(&old(), Server::offering(1, &new()), &[new()]);
    let end = world.live_until(&mut |app, round| {
        app.busy(round >= 2);
        round < 200
    });
    assert_eq!(end, None, "it waits");
    assert_eq!((world.running(), world.resets), (old(), 0));
    assert!(world.server.requests > 0);
}

#[test]
fn an_application_may_refuse_and_a_server_withdraw() {
    let mut world = World::new(&old(), Server::offering(1, &new()), &[new()]);
    world.on_round = Some(|app: &mut dyn App, round| {
        if round == 2 {
            app.refuse();
        }
    });
    world.run();
    assert_eq!(world.server.last(), Some((Phase::Failed, Reason::Refused)));
    let requests = world.server.requests;
    world.on_round = None;
    world.run();
    assert_eq!((world.server.requests, world.running()), (requests, old()), "it stays so after a restart");

    // At every moment until it is confirmed.
    for moment in 0..40 {
        let mut world = World::new(&old(), Server::offering(1, &new()), &[new()]);
        world.offers_again = false;
        let mut buffer = [0; OFFER_BYTES_MAX];
        let withdrawn = Offer::write_withdrawn(&mut buffer, 1).expect("it fits").to_vec();
        let mut rounds = 0;
        for _ in 0..10 {
            let end = world.live_while(&mut |app, _| {
                if rounds == moment {
                    app.offer(&withdrawn);
                }
                rounds += 1;
            });
            if end == crate::world::Life::Quiet && rounds > moment {
                break;
            }
        }
        let expected = [
            Some((Phase::Failed, Reason::Withdrawn)),
            Some((Phase::RolledBack, Reason::Withdrawn)),
            Some((Phase::Confirmed, Reason::None)),
        ];
        assert!(expected.contains(&world.server.last()), "{moment}: {:?}", world.server.heard);
        let runs_new = world.running() == new();
        assert_eq!(runs_new, world.server.last() == expected[2], "{moment}: {:?}", world.server.heard);
    }
}

#[test]
fn a_newer_offer_takes_the_place_of_one_that_is_not_started_and_a_bad_one_does_not() {
    let better = Image::new(8, Behaviour::Works, 700);
    let mut world = World::new(&old(), Server::offering(1, &new()), &[new(), better.clone()]);
    let newer = Server::offering(2, &better);
    let bad = Server::with(9, &better.manifest(), &[7], Vec::new(), Delivery::Whole);
    let (newer_offer, bad_offer) = (newer.offer.clone(), bad.offer);
    world.server.manner = Manner::Silent;
    world.live_while(&mut |app, round| {
        if round == 1 {
            app.offer(&bad_offer);
        }
        if round == 4 {
            app.offer(&newer_offer);
        }
        if round > 6 {
            app.busy(true);
            app.refuse();
        }
    });
    let heard = &world.server.heard;
    let of =
        |job| heard.iter().filter(|heard| heard.0 == job).map(|heard| (heard.2, heard.3)).collect::<Vec<_>>();
    assert_eq!(of(9), [(Phase::Failed, Reason::UnknownKey)]);
    assert!(of(1).contains(&(Phase::Downloading, Reason::None)));
    let at = |job| heard.iter().rposition(|heard| heard.0 == job);
    assert!(at(9) < at(1) && at(1) < at(2), "{heard:?}");
    assert_eq!(of(2).last(), Some(&(Phase::Failed, Reason::Refused)));
}

#[test]
fn a_patch_for_another_image_or_one_that_does_not_fit_is_refused() {
    let mut stranger = old();
    stranger.0[100] ^= 1;
    let mut world = World::new(&old(), Server::patching(1, &stranger, &new()), &[new()]);
    world.run();
    assert_eq!((world.server.last(), world.server.requests), (Some((Phase::Failed, Reason::Base)), 0));
    let delivery =
        |base_size, size| Delivery::Patch { base_size, base: Digest([0; 32]), size, digest: Digest([0; 32]) };
    let cases = [
        (delivery(500, 0), Reason::Size),
        (delivery(500, 513), Reason::Size),
        (delivery(500, u32::MAX), Reason::Size),
        (delivery(1_025, 512), Reason::Base),
        (delivery(u32::MAX, 512), Reason::Base),
    ];
    for (delivery, reason) in cases {
        let server = Server::with(1, &new().manifest(), &[1], vec![0; 600], delivery);
        let mut world = World::new(&old(), server, &[new()]);
        world.run();
        assert_refused(&world, reason);
    }
}
