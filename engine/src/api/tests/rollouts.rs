//! Rollouts over HTTP.

use super::Fixture;
use super::devices::until;
use crate::clock::Clock;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

impl Fixture {
    /// An engine with a release 1.2 of `node` for class `m3`, and devices of it.
    pub(super) async fn with_release(devices: usize) -> Self {
        Self::start().await.released(devices).await
    }

    async fn released(self, devices: usize) -> Self {
        let fixture = self;
        fixture.publish_node(b"image", 2).await;
        for number in 0..devices {
            let device = json!({"id": format!("d{number}"), "product": "node", "class": "m3"});
            assert_eq!(fixture.ask("POST", "/devices", Some(device)).await.0, 201);
        }
        fixture
    }

    pub(super) async fn start_rollout(&self, name: &str, policy: Value) -> (u16, Value) {
        self.ask(
            "POST",
            "/rollouts",
            Some(json!({"name": name, "policy": policy, "allow_empty": true, "by": "ann", "why": "try"})),
        )
        .await
    }

    pub(super) async fn until_running(&self, name: &str) {
        until(self, &format!("/api/v1/rollouts/{name}"), |answer| answer["state"] == "running").await;
    }

    pub(super) async fn act_on(&self, name: &str, verb: &str, by: &str) -> (u16, Value) {
        let act = json!({"verb": verb, "by": by, "why": "because"});
        self.ask("POST", &format!("/rollouts/{name}/acts"), Some(act)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_needs_no_more_than_a_release_and_a_reason() {
    let fixture = Fixture::with_release(3).await;
    let (status, started) = fixture.start_rollout("fw", json!({"release": "node@1.2"})).await;
    assert_eq!(
        (status, &started["rollout"], &started["phase"]),
        (201, &json!("fw"), &json!([1, 3])),
        "{started}"
    );
    fixture.until_running("fw").await;
    let (_, policy) = fixture.ask("GET", "/rollouts/fw/policy", None).await;
    assert_eq!(policy["selection"], "product==node;class==m3");
    assert!(policy["release"]["envelope"].as_str().is_some_and(|envelope| envelope.len() > 100), "{policy}");
    let (_, listed) = fixture.ask("GET", "/rollouts", None).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    let (_, devices) = fixture.ask("GET", "/rollouts/fw/devices?limit=2", None).await;
    assert_eq!((devices["items"][0]["device"].as_str(), &devices["next"]), (Some("d0"), &json!("d1")));
    let (_, queued) = fixture.ask("GET", "/rollouts/fw/devices?state=QUEUED", None).await;
    assert_eq!(queued["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(fixture.ask("GET", "/rollouts/fw/devices?state=LOST", None).await.0, 400);
    let (_, explained) = fixture.ask("GET", "/rollouts/fw/devices/d1", None).await;
    assert_eq!((&explained["device"], &explained["state"]), (&json!("d1"), &json!("QUEUED")), "{explained}");
    assert_eq!(fixture.ask("GET", "/rollouts/fw/devices/other", None).await.0, 404);
    let (_, history) = fixture.ask("GET", "/rollouts/fw/history", None).await;
    assert_eq!((&history["items"][0]["by"], &history["items"][0]["why"]), (&json!("ann"), &json!("try")));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_told_by_the_name_of_the_field() {
    let fixture = Fixture::with_release(0).await;
    let refused = async |policy: Value| {
        let (status, problem) = fixture.start_rollout("fw", policy).await;
        (status, problem["detail"].as_str().unwrap_or_default().to_owned())
    };
    let told = |(status, detail): (u16, String), wanted: u16, field: &str| {
        assert_eq!(status, wanted, "{detail}");
        assert!(detail.contains(field), "'{detail}' does not name {field}");
    };
    told(refused(json!({})).await, 400, "release: ");
    told(refused(json!({"release": 7})).await, 400, "release: ");
    told(refused(json!({"release": "node@9"})).await, 404, "node@9");
    told(refused(json!({"release": "node@1.2", "concurrency": 0})).await, 400, "concurrency: ");
    told(refused(json!({"release": "node@1.2", "phases": []})).await, 400, "phases: ");
    told(refused(json!({"release": "node@1.2", "colour": "red"})).await, 400, "colour");
    told(refused(json!({"release": "node@1.2", "repair": {"release": "node@8"}})).await, 404, "node@8");
    let nameless = json!({"name": "a/b", "policy": {"release": "node@1.2"}, "why": "try"});
    assert_eq!(fixture.ask("POST", "/rollouts", Some(nameless)).await.0, 400);
    let for_no_reason = json!({"name": "fw", "policy": {"release": "node@1.2"}, "why": " "});
    assert_eq!(fixture.ask("POST", "/rollouts", Some(for_no_reason)).await.0, 422);
    assert_eq!(fixture.ask("GET", "/rollouts", None).await.1["items"], json!([]));
    assert_eq!(fixture.ask("GET", "/rollouts/fw", None).await.0, 404);
    assert_eq!(fixture.act_on("fw", "pause", "ann").await.0, 404);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_is_done_or_refused_with_the_reason_in_the_answer() {
    let fixture = Fixture::with_release(1).await;
    let policy = json!({"release": "node@1.2", "approval": true});
    let (status, started) = fixture.start_rollout("fw", policy.clone()).await;
    assert_eq!((status, &started["state"]), (201, &json!("waiting_for_approval")));
    assert_eq!(fixture.start_rollout("fw", policy).await.0, 409);
    let (status, problem) = fixture.act_on("fw", "approve", "ann").await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (409, Some("ann started the rollout: another person must approve it"))
    );
    assert_eq!(fixture.act_on("fw", "approve", "bob").await.1["state"], "enrolling");
    let (status, paused) = fixture.act_on("fw", "pause", "bob").await;
    assert_eq!((status, paused["paused"].as_str()), (200, Some("bob: because")));
    assert_eq!(fixture.act_on("fw", "pause", "bob").await.0, 409);
    assert_eq!(fixture.act_on("fw", "resume", "bob").await.1["paused"], Value::Null);
    assert_eq!(fixture.act_on("fw", "repair", "bob").await.0, 409);
    assert_eq!(fixture.act_on("fw", "dance", "bob").await.0, 400);
    assert_eq!(fixture.act_on("fw", "abort", "bob").await.1["state"], "aborted");
    assert_eq!(fixture.act_on("fw", "retry", "bob").await.0, 409);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_ahead_is_an_outage_that_every_rollout_is_told_of() {
    let ahead: &'static AtomicU64 = Box::leak(Box::default());
    let fixture = Fixture::start_by(Clock::Ahead(ahead)).await.released(1).await;
    assert_eq!(fixture.start_rollout("fw", json!({"release": "node@1.2"})).await.0, 201);
    fixture.until_running("fw").await;
    ahead.store(3_600_000, Ordering::Relaxed);
    let is_told = |history: &Value| {
        let mut lines = history["items"].as_array().into_iter().flatten();
        let after_an_hour = |line: &Value| {
            line["why"].as_str().is_some_and(|why| why.starts_with("the engine was away for 1h"))
        };
        lines.any(|line| line["what"] == "hears devices again" && after_an_hour(line))
    };
    until(&fixture, "/api/v1/rollouts/fw/history", is_told).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_name_of_a_repair_away() {
    let fixture = Fixture::with_release(0).await;
    fixture.publish_node(b"newer", 3).await;
    let repaired = json!({"release": "node@1.2", "repair": {"release": "node@1.3"}});
    let plain = json!({"release": "node@1.2"});
    assert_eq!(fixture.start_rollout("one-repair", plain.clone()).await.0, 201);
    let (status, problem) = fixture.start_rollout("one", repaired.clone()).await;
    let expected = "there is a rollout 'one-repair', which its repair would be called; choose another name, or remove that one when \
                    it is over";
    assert_eq!((status, problem["detail"].as_str()), (422, Some(expected)));
    assert_eq!(fixture.start_rollout("two", repaired).await.0, 201);
    let (status, problem) = fixture.start_rollout("two-repair", plain.clone()).await;
    let expected = "the repair of rollout 'two' is called so; choose another name";
    assert_eq!((status, problem["detail"].as_str()), (422, Some(expected)));
    assert_eq!(fixture.start_rollout("one", plain).await.0, 201);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_approves_is_told_so_alone() {
    let fixture = Fixture::with_release(0).await;
    let policy = json!({"release": "node@1.2", "approval": true});
    assert_eq!(fixture.start_rollout("fw", policy).await.0, 201);
    assert_eq!(fixture.act_on("fw", "approve", " ann ").await.0, 409, "she started it");
    let (bob, eve) =
        tokio::join!(fixture.act_on("fw", "approve", "bob"), fixture.act_on("fw", "approve", "eve"));
    let mut answers = [bob.0, eve.0];
    answers.sort_unstable();
    assert_eq!(answers, [200, 409]);
    let (_, history) = fixture.ask("GET", "/rollouts/fw/history", None).await;
    let by = if bob.0 == 200 { "bob" } else { "eve" };
    assert_eq!((&history["items"][2]["by"], &history["items"][2]["what"]), (&json!(by), &json!("approves")));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_comes_late_joins_the_newest_rollout_alone() {
    let fixture = Fixture::with_release(1).await;
    fixture.publish_node(b"newer", 3).await;
    let all = json!([{"name": "all", "size": {"percent": 100}}]);
    for (name, release) in [("old", "node@1.2"), ("new", "node@1.3")] {
        let policy = json!({"release": release, "phases": all});
        assert_eq!(fixture.start_rollout(name, policy).await.0, 201);
        fixture.until_running(name).await;
    }
    let late = json!({"id": "late", "product": "node", "class": "m3"});
    assert_eq!(fixture.ask("POST", "/devices", Some(late)).await.0, 201);
    until(&fixture, "/api/v1/rollouts/new/devices/late", |answer| answer["device"] == "late").await;
    assert_eq!(fixture.ask("GET", "/rollouts/old/devices/late", None).await.0, 404);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rollout_has_decided_is_decided_again_in_a_replay() {
    let fixture = Fixture::with_release(2).await;
    assert_eq!(fixture.start_rollout("fw", json!({"release": "node@1.2"})).await.0, 201);
    fixture.until_running("fw").await;
    for (function, wanted) in [("rollout", "starts node 1.2"), ("update", "offer 1 of rollout 'fw'")] {
        let path = format!("/api/v1/functions/{function}/logs");
        let said = |logs: &Value| {
            logs["items"].as_array().is_some_and(|lines| lines.iter().any(|line| says(line, wanted)))
        };
        let logs = until(&fixture, &path, said).await;
        for line in logs["items"].as_array().expect("lines") {
            let path = format!("/replays?offset={}&function={function}", line["offset"]);
            let (status, replayed) = fixture.ask("POST", &path, None).await;
            assert_eq!((status, &replayed["differences"]), (200, &json!([])), "{replayed}");
        }
    }
    fixture.stop().await;
}

fn says(line: &Value, wanted: &str) -> bool {
    line["text"].as_str().is_some_and(|text| text.contains(wanted))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_deploys_a_function_under_the_name_of_one_of_the_engines_own() {
    let fixture = Fixture::start().await;
    for name in ["rollout", "update", "operator"] {
        let (status, problem) = fixture.deploy("/api/v1/functions", super::module(name, "t")).await;
        assert_eq!(
            (status, problem["detail"].as_str()),
            (422, Some(&*format!("the name '{name}' is reserved")))
        );
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_who_would_get_it_and_how_that_would_go_and_starts_nothing() {
    let fixture = Fixture::with_release(3).await;
    let other = json!({"id": "other", "product": "node", "class": "m0"});
    assert_eq!(fixture.ask("POST", "/devices", Some(other)).await.0, 201);
    let plan = async |more: Value| {
        let mut plan = json!({"name": "fw", "policy": {"release": "node@1.2", "selection": "product==node"}});
        for (name, value) in more.as_object().expect("fields") {
            plan[name.as_str()] = value.clone();
        }
        fixture.ask("POST", "/rollouts/plan", Some(plan)).await
    };
    let (status, planned) = plan(json!({})).await;
    assert_eq!((status, &planned["rehearsal"]), (200, &Value::Null), "{planned}");
    let counts = ["found", "taking_part"].map(|count| planned["plan"][count].as_u64());
    assert_eq!(counts, [Some(4), Some(3)]);
    assert_eq!(planned["plan"]["left_out"][0]["first"], json!(["other"]));
    let gated = json!({"release": "node@1.2", "phases": [
        {"name": "few", "size": {"count": 1}, "gates": [{"function": "heat"}]},
        {"name": "all", "size": {"percent": 100}},
    ]});
    let (_, planned) = plan(json!({ "policy": gated })).await;
    let notes = planned["plan"]["notes"].to_string();
    assert!(notes.contains("no function 'heat' with the trigger gate is live"), "{notes}");
    let (status, rehearsed) = plan(json!({"rehearse": {"runs": 3, "failing": 0}})).await;
    assert_eq!((status, &rehearsed["rehearsal"]["runs"]), (200, &json!(3)), "{rehearsed}");
    // What the node knows need not be assumed.
    assert_eq!(rehearsed["rehearsal"]["assumptions"]["image_bytes"], 5);
    for (more, wanted) in [
        (json!({"rehearse": {"colour": 1}}), 400),
        (json!({"rehearse": {"failing": 101}}), 422),
        (json!({"policy": {"release": "node@9"}}), 404),
        (json!({"name": "a/b"}), 400),
    ] {
        let (status, problem) = plan(more).await;
        assert_eq!(status, wanted, "{problem}");
    }
    assert_eq!(fixture.ask("GET", "/rollouts", None).await.1["items"], json!([]));
    let named_so = json!({"name": "plan", "policy": {"release": "node@1.2"}, "why": "try"});
    assert_eq!(fixture.ask("POST", "/rollouts", Some(named_so)).await.0, 422);
    fixture.stop().await;
}
