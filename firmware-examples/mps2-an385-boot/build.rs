//! Where the linker finds this board's memory, and how it is to link.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    // Beside what is built, not where the source lies: a target directory may be taken along to another checkout.
    let directory = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::copy("memory.x", Path::new(&directory).join("memory.x"))?;
    // Not `rustc-link-search`: that would hold for whoever depends on this package, too.
    println!("cargo:rustc-link-arg-bins=-L{directory}");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed=memory.x");
    Ok(())
}
