use super::*;

fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn artifacts() -> (tempfile::TempDir, Artifacts) {
    let data = tempfile::tempdir().expect("a directory");
    let artifacts = Artifacts::open(data.path()).expect("opens");
    (data, artifacts)
}

fn keep(artifacts: &Artifacts, bytes: &[u8]) -> Digest {
    let mut upload = artifacts.upload(digest(bytes)).expect("begins");
    bytes.chunks(7).for_each(|piece| upload.write(piece).expect("is written"));
    assert_eq!(upload.finish().expect("is kept"), u32::try_from(bytes.len()).expect("it is small"));
    digest(bytes)
}

fn files(artifacts: &Artifacts) -> Vec<String> {
    let entries = std::fs::read_dir(&artifacts.0.path).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

fn read(artifacts: &Artifacts, digest: &Digest, at: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    artifacts.image(digest).expect("is intact").read_at(&mut bytes, at).expect("is read");
    bytes
}

#[test]
fn an_image_is_kept_once_and_read_at_any_place() {
    let (_data, artifacts) = artifacts();
    let image = keep(&artifacts, b"some firmware");
    assert_eq!(keep(&artifacts, b"some firmware"), image);
    assert_eq!(files(&artifacts), [image.to_string()]);
    assert_eq!(read(&artifacts, &image, 5, 4), b"firm");
    assert_eq!(artifacts.image(&image).expect("is intact").size(), 13);
    let missing = artifacts.image(&digest(b"other"));
    assert!(matches!(missing, Err(Error::Missing(_))), "{missing:?}");
}

#[test]
fn an_upload_that_is_something_else_or_breaks_off_leaves_nothing() {
    let (data, artifacts) = artifacts();
    let mut upload = artifacts.upload(digest(b"expected")).expect("begins");
    upload.write(b"other").expect("is written");
    let refused = upload.finish();
    assert!(matches!(refused, Err(Error::Digest { .. })), "{refused:?}");
    let mut upload = artifacts.upload(digest(b"expected")).expect("begins");
    upload.write(b"expec").expect("is written");
    drop(upload);
    assert_eq!(files(&artifacts), Vec::<String>::new());
    // One that a crash has cut off, and one that no release names.
    std::fs::write(artifacts.0.path.join("x.part"), b"exp").expect("is written");
    let (named, forgotten) = (keep(&artifacts, b"named"), keep(&artifacts, b"forgotten"));
    let again = Artifacts::open(data.path()).expect("opens");
    again.keep(&BTreeSet::from([named])).expect("is tidied");
    assert_eq!(files(&again), [named.to_string()]);
    assert!(matches!(again.image(&forgotten), Err(Error::Missing(_))));
}

#[test]
fn no_more_is_taken_than_an_image_may_have() {
    let (_data, artifacts) = artifacts();
    let mut upload = artifacts.upload(digest(b"")).expect("begins");
    let piece = vec![0; 16 << 20];
    let written = (0..5).map(|_| upload.write(&piece)).find(Result::is_err);
    assert!(matches!(written, Some(Err(Error::TooLong))), "{written:?}");
}

#[test]
fn an_image_that_was_changed_is_refused_until_it_is_put_back() {
    let (data, artifacts) = artifacts();
    let image = keep(&artifacts, b"some firmware");
    assert_eq!(read(&artifacts, &image, 0, 4), b"some");
    let path = artifacts.path(&image);
    let held = artifacts.image(&image).expect("is intact");
    std::fs::write(&path, b"evil firmware").expect("is written");
    // The file system may have a coarse clock: a change of the same size in the same tick is seen at the next opening.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let file = File::options().write(true).open(&path).expect("opens");
    file.set_modified(later).expect("is set");
    for _ in 0..2 {
        let refused = artifacts.image(&image);
        assert!(matches!(refused, Err(Error::Changed(_))), "{refused:?}");
    }
    let again = Artifacts::open(data.path()).expect("opens");
    assert!(matches!(again.image(&image), Err(Error::Changed(_))));
    assert_eq!(held.size(), 13);
    keep(&artifacts, b"some firmware");
    assert_eq!(read(&artifacts, &image, 0, 4), b"some");
    std::fs::remove_file(&path).expect("is removed");
    std::fs::write(&path, b"some firmware").expect("is written");
    assert_eq!(read(&again, &image, 5, 8), b"firmware", "the right bytes in a new file are right");
}
