//! The host's side of the table of imports: one function for each row.
//!
//! A row without a function does not compile. Each function charges fuel before it works, checks every pointer
//! before it reads or writes, and keeps nothing of the guest's memory. A panic ends the call here: the engine's
//! frames below cannot be unwound, it would take the process with it.

mod command;
mod log;
mod publish;
mod state;

use crate::failure::Failure;
use crate::guest::Guest;
use crate::host::panic_text;
use crate::wishes::Kind;
use command::command;
use log::log;
use publish::publish;
use state::{state_delete, state_get, state_put, state_scan};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmi::errors::LinkerError;
use wasmi::{Caller, Engine, Error, Linker};

macro_rules! link {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => {
        /// A linker with every row of the table.
        pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>, LinkerError> {
            let mut linker = Linker::new(engine);
            $(
                linker.func_wrap(
                    fleetfn_abi::IMPORT_MODULE,
                    stringify!($name),
                    |mut caller: Caller<'_, Guest>, $($arg: u32),*| -> Result<i32, Error> {
                        let work = AssertUnwindSafe(|| $name(&mut caller, $($arg),*));
                        let result = catch_unwind(work)
                            .unwrap_or_else(|panic| Err(Failure::Panic(panic_text(&*panic))));
                        result.map_err(Error::host)
                    },
                )?;
            )*
            Ok(linker)
        }
    };
}

fleetfn_abi::for_each_import!(link);

/// Keeps an effect, if it stays within the limits.
fn wish(guest: &mut Guest, kind: Kind, first: &[u8], second: &[u8]) -> Result<i32, Failure> {
    if guest.wishes.len() >= guest.limits.effects {
        return Err(Failure::Effects(guest.limits.effects));
    }
    let bytes = guest.wishes.bytes().saturating_add(first.len()).saturating_add(second.len());
    if bytes > guest.limits.effect_bytes {
        return Err(Failure::EffectBytes(guest.limits.effect_bytes));
    }
    guest.wishes.push(kind, first, second);
    Ok(0)
}
