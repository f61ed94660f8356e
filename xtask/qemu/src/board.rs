//! The boards that QEMU emulates: their target, what lies where in their flash, how they are started.

use std::ops::Range;
use std::path::Path;

/// An emulated board, named as the package of its firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Board {
    /// Arm's MPS2 with a Cortex-M3, in Thumb-2.
    Mps2An385,
    /// The same with code for a Cortex-M0, which a Cortex-M3 runs as well.
    Mps2An385Thumbv6m,
}

impl Board {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Mps2An385, Self::Mps2An385Thumbv6m];

    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|board| board.name() == name)
    }

    /// As it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mps2An385 => "mps2-an385",
            Self::Mps2An385Thumbv6m => "mps2-an385-thumbv6m",
        }
    }

    /// What rustc calls it.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Mps2An385 => "thumbv7m-none-eabi",
            Self::Mps2An385Thumbv6m => "thumbv6m-none-eabi",
        }
    }

    /// The package of its firmware.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => "mps2-an385",
        }
    }

    /// The package of its boot loader.
    pub(crate) const fn boot_package(self) -> &'static str {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => "mps2-an385-boot",
        }
    }

    /// How long its flash is, in bytes.
    pub(crate) const fn flash_bytes(self) -> u64 {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => 16 << 20,
        }
    }

    /// Where in its flash the image lies that runs.
    #[must_use]
    pub const fn active(self) -> Range<u64> {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => 0..0x4_0000,
        }
    }

    /// Where in its flash stands who it is.
    pub(crate) const fn factory(self) -> u64 {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => 0x11_0000,
        }
    }

    /// Where its core finds its flash.
    pub(crate) const fn flash_address(self) -> u64 {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => 0x2100_0000,
        }
    }

    /// The emulator.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => "qemu-system-arm",
        }
    }

    /// What the emulator is started with; the console is its standard output. Time passes with instructions, so that a busy
    /// host does not fire the board's watchdog.
    pub(crate) fn arguments(self, kernel: &Path, flash: &Path, modem_port: u16) -> Vec<String> {
        let (kernel, flash) = (kernel.display(), flash.display());
        let modem = format!("socket,id=modem,host=127.0.0.1,port={modem_port}");
        let mut arguments: Vec<String> = match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => {
                let memory = format!("memory-backend-file,id=nor,size=16M,mem-path={flash},share=on");
                let machine = "mps2-an385,memory-backend=nor".to_owned();
                ["-M".into(), machine, "-object".into(), memory, "-icount".into(), "shift=5".into()].into()
            }
        };
        for argument in ["-display", "none", "-monitor", "none", "-no-user-config", "-nodefaults"] {
            arguments.push(argument.to_owned());
        }
        for argument in
            ["-chardev", &modem, "-serial", "chardev:modem", "-chardev", "stdio,id=console,signal=off"]
        {
            arguments.push(argument.to_owned());
        }
        arguments.extend(["-serial".to_owned(), "chardev:console".to_owned()]);
        arguments.extend(["-kernel".to_owned(), kernel.to_string()]);
        arguments
    }
}
