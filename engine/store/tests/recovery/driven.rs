//! A store under a test's hands.

use crate::model::Model;
use crate::{DARK_SINCE, PARTITIONS, Told, device, function, newest_segment, open, recording, written_bytes};
use fleetfn_core::commit::OutboxKey;
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash, Version};
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use fleetfn_store::{Committed, Config, Recovery, Store};
use proptest::prelude::{prop_assert, prop_assert_eq};
use proptest::test_runner::TestCaseError;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    /// An orderly end.
    Closed,
    /// The process ended; the kernel has all that was written.
    Killed,
    /// The machine was off: the view cannot be trusted.
    PowerCut,
    /// The view is gone.
    ViewDeleted,
    /// The log lost its tail, in permille of the newest segment, and the view is ahead of it.
    TailCut(u16),
}

/// A store that is driven and crashed, and the commits that it has taken.
pub(crate) struct Driven {
    pub(crate) config: Config,
    pub(crate) store: Option<Store<Told>>,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) commits: Vec<(Offset, Commit)>,
}

impl Driven {
    pub(crate) fn start(config: Config) -> Self {
        let mut driven = Self { config, store: None, epochs: Vec::new(), commits: Vec::new() };
        driven.reopen();
        driven
    }

    pub(crate) fn reopen(&mut self) -> Recovery {
        let (store, recovery) = open(self.config.clone()).expect("opens");
        self.commits.retain(|(offset, _)| *offset < recovery.log_end);
        let lease = |partition| store.lease(PartitionId(partition)).expect("taken");
        self.epochs = (0..PARTITIONS).map(lease).collect();
        // What the dark version sees is kept as long as it runs.
        let epoch = lease(PartitionId::CONTROL.0);
        let version = |hash| Version {
            hash: ModuleHash([hash; 32]),
            manifest: Manifest::new(function()),
            deployed_at_ms: 0,
        };
        let deployment = Deployment {
            live: Some(version(1)),
            dark: Some(version(2)),
            dark_since: DARK_SINCE,
            ..Deployment::default()
        };
        let changes = vec![Change::Deployment { name: function(), deployment: Some(Box::new(deployment)) }];
        let commit =
            Commit { partition: PartitionId::CONTROL, epoch, cursor: None, changes, recordings: Vec::new() };
        assert!(matches!(store.commit(&commit, None), Ok(Committed::Now(_))));
        self.store = Some(store);
        recovery
    }

    pub(crate) fn store(&self) -> &Store<Told> {
        self.store.as_ref().expect("it is open")
    }

    pub(crate) fn commit(&mut self, partition: u16, moves: bool, mut changes: Vec<Change>) {
        // The store counts on it that an effect's id and the number of a send are never used twice.
        let once = |change: &Change| match change {
            Change::OutboxPut { key, .. } => Some((1, Some(*key), 0)),
            Change::SendPut { sequence, .. } => Some((2, None, *sequence)),
            Change::RequestPut { effect, .. } => {
                Some((3, Some(OutboxKey { device: device(0), effect: *effect }), 0))
            }
            _ => None,
        };
        let earlier = self.commits.iter().filter(|(_, commit)| commit.partition.0 == partition);
        let mut used: BTreeSet<_> =
            earlier.flat_map(|(_, commit)| &commit.changes).filter_map(once).collect();
        changes.retain(|change| once(change).is_none_or(|key| used.insert(key)));
        let id = PartitionId(partition);
        let epoch = self.epochs[usize::from(partition)];
        let cursor = moves.then(|| self.store().durable_end());
        let recordings = vec![recording(self.store().durable_end())];
        let commit = Commit { partition: id, epoch, cursor, changes, recordings };
        let before = self.store().view().cursor(id).expect("reads");
        match self.store().commit(&commit, None).expect("commits") {
            Committed::Now(offset) => self.commits.push((offset, commit)),
            Committed::Before => assert!(cursor.is_some_and(|cursor| cursor <= before)),
            Committed::Fenced => unreachable!("nobody else has taken the partition"),
        }
    }

    pub(crate) fn crash(&mut self, crash: Crash) -> Result<(), TestCaseError> {
        let dir = self.config.dir.clone();
        let store = self.store.take().expect("it is open");
        if matches!(crash, Crash::Closed) {
            store.close().expect("closes");
        } else {
            drop(store);
        }
        match crash {
            Crash::Closed | Crash::Killed => {}
            Crash::PowerCut => fs::write(dir.join("boot"), "another boot").expect("writes"),
            Crash::ViewDeleted => fs::remove_dir_all(dir.join("view")).expect("removes"),
            Crash::TailCut(permille) => {
                let segment = newest_segment(&dir);
                let written = written_bytes(&segment);
                let keep = 24 + written.saturating_sub(24) * u64::from(permille) / 1000;
                OpenOptions::new().write(true).open(segment).expect("opens").set_len(keep).expect("cuts");
            }
        }
        let recovery = self.reopen();
        if matches!(crash, Crash::PowerCut) {
            prop_assert!(!recovery.trusted);
        }
        if matches!(crash, Crash::Closed) {
            prop_assert!(recovery.trusted && recovery.replayed == 0);
        }
        self.check()
    }

    pub(crate) fn check(&self) -> Result<(), TestCaseError> {
        let mut model = Model::default();
        self.commits.iter().for_each(|(_, commit)| model.apply(commit));
        prop_assert_eq!(Model::of(self.store()), model.finish());
        Ok(())
    }
}
