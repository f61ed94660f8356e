//! What fuzzing has found worth keeping, played again: one input a line, in hexadecimal, in `tests/fuzz/corpus`.
#![expect(unreachable_pub, reason = "the fuzz targets, which share these modules, are crates of their own")]

#[path = "../../../tests/fuzz/src/agent.rs"]
mod agent;
#[path = "../../../tests/fuzz/src/client.rs"]
mod client;
#[path = "../../../tests/fuzz/src/counted.rs"]
mod counted;
#[path = "../../../tests/fuzz/src/machine.rs"]
mod machine;
#[path = "../../../tests/fuzz/src/packets.rs"]
mod packets;
#[path = "../../../tests/fuzz/src/patch.rs"]
mod patch;
#[path = "../../../tests/fuzz/src/release.rs"]
mod release;
#[path = "../../../tests/fuzz/src/script.rs"]
mod script;
#[path = "../../../tests/fuzz/src/transcript.rs"]
mod transcript;
#[path = "../../../tests/fuzz/src/update.rs"]
mod update;

/// Plays every line; at least so many, so that a corpus that is gone is missed.
fn play(corpus: &str, lines_min: usize, run: fn(&[u8])) {
    let lines: Vec<&str> = corpus.lines().collect();
    assert!(lines.len() >= lines_min, "only {} inputs are left", lines.len());
    for line in lines {
        let (pairs, rest) = line.as_bytes().as_chunks::<2>();
        assert!(rest.is_empty(), "{line} is not hexadecimal");
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        run(&bytes.expect("it is hexadecimal"));
    }
}

#[test]
fn packets_mean_the_same_however_they_are_cut() {
    play(include_str!("../../../tests/fuzz/corpus/packets.hex"), 50, packets::run);
}

#[test]
fn a_client_keeps_to_the_standard_whatever_both_sides_do() {
    play(include_str!("../../../tests/fuzz/corpus/client.hex"), 50, client::run);
}

#[test]
fn an_agent_keeps_to_the_standard_whatever_both_sides_do() {
    play(include_str!("../../../tests/fuzz/corpus/agent.hex"), 50, agent::run);
}

#[test]
fn messages_of_updates_have_one_form() {
    play(include_str!("../../../tests/fuzz/corpus/update.hex"), 50, update::run);
}

#[test]
fn only_what_is_signed_is_started_whatever_the_server_sends_and_whenever_the_power_goes() {
    play(include_str!("../../../tests/fuzz/corpus/machine.hex"), 50, machine::run);
}

#[test]
fn whatever_a_patch_is_its_work_is_bounded() {
    play(include_str!("../../../tests/fuzz/corpus/patch.hex"), 40, patch::run);
}
