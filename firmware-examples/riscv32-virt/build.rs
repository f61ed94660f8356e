//! Where the linker finds this board's memory, and how it is to link.

fn main() {
    println!("cargo:rustc-link-arg-bins=-L{}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rerun-if-changed=memory.x");
}
