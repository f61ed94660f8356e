use super::address::Private;
use super::client::Lookup;
use super::*;
use bytes::Bytes;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

/// A server on loopback that gives the answers in order and tells what it was asked.
struct Service {
    address: SocketAddr,
    asked: Receiver<String>,
}

impl Service {
    fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (tell, asked) = channel();
        let answers = answers.to_vec();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((stream, _)) = listener.accept() else { return };
                let mut reader = BufReader::new(&stream);
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or_default() <= 2 {
                        break;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap_or_default();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("the body");
                tell.send(head + &String::from_utf8_lossy(&body)).expect("the test listens");
                // One that has heard enough has gone.
                let _ = (&stream).write_all(answer.as_bytes());
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://service.example:{}/v1/alerts", self.address.port())
    }
}

/// Everything has the address of loopback.
fn to_loopback() -> Lookup {
    Box::new(|_, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]))
}

fn fetcher(private: Private, lookup: Lookup) -> (Fetcher, tempfile::TempDir) {
    struct Ignored;
    impl fleetfn_store::Tail for Ignored {
        fn durable(&mut self, _: &[fleetfn_store::Stored]) {}
    }
    let data = tempfile::tempdir().expect("a directory");
    let config = fleetfn_store::Config::new(data.path().to_owned());
    let (store, _) = Store::open(config, Box::new(Ignored)).expect("opens");
    let secret = |_: &FunctionName, name: &str| (name == "token").then(|| Zeroizing::new(b"s3cr3t".to_vec()));
    let parts = Parts {
        store,
        partitions: 64,
        secret: Box::new(secret),
        private,
        metrics: Arc::new(Metrics::default()),
        clock: crate::clock::Clock::Real,
    };
    (Fetcher::over(parts, lookup, Duration::from_millis(1)), data)
}

fn effect() -> EffectId {
    EffectId { offset: 7, function: FunctionName::parse("f").expect("a name"), index: 1 }
}

fn request(url: &str, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let asked = HttpRequest {
        method: "POST".into(),
        url: url.into(),
        headers,
        timeout_s: 5,
        body: Bytes::from_static(b"hot"),
    };
    let entity = Entity::Named("site").canonical().into();
    Request { entity, tag: Bytes::from_static(b"t"), request: asked.encode(), asked_at_ms: 0 }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_made_again_under_one_key_until_there_is_an_answer() {
    let service = Service::start(&[BUSY, BUSY, OK]);
    let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
    let headers = [("Authorization", "Bearer {{secret:token}}!")];
    let outcome = fetcher.fetch(effect(), &request(&service.url(), &headers)).await;
    assert_eq!(outcome, Outcome { source: "200".into(), body: b"done".to_vec() });
    let asked: Vec<_> = service.asked.try_iter().collect();
    assert_eq!(asked.len(), 3);
    for asked in asked {
        assert!(asked.starts_with("POST /v1/alerts HTTP/1.1\r\n") && asked.ends_with("hot"), "{asked}");
        let asked = asked.to_lowercase();
        assert!(asked.contains("idempotency-key: 7.1.f\r\n"), "{asked}");
        assert!(asked.contains("authorization: bearer s3cr3t!\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn an_answer_that_will_not_change_is_not_asked_for_again() {
    let moved =
        "HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (answer, status) in
        [(moved, "302"), ("HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "404")]
    {
        let service = Service::start(&[answer]);
        let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
        let outcome = fetcher.fetch(effect(), &request(&service.url(), &[])).await;
        assert_eq!((outcome.source.as_str(), service.asked.try_iter().count()), (status, 1));
    }
}

#[tokio::test]
async fn after_so_many_tries_the_last_answer_counts() {
    let service = Service::start(&[BUSY; 5]);
    let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
    let outcome = fetcher.fetch(effect(), &request(&service.url(), &[])).await;
    assert_eq!((outcome.source.as_str(), service.asked.try_iter().count()), ("503", 5));
    let (fetcher, _data) = self::fetcher(Private::Allowed, Box::new(|_, _| Ok(vec![])));
    let outcome = fetcher.fetch(effect(), &request("http://nowhere.example/", &[])).await;
    assert_eq!(outcome.source, "0 the host's name has no address");
}

#[tokio::test]
async fn a_long_response_is_cut_and_says_so() {
    let mut answer = String::from("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
    answer.push_str(&"x".repeat(100_000));
    let service = Service::start(&[Box::leak(answer.into_boxed_str())]);
    let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
    let outcome = fetcher.fetch(effect(), &request(&service.url(), &[])).await;
    assert_eq!((outcome.source.as_str(), outcome.body.len()), ("200 cut", 64 * 1024));
}

#[tokio::test]
async fn private_networks_are_not_reached_whatever_a_name_resolves_to() {
    let service = Service::start(&[OK]);
    let (fetcher, _data) = fetcher(Private::Refused, to_loopback());
    let outcome = fetcher.fetch(effect(), &request(&service.url(), &[])).await;
    assert_eq!(outcome.source, "0 the address is not one of the public internet");
    let (fetcher, _data) = self::fetcher(Private::Refused, super::client::by_the_system());
    for host in
        ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::ffff:127.0.0.1]"]
    {
        let url = format!("http://{host}:{}/", service.address.port());
        let outcome = fetcher.fetch(effect(), &request(&url, &[])).await;
        assert!(outcome.source.starts_with("0 "), "{host}: {outcome:?}");
    }
    assert_eq!(service.asked.try_iter().count(), 0);
}

#[tokio::test]
async fn a_missing_secret_is_named_and_nothing_is_sent() {
    let service = Service::start(&[OK]);
    let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
    let headers = [("A", "{{secret:token}}"), ("B", "{{secret:other}}")];
    let outcome = fetcher.fetch(effect(), &request(&service.url(), &headers)).await;
    assert_eq!(outcome.source, "0 there is no secret 'other'");
    assert_eq!(service.asked.try_iter().count(), 0);
}

/// Like [`request`], with a second for each try.
fn brief_request(url: &str) -> Request {
    let request = request(url, &[]);
    let asked = HttpRequest::decode(&request.request).expect("made above");
    Request { request: HttpRequest { timeout_s: 1, ..asked }.encode(), ..request }
}

#[tokio::test]
async fn a_service_that_is_silent_is_given_up_after_its_time() {
    // Accepts by its backlog, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://service.example:{}/", silent.local_addr().expect("bound").port());
    let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
    let outcome = fetcher.fetch(effect(), &brief_request(&url)).await;
    assert_eq!(outcome.source, "0 no response in time");
}

#[tokio::test]
async fn a_look_up_that_hangs_is_given_up_after_its_time() {
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let hangs: Lookup = Box::new(move |_, _| {
        // Returns when the test has ended and let go of the other end.
        let _ = held.lock().expect("no panic").recv();
        Ok(vec![])
    });
    let (fetcher, _data) = fetcher(Private::Allowed, hangs);
    let outcome = fetcher.fetch(effect(), &brief_request("http://service.example/")).await;
    assert_eq!(outcome.source, "0 no response in time");
    drop(release);
}

#[tokio::test]
async fn a_service_is_left_alone_as_long_as_it_asks() {
    let later = "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let service = Service::start(&[later, OK]);
    let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
    let began = std::time::Instant::now();
    let outcome = fetcher.fetch(effect(), &request(&service.url(), &[])).await;
    assert_eq!(outcome.source, "200");
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_goes_wrong_is_told_without_the_secret() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let refused = format!("http://service.example:{}/", closed.port());
    for (url, value) in [
        (refused.as_str(), "{{secret:token}}"),
        (&refused, "{{secret:token}}\n"),
        ("http://[", "{{secret:token}}"),
    ] {
        let (fetcher, _data) = fetcher(Private::Allowed, to_loopback());
        let outcome = fetcher.fetch(effect(), &request(url, &[("Authorization", value)])).await;
        assert!(outcome.source.starts_with("0 "), "{outcome:?}");
        assert!(!outcome.source.contains("s3cr3t"), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_came_of_it_is_an_event_of_the_entity_that_asked() {
    struct Kept(Arc<Mutex<Vec<fleetfn_store::Stored>>>);
    impl fleetfn_store::Tail for Kept {
        fn durable(&mut self, group: &[fleetfn_store::Stored]) {
            self.0.lock().expect("no panic").extend_from_slice(group);
        }
    }
    let (data, kept) = (tempfile::tempdir().expect("a directory"), Arc::default());
    let config = fleetfn_store::Config::new(data.path().to_owned());
    let (store, _) = Store::open(config, Box::new(Kept(Arc::clone(&kept)))).expect("opens");
    let parts = Parts {
        store: store.clone(),
        partitions: 64,
        secret: Box::new(|_, _| None),
        private: Private::Allowed,
        metrics: Arc::new(Metrics::default()),
        clock: crate::clock::Clock::Real,
    };
    let service = Service::start(&[OK]);
    let fetcher = Fetcher::over(parts, to_loopback(), Duration::from_millis(1));
    fetcher.submit(PartitionId(3), effect(), request(&service.url(), &[]));
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while kept.lock().expect("no panic").is_empty() {
        assert!(std::time::Instant::now() < deadline, "no event yet");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stored = kept.lock().expect("no panic").remove(0);
    let event = fleetfn_core::Event::decode(stored.record).expect("an event");
    assert_eq!(event.kind(), EventKind::Response { name: "response/t" });
    assert_eq!((event.entity(), &event.payload()[..]), (Entity::Named("site"), &b"done"[..]));
    let origin = event.origin().expect("it has one");
    assert_eq!((origin.cause, origin.sequence, origin.source), (Offset(7), 1, "200"));
}
