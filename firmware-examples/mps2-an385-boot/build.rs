//! Where the linker finds this board's memory, and how it is to link.

fn main() {
    // Not `rustc-link-search`: that would hold for whoever depends on this package, too.
    println!("cargo:rustc-link-arg-bins=-L{}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed=memory.x");
}
