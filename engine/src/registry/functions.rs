//! Acts on functions: each changes the line of versions and records it as a whole, with who did what and why.

use super::audit::{Mode, Told};
use super::line::{self, Candidate, Placement};
use super::{Error, RESERVED, Registry};
use bytes::Bytes;
use fleetfn_core::audit::Deed;
use fleetfn_core::deployment::{Backfill, Deployment, Guard, Manifest, ModuleHash, Version};
use fleetfn_core::{Change, Offset};
use fleetfn_host::ModuleSource;
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;

/// Longest reason that a person gives, in bytes: a sentence, kept with every act.
const REASON_BYTES_MAX: usize = 512;

/// Where a version comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A module that is uploaded.
    Module(Bytes),
    /// A version that was deployed before, by the beginning of its hash.
    Kept(FunctionName, String),
}

/// A version that is to be deployed.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    /// Its module.
    pub(crate) source: Source,
    /// Which traffic it gets.
    pub(crate) placement: Placement,
    /// When it is taken back by itself.
    pub(crate) guard: Option<Guard>,
    /// From where on in the log it handles what came before it; only for a function that is new.
    pub(crate) from: Option<Offset>,
    /// Who deploys it, and why.
    pub(crate) told: Told,
}

/// What an act did, or would do.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// The function.
    pub(crate) name: FunctionName,
    /// Its versions before.
    pub(crate) before: Option<Deployment>,
    /// Its versions from now on.
    pub(crate) after: Option<Deployment>,
    /// Events after this offset follow it; `None` for a dry run.
    pub(crate) offset: Option<Offset>,
}

impl Act {
    /// What makes a line of versions another one, and is not done yet.
    fn of(name: FunctionName, before: Deployment, after: Option<Deployment>) -> Self {
        Self { name, before: Some(before), after, offset: None }
    }
}

/// Why an operator's act is done: for the line of versions, and for the audit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reason<'a> {
    deed: Deed,
    what: &'a str,
    told: &'a Told,
}

impl Reason<'_> {
    /// What is done, with what a person says about it.
    fn words(&self) -> Result<String, Error> {
        let (what, why) = (self.what, &self.told.why);
        if why.len() > REASON_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a reason has at most {REASON_BYTES_MAX} bytes, this one has {}",
                why.len()
            )));
        }
        Ok(if why.is_empty() { what.into() } else { format!("{what}: {why}") })
    }
}

/// What a deployment did, or would do.
#[derive(Debug, Clone)]
pub(crate) struct DeployReport {
    /// What the module says of itself.
    pub(crate) manifest: Manifest,
    /// The version by hash.
    pub(crate) version: ModuleHash,
    /// Events after this offset follow it; `None` for a dry run.
    pub(crate) offset: Option<Offset>,
    /// The versions before and after.
    pub(crate) act: Act,
}

impl Registry {
    /// Every function with its versions and the record that says so, by name.
    pub(crate) fn lines(&self) -> Result<BTreeMap<FunctionName, (Offset, Deployment)>, Error> {
        let mut lines = BTreeMap::new();
        for (since, name, deployment) in self.store.view().deployments()? {
            lines.insert(name, deployment.map(|deployment| (since, deployment)));
        }
        Ok(lines.into_iter().filter_map(|(name, line)| Some((name, line?))).collect())
    }

    /// Every function with its versions, by name.
    pub(crate) fn functions(&self) -> Result<Vec<(FunctionName, Deployment)>, Error> {
        Ok(self.lines()?.into_iter().map(|(name, (_, line))| (name, line)).collect())
    }

    /// The versions of a function that is deployed.
    pub(crate) fn function(&self, name: FunctionName) -> Result<(Offset, Deployment), Error> {
        self.lines()?.remove(&name).ok_or_else(|| Error::Missing(format!("function '{name}'")))
    }

    /// Checks a module and gives it traffic. Durable on return.
    pub(crate) async fn deploy(&self, new: Newcomer) -> Result<DeployReport, Error> {
        let Newcomer { source, placement, guard, from, told } = new;
        let (wasm, named) = self.fetch(source).await?;
        let image = wasm.clone();
        let admitted = tokio::task::spawn_blocking(move || fleetfn_host::admit(&image)).await?;
        let module = admitted.map_err(Error::Refused)?;
        let (manifest, hash) = (module.manifest().clone(), module.hash());
        let name = manifest.name;
        if RESERVED.contains(&name.as_str()) {
            return Err(Error::Reserved(name.to_string()));
        }
        if let Some(named) = named.filter(|named| *named != name) {
            return Err(Error::Invalid(format!(
                "version {hash} belongs to function '{name}', not '{named}'"
            )));
        }
        let at_ms = self.clock.now_ms();
        let version = Version { hash, manifest: manifest.clone(), deployed_at_ms: at_ms };
        let what = match placement {
            Placement::Live => "deployed live".to_owned(),
            Placement::Canary(percent) => format!("deployed as canary of {percent}%"),
            Placement::Dark => "deployed dark".to_owned(),
        };
        let _one_at_a_time = self.acts.lock().await;
        let before = self.lines()?.remove(&name).map(|(_, line)| line);
        // The offset of the record is not known yet. Any place that no dark version of the function began at before
        // will do, and the end of what is durable is one: the record of that other one lies below it.
        let end = self.store.durable_end();
        let line = before.clone().unwrap_or_default();
        let is_new = line.live.is_none() && placement == Placement::Live;
        let mut after = line::deploy(line, version, placement, guard, end)
            .map_err(|source| Error::Line { name, source })?;
        if let Some(from) = from {
            if !is_new {
                let why = "only a function that is new can handle what came before it";
                return Err(Error::Invalid(format!("function '{name}': {why}")));
            }
            after.backfill = Some(Backfill { from, until: end });
        }
        let mut act = Act { name, before, after: Some(after), offset: None };
        if told.mode == Mode::Perform {
            let modules = self.modules.clone();
            let kept = tokio::task::spawn_blocking(move || {
                modules.write(&hash, &wasm)?;
                modules.remember(&name, &hash, at_ms)
            });
            kept.await?.map_err(Error::Module)?;
            let reason = Reason { deed: Deed::Deploy, what: &what, told: &told };
            act = if from.is_some() {
                self.perform_from(act, reason).await?
            } else {
                self.perform(act, reason).await?
            };
            if placement == Placement::Dark {
                self.begin_comparison(name, hash);
            }
        }
        Ok(DeployReport { manifest, version: hash, offset: act.offset, act })
    }

    /// The bytes of a module, and the name that it must have.
    async fn fetch(&self, source: Source) -> Result<(Bytes, Option<FunctionName>), Error> {
        let (name, beginning) = match source {
            Source::Module(wasm) => return Ok((wasm, None)),
            Source::Kept(name, beginning) => (name, beginning),
        };
        let hash = self.resolve_version(name, &beginning)?;
        let modules = self.modules.clone();
        let read = tokio::task::spawn_blocking(move || modules.read(&hash)).await?;
        match read {
            Ok(wasm) => Ok((wasm.into(), Some(name))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::Missing(format!("module of version {hash} in the data directory any more")))
            }
            Err(error) => Err(Error::Module(error)),
        }
    }

    /// Gives all traffic to the canary or the dark version. A dark one that was not seen to do what the live one does
    /// needs approval. Durable on return.
    pub(crate) async fn promote(
        &self,
        name: FunctionName,
        named: Option<Candidate>,
        approved: bool,
        told: &Told,
    ) -> Result<Act, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let (_, line) = self.function(name)?;
        let refuse = |source| Error::Line { name, source };
        let candidate = line::candidate(&line, named).map_err(refuse)?;
        let after = line::promote(line.clone(), candidate).map_err(refuse)?;
        if candidate == Candidate::Dark
            && !approved
            && let Some(why) = self.compare(name)?.objection()
        {
            return Err(Error::Unproven { name, why });
        }
        let what = format!("{candidate} version promoted");
        self.perform(Act::of(name, line, Some(after)), Reason { deed: Deed::Promote, what: &what, told })
            .await
    }

    /// Drops the canary, or puts the version before live again; what functions have written stays. Durable on return.
    pub(crate) async fn roll_back(&self, name: FunctionName, told: &Told) -> Result<Act, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let (_, line) = self.function(name)?;
        let what = if line.canary.is_some() { "canary dropped" } else { "rolled back" };
        let after = line::roll_back(line.clone()).map_err(|source| Error::Line { name, source })?;
        self.perform(Act::of(name, line, Some(after)), Reason { deed: Deed::RollBack, what, told }).await
    }

    /// Drops the canary. Durable on return.
    pub(crate) async fn drop_canary(&self, name: FunctionName, told: &Told) -> Result<Act, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let (_, line) = self.function(name)?;
        let refuse = |source| Error::Line { name, source };
        if line.canary.is_none() {
            return Err(refuse(line::Error::None(Candidate::Canary)));
        }
        let after = line::roll_back(line.clone()).map_err(refuse)?;
        let reason = Reason { deed: Deed::RollBack, what: "canary dropped", told };
        self.perform(Act::of(name, line, Some(after)), reason).await
    }

    /// Takes a version back for a guard, unless somebody has acted since it judged.
    pub(super) async fn take_back(&self, name: FunctionName, judged: Offset, why: &str) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        let Some((_, line)) = self.lines()?.remove(&name).filter(|(since, _)| *since == judged) else {
            return Ok(());
        };
        let watched = line::watched(&line).map(|version| version.hash.to_string()).unwrap_or_default();
        let why = format!("guard took {} back: {why}", watched.get(..12).unwrap_or(&watched));
        let after = line::take_back(line.clone(), format!("parked: {why}"));
        self.perform_itself(Act::of(name, line, Some(after)), why).await.map(drop)
    }

    /// Lets the events of a function wait that fails, unless somebody has acted since that was found.
    pub(super) async fn park(&self, name: FunctionName, judged: Offset, why: &str) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        let Some((_, line)) = self.lines()?.remove(&name).filter(|(since, _)| *since == judged) else {
            return Ok(());
        };
        let why = format!("parked: {why}");
        let after =
            line::pause(line.clone(), Some(why.clone())).map_err(|source| Error::Line { name, source })?;
        self.perform_itself(Act::of(name, line, Some(after)), why).await.map(drop)
    }

    /// Lets the events of a function wait from now on. Durable on return.
    pub(crate) async fn pause(&self, name: FunctionName, told: &Told) -> Result<Act, Error> {
        let reason = Reason { deed: Deed::Pause, what: "paused", told };
        let pause = Some(reason.words()?);
        self.change_pause(name, pause, reason).await
    }

    /// Lets a function handle what has waited, and go on. Durable on return.
    pub(crate) async fn resume(&self, name: FunctionName, told: &Told) -> Result<Act, Error> {
        self.change_pause(name, None, Reason { deed: Deed::Resume, what: "resumed", told }).await
    }

    async fn change_pause(
        &self,
        name: FunctionName,
        pause: Option<String>,
        reason: Reason<'_>,
    ) -> Result<Act, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let (_, line) = self.function(name)?;
        let after = line::pause(line.clone(), pause).map_err(|source| Error::Line { name, source })?;
        self.perform(Act::of(name, line, Some(after)), reason).await
    }

    /// Ends the dark version. Durable on return.
    pub(crate) async fn stop_dark(&self, name: FunctionName, told: &Told) -> Result<Act, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let (_, line) = self.function(name)?;
        let after = line::stop_dark(line.clone()).map_err(|source| Error::Line { name, source })?;
        let reason = Reason { deed: Deed::RollBack, what: "dark version stopped", told };
        self.perform(Act::of(name, line, after), reason).await
    }

    /// Takes a function out of service; its state stays. Durable on return.
    pub(crate) async fn remove_function(&self, name: FunctionName, told: &Told) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        let (_, line) = self.function(name)?;
        let reason = Reason { deed: Deed::RemoveFunction, what: "taken out of service", told };
        self.perform(Act::of(name, line, None), reason).await.map(drop)
    }

    /// Records what an act of an operator makes of the line, or only says it. The acts lock is held.
    pub(super) async fn perform(&self, act: Act, reason: Reason<'_>) -> Result<Act, Error> {
        let (act, change) = self.changed(act, reason.words()?);
        let Reason { deed, what, told } = reason;
        if told.mode == Mode::Perform {
            self.watch(&act);
        }
        let subject = format!("{}: {what}", act.name);
        let offset = self.record_deed(vec![change], deed, subject, told).await?;
        Ok(Act { offset, ..act })
    }

    /// The same for what the engine does itself: the line says why, and there is nobody to tell of.
    pub(super) async fn perform_itself(&self, act: Act, why: String) -> Result<Act, Error> {
        let (act, change) = self.changed(act, why);
        self.watch(&act);
        let offset = Some(self.record(change).await?);
        Ok(Act { offset, ..act })
    }

    fn changed(&self, mut act: Act, reason: String) -> (Act, Change) {
        if let Some(after) = &mut act.after {
            after.reason = reason;
            after.at_ms = self.clock.now_ms();
        }
        let change = Change::Deployment { name: act.name, deployment: act.after.clone().map(Box::new) };
        (act, change)
    }

    fn watch(&self, act: &Act) {
        match &act.after {
            Some(after) => self.begin_watch(act.name, after),
            None => self.begin_watch(act.name, &Deployment::default()),
        }
    }
}
