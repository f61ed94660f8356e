//! Downloads that go wrong, flash that fails, images that do not work, clocks that jump.

use crate::image::{Behaviour, Image};
use crate::server::{Manner, Server};
use crate::world::{App, Life, Loader, World};
use fleetfn_protocol::update::{Phase, Reason};

fn old() -> Image {
    Image::new(4, Behaviour::Works, 500)
}

fn world(behaviour: Behaviour) -> World {
    let new = Image::new(6, behaviour, 900);
    World::new(&old(), Server::offering(1, &new), &[new])
}

const CONFIRMED: Option<(Phase, Reason)> = Some((Phase::Confirmed, Reason::None));

#[test]
fn a_lossy_and_confused_network_only_takes_longer() {
    for hit in 2..9 {
        for block_bytes in [64, 128, 256, 512] {
            let mut world = world(Behaviour::Works);
            world.block_bytes = block_bytes;
            world.server.manner = Manner::Messy(hit);
            world.run();
            assert_eq!(world.server.last(), CONFIRMED, "{hit} {block_bytes}: {:?}", world.server.heard);
        }
    }
}

#[test]
fn blocks_of_the_wrong_length_are_no_blocks_and_are_asked_for_ever_more_seldom() {
    for manner in [Manner::Wrong(-1), Manner::Wrong(1), Manner::Silent] {
        let mut world = world(Behaviour::Works);
        world.server.manner = manner;
        let mut times = Vec::new();
        let mut now_ms = 0;
        world.live_until(&mut |app, round| {
            (now_ms, _) = (app.now_ms(), times.push(app.now_ms()));
            round < 40
        });
        let waits: Vec<u64> =
            times.windows(2).map(|pair| pair[1] - pair[0]).filter(|wait| *wait > 1).collect();
        assert!(waits.is_sorted() && waits.last().is_some_and(|wait| *wait >= 60_000), "{waits:?}");
        assert_eq!(world.server.heard.iter().filter(|heard| heard.4 > 0).count(), 0);
    }
}

#[test]
fn an_image_that_comes_damaged_is_fetched_three_times_and_no_more_whatever_is_offered_again() {
    let mut good = world(Behaviour::Works);
    good.server.manner = Manner::Bad(2);
    good.run();
    assert_eq!(good.server.last(), CONFIRMED);

    let mut bad = world(Behaviour::Works);
    bad.server.manner = Manner::Bad(9);
    bad.run();
    assert_eq!(bad.server.last(), Some((Phase::Failed, Reason::Digest)));
    let served = bad.server.served;
    assert_eq!(served, 3 * 8);
    for _ in 0..5 {
        bad.run();
    }
    assert_eq!((bad.server.served, bad.server.last()), (served, Some((Phase::Failed, Reason::Digest))));
}

#[test]
fn the_digest_is_of_what_is_in_flash() {
    let mut world = world(Behaviour::Works);
    let download = world.board.download();
    let mut is_spoiled = false;
    let spoil = &mut |app: &mut dyn App, _| {
        // The last block has come: a bit flips in flash.
        if app.phase() == Phase::Downloading && app.have() == 900 && !is_spoiled {
            download.spoil(|bytes| bytes[3] ^= 0x10);
            is_spoiled = true;
        }
    };
    while world.live_while(spoil) == Life::Reset {}
    assert_eq!(world.server.last(), CONFIRMED, "{:?}", world.server.heard);
    assert_eq!(world.server.served, 2 * 8);
}

#[test]
fn a_download_goes_on_where_it_was() {
    let mut world = world(Behaviour::Works);
    world.live_until(&mut |app, _| app.have() < 512);
    let served = world.server.served;
    world.run();
    assert_eq!(world.server.last(), CONFIRMED);
    // Two of the sectors are there; what was on the way is asked for again.
    assert!(world.server.served - served <= 4, "{} after {served}", world.server.served);
}

#[test]
fn flash_that_fails_now_and_then_is_tried_again_and_flash_that_fails_always_fails_the_job() {
    for failures in 1..40 {
        for is_write in [false, true] {
            let mut world = world(Behaviour::Works);
            // Half of the image is one window.
            world.block_bytes = 64;
            let chip = world.board.chip().clone();
            world.live_until(&mut |app, _| app.have() == 0);
            if is_write {
                chip.fail_writes(failures)
            } else {
                chip.fail_erases(failures)
            }
            world.run();
            let expected = if failures <= 3 { CONFIRMED } else { Some((Phase::Failed, Reason::Flash)) };
            assert_eq!(world.server.last(), expected, "{failures} {is_write}: {:?}", world.server.heard);
        }
    }
    let mut broken = world(Behaviour::Works);
    broken.board.chip().fail_writes(u32::MAX);
    broken.run();
    assert_eq!((broken.server.last(), broken.running()), (Some((Phase::Failed, Reason::Flash)), old()));
}

#[test]
fn a_hung_image_is_tried_three_times_without_another_download_and_rolled_back() {
    for loader in [Loader::Model, Loader::Embassy] {
        let mut world = world(Behaviour::Hangs);
        world.loader = loader;
        world.run();
        assert_eq!(world.server.last(), Some((Phase::RolledBack, Reason::Reset)));
        assert_eq!((world.resets, world.server.served, world.running()), (6, 8, old()));
        let armed = world.server.heard.iter().filter(|heard| heard.2 == Phase::Armed).count();
        assert_eq!(armed, 3);
        // Offered again, it is not tried again.
        world.run();
        assert_eq!((world.resets, world.server.served), (6, 8));
        assert_eq!(world.server.last(), Some((Phase::RolledBack, Reason::Reset)));
    }
}

#[test]
fn an_image_that_does_not_connect_in_time_is_unhealthy_and_one_that_lies_is_too() {
    for behaviour in [Behaviour::IsDeaf, Behaviour::Lies] {
        let mut world = world(behaviour);
        world.run();
        assert_eq!(
            world.server.last(),
            Some((Phase::RolledBack, Reason::Unhealthy)),
            "{:?}",
            world.server.heard
        );
        assert_eq!((world.resets, world.running()), (2, old()));
    }
}

#[test]
fn an_application_that_has_a_word_in_it_is_waited_for() {
    let mut good = world(Behaviour::Works);
    good.needs_word = true;
    good.on_round = Some(|app: &mut dyn App, round| {
        if round == 3 {
            app.healthy();
        }
    });
    good.run();
    assert_eq!(good.server.last(), CONFIRMED);
    assert!(good.server.has_heard(Phase::Trial));

    let mut mute = world(Behaviour::Works);
    mute.needs_word = true;
    mute.run();
    assert_eq!((mute.server.last(), mute.running()), (Some((Phase::RolledBack, Reason::Unhealthy)), old()));
}

#[test]
fn a_clock_that_jumps_neither_ends_a_trial_nor_stops_a_download() {
    for jump_ms in [3_600_000, -3_600_000, i64::MAX] {
        let mut world = world(Behaviour::Works);
        world.needs_word = true;
        world.server.manner = Manner::Messy(3);
        let mut jumped = false;
        let jumping = &mut |app: &mut dyn App, round| {
            if round == 2 {
                app.jump_ms(jump_ms);
                jumped = true;
            }
            if app.phase() == Phase::Trial && round == 4 {
                app.healthy();
            }
        };
        while world.live_while(jumping) == Life::Reset {}
        assert_eq!(world.server.last(), CONFIRMED, "{jump_ms}: {:?}", world.server.heard);
        assert!(jumped);
    }
}

#[test]
fn progress_is_said_by_tenths_and_not_too_often() {
    let mut world = world(Behaviour::Works);
    world.block_bytes = 64;
    world.server.manner = Manner::Messy(2);
    world.run();
    let heard: Vec<_> = world.server.heard.iter().filter(|heard| heard.2 == Phase::Downloading).collect();
    assert!(heard.len() <= 11, "{heard:?}");
    assert!(heard.iter().all(|heard| heard.5 == 900) && heard.is_sorted_by_key(|heard| heard.4));
}

#[test]
fn a_watchdog_is_not_fed_when_a_reset_is_due_and_does_not_come() {
    let mut world = world(Behaviour::Works);
    let mut alive = Vec::new();
    world.live_until(&mut |app, _| {
        alive.push(app.is_alive());
        true
    });
    assert!(alive.iter().all(|alive| *alive));
    // It runs now, and the board goes on although it should have been reset.
    let mut world = self::world(Behaviour::Lies);
    assert_eq!(world.live(), Life::Reset);
    let mut was_alive = false;
    let mut is_dead = false;
    world.live_with_late_board(&mut |app, _| {
        was_alive |= app.is_alive();
        is_dead |= !app.is_alive();
        !is_dead
    });
    assert!(was_alive && is_dead);
}

#[test]
fn an_image_on_trial_of_which_the_journal_knows_nothing_is_put_back() {
    let mut world = world(Behaviour::Works);
    assert_eq!(world.live(), Life::Reset);
    world.board.journal().spoil(|bytes| bytes.fill(0xff));
    assert_eq!(world.live(), Life::Reset);
    assert!(world.server.last() != CONFIRMED);
    // The old one runs again, and follows the offer that comes again from the start.
    world.run();
    assert_eq!((world.server.last(), world.server.served), (CONFIRMED, 2 * 8));
}

#[test]
fn a_journal_that_makes_no_sense_is_as_if_there_were_none() {
    let mut world = world(Behaviour::Works);
    world
        .board
        .journal()
        .spoil(|bytes| bytes.iter_mut().zip((0..=u8::MAX).cycle()).for_each(|(byte, at)| *byte = at));
    world.run();
    assert_eq!(world.server.last(), CONFIRMED);
}
