//! What acts on the versions of a function have in common: a reason, a request, and what came of it.

use super::{name, traffic};
use crate::api::{Acted, Order, Reason};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Remark;
use std::path::Path;

/// What every act takes.
#[derive(Debug, clap::Args)]
pub(super) struct Subject {
    /// The function; the beginning of its name will do
    name: String,
    #[command(flatten)]
    pub(super) remark: Remark,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// An act on one function.
pub(super) struct Act<'a> {
    subject: &'a Subject,
    client: Client,
    tried: String,
    /// The full name of the function.
    pub(super) name: String,
}

impl<'a> Act<'a> {
    /// Finds the function; `verb` says what is to be done.
    pub(super) fn on(subject: &'a Subject, verb: &str, data: &Path) -> Result<Self, Failure> {
        let tried = format!("cannot {verb} function {}", subject.name);
        let client = Client::open(data)?;
        let name = name::resolve(&client, &tried, &subject.name)?;
        Ok(Self { subject, client, tried, name })
    }

    /// The client that found it, and what was tried.
    pub(super) fn client(&self) -> (&Client, &str) {
        (&self.client, &self.tried)
    }

    /// Does it and tells what has changed.
    pub(super) fn perform(&self, path: &str, order: Order) -> Result<(), Failure> {
        let (name, remark) = (&self.name, &self.subject.remark);
        let Reason { by, why } = remark.reason();
        let order = Order { by, why, ..order };
        let acted: Acted = self
            .client
            .post(&self.tried, &remark.trial.at(&format!("/functions/{name}/{path}")), &order)
            .map_err(|failure| failure.or_next(format!("fleetfn fn versions {name}")))?;
        if remark.trial.is_dry_run() {
            eprintln!("A dry run, nothing has changed. Else:");
        }
        eprintln!("{}", traffic::change(name, acted.before.as_ref(), acted.after.as_ref()));
        match self.subject.output {
            Format::Json => output::json(&acted),
            Format::Table => {
                let live = acted.after.and_then(|after| after.live).map(|live| live.version);
                output::line(&format!("{name} {}", live.as_deref().unwrap_or("-")))
            }
        }
    }
}
