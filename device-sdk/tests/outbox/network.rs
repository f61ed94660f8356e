//! Connections that end in the middle of a flush, a clock that jumps, and what else goes over the same agent.

use crate::device::{Device, Memory, payloads};
use crate::flash::{Flash, now};
use crate::server::Server;
use fleetfn_device::mqtt::Silence;
use fleetfn_device::outbox::Policy;

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:04}")).collect()
}

#[test]
fn a_connection_lost_at_any_packet_of_a_flush_loses_and_doubles_nothing() {
    for packets in 1..40 {
        let (flash, mut server) = (Flash::new(), Server::default());
        let mut memory = Memory::new();
        let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
        let said = numbered(16);
        for payload in &said {
            device.send(payload).expect("there is room");
        }
        for _ in 0..2 {
            device.connect();
            device.exchange(&mut server, packets).expect("the flash works");
            device.lose();
        }
        device.deliver(&mut server).expect("the flash works");
        assert_eq!(payloads(&server), said, "lost after {packets} packets");
        assert_eq!(now(device.outbox.kept()), Ok(0));
    }
}

#[test]
fn nothing_is_handed_over_without_a_connection() {
    let flash = Flash::new();
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.send("a").expect("there is room");
    assert_eq!(now(device.outbox.flush(&mut device.agent)), Ok(0));
    device.connect();
    assert_eq!(now(device.outbox.flush(&mut device.agent)), Ok(0));
    assert_eq!(now(device.outbox.kept()), Ok(1));
}

#[test]
fn a_clock_that_jumps_costs_a_connection_and_no_message() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    let said = numbered(12);
    for payload in &said {
        device.send(payload).expect("there is room");
    }
    for jump_ms in [u64::from(u32::MAX), 0, 400 * 365 * 86_400_000, u64::MAX / 2] {
        device.connect();
        device.exchange(&mut server, 3).expect("the flash works");
        device.now_ms = jump_ms;
        device.agent.handle_timeout(jump_ms).expect("a ping is due, or nothing");
        device.now_ms = jump_ms.saturating_add(10_000_000);
        let silence = device.agent.handle_timeout(device.now_ms);
        assert!(matches!(silence, Ok(()) | Err(Silence::Pingresp)), "{silence:?}");
        device.lose();
    }
    device.deliver(&mut server).expect("the flash works");
    assert_eq!(payloads(&server), said);
}

#[test]
fn twins_and_readings_keep_their_order_and_what_is_sent_around_the_outbox_is_not_its_own() {
    let (flash, mut server) = (Flash::new(), Server::default());
    let mut memory = Memory::new();
    let mut device = Device::boot(&flash, Policy::RefuseNew, &mut memory).expect("it opens");
    device.send("before").expect("there is room");
    now(device.outbox.report(b"{\"led\":1}")).expect("there is room");
    device.send("after").expect("there is room");
    device.agent.reply("blink", b"done").expect("there is room");
    device.deliver(&mut server).expect("the flash works");
    let topics: Vec<&str> = server.arrived.iter().map(|message| message.topic.as_str()).collect();
    let expected = [
        "devices/d1/commands/blink/reply",
        "devices/d1/telemetry/climate",
        "devices/d1/twin/reported",
        "devices/d1/telemetry/climate",
    ];
    assert_eq!(topics, expected);
    let ids: Vec<&str> = server.arrived.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["", "0000000700000000", "0000000700000001", "0000000700000002"]);
    assert_eq!(now(device.outbox.kept()), Ok(0));
}
