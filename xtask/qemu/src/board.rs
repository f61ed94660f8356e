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
    /// The same with firmware in C, which the emulator loads.
    Mps2An385C,
    /// QEMU's own board with a RISC-V core of 32 bits.
    Riscv32Virt,
}

impl Board {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Mps2An385, Self::Mps2An385Thumbv6m, Self::Mps2An385C, Self::Riscv32Virt];

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
            Self::Mps2An385C => "mps2-an385-c",
            Self::Riscv32Virt => "riscv32-virt",
        }
    }

    /// What rustc calls it.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Mps2An385 | Self::Mps2An385C => "thumbv7m-none-eabi",
            Self::Mps2An385Thumbv6m => "thumbv6m-none-eabi",
            Self::Riscv32Virt => "riscv32imc-unknown-none-elf",
        }
    }

    /// The package of its firmware, or the directory if it is in C.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => "mps2-an385",
            Self::Mps2An385C => "mps2-an385-c",
            Self::Riscv32Virt => "riscv32-virt",
        }
    }

    /// Whether its firmware is in C.
    #[must_use]
    pub const fn is_in_c(self) -> bool {
        matches!(self, Self::Mps2An385C)
    }

    /// The package of its boot loader, which starts the image in the flash; without one the emulator starts the firmware.
    pub(crate) const fn boot_package(self) -> Option<&'static str> {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => Some("mps2-an385-boot"),
            Self::Mps2An385C | Self::Riscv32Virt => None,
        }
    }

    /// How long its flash is, in bytes.
    pub(crate) const fn flash_bytes(self) -> u64 {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m | Self::Mps2An385C => 16 << 20,
            Self::Riscv32Virt => 32 << 20,
        }
    }

    /// Where in its flash the image lies that runs; nowhere if the emulator loads it.
    #[must_use]
    pub const fn active(self) -> Range<u64> {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m => 0..0x4_0000,
            Self::Mps2An385C | Self::Riscv32Virt => 0..0,
        }
    }

    /// Where in its flash stands who it is.
    pub(crate) const fn factory(self) -> u64 {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m | Self::Mps2An385C => 0x11_0000,
            Self::Riscv32Virt => 0x18_0000,
        }
    }

    /// Where its core finds its flash.
    pub(crate) const fn flash_address(self) -> u64 {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m | Self::Mps2An385C => 0x2100_0000,
            Self::Riscv32Virt => 0x2200_0000,
        }
    }

    /// The emulator.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m | Self::Mps2An385C => "qemu-system-arm",
            Self::Riscv32Virt => "qemu-system-riscv32",
        }
    }

    /// What the emulator is started with; the console is its standard output. Time passes with instructions, so that a busy
    /// host does not fire the board's watchdog. It has no monitor yet.
    pub(crate) fn arguments(self, kernel: &Path, flash: &Path, modem_port: u16) -> Vec<String> {
        let (kernel, flash) = (kernel.display(), flash.display());
        let modem = format!("socket,id=modem,host=127.0.0.1,port={modem_port}");
        let memory = format!("memory-backend-file,id=nor,size=16M,mem-path={flash},share=on");
        // Not as a kernel: with a flash in the second place that is expected to be in the flash.
        let loader = format!("loader,file={kernel}");
        let kernel = kernel.to_string();
        let drive = format!("if=pflash,unit=1,format=raw,file={flash}");
        let own: &[&str] = match self {
            Self::Mps2An385 | Self::Mps2An385Thumbv6m | Self::Mps2An385C => &[
                "-M",
                "mps2-an385,memory-backend=nor",
                // A network that leads nowhere, for the port that nobody uses: without one there is a warning.
                "-nic",
                "user,restrict=on",
                "-object",
                &memory,
                "-icount",
                "shift=5",
                "-serial",
                "chardev:modem",
                "-serial",
                "chardev:console",
                "-kernel",
                &kernel,
            ],
            Self::Riscv32Virt => &[
                "-M",
                "virt",
                "-m",
                "128M",
                "-bios",
                "none",
                "-drive",
                &drive,
                "-icount",
                "shift=5",
                "-serial",
                "chardev:modem",
                "-semihosting-config",
                "enable=on,target=native,chardev=console",
                "-device",
                &loader,
            ],
        };
        let all = ["-display", "none", "-no-user-config", "-nodefaults", "-chardev", &modem];
        let console = ["-chardev", "stdio,id=console,signal=off"];
        all.iter().chain(&console).chain(own).map(|word| (*word).to_owned()).collect()
    }
}
