//! A device with an outbox in flash against our own broker: an outage, cut connections, power cuts.

use crate::backend::Fleet;
use crate::device::PATIENCE;
use crate::flash::{Fault, Flash, RANGE, Torn, now};
use fleetfn_device::agent::{Agent, Identity};
use fleetfn_device::outbox::{Error, Outbox, Policy};
use fleetfn_device::tcp::Tcp;
use fleetfn_protocol::DeviceId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One life of a device: delivers what is kept, and says a little more; ends when all is delivered or the power goes.
/// Its connection is cut after so many exchanges, once.
fn live(
    flash: &Flash,
    address: SocketAddr,
    kept: &mut Vec<String>,
    said: usize,
    cut_after: usize,
) -> Result<(), Error<Fault>> {
    let (mut receive, mut send, mut entry) = ([0; 512], [0; 512], [0; 64]);
    let device = DeviceId::parse("d1").expect("a name");
    let mut agent = Agent::new(Identity::new(device, b"secret"), &mut receive, &mut send);
    let mut outbox = now(Outbox::open(flash.clone(), RANGE, Policy::RefuseNew, &mut entry, 7))?;
    let mut tcp = Tcp::new();
    let (started, mut rest, mut exchanges) = (Instant::now(), said, 0);
    while rest > 0 || now(outbox.kept())? > 0 {
        assert!(started.elapsed() < PATIENCE, "{} messages are still kept", now(outbox.kept())?);
        if agent.poll_dial(tcp.now_ms()) {
            match tcp.dial(address) {
                Ok(()) => agent.handle_opened(tcp.now_ms()).expect("it may connect"),
                Err(_) => agent.handle_closed(tcp.now_ms(), 0),
            }
        }
        while let Some(notice) = agent.poll_notice().expect("the server keeps to the standard") {
            outbox.handle_notice(&notice);
        }
        if rest > 0 {
            let payload = format!("{:04}", kept.len());
            match now(outbox.send("climate", payload.as_bytes())) {
                Ok(()) => {
                    kept.push(payload);
                    rest -= 1;
                }
                Err(Error::Full) => {}
                Err(error) => return Err(error),
            }
        }
        now(outbox.flush(&mut agent))?;
        if tcp.is_open() {
            // How it ended does not matter here.
            let _ = tcp.exchange(agent.client(), Duration::from_millis(5));
            exchanges += 1;
            if exchanges == cut_after {
                tcp.close(agent.client());
            }
            if !tcp.is_open() {
                agent.handle_closed(tcp.now_ms(), 0);
            }
        }
    }
    Ok(())
}

#[test]
fn over_an_outage_cut_connections_and_power_cuts_nothing_is_lost_and_what_comes_again_has_its_id() {
    let flash = Flash::new();
    let mut kept = Vec::new();
    // Nobody listens: what is said is kept over a reboot.
    for payload in ["0000", "0001", "0002"] {
        let mut entry = [0; 64];
        let opened = now(Outbox::open(flash.clone(), RANGE, Policy::RefuseNew, &mut entry, 7));
        now(opened.expect("it opens").send("climate", payload.as_bytes())).expect("there is room");
        kept.push(payload.to_owned());
    }
    let fleet = Fleet::start();
    for life in 0_u32..12 {
        flash.cut_after(90 + 31 * life, Torn::Front, life);
        let ended = live(&flash, fleet.address(), &mut kept, 20, 4 + life as usize);
        assert!(matches!(ended, Ok(()) | Err(Error::Flash(Fault::Power))), "{ended:?}");
        flash.restore();
    }
    live(&flash, fleet.address(), &mut kept, 1, usize::MAX).expect("the power stays");

    // As the engine does: each id once.
    let (mut once, mut arrived) = (BTreeMap::new(), Vec::new());
    for (id, (topic, payload)) in fleet.ids().into_iter().zip(fleet.admitted()) {
        assert_eq!((id.len(), topic.as_str()), (16, "devices/d1/telemetry/climate"));
        match once.insert(id, payload.clone()) {
            None => arrived.push(String::from_utf8(payload).expect("text")),
            Some(first) => assert_eq!(first, payload, "an id stands for one message"),
        }
    }
    // A message whose send was cut off may have arrived, and its text is said again under another id.
    arrived.dedup();
    assert_eq!(arrived, kept);
}
