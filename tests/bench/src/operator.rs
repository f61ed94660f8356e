//! What an operator does, by the command line.

use crate::system::{System, our_binary};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, Stdio};

impl System {
    /// Makes, signs and publishes version 2.0.0, an image that no patch helps with.
    pub(crate) fn publish(&self, product: &str, image_bytes: u32) -> Result<()> {
        let (key, image) = (self.path().join("bench.key"), self.path().join("bench.image"));
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::fs::write(&image, (0..image_bytes).map(|_| byte()).collect::<Vec<u8>>())?;
        let (key, image) = (key.display().to_string(), image.display().to_string());
        let (public, signed) = (format!("{key}.pub"), format!("{image}.signed"));
        self.command(&["release", "keygen", &key])?;
        self.command(&["release", "key", "add", product, &public])?;
        self.command(&[
            "release",
            "sign",
            &image,
            "--product",
            product,
            "--class",
            "m3",
            "--version",
            "2.0.0",
            "--sequence",
            "2",
            "--key",
            &key,
        ])?;
        self.command(&["release", "publish", &signed, &image])?;
        Ok(())
    }

    /// The command line, at our server's data directory.
    pub(crate) fn fleetfn(&self) -> Result<Command> {
        let mut command = Command::new(our_binary()?);
        command.arg("--data").arg(self.path()).stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn command(&self, words: &[&str]) -> Result<String> {
        let ran = self.fleetfn()?.args(words).output().context("running fleetfn")?;
        if !ran.status.success() {
            bail!("fleetfn {words:?} failed: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(String::from_utf8(ran.stdout)?)
    }

    /// How a rollout goes. Over HTTP: a command line takes more of a processor than the answer does.
    pub(crate) fn rollout(&self, name: &str) -> Result<Value> {
        let access: Value = serde_json::from_slice(&std::fs::read(self.path().join("access.json"))?)?;
        let word = |key: &str| access[key].as_str().with_context(|| format!("no {key} in access.json"));
        let request = ureq::get(format!("http://{}/api/v1/rollouts/{name}", word("http")?));
        let mut answer = request.header("Authorization", format!("Bearer {}", word("token")?)).call()?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }
}
