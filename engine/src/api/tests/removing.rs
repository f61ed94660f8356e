//! The beginning of a rollout that nobody gets, and its end: names, rooms and rows.

use super::Fixture;
use super::devices::until;
use crate::rollout::ROLLOUTS_MAX;
use serde_json::{Value, json};

impl Fixture {
    async fn remove(&self, name: &str, parameters: &str) -> (u16, Value) {
        self.ask("DELETE", &format!("/rollouts/{name}?by=bob&why=done{parameters}"), None).await
    }

    /// Starts a rollout without saying that its selection may be empty.
    async fn start_for_somebody(&self, policy: Value, parameters: &str) -> (u16, Value) {
        let new = json!({"name": "fw", "policy": policy, "by": "ann", "why": "try"});
        self.ask("POST", &format!("/rollouts{parameters}"), Some(new)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_is_over_is_removed_and_its_name_is_free() {
    let fixture = Fixture::with_release(3).await;
    let all = json!([{"name": "all", "size": {"percent": 100}}]);
    let policy = json!({"release": "node@1.2", "phases": all});
    assert_eq!(fixture.start_rollout("fw", policy.clone()).await.0, 201);
    fixture.until_running("fw").await;
    until(&fixture, "/api/v1/devices/d0/update", |answer| answer["job"]["number"] == 1).await;
    let (status, problem) = fixture.remove("fw", "").await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (409, Some("a rollout that is RUNNING cannot be removed"))
    );
    assert_eq!(fixture.act_on("fw", "abort", "bob").await.0, 200);
    assert_eq!(fixture.ask("DELETE", "/rollouts/fw", None).await.0, 422, "there must be a reason");
    let audited = async |name: &str| {
        let (_, audit) = fixture.ask("GET", "/audit", None).await;
        let lines = audit["items"].as_array().expect("lines").clone();
        lines.into_iter().filter(|line| line["act"] == "rollout.rm" && line["subject"] == name).count()
    };
    assert_eq!((fixture.remove("fw", "&dry_run=1").await.0, audited("fw").await), (200, 0));
    assert_eq!(fixture.ask("GET", "/rollouts/fw", None).await.1["removing"], Value::Null);
    let (status, removed) = fixture.remove("fw", "").await;
    assert_eq!((status, &removed["state"], audited("fw").await), (202, &json!("aborted"), 1), "{removed}");
    for path in ["", "/policy", "/history", "/devices", "/devices/d0"] {
        let (status, problem) = fixture.ask("GET", &format!("/rollouts/fw{path}"), None).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        let expected = "there is no rollout 'fw' any more: bob removed it at ";
        assert!(status == 404 && detail.starts_with(expected) && detail.ends_with(": done"), "{problem}");
    }
    assert_eq!(fixture.ask("GET", "/rollouts", None).await.1["items"], json!([]));
    assert_eq!(fixture.remove("fw", "").await.0, 404);
    assert_eq!(fixture.start_rollout("fw", policy).await.0, 201);
    // Devices take the offers of the new one: its numbers are above those that they have seen.
    let offered = |answer: &Value| answer["row"]["generation"] == 2;
    until(&fixture, "/api/v1/rollouts/fw/devices/d0", offered).await;
    until(&fixture, "/api/v1/devices/d0/update", |answer| answer["job"]["number"] == 2).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_rollouts_is_full_whatever_was_removed() {
    let fixture = Fixture::with_release(0).await;
    for name in ["a", "b", "c", "d"] {
        assert_eq!(fixture.start_rollout(name, json!({"release": "node@1.2"})).await.0, 201);
    }
    for name in ["a", "b"] {
        assert_eq!(fixture.act_on(name, "abort", "bob").await.0, 200);
        assert_eq!(fixture.remove(name, "").await.0, 202);
    }
    let (_, page) = fixture.ask("GET", "/rollouts?limit=1", None).await;
    assert_eq!((&page["items"][0]["rollout"], &page["next"]), (&json!("c"), &json!("c")));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_that_matches_nobody_is_a_slip_unless_it_is_said_to_be_meant() {
    let fixture = Fixture::with_release(1).await;
    let slip = json!({"release": "node@1.2", "selection": "tag==berln"});
    for parameters in ["", "?dry_run=1"] {
        let (status, problem) = fixture.start_for_somebody(slip.clone(), parameters).await;
        let expected = "no device matches 'tag==berln' now, so nobody would get it";
        assert_eq!((status, problem["detail"].as_str()), (422, Some(expected)));
        let next = "fleetfn device ls --where 'tag==berln', or --allow-empty (allow_empty) if they are still to come";
        assert_eq!(problem["next"].as_str(), Some(next));
    }
    assert_eq!(fixture.ask("GET", "/rollouts/fw", None).await.0, 404);
    assert_eq!(fixture.start_rollout("fw", slip).await.0, 201, "it is meant");
    let done = until(&fixture, "/api/v1/rollouts/fw", |answer| answer["state"] == "completed").await;
    assert_eq!(done["because"], "nobody matched the selection: nothing was done, until devices come that do");
    let there = json!({"release": "node@1.2", "selection": "product==node"});
    assert_eq!(fixture.start_for_somebody(there.clone(), "").await.0, 409, "the name is taken");
    assert_eq!(fixture.start_for_somebody(there, "?dry_run=1").await.0, 409);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_starts_at_once_that_want_the_name_of_a_repair_both_have_one_of_their_own() {
    let fixture = Fixture::with_release(1).await;
    fixture.publish_node(b"newer", 3).await;
    let all = json!([{"name": "all", "size": {"percent": 100}}]);
    let repaired = json!({
        "release": "node@1.2", "phases": all, "repair": {"release": "node@1.3", "on_abort": true},
    });
    let plain = json!({"release": "node@1.2", "selection": "tag==none"});
    let (first, second) =
        tokio::join!(fixture.start_rollout("one", repaired), fixture.start_rollout("one-repair", plain));
    if (first.0, second.0) != (201, 201) {
        // One was there before the other was looked at, and the other heard so.
        assert!([(201, 422), (422, 201)].contains(&(first.0, second.0)), "{first:?} {second:?}");
        return fixture.stop().await;
    }
    fixture.until_running("one").await;
    assert_eq!(fixture.act_on("one", "abort", "bob").await.0, 200);
    let repair =
        until(&fixture, "/api/v1/rollouts/one-repair-2/policy", |policy| policy["release"].is_object());
    assert_eq!(repair.await["release"]["version"], "1.3");
    let (_, theirs) = fixture.ask("GET", "/rollouts/one-repair/policy", None).await;
    assert_eq!(theirs["selection"], "tag==none");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_at_most_so_many_rollouts_and_one_that_is_removed_makes_room() {
    let fixture = Fixture::with_release(0).await;
    let policy = json!({"release": "node@1.2", "approval": true});
    for number in 0..ROLLOUTS_MAX {
        assert_eq!(fixture.start_rollout(&format!("fw-{number}"), policy.clone()).await.0, 201);
    }
    let (status, problem) = fixture.start_rollout("more", policy.clone()).await;
    let expected = "there are 256 rollouts, of at most 256: remove some that are over";
    assert_eq!((status, problem["detail"].as_str()), (422, Some(expected)));
    assert_eq!(fixture.act_on("fw-7", "abort", "bob").await.0, 200);
    assert_eq!(fixture.remove("fw-7", "").await.0, 202);
    assert_eq!(fixture.start_rollout("more", policy).await.0, 201);
    fixture.stop().await;
}
