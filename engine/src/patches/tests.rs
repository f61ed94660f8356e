use super::*;
use crate::artifacts;
use sha2::{Digest as _, Sha256};

const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory with images.
struct Fixture {
    directory: tempfile::TempDir,
    artifacts: Artifacts,
    metrics: Arc<Metrics>,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let artifacts = Artifacts::open(directory.path()).expect("opens");
        Self { directory, artifacts, metrics: Arc::default() }
    }

    fn put(&self, image: &[u8]) -> Digest {
        let digest = Digest(Sha256::digest(image).into());
        let mut upload = self.artifacts.upload(digest).expect("begins");
        upload.write(image).expect("is written");
        upload.finish().expect("is kept");
        digest
    }

    fn start(&self, images: &[Digest]) -> Patches {
        let images = images.iter().copied().collect();
        Patches::start(self.directory.path(), &self.artifacts, &images, &self.metrics).expect("starts")
    }
}

/// An image that has nothing in common with one of another seed.
fn image(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_patch_is_made_once_and_is_known_after_a_restart() {
    let fixture = Fixture::new();
    let old = image(1, 50_000);
    let mut new = old.clone();
    new[20_000] ^= 1;
    let pair = Pair { base: fixture.put(&old), target: fixture.put(&new) };
    let patches = fixture.start(&[]);
    assert_eq!(patches.find(&pair, PATIENCE), None, "nobody has asked for it: there is nothing to wait for");
    patches.want(pair);
    let made = patches.find(&pair, PATIENCE).expect("it is made");
    let Made::Patch { digest, size } = made else { panic!("it is worth it") };
    assert_eq!(patches.to(pair.target), [(pair.base, made)]);
    assert_eq!(patches.to(pair.base), []);
    let counters = &fixture.metrics.updates;
    assert_eq!(counters.patches(), [(PatchOutcome::Made, 1)].into());
    assert_eq!(counters.patch_bytes.get(), u64::from(size));
    assert!(size < 4_000, "runs of what is the same pack to a sixteenth: {size}");
    assert_eq!(fixture.artifacts.image(&digest).expect("is kept").size(), size);
    patches.stop();
    let patches = fixture.start(&[pair.base, pair.target]);
    assert_eq!(patches.find(&pair, Duration::ZERO), Some(made));
    assert_eq!(patches.digests(), BTreeSet::from([digest]));
    patches.stop();
    let patches = fixture.start(&[pair.base]);
    assert_eq!(patches.find(&pair, Duration::ZERO), None, "no release names what it makes");
    patches.stop();
}

#[test]
fn images_that_have_nothing_in_common_get_no_patch() {
    let fixture = Fixture::new();
    let pair = Pair { base: fixture.put(&image(1, 20_000)), target: fixture.put(&image(2, 20_000)) };
    let patches = fixture.start(&[]);
    patches.want(pair);
    assert_eq!(patches.find(&pair, PATIENCE), Some(Made::NotWorthIt));
    patches.stop();
    let patches = fixture.start(&[pair.target]);
    assert_eq!(patches.find(&pair, Duration::ZERO), Some(Made::NotWorthIt), "it is not tried again");
    patches.stop();
}

#[test]
fn an_image_that_is_missing_or_has_changed_makes_no_patch_and_stops_no_other() {
    let fixture = Fixture::new();
    let old = image(1, 20_000);
    let (base, target) = (fixture.put(&old), fixture.put(&[&old[..], b"more"].concat()));
    let changed = fixture.put(&image(3, 20_000));
    let file = fixture.directory.path().join("artifacts").join(changed.to_string());
    std::fs::write(file, image(4, 20_000)).expect("written");
    assert!(matches!(fixture.artifacts.image(&changed), Err(artifacts::Error::Changed(_))));
    let patches = fixture.start(&[]);
    let good = Pair { base, target };
    let bad = [Pair { base: changed, target }, Pair { base: Digest([7; 32]), target }];
    bad.iter().for_each(|pair| patches.want(*pair));
    patches.want(good);
    assert!(matches!(patches.find(&good, PATIENCE), Some(Made::Patch { .. })));
    for pair in bad {
        assert_eq!(patches.find(&pair, PATIENCE), None);
    }
    patches.stop();
}
