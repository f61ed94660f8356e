//! Functions by name, or by the beginning of a name if only one begins so.

use crate::api::FunctionView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use fleetfn_core::Builtin;
use fleetfn_protocol::FunctionName;

/// The full name of the function that `given` means; those of the engine's own by their full names.
pub(super) fn resolve(client: &Client, tried: &str, given: &str) -> Result<String, Failure> {
    if Builtin::named(given).is_some() {
        return Ok(given.to_owned());
    }
    let functions: Vec<FunctionView> = client.list(tried, "/functions")?;
    choose(functions.into_iter().map(|function| function.name), given)
        .map_err(|why| Failure::new(tried, why).next("fleetfn fn ls"))
}

/// The same where the function may have been taken out of service: a name that means none is taken as it is.
pub(super) fn resolve_known(client: &Client, tried: &str, given: &str) -> Result<String, Failure> {
    resolve(client, tried, given)
        .or_else(|failure| FunctionName::parse(given).map(|name| name.to_string()).map_err(|_| failure))
}

/// Checks a key of a function's settings: it is a name like any other.
pub(super) fn parse(key: &str) -> Result<String, String> {
    FunctionName::parse(key).map(|key| key.to_string()).map_err(|error| error.to_string())
}

fn choose(names: impl Iterator<Item = String>, given: &str) -> Result<String, String> {
    let mut fitting: Vec<String> = names.filter(|name| name.starts_with(given)).collect();
    if let Some(exact) = fitting.iter().find(|name| *name == given) {
        return Ok(exact.clone());
    }
    match (fitting.pop(), fitting.pop()) {
        (Some(name), None) => Ok(name),
        (Some(one), Some(other)) => Err(format!("'{given}' could be {other} or {one}")),
        (None, _) => Err(format!("no function is called '{given}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_beginning_of_a_name_will_do_if_only_one_begins_so() {
        let choose =
            |given| choose(["climate", "climb", "geofence", "geo"].map(String::from).into_iter(), given);
        assert_eq!(choose("clima"), Ok("climate".into()));
        assert_eq!(choose("geo"), Ok("geo".into()));
        assert!(choose("cl").is_err());
        assert!(choose("x").is_err());
    }
}
