//! Every operation below the API's prefix.

use super::{Operation, delete, get, patch, post, put};
use crate::api::page::PageQuery;
use crate::api::rollout::schema::{
    DeviceShape, ExplanationShape, LineShape, PlanViewShape, PolicyShape, StatusShape,
};
use crate::api::rollout::{DeviceQuery, NewAct, NewPlan, NewRollout};
use crate::api::write::Nothing;
use crate::api::{
    Acted, AddedDevice, AddedDevices, AddressView, ArtifactView, AuditView, BudgetView, ComparisonView,
    ConfigView, DeadLetterView, Deployed, DevicePatch, DeviceView, FunctionView, KeyView, KnownVersion,
    LogView, NewAddress, NewBudget, NewDevice, NewDevices, NewKey, NewThreshold, Order, Page, Reason,
    RecordView, RedriveOrder, RedriveView, ReleaseView, ReplayView, Requested, SecretView, StateView, Terms,
    ThresholdView, TimerView, TraceView, TwinView, UpdateOrder, UpdateView, UsageView, dead_letter, device,
    invocation, record, replay, status, trace, usage,
};
use axum::http::StatusCode;

const BYTES: &str = "application/octet-stream";
const MODULE: &str = "application/wasm";

pub(super) fn operations() -> impl Iterator<Item = Operation> {
    let firmware = releases().into_iter().chain(rollouts());
    devices().into_iter().chain(firmware).chain(functions()).chain(settings()).chain(observations())
}

fn devices() -> Vec<Operation> {
    vec![
        get("/devices", "The devices of a selection, by id")
            .query::<device::list::ListQuery>()
            .shows::<Page<DeviceView>>(),
        post("/devices", "Register a device; its token is in the answer and nowhere else")
            .writes::<Reason>()
            .document::<NewDevice>()
            .answer::<AddedDevice>(StatusCode::CREATED)
            .shows::<AddedDevice>(),
        post(
            "/device-batches",
            "Register all of many devices, or none; their tokens are in the answer and nowhere else",
        )
        .writes::<Reason>()
        .document::<NewDevices>()
        .shows::<AddedDevices>()
        .answer::<AddedDevices>(StatusCode::CREATED),
        get("/devices/{id}", "A device").shows::<DeviceView>(),
        patch("/devices/{id}", "Change a device")
            .writes::<Reason>()
            .merges::<DevicePatch>()
            .shows::<DeviceView>(),
        delete("/devices/{id}", "Remove a device: its token is void, its state stays")
            .writes::<Reason>()
            .nothing(),
        get("/devices/{id}/twin", "What a device should be, and what it says that it is").shows::<TwinView>(),
        patch("/devices/{id}/twin", "Merge into what a device should be (RFC 7396)")
            .writes::<device::twin::PatchQuery>()
            .bytes("application/merge-patch+json")
            .shows::<TwinView>()
            .answer::<TwinView>(StatusCode::ACCEPTED),
        post("/devices/{id}/commands/{name}", "Send a command; it waits until the device takes it")
            .writes::<device::command::CommandQuery>()
            .bytes(BYTES)
            .answer::<Requested>(StatusCode::ACCEPTED)
            .shows::<Requested>(),
        get("/devices/{id}/update", "The firmware of a device, and the job to change it")
            .shows::<UpdateView>(),
        post("/devices/{id}/update", "Give a device the job to install a release")
            .writes::<Nothing>()
            .document::<UpdateOrder>()
            .shows::<UpdateView>(),
        delete("/devices/{id}/update", "Withdraw the open job of a device")
            .writes::<Nothing>()
            .shows::<UpdateView>(),
        get("/devices/{id}/state", "What functions keep of a device")
            .query::<device::state::StateQuery>()
            .shows::<Page<StateView>>(),
        get("/state", "What functions keep of an entity")
            .query::<device::state::StateQuery>()
            .shows::<Page<StateView>>(),
    ]
}

fn functions() -> Vec<Operation> {
    vec![
        get("/functions", "The functions, by name").query::<PageQuery>().shows::<Page<FunctionView>>(),
        post("/functions", "Deploy a module")
            .writes::<Terms>()
            .bytes(MODULE)
            .answer::<Deployed>(StatusCode::CREATED)
            .shows::<Deployed>(),
        get("/functions/{name}", "A function").shows::<FunctionView>(),
        delete("/functions/{name}", "Remove a function; its state stays").writes::<Reason>().nothing(),
        get("/functions/{name}/versions", "Every version that is known, the newest first")
            .shows::<Page<KnownVersion>>(),
        post("/functions/{name}/deploy", "Deploy a version that is known")
            .writes::<Nothing>()
            .document::<Terms>()
            .answer::<Deployed>(StatusCode::CREATED)
            .shows::<Deployed>(),
        post("/functions/{name}/promote", "Make the canary or the dark version live")
            .writes::<Nothing>()
            .document::<Order>()
            .shows::<Acted>(),
        post("/functions/{name}/rollback", "Take the canary, the dark or the live version back")
            .writes::<Nothing>()
            .document::<Order>()
            .shows::<Acted>(),
        post("/functions/{name}/pause", "Let its events wait")
            .writes::<Nothing>()
            .document::<Order>()
            .shows::<Acted>(),
        post("/functions/{name}/resume", "Handle its events again")
            .writes::<Nothing>()
            .document::<Order>()
            .shows::<Acted>(),
        get("/functions/{name}/diff", "Where its dark version did something else").shows::<ComparisonView>(),
        post("/functions/{name}/redrive", "Handle its dead letters again")
            .writes::<Nothing>()
            .document::<RedriveOrder>()
            .shows::<RedriveView>(),
    ]
}

fn releases() -> Vec<Operation> {
    vec![
        get("/releases", "The releases, by product, class and sequence").shows::<Page<ReleaseView>>(),
        post("/releases", "Publish a signed manifest whose image is there")
            .writes::<Reason>()
            .bytes(BYTES)
            .answer::<ReleaseView>(StatusCode::CREATED)
            .shows::<ReleaseView>(),
        get("/releases/{release}", "A release, and whether its image is intact").shows::<ReleaseView>(),
        delete("/releases/{release}", "Forget a release: open jobs of it are withdrawn")
            .writes::<Reason>()
            .nothing(),
        post("/releases/{release}/yank", "Take a release out of use: open jobs of it are withdrawn")
            .writes::<Nothing>()
            .document::<Reason>()
            .shows::<ReleaseView>(),
        post("/releases/{release}/addresses", "An address from which a device fetches the image over HTTP")
            .document::<NewAddress>()
            .shows::<AddressView>(),
        delete("/releases/{release}/yank", "Let a yanked release be used again")
            .writes::<Reason>()
            .shows::<ReleaseView>(),
        get("/artifacts/{digest}", "Whether an image is there as it was put").shows::<ArtifactView>(),
        put("/artifacts/{digest}", "Keep an image under its SHA-256")
            .bytes(BYTES)
            .answer::<ArtifactView>(StatusCode::CREATED),
        get("/products/{product}/keys", "Keys that may sign releases of a product; - for all products")
            .shows::<Page<KeyView>>(),
        post("/products/{product}/keys", "Let a key sign for a product")
            .writes::<Nothing>()
            .document::<NewKey>()
            .answer::<KeyView>(StatusCode::CREATED)
            .shows::<KeyView>(),
        delete("/products/{product}/keys/{key}", "Revoke a key: its signatures do not count any more")
            .writes::<Reason>()
            .nothing(),
        get("/products/{product}/threshold", "How many keys must have signed releases of a product")
            .shows::<ThresholdView>(),
        put(
            "/products/{product}/threshold",
            "Set it: releases with fewer signatures are not offered any more",
        )
        .writes::<Nothing>()
        .document::<NewThreshold>()
        .shows::<ThresholdView>(),
        get("/audit", "Who did what, oldest first").query::<PageQuery>().shows::<Page<AuditView>>(),
    ]
}

fn rollouts() -> Vec<Operation> {
    vec![
        get("/rollouts", "The rollouts, by name").query::<PageQuery>().shows::<Page<StatusShape>>(),
        post("/rollouts", "Start a rollout")
            .writes::<Nothing>()
            .document::<NewRollout>()
            .answer::<StatusShape>(StatusCode::CREATED)
            .shows::<StatusShape>(),
        post("/rollouts/plan", "Say what a rollout would do, and start nothing")
            .document::<NewPlan>()
            .shows::<PlanViewShape>(),
        get("/rollouts/{name}", "How a rollout goes").shows::<StatusShape>(),
        delete(
            "/rollouts/{name}",
            "Delete what is kept of a rollout that is over: its name is free when it is not found any more",
        )
        .writes::<Reason>()
        .answer::<StatusShape>(StatusCode::ACCEPTED)
        .shows::<StatusShape>(),
        post("/rollouts/{name}/acts", "Approve, pause, resume, promote, abort, retry or repair a rollout")
            .writes::<Nothing>()
            .document::<NewAct>()
            .shows::<StatusShape>(),
        get("/rollouts/{name}/policy", "What a rollout was started with").shows::<PolicyShape>(),
        get("/rollouts/{name}/history", "What happened to a rollout, oldest first: the newest 256 lines")
            .shows::<Page<LineShape>>(),
        get("/rollouts/{name}/devices", "How the devices of a rollout fare, by id")
            .query::<DeviceQuery>()
            .shows::<Page<DeviceShape>>(),
        get("/rollouts/{name}/devices/{id}", "Why a device did or did not get the release")
            .shows::<ExplanationShape>(),
    ]
}

fn settings() -> Vec<Operation> {
    vec![
        get("/functions/{name}/config", "What a function may read").shows::<Page<ConfigView>>(),
        get("/functions/{name}/config/{key}", "One value of it").shows::<ConfigView>(),
        put("/functions/{name}/config/{key}", "Set it").writes::<Reason>().bytes(BYTES).nothing(),
        delete("/functions/{name}/config/{key}", "Delete it").writes::<Reason>().nothing(),
        get("/functions/{name}/secrets", "The names of what its HTTP requests may carry")
            .shows::<Page<SecretView>>(),
        put("/functions/{name}/secrets/{key}", "Set one; it is never shown")
            .writes::<Reason>()
            .bytes(BYTES)
            .nothing(),
        delete("/functions/{name}/secrets/{key}", "Delete one").writes::<Reason>().nothing(),
        get("/budgets", "How much fuel owners may burn").shows::<Page<BudgetView>>(),
        put("/budgets/{owner}", "Set it").writes::<Reason>().document::<NewBudget>().nothing(),
        delete("/budgets/{owner}", "Go back to the shared rule").writes::<Reason>().nothing(),
    ]
}

fn observations() -> Vec<Operation> {
    vec![
        get("/invocations", "What runs, live or from a place in the log on")
            .query::<invocation::StreamQuery>()
            .events(),
        get("/functions/{name}/logs", "What a function logged lately")
            .query::<PageQuery>()
            .shows::<Page<LogView>>(),
        get("/functions/{name}/timers", "What a function will be woken for")
            .query::<PageQuery>()
            .shows::<Page<TimerView>>(),
        get("/functions/{name}/record", "Events that a function took, to be replayed elsewhere")
            .query::<record::RecordQuery>()
            .shows::<RecordView>(),
        get("/functions/{name}/refused", "Events that did not fit a schema").shows::<Page<DeadLetterView>>(),
        get("/dead-letters", "Events that could not be handled")
            .query::<dead_letter::ListQuery>()
            .shows::<Page<DeadLetterView>>(),
        get("/dead-letters/{offset}", "What failed for one event").shows::<Page<DeadLetterView>>(),
        get("/traces/{event}", "What an event led to").query::<trace::TraceQuery>().shows::<TraceView>(),
        post("/replays", "Run a live invocation again, with the same or another module")
            .query::<replay::ReplayQuery>()
            .bytes(MODULE)
            .shows::<ReplayView>(),
        get("/usage", "What functions used, by month")
            .query::<usage::UsageQuery>()
            .shows::<Page<UsageView>>(),
        get("/status", "How the engine is").shows::<status::StatusView>(),
    ]
}
