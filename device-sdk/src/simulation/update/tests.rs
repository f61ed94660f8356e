use super::{Act, Ending, Update, UpdatePlan};
use crate::mqtt::Qos;
use fleetfn_protocol::update::{
    Block, BlockBytes, BlockRequest, Delivery, Dependencies, Digest, Envelope, KeyId, Manifest, Offer, Phase,
    Reason, Signature, Status,
};
use fleetfn_protocol::{ClassId, ProductId};
use sha2::{Digest as _, Sha256};
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// A server with one image.
struct Server {
    image: Vec<u8>,
    /// Every so many blocks one is lost.
    loses_every: u32,
    sent: u32,
}

impl Server {
    fn new(image: Vec<u8>) -> Self {
        Self { image, loses_every: 0, sent: 0 }
    }

    fn offer(&self, job: u32) -> Vec<u8> {
        let manifest = Manifest {
            product: ProductId::parse("node").expect("a name"),
            class: ClassId::parse("m3").expect("a name"),
            version: "2.0.0",
            sequence: 2,
            size: u32::try_from(self.image.len()).expect("it is small"),
            digest: Digest(Sha256::digest(&self.image).into()),
            not_after_s: None,
            dependencies: Dependencies::NONE,
        };
        let (mut body, mut envelope, mut offer) = ([0; 512], [0; 1024], [0; 1024]);
        let body = manifest.write(&mut body).expect("it fits");
        let signature = Signature { key: KeyId([1; 8]), bytes: &[2; 64] };
        let envelope = Envelope::write(&mut envelope, &[signature], body).expect("it fits");
        Offer::write(&mut offer, job, Delivery::Whole, envelope).expect("it fits").to_vec()
    }

    fn answer(&mut self, update: &mut Update, request: &[u8], now_ms: u64) {
        let request = BlockRequest::parse(request).expect("a request");
        let len = usize::from(request.block_bytes.get());
        for index in request.indices() {
            self.sent += 1;
            if self.loses_every > 0 && self.sent.is_multiple_of(self.loses_every) {
                continue;
            }
            let bytes = self.image.chunks(len).nth(index as usize).expect("no block beyond the end");
            let mut buffer = vec![0; Block::HEADER_BYTES + len];
            let block = Block { job: request.job, index, bytes }.write(&mut buffer).expect("it fits");
            update.handle_block(block, now_ms);
        }
    }
}

fn plan(ending: Ending) -> UpdatePlan {
    let block_bytes = BlockBytes::new(256).expect("a length");
    UpdatePlan { block_bytes, restart_ms: 500, trial_ms: 2_000, ending }
}

/// Everything that a device says and does until a time, in words.
fn play(update: &mut Update, server: &mut Server, until_ms: u64) -> Vec<String> {
    let mut story = Vec::new();
    let mut now_ms = 0;
    while let Some(at_ms) = update.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
        now_ms = at_ms.max(now_ms);
        while let Some(act) = update.poll(now_ms) {
            match act {
                Act::Publish(message) if message.topic == "update/request" => {
                    assert_eq!(message.qos, Qos::AtMostOnce);
                    server.answer(update, &message.payload, now_ms);
                }
                Act::Publish(message) => {
                    let status = Status::parse(&message.payload).expect("a status");
                    let Status { phase, reason, sequence, have, of, .. } = status;
                    story.push(format!("{phase} {reason} {sequence} {have}/{of}"));
                }
                other => story.push(format!("{other:?}")),
            }
        }
    }
    story
}

#[test]
fn an_update_is_downloaded_tried_and_confirmed_and_every_step_is_told() {
    let mut server = Server::new((0..10_000_u32).map(|at| at.to_le_bytes()[0]).collect());
    let mut update = Update::new(plan(Ending::Confirm), 1, "1.0.0");
    update.handle_offer(&server.offer(7), 0);
    let expected = [
        "downloading none 1 0/10000",
        "verified none 1 10000/10000",
        "armed none 1 10000/10000",
        "Disconnect",
        "Connect",
        "trial none 2 10000/10000",
        "confirmed none 2 10000/10000",
    ];
    assert_eq!(play(&mut update, &mut server, 10_000), expected);
    update.handle_offer(&server.offer(6), 0);
    assert_eq!(update.next_deadline(), None, "an older job is out of date");
    update.handle_offer(&server.offer(7), 0);
    assert_eq!(play(&mut update, &mut server, 0), ["confirmed none 2 10000/10000"]);
}

#[test]
fn blocks_that_are_lost_are_asked_for_again() {
    let mut server = Server { loses_every: 5, ..Server::new(vec![7; 20_000]) };
    let mut update = Update::new(plan(Ending::Confirm), 1, "1.0.0");
    update.handle_offer(&server.offer(1), 0);
    let story = play(&mut update, &mut server, 600_000);
    assert_eq!(story.last().map(String::as_str), Some("confirmed none 2 20000/20000"));
    assert!(server.sent > 79, "{}", server.sent);
}

#[test]
fn an_update_that_is_to_be_rolled_back_runs_and_goes_back() {
    let mut server = Server::new(vec![1; 300]);
    let mut update = Update::new(plan(Ending::RollBack(Reason::Unhealthy)), 1, "1.0.0");
    update.handle_offer(&server.offer(1), 0);
    let story = play(&mut update, &mut server, 10_000);
    let end = ["Disconnect", "Connect", "rolled_back unhealthy 1 300/300"];
    assert_eq!(story[story.len() - 3..], end, "{story:?}");
}

#[test]
fn an_update_fails_before_its_first_block_or_after_its_last_as_the_reason_says() {
    for (reason, have) in [(Reason::Signature, 0), (Reason::Busy, 0), (Reason::Flash, 300)] {
        let mut server = Server::new(vec![1; 300]);
        let mut update = Update::new(plan(Ending::Fail(reason)), 1, "1.0.0");
        update.handle_offer(&server.offer(1), 0);
        let story = play(&mut update, &mut server, 10_000);
        assert_eq!(story.last(), Some(&format!("failed {reason} 1 {have}/300")));
    }
}

#[test]
fn an_image_with_another_digest_is_not_run_and_a_job_may_be_withdrawn() {
    let mut server = Server::new(vec![1; 300]);
    let mut update = Update::new(plan(Ending::Confirm), 1, "1.0.0");
    update.handle_offer(&server.offer(1), 0);
    server.image = vec![2; 300];
    assert_eq!(play(&mut update, &mut server, 10_000)[1..], ["failed digest 1 300/300"]);
    update.handle_offer(&server.offer(2), 0);
    let mut withdrawn = [0; 8];
    update.handle_offer(Offer::write_withdrawn(&mut withdrawn, 2).expect("it fits"), 0);
    assert_eq!(update.phase(), Phase::Failed);
    let story = play(&mut update, &mut server, 10_000);
    assert_eq!(story.last().map(String::as_str), Some("failed withdrawn 1 0/300"));
}
