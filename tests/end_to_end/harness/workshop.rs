//! A place where releases are made: a directory with keys, images and the data directory of a server.

use super::random::Random;
use super::server::{Server, binary};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

const IMAGE_BYTES: u64 = 100_000;

/// A directory with a key, and the data directory of a server that knows it.
pub(crate) struct Workshop {
    directory: tempfile::TempDir,
    random: Random,
}

impl Workshop {
    pub(crate) fn new(name: &str) -> Self {
        let workshop =
            Self { directory: tempfile::tempdir().expect("a directory"), random: Random::new(name) };
        workshop.done(&["release", "keygen", "key"]);
        workshop
    }

    /// Where commands run.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts a server that lets the key sign for `node`.
    pub(crate) fn serve(&self) -> Server {
        let server = Server::start(&self.data());
        self.done(&["release", "key", "add", "node", "key.pub"]);
        server
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().expect("it ends")
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = binary();
        command.args(arguments).current_dir(self.directory.path()).env("FLEETFN_DATA", self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fleetfn {arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must be refused, and returns why.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "fleetfn {arguments:?}: {said}");
        said
    }

    /// Makes an image and has a key sign it; the name of its file.
    pub(crate) fn sign(&mut self, sequence: u32, key: &str) -> String {
        let image: Vec<u8> = (0..IMAGE_BYTES)
            .map(|_| u8::try_from(self.random.below(256)).expect("it is below 256"))
            .collect();
        self.sign_image(&image, sequence, key)
    }

    /// Has a key sign an image; the name of its file.
    pub(crate) fn sign_image(&self, image: &[u8], sequence: u32, key: &str) -> String {
        let name = format!("image-{sequence}");
        self.write(&name, image);
        let (version, sequence) = (format!("1.{sequence}"), sequence.to_string());
        self.done(&[
            "release",
            "sign",
            &name,
            "--product",
            "node",
            "--class",
            "m3",
            "--version",
            &version,
            "--sequence",
            &sequence,
            "--key",
            key,
        ]);
        name
    }

    /// Makes an image, has it signed, and publishes it.
    pub(crate) fn publish(&mut self, sequence: u32) -> Vec<u8> {
        let name = self.sign(sequence, "key");
        self.done(&["release", "publish", &format!("{name}.signed"), &name]);
        self.read(&name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.path().join(name), bytes).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(name)).expect("read")
    }
}
