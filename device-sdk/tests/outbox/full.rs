//! No room: what each policy does, what is counted, and what is refused to the caller.

use crate::device::{Device, Memory, payloads};
use crate::flash::{Flash, PAGE_BYTES, WORD_BYTES, now};
use crate::server::Server;
use fleetfn_device::outbox::{Counts, Error, Outbox, Policy};

#[test]
fn refuse_new_keeps_the_oldest_and_takes_more_once_they_are_gone() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    let mut kept = Vec::new();
    let refused = loop {
        let payload = format!("{:04}", kept.len());
        match device.send(&payload) {
            Ok(()) => kept.push(payload),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Full);
    assert!(kept.len() >= 16, "four pages hold {} entries", kept.len());
    assert_eq!(device.send("one more"), Err(Error::Full));
    assert_eq!(device.outbox.counts(), Counts { refused: 2, ..Counts::default() });
    assert_eq!(now(device.outbox.kept()), Ok(kept.len()));
    device.deliver(&mut server).expect("the flash works");
    device.send("later").expect("there is room again");
    device.deliver(&mut server).expect("the flash works");
    kept.push("later".into());
    assert_eq!(payloads(&server), kept);
}

#[test]
fn drop_oldest_keeps_the_newest_and_counts_the_others() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::DropOldest, &mut memory).expect("it opens");
    let said: Vec<String> = (0..200).map(|number| format!("{number:04}")).collect();
    for payload in &said {
        device.send(payload).expect("room is made");
    }
    device.deliver(&mut server).expect("the flash works");
    let arrived = payloads(&server);
    let dropped = device.outbox.counts().dropped as usize;
    assert!(arrived.len() >= 16, "{arrived:?}");
    assert_eq!(arrived, said[dropped..]);
    let kept = u32::try_from(arrived.len()).expect("small");
    assert_eq!(device.outbox.counts(), Counts { dropped: 200 - kept, ..Counts::default() });
}

#[test]
fn what_is_with_the_agent_arrives_although_it_makes_room() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::DropOldest, &mut memory).expect("it opens");
    device.connect();
    device.exchange(&mut server, 100).expect("the flash works");
    device.send("first").expect("there is room");
    device.settle().expect("the flash works");
    for number in 0..100 {
        device.send(&format!("{number:04}")).expect("room is made");
    }
    device.exchange(&mut server, 1_000).expect("the flash works");
    let arrived = payloads(&server);
    assert_eq!(arrived.first().map(String::as_str), Some("first"));
    assert_eq!(device.outbox.counts().dropped as usize, 101 - arrived.len());
    assert_eq!(now(device.outbox.kept()), Ok(0));
}

#[test]
fn what_cannot_be_kept_is_refused_to_the_caller() {
    let flash = Flash::new();
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::DropOldest, &mut memory).expect("it opens");
    for bad in ["", "a/+", "#", "a\0", &"c".repeat(129)] {
        assert_eq!(now(device.outbox.send(bad, b"")), Err(Error::Channel), "{bad}");
    }
    let room = 192 - (WORD_BYTES - 1) - 11 - "climate".len();
    assert_eq!(device.send(&"x".repeat(room + 1)), Err(Error::TooLong));
    device.send(&"x".repeat(room)).expect("it fits");
    assert_eq!(now(device.outbox.kept()), Ok(1));
}

#[test]
fn a_range_that_is_none_and_a_buffer_that_is_too_short_are_the_callers() {
    let flash = Flash::new();
    let open = |range, buffer: &mut [u8]| {
        now(Outbox::open(flash.clone(), range, Policy::RefuseNew, buffer, 0)).map(drop)
    };
    for bad in [0..768, 4..1_028, 0..1_030, 512..2_048, 0..0] {
        assert_eq!(open(bad.clone(), &mut [0; 192]), Err(Error::Range), "{bad:?}");
    }
    assert_eq!(open(256..1_280, &mut [0; 192]), Ok(()));
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.send(&"x".repeat(100)).expect("there is room");
    let needed = (11 + "climate".len() + 100_usize).next_multiple_of(4);
    assert_eq!(open(0..1_536, &mut [0; 64]), Err(Error::Buffer(needed)));
    assert_eq!(open(0..1_536, &mut vec![0; needed]), Ok(()));
}

#[test]
fn what_the_server_or_the_send_buffer_does_not_take_is_counted_and_does_not_block() {
    let (flash, mut server) = (Flash::new(), Server { reason: 0x87, ..Server::default() });
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.send("forbidden").expect("there is room");
    device.deliver(&mut server).expect("the flash works");
    assert_eq!(device.outbox.counts(), Counts { rejected: 1, ..Counts::default() });
    assert_eq!(now(device.outbox.kept()), Ok(0));

    let mut memory = Memory::with_send_bytes(128);
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    let mut server = Server::default();
    device.send(&"x".repeat(120)).expect("there is room");
    device.send("short").expect("there is room");
    device.deliver(&mut server).expect("the flash works");
    assert_eq!(payloads(&server), ["short"]);
    assert_eq!(device.outbox.counts(), Counts { rejected: 1, ..Counts::default() });
}

#[test]
fn a_message_costs_a_write_and_a_mark_and_a_page_is_erased_once_a_round() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    for number in 0..1_000 {
        device.send(&format!("{number:014}")).expect("there is room");
        device.deliver(&mut server).expect("the flash works");
    }
    // 32 bytes of entry behind a header of 8, and a header again when it is taken out; six of them in a page.
    let (words, erases) = flash.wear();
    let of_entries = 1_000 * (8 + 32 + 8) / 4;
    assert!((of_entries..of_entries + 500).contains(&words), "{words} words written");
    assert!((1_000 / 6 - 3..=1_000 / 6 + 3).contains(&erases), "{erases} pages of {PAGE_BYTES} bytes erased");
}
