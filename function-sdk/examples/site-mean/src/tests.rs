use super::site_mean;
use fleetfn_function::Postcard;
use fleetfn_function::testing::{Device, Reply};
use std::time::Duration;

fn reading(site: &mut Device, from: &str, temperature: f64) -> Reply {
    site.message(from, "reading", Postcard(temperature)).expect_done()
}

fn mean(reply: &Reply) -> Option<&str> {
    reply.published("sites/berlin/mean").first().map(|payload| payload.text())
}

#[test]
fn a_reading_is_sent_on_to_its_site_and_counted_there() {
    let mut room = Device::new("room-1", site_mean);
    let reply = room.telemetry("room", r#"{"site":"berlin","temperature":21.5}"#).expect_done();
    let sent = reply.sent("site/berlin");
    assert_eq!(sent.len(), 1);
    let mut site = Device::named("site/berlin", site_mean);
    let reply = site.message("devices/room-1", sent[0].name, sent[0].payload).expect_done();
    assert_eq!(mean(&reply), Some(r#"{"site":"berlin","mean":21.5,"devices":1}"#));
    assert!(reply.logged("mean 21.5 site=berlin devices=1"), "{reply:?}");
}

#[test]
fn the_mean_is_over_the_last_reading_of_each_device_and_told_when_it_moves() {
    let mut site = Device::named("site/berlin", site_mean);
    reading(&mut site, "devices/room-1", 20.0);
    let both = reading(&mut site, "devices/room-2", 22.0);
    assert_eq!(mean(&both), Some(r#"{"site":"berlin","mean":21.0,"devices":2}"#));
    assert_eq!(mean(&reading(&mut site, "devices/room-1", 20.1)), None);
    let moved = reading(&mut site, "devices/room-1", 24.0);
    assert_eq!(mean(&moved), Some(r#"{"site":"berlin","mean":23.0,"devices":2}"#));
}

#[test]
fn a_device_that_says_nothing_no_longer_counts() {
    let mut site = Device::named("site/berlin", site_mean);
    reading(&mut site, "devices/room-1", 30.0);
    site.advance(Duration::from_secs(300));
    reading(&mut site, "devices/room-2", 20.0);
    site.advance(Duration::from_secs(300));
    let left = reading(&mut site, "devices/room-2", 20.0);
    assert_eq!(mean(&left), Some(r#"{"site":"berlin","mean":20.0,"devices":1}"#));
}
