//! What a board has to say arrives once, whatever is killed meanwhile.

use crate::emulated::can_run;
use crate::harness::wait_until;
use crate::plant::Plant;
use fleetfn_qemu::Board;

/// The numbers of readings, in the order in which the engine has handled them.
fn numbers(plant: &Plant) -> Vec<u32> {
    let number = |line: &String| {
        let (_, rest) = line.split_once("\"number\":")?;
        rest.trim_end_matches('}').parse().ok()
    };
    plant.diary().iter().filter_map(number).collect()
}

#[test]
fn over_an_outage_and_a_power_cut_nothing_is_lost_and_nothing_comes_twice() {
    if !can_run(Board::Mps2An385) {
        return;
    }
    let plant = Plant::new();
    let mut device = plant.device(Board::Mps2An385, "room-1");
    plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":1}"#]);
    device.power_on();
    device.until("reading 2");
    // The engine dies, the board measures on, loses power, and measures again.
    let outage = plant.outage();
    device.until("reading 5");
    device.power_off();
    device.power_on();
    device.until("room-1 starts");
    device.until("reading 3");
    let plant = outage.end();
    device.modem.set_server(Some(plant.server.mqtt));
    device.until("reading 5");
    // And the line is cut, again and again.
    for _ in 0..5 {
        device.modem.hang_up();
        device.until("reading");
    }
    device.power_off();
    device.power_on();
    device.until("room-1 starts");
    device.until("reading 2");
    wait_until("all is handled", || numbers(&plant).ends_with(&[1, 2]));

    let mut lives: Vec<Vec<u32>> = Vec::new();
    for number in numbers(&plant) {
        match lives.last_mut() {
            Some(life) if number != 1 => life.push(number),
            _ => lives.push(vec![number]),
        }
    }
    assert_eq!(lives.len(), 3, "three lives, each from its first reading on: {lives:?}");
    for life in &lives {
        assert!(
            life.iter().zip(1..).all(|(number, at)| *number == at),
            "a reading is lost or doubled: {lives:?}"
        );
    }
    // What was kept at the moment of the power cut may not have been said on the console.
    assert!(lives[0].len() >= 5 && lives[1].len() >= 10, "a reading is lost: {lives:?}");
}
