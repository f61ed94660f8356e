//! `cargo xtask qemu NAME`: builds a firmware example and runs it on an emulated board, as a device of a running server.

use crate::repository;
use anyhow::{Context, Result, bail, ensure};
use fleetfn_device::factory::Factory;
use fleetfn_protocol::DeviceId;
use fleetfn_qemu::{Board, Firmware, Flash, Machine, Modem, Release, update_key};
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask qemu NAME --device ID --token TOKEN [FLAGS]

  NAME            mps2-an385 (Cortex-M3), mps2-an385-thumbv6m (the same with code for a Cortex-M0), mps2-an385-c (with
                  firmware in C), riscv32-virt
  --device ID     who the board is; fleetfn device add ID
  --token TOKEN   what fleetfn device add showed
  --server ADDR   host and port of the server's MQTT listener (127.0.0.1:1883)
  --elf FILE      run this firmware instead of the example: what cargo build has made for the board
  --update-key K  a public key that may sign updates for the board: the file that fleetfn release keygen wrote, or 64
                  hexadecimal digits; up to four
  --flash FILE    where the board keeps its flash (target/qemu/NAME-ID.bin); what is in it stays from one run to the next
  --fresh         begin with a new flash

The console of the board is on stdout, what the host does on stderr. Ctrl-C takes the power away.";

/// What the command line says.
struct Arguments {
    board: Board,
    device: DeviceId,
    token: String,
    server: SocketAddr,
    keys: Vec<[u8; 32]>,
    flash: PathBuf,
    fresh: bool,
    elf: Option<PathBuf>,
}

pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    if words.is_empty() || words.contains(&"--help") {
        println!("{USAGE}");
        return Ok(if words.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS });
    }
    let arguments = parse(words)?;
    let firmware = match &arguments.elf {
        Some(elf) => Firmware::built(arguments.board, elf)?,
        None => {
            eprintln!("building {}", arguments.board.name());
            Firmware::build(arguments.board, &Release::default())?
        }
    };
    let flash = flash(&arguments, &firmware)?;
    let modem = Modem::start(arguments.server)?;
    modem.talk();
    eprintln!("power on: {} as {}, Ctrl-C ends", arguments.board.name(), arguments.device);
    let (machine, console) = Machine::start(&firmware, &flash, &modem)?;
    for line in console {
        println!("{line}");
    }
    drop(machine);
    bail!("{} has ended", arguments.board.program())
}

/// The flash of the device: the one that is there, or a new one.
fn flash(arguments: &Arguments, firmware: &Firmware) -> Result<Flash> {
    let Arguments { board, device, token, keys, flash: path, fresh, .. } = arguments;
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
    let seed = u32::from_le_bytes([a, b, c, d]);
    let factory = Factory { device: *device, token: token.as_bytes(), seed, keys };
    if path.exists() && !fresh {
        eprintln!("the flash is {}, as it was left; --fresh begins with a new one", path.display());
        let flash = Flash::open(path)?;
        flash.write_factory(*board, &factory)?;
        return Ok(flash);
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
    match firmware.image.len() {
        0 => eprintln!("the flash is {}, new; the emulator loads the firmware", path.display()),
        bytes => eprintln!("the flash is {}, new: an image of {bytes} bytes", path.display()),
    }
    Flash::make(path, firmware, &factory)
}

fn parse(words: &[&str]) -> Result<Arguments> {
    let (mut name, mut device, mut token, mut flash, mut elf) = (None, None, None, None, None);
    let (mut server, mut fresh, mut keys) = ("127.0.0.1:1883", false, Vec::new());
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{word} wants a value"));
        match word {
            "--device" => device = Some(value()?),
            "--token" => token = Some(value()?),
            "--server" => server = value()?,
            "--flash" => flash = Some(value()?),
            "--elf" => elf = Some(PathBuf::from(value()?)),
            "--update-key" => keys.push(update_key(value()?)?),
            "--fresh" => fresh = true,
            flag if flag.starts_with('-') => bail!("{flag} is not known\n{USAGE}"),
            _ if name.is_none() => name = Some(word),
            _ => bail!("{word} is one word too many\n{USAGE}"),
        }
    }
    let name = name.context("which board?")?;
    let board = Board::of(name).with_context(|| {
        let names = Board::ALL.map(Board::name).join(", ");
        format!("there is no board '{name}', but {names}")
    })?;
    let device = device.context("--device is missing: register one with fleetfn device add ID")?;
    let device = DeviceId::parse(device).with_context(|| format!("'{device}' is no name of a device"))?;
    let token = token.context("--token is missing: fleetfn device add shows it")?.to_owned();
    ensure!(
        !token.is_empty(),
        "the token is empty: fleetfn device add shows it once; where {device} exists already, remove it with \
         fleetfn device rm {device}, and add it again"
    );
    let server = server
        .to_socket_addrs()
        .with_context(|| format!("'{server}' is not HOST:PORT"))?
        .next()
        .with_context(|| format!("'{server}' has no address"))?;
    let flash = match flash {
        Some(flash) => PathBuf::from(flash),
        None => repository::root()?.join(format!("target/qemu/{name}-{device}.bin")),
    };
    Ok(Arguments { board, device, token, server, keys, flash, fresh, elf })
}
