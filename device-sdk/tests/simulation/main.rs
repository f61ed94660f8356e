//! Fleets under virtual time: what they do, when, and that a seed says all of it.

mod server;

use fleetfn_device::agent::Notice;
use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::{
    Act, Happened, Link, Member, Message, Random, Run, RuntimeClock, Script, Simulation,
};
use fleetfn_protocol::DeviceId;
use server::Servers;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happened: when, to whom, in words.
type Story = Arc<Mutex<Vec<(u64, String, String)>>>;

/// Publishes after waits that chance says, and is away for a while if it is told so.
struct Sensor {
    name: String,
    random: Random,
    next_ms: u64,
    mean_ms: u64,
    /// From when to when it is away.
    away: Option<(u64, u64)>,
    sent: u32,
    story: Story,
}

impl Sensor {
    fn tell(&self, now_ms: u64, what: String) {
        self.story.lock().expect("nobody panics").push((now_ms, self.name.clone(), what));
    }
}

impl Script for Sensor {
    fn next_deadline(&self) -> Option<u64> {
        let (from_ms, to_ms) = self.away.unwrap_or((u64::MAX, u64::MAX));
        Some(self.next_ms.min(from_ms).min(to_ms))
    }

    fn poll(&mut self, now_ms: u64) -> Option<Act> {
        match &mut self.away {
            Some((from_ms, _)) if *from_ms <= now_ms => {
                *from_ms = u64::MAX;
                return Some(Act::Vanish);
            }
            Some((_, to_ms)) if *to_ms <= now_ms => {
                self.away = None;
                return Some(Act::Connect);
            }
            _ => {}
        }
        if self.next_ms > now_ms {
            return None;
        }
        self.next_ms += self.mean_ms / 2 + self.random.below(self.mean_ms);
        self.sent += 1;
        let payload = self.sent.to_string().into_bytes();
        Some(Act::Publish(Message { topic: "telemetry/t".into(), payload, qos: Qos::AtLeastOnce }))
    }

    fn handle(&mut self, happened: Happened<'_>, now_ms: u64) {
        match happened {
            Happened::Notice(Notice::Listening) => self.tell(now_ms, "listens".into()),
            Happened::Notice(_) | Happened::Sent(_) => {}
            Happened::Acknowledged { reason, took } => {
                self.tell(now_ms, format!("acknowledged {} after {} ms", reason.code(), took.as_millis()));
            }
            other => self.tell(now_ms, format!("{other:?}")),
        }
    }
}

/// A fleet of sensors that is begun and, after a time, ended; what it told, by time and device.
async fn fleet(
    servers: Servers,
    seed: u64,
    count: u64,
    for_s: u64,
    link: Link,
) -> Vec<(u64, String, String)> {
    let story = Story::default();
    let member = |number: u64| {
        let name = format!("d{number}");
        let script = Sensor {
            random: Random::new(seed, &name, 1),
            next_ms: 0,
            mean_ms: 10_000,
            away: (number == 1).then_some((60_000, 90_000)),
            sent: 0,
            story: Arc::clone(&story),
            name: name.clone(),
        };
        let device = DeviceId::parse(&name).expect("a name");
        Member { device, token: (*b"token").into(), script, link, receive_bytes: 256, send_bytes: 512 }
    };
    let clock = Arc::new(RuntimeClock::new());
    let run = Run { seed, number: 1 };
    let mut simulation = Simulation::start(servers, clock, run, (0..count).map(member));
    simulation.gathered().await;
    simulation.begin();
    tokio::time::sleep(Duration::from_secs(for_s)).await;
    simulation.end();
    simulation.left().await;
    let mut told = std::mem::take(&mut *story.lock().expect("nobody panics"));
    told.sort();
    told
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_a_fleet_passes_in_no_time_and_everything_is_acknowledged() {
    let begun = std::time::Instant::now();
    let servers = Servers::default();
    let told = fleet(servers.clone(), 7, 20, 3_600, Link::FAST).await;
    let acknowledged = told.iter().filter(|(.., what)| what.starts_with("acknowledged 0 ")).count();
    let published = servers.counts.published.load(Ordering::Relaxed);
    assert!(published > 20 * 300, "one in ten seconds for an hour: {published}");
    assert_eq!(acknowledged as u64, published);
    assert!(begun.elapsed() < Duration::from_secs(60), "virtual time went by in {:?}", begun.elapsed());
    // One was away and came back.
    assert_eq!(servers.counts.connections.load(Ordering::Relaxed), 21);
    let left = told.iter().filter(|(.., what)| what == "Left { unacknowledged: 0 }").count();
    assert_eq!(left, 20, "{:?}", told.last());
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_story_in_every_run_and_another_seed_another_one() {
    let servers = || Servers { breaks_after: 9, ..Servers::default() };
    let first = fleet(servers(), 7, 10, 600, Link::FAST).await;
    assert_eq!(first, fleet(servers(), 7, 10, 600, Link::FAST).await);
    assert_ne!(first, fleet(servers(), 8, 10, 600, Link::FAST).await);
    let lost = |what: &str| first.iter().filter(|(.., told)| told.starts_with(what)).count();
    assert!(lost("Disconnected { cause: Stream(ConnectionReset)") > 10, "connections break: {first:?}");
    assert!(lost("listens") > 10, "and are made again");
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_takes_its_time_for_each_byte_and_for_the_way() {
    let servers = Servers::default();
    let link = Link { bytes_per_s: 20, round_trip_ms: 700 };
    let told = fleet(servers.clone(), 7, 3, 120, link).await;
    // What one sent before it was away came late.
    let took = told.iter().filter(|(_, name, _)| name != "d1").filter_map(|(.., what)| {
        let (_, rest) = what.split_once("acknowledged 0 after ")?;
        rest.split_once(' ')?.0.parse::<u64>().ok()
    });
    let (least, most) = took.fold((u64::MAX, 0), |(least, most), ms| (least.min(ms), most.max(ms)));
    // A PUBLISH of some 50 bytes at 20 a second, behind the way.
    assert!(least > 1_500 && most < 12_000, "{least} to {most} ms");
    let bytes = servers.counts.bytes.load(Ordering::Relaxed);
    assert!(bytes < 3 * 20 * 150, "{bytes} bytes in two minutes are more than the links take");
}

/// One device and what it lives through.
fn alone(servers: &Servers, script: Sensor, link: Link) -> Simulation {
    let device = DeviceId::parse("d0").expect("a name");
    let member = Member { device, token: [].into(), script, link, receive_bytes: 256, send_bytes: 256 };
    let clock = Arc::new(RuntimeClock::new());
    Simulation::start(servers.clone(), clock, Run { seed: 0, number: 0 }, [member])
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_at_the_end_comes_back_for_what_it_sent() {
    let servers = Servers::default();
    let story = Story::default();
    // It publishes and is gone before the link has let it through, for longer than the simulation lasts.
    let script = Sensor {
        name: "d0".into(),
        random: Random::new(0, "", 0),
        next_ms: 50_000,
        mean_ms: 1_000_000,
        away: Some((50_100, 9_000_000)),
        sent: 0,
        story: Arc::clone(&story),
    };
    let mut simulation = alone(&servers, script, Link { bytes_per_s: 0, round_trip_ms: 1_000 });
    simulation.gathered().await;
    simulation.begin();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(servers.counts.published.load(Ordering::Relaxed), 0);
    simulation.drain();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(servers.counts.published.load(Ordering::Relaxed), 1);
    simulation.end();
    simulation.left().await;
    let told = story.lock().expect("nobody panics").last().cloned();
    assert_eq!(told.map(|(.., what)| what), Some("Left { unacknowledged: 0 }".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn one_that_measures_more_than_it_can_keep_while_it_is_away_comes_back_all_the_same() {
    let servers = Servers::default();
    let story = Story::default();
    let script = Sensor {
        name: "d0".into(),
        random: Random::new(0, "", 0),
        next_ms: 50_000,
        mean_ms: 1_000,
        away: Some((60_000, 120_000)),
        sent: 0,
        story: Arc::clone(&story),
    };
    let mut simulation = alone(&servers, script, Link::FAST);
    simulation.gathered().await;
    simulation.begin();
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(servers.counts.connections.load(Ordering::Relaxed), 2);
    simulation.end();
    simulation.left().await;
    let told = std::mem::take(&mut *story.lock().expect("nobody panics"));
    assert!(told.iter().any(|(.., what)| what == "Dropped"), "not all that it measured had room");
    assert_eq!(told.last().map(|(.., what)| what.as_str()), Some("Left { unacknowledged: 0 }"));
}

#[tokio::test(start_paused = true)]
async fn a_simulation_that_is_dropped_lets_its_devices_go() {
    let servers = Servers::default();
    let story = Story::default();
    let script = Sensor {
        name: "d0".into(),
        random: Random::new(0, "", 0),
        next_ms: 0,
        mean_ms: 1_000,
        away: None,
        sent: 0,
        story: Arc::clone(&story),
    };
    let simulation = alone(&servers, script, Link::FAST);
    simulation.gathered().await;
    drop(simulation);
    tokio::time::timeout(Duration::from_secs(1), async {
        while Arc::strong_count(&story) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its task ends");
}
