//! A board tells how warm it is, does what it is asked to, and becomes what it is desired to be.

use crate::emulated::can_run;
use crate::harness::wait_until;
use crate::plant::Plant;
use fleetfn_qemu::Board;
use serde_json::json;

fn readings_go_up_and_commands_come_down(board: Board) {
    if !can_run(board) {
        return;
    }
    let plant = Plant::new();
    let mut device = plant.device(board, "room-1");
    device.power_on();
    device.until("room-1 starts");
    wait_until("the engine has handled a reading", || plant.diary().len() > 1);
    assert_eq!(
        plant.diary()[..2],
        [r#"{"temperature":20.0,"number":1}"#, r#"{"temperature":20.5,"number":2}"#]
    );
    plant.fleetfn(&["device", "command", "room-1", "fan", r#"{"on":true}"#]);
    device.until("fan on");
    plant.fleetfn(&["device", "command", "room-1", "dance", ""]);
    device.until("dance: no such command");
}

#[test]
fn readings_go_up_and_commands_come_down_on_a_cortex_m3() {
    readings_go_up_and_commands_come_down(Board::Mps2An385);
}

#[test]
fn readings_go_up_and_commands_come_down_with_code_for_a_cortex_m0() {
    readings_go_up_and_commands_come_down(Board::Mps2An385Thumbv6m);
}

#[test]
fn readings_go_up_and_commands_come_down_with_firmware_in_c() {
    readings_go_up_and_commands_come_down(Board::Mps2An385C);
}

#[test]
fn readings_go_up_and_commands_come_down_on_risc_v() {
    readings_go_up_and_commands_come_down(Board::Riscv32Virt);
}

#[test]
fn what_a_board_says_in_postcard_is_a_value_for_a_function() {
    for board in [Board::Mps2An385, Board::Riscv32Virt] {
        if can_run(board) {
            a_value_in_postcard_comes_to_a_function(board);
        }
    }
}

fn a_value_in_postcard_comes_to_a_function(board: Board) {
    let plant = Plant::new();
    plant.deploy_example("restarts");
    let mut device = plant.device(board, "room-1");
    plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":1}"#]);
    let told = |number: usize, start: &str| {
        wait_until(start, || plant.logs("restarts").len() > number);
        let line = plant.logs("restarts").swap_remove(number);
        assert!(line.starts_with(start), "{line}");
    };
    device.power_on();
    told(0, "restarted 0 times, 1 readings since, ");
    told(1, "restarted 0 times, 11 readings since, ");
    device.power_off();
    device.power_on();
    told(2, "restarted 1 times, 1 readings since, ");
    assert_eq!(plant.fleetfn(&["fn", "dead", "restarts", "-o", "json"]).trim(), "[]");
}

#[test]
fn what_is_desired_is_known_after_a_power_cut_without_a_network() {
    for board in [Board::Mps2An385, Board::Riscv32Virt] {
        if can_run(board) {
            what_is_desired_is_known_after_a_power_cut(board);
        }
    }
}

fn what_is_desired_is_known_after_a_power_cut(board: Board) {
    let plant = Plant::new();
    let mut device = plant.device(board, "room-1");
    plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":7}"#]);
    device.power_on();
    device.until("settings Settings { period_s: 7 }");
    plant.until_reported("room-1", &json!({ "period_s": 7 }));
    device.power_off();
    device.modem.set_server(None);
    device.power_on();
    device.until("room-1 starts");
    device.until("settings Settings { period_s: 7 }");
    device.modem.set_server(Some(plant.server.mqtt));
    plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":1}"#]);
    device.until("settings Settings { period_s: 1 }");
    plant.until_reported("room-1", &json!({ "period_s": 1 }));
}

#[test]
fn a_command_that_restarts_the_board_is_done_once() {
    if !can_run(Board::Mps2An385) {
        return;
    }
    let plant = Plant::new();
    let mut device = plant.device(Board::Mps2An385, "room-1");
    device.power_on();
    plant.fleetfn(&["device", "command", "room-1", "restart", ""]);
    device.until("restart");
    device.until("room-1 starts");
    plant.fleetfn(&["device", "command", "room-1", "fan", r#"{"on":false}"#]);
    device.until("fan off");
    let restarts = device.console().iter().filter(|line| *line == "restart").count();
    assert_eq!(restarts, 1);
}
