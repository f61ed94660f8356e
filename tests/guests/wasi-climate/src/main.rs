//! A plain program of Rust's standard library: reads the event from standard input and the environment, logs by
//! printing, keeps state and sends commands by the two imports at the end.

use std::collections::HashMap;
use std::io::Read;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut payload = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut payload) {
        eprintln!("the payload is not text: {error}");
        return ExitCode::from(3);
    }
    if payload == "panic" {
        panic!("as asked for");
    }
    if let Some(code) = payload.strip_prefix("exit ").and_then(|code| code.parse().ok()) {
        println!("before the exit");
        std::process::exit(code);
    }
    let Ok(temperature) = payload.trim().parse::<f64>() else {
        eprintln!("not a temperature: {payload}");
        return ExitCode::from(2);
    };
    // Seeded by the event: its order of iteration is the same whenever the event is handled.
    let mut names = HashMap::new();
    for name in ["FLEETFN_KIND", "FLEETFN_ENTITY", "FLEETFN_DETAIL"] {
        names.insert(name, std::env::var(name).unwrap_or_default());
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let entity = &names["FLEETFN_ENTITY"];
    println!("{entity} has {temperature} degrees, {} s after 1970", since_1970.as_secs());
    println!("arguments: {}", std::env::args().count());
    if std::fs::read("/etc/passwd").is_ok() {
        eprintln!("there are files");
    }
    if temperature > 30.0 {
        host::put(b"on", b"1");
        host::command(b"fan", br#"{"on":true}"#);
    }
    print!("no end of line");
    ExitCode::SUCCESS
}

/// Two functions of the guest interface.
mod host {
    #[link(wasm_import_module = "fleetfn_v1")]
    unsafe extern "C" {
        fn state_put(key: *const u8, key_len: usize, value: *const u8, value_len: usize) -> i32;
        #[link_name = "command"]
        fn send_command(
            name: *const u8,
            name_len: usize,
            payload: *const u8,
            payload_len: usize,
            ttl_s: u32,
        ) -> i32;
    }

    pub fn put(key: &[u8], value: &[u8]) {
        // SAFETY: pointers and lengths are those of slices that outlive the call.
        unsafe { state_put(key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
    }

    pub fn command(name: &[u8], payload: &[u8]) {
        // SAFETY: pointers and lengths are those of slices that outlive the call.
        unsafe { send_command(name.as_ptr(), name.len(), payload.as_ptr(), payload.len(), 0) };
    }
}
