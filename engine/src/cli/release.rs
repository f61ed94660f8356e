//! `fleetfn release`: firmware that devices can be given. Keys and signatures are made offline; the engine sees public keys
//! and signed manifests only.

mod cosign;
mod key;
mod keygen;
mod ls;
mod pem;
mod publish;
mod rm;
mod show;
mod sign;
mod unyank;
mod url;
mod yank;

use super::failure::Failure;
use super::timestamp::rfc3339;
use crate::api::{ReleaseView, YankedView};
use std::fmt::Write;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key that signs releases; offline
    Keygen(keygen::Arguments),
    /// Sign what is to be said about an image; offline
    Sign(sign::Arguments),
    /// Add a signature to a signed manifest, so that several people sign on machines of their own; offline
    Cosign(cosign::Arguments),
    /// Publish an image with its signed manifest
    Publish(publish::Arguments),
    /// Keys that may sign releases of a product
    #[command(subcommand)]
    Key(key::Command),
    /// List the releases
    Ls(ls::Arguments),
    /// Show a release, and whether its image is intact
    Show(show::Arguments),
    /// Make an address from which a device fetches the image over HTTP
    Url(url::Arguments),
    /// Take a release out of use, and say why: it stays in the list
    Yank(yank::Arguments),
    /// Let a yanked release be used again
    Unyank(unyank::Arguments),
    /// Forget a release; to take one out of use, yank it
    Rm(rm::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Cosign(arguments) => cosign::run(&arguments),
        Command::Publish(arguments) => publish::run(&arguments, data),
        Command::Key(command) => key::run(command, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Show(arguments) => show::run(&arguments, data),
        Command::Url(arguments) => url::run(&arguments, data),
        Command::Yank(arguments) => yank::run(&arguments, data),
        Command::Unyank(arguments) => unyank::run(&arguments, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
    }
}

/// A reference as one part of a path (RFC 3986, section 2.1).
pub(super) fn escape(reference: &str) -> String {
    let mut escaped = String::with_capacity(reference.len());
    for byte in reference.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b':') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Whether devices may be given a release, in words.
fn offered(release: &ReleaseView) -> String {
    if release.yanked.is_some() {
        "no: yanked".into()
    } else if release.signatures < usize::from(release.signatures_needed) {
        format!("no: {} of {} signatures", release.signatures, release.signatures_needed)
    } else if release.offered {
        "yes".into()
    } else {
        "no: its time is over".into()
    }
}

/// Who yanked a release, when and why.
fn yanked(yanked: &YankedView) -> String {
    format!("by {} at {}: {}", yanked.by, rfc3339(yanked.at_ms), yanked.why)
}
