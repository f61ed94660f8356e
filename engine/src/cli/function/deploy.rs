//! `fleetfn fn deploy FILE`, and `fleetfn fn deploy NAME --version HASH` for a version that was deployed before.

use super::{name, traffic};
use crate::api::{Deployed, MODULE_BYTES_MAX, Page, Reason, SecretView, Terms};
use crate::cli::client::Client;
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::{Remark, Trial};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The module that `fleetfn fn build` made; with --version, the name of the function
    #[arg(value_name = "FILE|NAME")]
    what: PathBuf,
    /// Deploy this version again, which was deployed before; the beginning of its hash will do
    #[arg(long, value_name = "HASH")]
    version: Option<String>,
    /// Give it so many of a hundred entities, 1 to 99, always the same ones: 10%
    #[arg(long, value_name = "PERCENT", value_parser = canary, conflicts_with = "dark")]
    canary: Option<u8>,
    /// Run it on all events beside the live version, without effect, to see the difference
    #[arg(long)]
    dark: bool,
    /// Take it back by itself when more than so many of a hundred invocations fail: 5%
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "dark")]
    max_errors: Option<u16>,
    /// Take it back as well when it burns more than this percentage of the fuel of the version before: 200%
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "max_errors")]
    max_fuel: Option<u16>,
    /// Judge only after so many invocations
    #[arg(long, value_name = "COUNT", requires = "max_errors")]
    after: Option<u32>,
    /// Of a new function: first handle the events from here on: a log offset, beginning, or a time ago such as 2h
    #[arg(long, value_name = "PLACE", value_parser = place, conflicts_with_all = ["dark", "canary"])]
    from: Option<Place>,
    #[command(flatten)]
    remark: Remark,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Where in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An offset; what is not kept any more is passed over.
    Offset(u64),
    /// So long ago.
    Ago(Duration),
}

fn place(text: &str) -> Result<Place, String> {
    match (text, text.parse()) {
        ("beginning", _) => Ok(Place::Offset(0)),
        (_, Ok(offset)) => Ok(Place::Offset(offset)),
        (_, Err(_)) => duration::parse(text)
            .map(Place::Ago)
            .map_err(|error| format!("neither an offset, nor beginning, nor a time: {error}")),
    }
}

fn ms_ago(ago: Duration) -> u64 {
    let at = SystemTime::now().checked_sub(ago).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    u64::try_from(at.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Reads a percentage with or without its sign.
fn percent(text: &str) -> Result<u16, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    number.parse().map_err(|_| format!("{text:?} is no percentage, such as 5%"))
}

fn canary(text: &str) -> Result<u8, String> {
    match percent(text)? {
        percent @ 1..=99 => u8::try_from(percent).map_err(|error| error.to_string()),
        percent => Err(format!("{percent}% is not from 1% to 99%: leave --canary away for all entities")),
    }
}

impl Arguments {
    fn terms(&self) -> Result<Terms, Failure> {
        let errors_percent = self.max_errors.map(u8::try_from).transpose();
        let too_many = |_| Failure::usage("cannot deploy", "--max-errors takes 0% to 100%");
        let placement = match (self.dark, self.canary) {
            (true, _) => Some("dark"),
            (false, Some(_)) => Some("canary"),
            (false, None) => None,
        };
        let (from_offset, from_ms) = match self.from {
            Some(Place::Offset(offset)) => (Some(offset), None),
            Some(Place::Ago(ago)) => (None, Some(ms_ago(ago))),
            None => (None, None),
        };
        let Reason { by, why } = self.remark.reason();
        Ok(Terms {
            placement: placement.map(Into::into),
            percent: self.canary,
            errors_percent: errors_percent.map_err(too_many)?,
            fuel_percent: self.max_fuel,
            invocations_min: self.after,
            from_offset,
            from_ms,
            by,
            why,
            version: self.version.clone(),
        })
    }
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let terms = arguments.terms()?;
    let tried = format!("cannot deploy {}", arguments.what.display());
    let deploy: Box<dyn Fn(Trial) -> Result<Deployed, Failure>> = match &arguments.version {
        Some(version) => {
            let client = Client::open(data)?;
            let name = name::resolve_known(&client, &tried, &arguments.what.to_string_lossy())?;
            let tried = format!("cannot deploy version {version} of function {name}");
            let next = format!("fleetfn fn versions {name}");
            Box::new(move |trial| {
                let path = trial.at(&format!("/functions/{name}/deploy"));
                client.post(&tried, &path, &terms).map_err(|failure| failure.or_next(&next))
            })
        }
        None => {
            let wasm = read(&arguments.what, &tried)?;
            let client = Client::open(data)?;
            Box::new(move |trial| {
                let posted = client.post_bytes(&tried, &trial.at("/functions"), &parameters(&terms), &wasm);
                posted.map_err(|failure| {
                    failure
                        .or_next("fleetfn fn build DIR makes a module, fleetfn fn ls shows what is deployed")
                })
            })
        }
    };
    let plan = deploy(Trial::DRY_RUN)?;
    eprintln!("{}", traffic::change(&plan.name, plan.before.as_ref(), plan.after.as_ref()));
    eprintln!("  {}: {}", output::short(&plan.version), plan.manifest.summary());
    let live = plan.before.as_ref().and_then(|before| before.live.as_ref());
    if let Some(live) = live.filter(|live| live.manifest != plan.manifest) {
        eprintln!("  {}: {}", output::short(&live.version), live.manifest.summary());
    }
    let trial = arguments.remark.trial;
    let report = if trial.is_dry_run() {
        trial.tell("it is deployed so");
        plan
    } else {
        deploy(trial)?
    };
    tell_missing_secrets(&report, data);
    if arguments.dark && !trial.is_dry_run() {
        eprintln!("see what it does differently with: fleetfn fn diff {}", report.name);
    }
    match arguments.output {
        Format::Json => output::json(&report),
        Format::Table => output::line(&format!("{} {}", report.name, report.version)),
    }
}

/// A request that needs a secret which is not set fails: better told now. The deployment is done whatever comes of it.
fn tell_missing_secrets(report: &Deployed, data: &Path) {
    let name = &report.name;
    let listed = |client: Client| -> Result<Page<SecretView>, Failure> {
        client.get("cannot list the secrets", &format!("/functions/{name}/secrets"))
    };
    if report.manifest.secrets.is_empty() {
        return;
    }
    let Ok(page) = Client::open(data).and_then(listed) else {
        return;
    };
    let is_set = |key: &String| page.items.iter().any(|secret| secret.key == *key && secret.is_set);
    for key in report.manifest.secrets.iter().filter(|key| !is_set(key)) {
        eprintln!("secret {key} is missing; set it with: fleetfn fn secret set {name} {key}");
    }
}

/// The terms as parameters behind a `?`.
fn parameters(terms: &Terms) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(terms) else {
        return Vec::new();
    };
    let text = |value| match value {
        Value::String(text) => text,
        value => value.to_string(),
    };
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn read(file: &Path, tried: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(tried, format!("the file cannot be read: {error}"))
            .next("fleetfn fn build DIR prints the path")
    };
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    if length > u64::try_from(MODULE_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(Failure::new(
            tried,
            format!("it has {length} bytes; a module has at most {MODULE_BYTES_MAX}"),
        )
        .next("build it with: fleetfn fn build DIR"));
    }
    std::fs::read(file).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_may_have_its_sign() {
        assert_eq!([percent("5"), percent("200%")], [Ok(5), Ok(200)]);
        assert_eq!([canary("1"), canary("99%")], [Ok(1), Ok(99)]);
        for wrong in ["", "%", "5 %", "-1", "x", "70000"] {
            assert!(percent(wrong).is_err(), "{wrong:?}");
        }
        assert!(canary("0").is_err() && canary("100%").is_err());
    }

    #[test]
    fn a_place_is_an_offset_the_beginning_or_a_time_ago() {
        assert_eq!([place("beginning"), place("17")], [Ok(Place::Offset(0)), Ok(Place::Offset(17))]);
        assert_eq!(place("2h"), Ok(Place::Ago(Duration::from_secs(7_200))));
        assert!(place("").is_err() && place("soon").is_err());
    }

    #[test]
    fn terms_become_parameters_as_they_are_in_a_document() {
        let terms = Terms {
            placement: Some("canary".into()),
            percent: Some(10),
            why: Some("a & b".into()),
            ..Terms::default()
        };
        let pairs = [("as", "canary"), ("percent", "10"), ("why", "a & b")];
        let mut expected: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut found = parameters(&terms);
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}
