//! A flash that fails, and one that holds what nobody wrote.

use crate::device::{Device, Memory, payloads};
use crate::flash::{Fault, Flash, PAGE_BYTES, PAGES, now};
use crate::server::Server;
use fleetfn_device::outbox::{Error, Policy};
use proptest::prelude::{any, prop_assert, proptest};

/// A flash with so many messages, the first of them delivered.
fn used(messages: usize, server: &mut Server) -> Flash {
    let flash = Flash::new();
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.send("0000").expect("there is room");
    device.deliver(server).expect("the flash works");
    for number in 1..messages {
        device.send(&format!("{number:04}")).expect("there is room");
    }
    flash
}

#[test]
fn a_write_that_fails_is_told_and_the_next_one_is_kept() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    for number in 0..40 {
        if number % 5 == 0 {
            flash.fail_next_write();
            assert_eq!(device.send(&format!("{number:04}")), Err(Error::Flash(Fault::Broken)));
        }
        device.send(&format!("{number:04} again")).expect("the flash works again");
        if number % 7 == 0 {
            device.deliver(&mut server).expect("the flash works");
        }
    }
    device.deliver(&mut server).expect("the flash works");
    let expected: Vec<String> = (0..40).map(|number| format!("{number:04} again")).collect();
    assert_eq!(payloads(&server), expected);
}

#[test]
fn what_cannot_be_taken_out_is_taken_out_the_next_time() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.connect();
    device.exchange(&mut server, 100).expect("the flash works");
    device.send("a").expect("there is room");
    device.send("b").expect("there is room");
    flash.fail_next_write();
    assert_eq!(device.exchange(&mut server, 100), Err(Error::Flash(Fault::Broken)));
    device.exchange(&mut server, 100).expect("the flash works again");
    assert_eq!(now(device.outbox.kept()), Ok(0));
    let arrived: Vec<_> = server.arrived.iter().map(|message| message.payload.as_slice()).collect();
    assert_eq!(arrived, [b"a", b"b"], "once each");
}

#[test]
fn an_erase_that_fails_loses_nothing() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    let (mut expected, mut failures) = (Vec::new(), 0);
    for number in 0..200 {
        let payload = format!("{number:04}");
        flash.fail_next_erase();
        match device.send(&payload) {
            Ok(()) => expected.push(payload),
            Err(error) => {
                assert_eq!(error, Error::Flash(Fault::Broken));
                failures += 1;
            }
        }
        if let Err(error) = device.deliver(&mut server) {
            assert_eq!(error, Error::Flash(Fault::Broken));
            failures += 1;
        }
    }
    device.deliver(&mut server).expect("the flash works again");
    assert!(failures > 0 && flash.wear().1 > 0, "erases failed, and went well");
    assert_eq!(payloads(&server), expected);
}

#[test]
fn a_record_of_the_journal_may_rot() {
    let mut server = Server::default();
    for _ in 0..3 {
        let flash = used(1, &mut server);
        for life in 1..6 {
            // The newest record: the last bytes that are written in the journal.
            flash.spoil(|bytes| {
                let journal = &mut bytes[..2 * PAGE_BYTES];
                let last = journal.iter().rposition(|byte| *byte != 0xff && *byte != 0).expect("a record");
                journal[last] ^= 1;
            });
            let mut memory = Memory::new();
            let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
            device.send(&format!("{life:04}")).expect("there is room");
            device.deliver(&mut server).expect("the flash works");
        }
        // Panics if an id stands for two messages.
        assert_eq!(payloads(&server), ["0000", "0001", "0002", "0003", "0004", "0005"]);
        server = Server::default();
    }
}

#[test]
fn a_ring_that_makes_no_sense_is_erased_and_counted_and_ids_go_on() {
    let mut server = Server::default();
    let flash = used(10, &mut server);
    // The first page of the ring is no longer marked as full, so that two pages claim to be the one that is written.
    flash.spoil(|bytes| bytes[3 * PAGE_BYTES - 4..3 * PAGE_BYTES].fill(0xff));
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.send("0010").expect("room is made");
    assert_eq!(device.outbox.counts().erased, 1);
    device.deliver(&mut server).expect("the flash works");
    assert_eq!(payloads(&server), ["0000", "0010"]);
    assert_eq!(now(device.outbox.kept()), Ok(0));
}

#[test]
fn a_page_that_looks_erased_and_is_not_is_erased_at_the_start() {
    let mut server = Server::default();
    let flash = used(20, &mut server);
    for noise in [0xf7, 0x3b, 0xfe] {
        // An erase that was cut off: the marks are gone, and what was between them is not.
        flash.spoil(|bytes| bytes[5 * PAGE_BYTES + 4..6 * PAGE_BYTES - 4].fill(noise));
        let mut memory = Memory::new();
        let device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
        assert_eq!(device.outbox.counts().erased, 0);
    }
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    for number in 20..28 {
        device.send(&format!("{number:04}")).expect("there is room");
    }
    device.deliver(&mut server).expect("the flash works");
    let expected: Vec<String> = (0..28).map(|number| format!("{number:04}")).collect();
    assert_eq!(payloads(&server), expected);
}

#[test]
fn a_ring_that_is_full_of_nothing_is_erased_and_counted() {
    let mut server = Server::default();
    let flash = used(22, &mut server);
    // Nothing that can be read is left, and pages claim to be full.
    flash.spoil(|bytes| {
        bytes[2 * PAGE_BYTES..3 * PAGE_BYTES]
            .iter_mut()
            .zip([0, 0, 0, 0, 0, 0, 0, 59].iter().cycle())
            .for_each(|(to, from)| *to = *from);
        bytes[4 * PAGE_BYTES + 12..4 * PAGE_BYTES + 20].fill(0);
        bytes[5 * PAGE_BYTES..5 * PAGE_BYTES + 8].copy_from_slice(&[115, 0, 0, 0, 0, 0, 0, 0]);
    });
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::DropOldest, &mut memory).expect("it opens");
    for number in 100..140 {
        device.send(&format!("{number:04}")).expect("room is made");
    }
    assert_eq!(device.outbox.counts().erased, 1);
    device.deliver(&mut server).expect("the flash works");
    assert_eq!(payloads(&server).last().map(String::as_str), Some("0139"));
}

#[test]
fn the_ids_of_an_erased_range_begin_with_chance() {
    let mut server = Server::default();
    used(1, &mut server);
    used(1, &mut server);
    let ids: Vec<&str> = server.arrived.iter().map(|message| message.id.as_str()).collect();
    // The tests' chance is always the same: so are the ids, of 16 digits, the upper half of them chance.
    assert_eq!(ids, ["0000000700000000"; 2]);
}

proptest! {
    #[test]
    fn whatever_the_flash_holds_a_device_starts_and_takes_messages(
        messages in 1_usize..25,
        pages in proptest::collection::vec((0..PAGES, 0..PAGE_BYTES, any::<[u8; 8]>(), any::<bool>()), 1..12),
    ) {
        let mut server = Server::default();
        let flash = used(messages, &mut server);
        flash.spoil(|bytes| {
            for (page, at, noise, whole) in pages {
                let page = &mut bytes[page * PAGE_BYTES..][..PAGE_BYTES];
                let spot = if whole { &mut page[..] } else { let end = (at + 8).min(PAGE_BYTES); &mut page[at..end] };
                spot.iter_mut().zip(noise.iter().cycle()).for_each(|(to, from)| *to = *from);
            }
        });
        // With the journal the ids may be lost: chance keeps them apart then.
        let mut memory = Memory::new();
        let booted = Device::boot_by_chance(&flash, Policy::DropOldest, &mut memory, 8);
        let mut device = booted.expect("it opens");
        for number in 1_000..1_020 {
            device.send(&format!("{number:04}")).expect("room is made");
        }
        device.deliver(&mut server).expect("the flash works");
        // What was rotten may swallow some, but the ring goes on, and no id stands for two messages.
        prop_assert!(payloads(&server).len() <= messages + 20);
        prop_assert!(now(device.outbox.kept()) == Ok(0));
    }
}
