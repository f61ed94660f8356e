//! What an operator's act makes of the versions of a function: decided without store and clock.

use fleetfn_core::Offset;
use fleetfn_core::deployment::{Canary, Deployment, Guard, ModuleHash, Version};

/// Why an act cannot be done to these versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A canary needs a version that handles the rest.
    #[error("no version is live that could handle the other entities: deploy it without a percentage")]
    NoLive,
    /// It handles everything already.
    #[error("version {0} is live already")]
    IsLive(ModuleHash),
    /// A part of a hundred that is none.
    #[error("a canary gets 1 to 99 percent of the entities, not {0}")]
    Percent(u8),
    /// A dark version does nothing that could be taken back.
    #[error("a guard is for a version that is live or a canary: a dark one changes nothing")]
    GuardOfDark,
    /// Only live runs.
    #[error("there is neither a canary nor a dark version to promote")]
    NothingToPromote,
    /// Both run.
    #[error("there are a canary and a dark version: say which is meant")]
    Ambiguous,
    /// None of the kind that was named.
    #[error("there is no {0} version")]
    None(Candidate),
    /// Its events wait already.
    #[error("it is paused already")]
    IsPaused,
    /// Its events do not wait.
    #[error("it is not paused")]
    NotPaused,
    /// Nothing to go back to.
    #[error("there is no version before the live one to go back to")]
    NothingBefore,
}

/// Which traffic a version gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// All of it.
    Live,
    /// So many of a hundred entities, 1 to 99.
    Canary(u8),
    /// All of it, beside the version that counts, without effect.
    Dark,
}

/// A version beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// It handles a part of the entities.
    Canary,
    /// It runs without effect.
    Dark,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Canary => "canary",
            Self::Dark => "dark",
        })
    }
}

/// Puts a version where it is to be; the act before decides about the rest. `end` is where the log ends now: it
/// tells the state of a dark version from that of earlier ones.
pub(super) fn deploy(
    mut line: Deployment,
    version: Version,
    placement: Placement,
    guard: Option<Guard>,
    end: Offset,
) -> Result<Deployment, Error> {
    match placement {
        Placement::Live => {
            put_live(&mut line, version);
            line.guard = guard;
        }
        Placement::Canary(percent) => {
            if !(1..=99).contains(&percent) {
                return Err(Error::Percent(percent));
            }
            let live = line.live.as_ref().ok_or(Error::NoLive)?;
            if live.hash == version.hash {
                return Err(Error::IsLive(version.hash));
            }
            forget_dark(&mut line, &version.hash);
            line.canary = Some(Canary { version, percent });
            line.guard = guard;
        }
        Placement::Dark => {
            if guard.is_some() {
                return Err(Error::GuardOfDark);
            }
            if is(line.live.as_ref(), &version.hash) {
                return Err(Error::IsLive(version.hash));
            }
            line.dark = Some(version);
            line.dark_since = end;
        }
    }
    Ok(line)
}

/// Gives all traffic to the canary or to the dark version. A guard goes on to watch what is live then.
pub(super) fn promote(mut line: Deployment, candidate: Candidate) -> Result<Deployment, Error> {
    let version = match candidate {
        Candidate::Canary => line.canary.take().map(|canary| canary.version),
        Candidate::Dark => line.dark.take(),
    };
    put_live(&mut line, version.ok_or(Error::None(candidate))?);
    Ok(line)
}

/// Drops the canary, or swaps the live version with the one before: the same act again undoes that.
pub(super) fn roll_back(mut line: Deployment) -> Result<Deployment, Error> {
    line.guard = None;
    if line.canary.take().is_none() {
        let before = line.previous.take().ok_or(Error::NothingBefore)?;
        forget_dark(&mut line, &before.hash);
        line.previous = line.live.replace(before);
    }
    Ok(line)
}

/// Lets events wait from now on, or no longer.
pub(super) fn pause(mut line: Deployment, why: Option<String>) -> Result<Deployment, Error> {
    match (&line.paused, &why) {
        (Some(_), Some(_)) => return Err(Error::IsPaused),
        (None, None) => return Err(Error::NotPaused),
        (Some(_), None) | (None, Some(_)) => line.paused = why,
    }
    Ok(line)
}

/// Takes back what a guard watches, or lets its events wait where there is nothing to go back to.
pub(super) fn take_back(mut line: Deployment, why: String) -> Deployment {
    if line.canary.is_some() || line.previous.is_some() {
        return roll_back(line.clone()).unwrap_or(line);
    }
    line.paused.get_or_insert(why);
    line.guard = None;
    line
}

/// Ends the dark version. Nothing is left of a function that had no other.
pub(super) fn stop_dark(mut line: Deployment) -> Result<Option<Deployment>, Error> {
    line.dark.take().ok_or(Error::None(Candidate::Dark))?;
    Ok(line.live.is_some().then_some(line))
}

/// The version beside the live one that an act means.
pub(super) fn candidate(line: &Deployment, named: Option<Candidate>) -> Result<Candidate, Error> {
    match (named, &line.canary, &line.dark) {
        (Some(candidate), ..) => Ok(candidate),
        (None, Some(_), Some(_)) => Err(Error::Ambiguous),
        (None, Some(_), None) => Ok(Candidate::Canary),
        (None, None, Some(_)) => Ok(Candidate::Dark),
        (None, None, None) => Err(Error::NothingToPromote),
    }
}

/// The version that a guard watches: the newest that counts.
pub(super) fn watched(line: &Deployment) -> Option<&Version> {
    line.canary.as_ref().map(|canary| &canary.version).or(line.live.as_ref())
}

fn put_live(line: &mut Deployment, version: Version) {
    line.canary = None;
    forget_dark(line, &version.hash);
    if !is(line.live.as_ref(), &version.hash) {
        line.previous = line.live.take().or(line.previous.take());
    }
    line.live = Some(version);
}

/// What counts need not run beside itself.
fn forget_dark(line: &mut Deployment, hash: &ModuleHash) {
    if is(line.dark.as_ref(), hash) {
        line.dark = None;
    }
}

fn is(version: Option<&Version>, hash: &ModuleHash) -> bool {
    version.is_some_and(|version| version.hash == *hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetfn_core::deployment::Manifest;
    use fleetfn_protocol::FunctionName;

    const GUARD: Guard = Guard { errors_percent: 5, fuel_percent: 0, invocations_min: 100 };

    fn version(number: u8) -> Version {
        let name = FunctionName::parse("climate").expect("a name");
        let manifest = Manifest::new(name);
        Version { hash: ModuleHash([number; 32]), manifest, deployed_at_ms: u64::from(number) }
    }

    fn placed(line: Deployment, number: u8, placement: Placement) -> Result<Deployment, Error> {
        deploy(line, version(number), placement, None, Offset(7))
    }

    /// Live, canary, dark, previous.
    fn numbers(line: &Deployment) -> [Option<u8>; 4] {
        let canary = line.canary.as_ref().map(|canary| &canary.version);
        [line.live.as_ref(), canary, line.dark.as_ref(), line.previous.as_ref()]
            .map(|version| version.map(|version| version.hash.0[0]))
    }

    #[test]
    fn what_is_deployed_live_keeps_the_version_before_and_a_second_rollback_returns() {
        let line = placed(Deployment::default(), 1, Placement::Live).expect("is placed");
        assert_eq!(numbers(&line), [Some(1), None, None, None]);
        assert_eq!(roll_back(line.clone()), Err(Error::NothingBefore));
        let line = placed(line, 2, Placement::Live).expect("is placed");
        assert_eq!(numbers(&line), [Some(2), None, None, Some(1)]);
        let again = placed(line.clone(), 2, Placement::Live).expect("is placed");
        assert_eq!(numbers(&again), [Some(2), None, None, Some(1)]);
        let back = roll_back(line).expect("goes back");
        assert_eq!(numbers(&back), [Some(1), None, None, Some(2)]);
        assert_eq!(numbers(&roll_back(back).expect("returns")), [Some(2), None, None, Some(1)]);
    }

    #[test]
    fn a_canary_needs_a_live_version_and_is_dropped_or_promoted() {
        assert_eq!(placed(Deployment::default(), 1, Placement::Canary(10)), Err(Error::NoLive));
        let line = placed(Deployment::default(), 1, Placement::Live).expect("is placed");
        assert_eq!(placed(line.clone(), 1, Placement::Canary(10)), Err(Error::IsLive(ModuleHash([1; 32]))));
        for percent in [0, 100, 255] {
            assert_eq!(placed(line.clone(), 2, Placement::Canary(percent)), Err(Error::Percent(percent)));
        }
        let line = placed(line, 2, Placement::Canary(10)).expect("is placed");
        assert_eq!((numbers(&line), watched(&line)), ([Some(1), Some(2), None, None], Some(&version(2))));
        assert_eq!(numbers(&roll_back(line.clone()).expect("goes back")), [Some(1), None, None, None]);
        let promoted = promote(line, Candidate::Canary).expect("is promoted");
        assert_eq!(numbers(&promoted), [Some(2), None, None, Some(1)]);
    }

    #[test]
    fn a_dark_version_has_a_place_of_its_own_until_it_counts() {
        let alone = placed(Deployment::default(), 1, Placement::Dark).expect("is placed");
        assert_eq!((numbers(&alone), alone.dark_since), ([None, None, Some(1), None], Offset(7)));
        assert_eq!(stop_dark(alone), Ok(None));
        let line = placed(Deployment::default(), 1, Placement::Live).expect("is placed");
        assert_eq!(stop_dark(line.clone()), Err(Error::None(Candidate::Dark)));
        let line = placed(line, 2, Placement::Dark).expect("is placed");
        let back = stop_dark(line.clone()).expect("stops").expect("is left");
        assert_eq!(numbers(&back), [Some(1), None, None, None]);
        let promoted = promote(line.clone(), Candidate::Dark).expect("is promoted");
        assert_eq!(numbers(&promoted), [Some(2), None, None, Some(1)]);
        let deployed = placed(line, 2, Placement::Live).expect("is placed");
        assert_eq!(numbers(&deployed), [Some(2), None, None, Some(1)]);
    }

    #[test]
    fn an_act_on_one_of_two_candidates_says_which() {
        let line = placed(Deployment::default(), 1, Placement::Live).expect("is placed");
        assert_eq!(candidate(&line, None), Err(Error::NothingToPromote));
        let line = placed(line, 2, Placement::Canary(10)).expect("is placed");
        assert_eq!(candidate(&line, None), Ok(Candidate::Canary));
        assert_eq!(promote(line.clone(), Candidate::Dark), Err(Error::None(Candidate::Dark)));
        let line = placed(line, 3, Placement::Dark).expect("is placed");
        assert_eq!(candidate(&line, None), Err(Error::Ambiguous));
        assert_eq!(candidate(&line, Some(Candidate::Dark)), Ok(Candidate::Dark));
        let promoted = promote(line, Candidate::Canary).expect("is promoted");
        assert_eq!(numbers(&promoted), [Some(2), None, Some(3), Some(1)]);
    }

    #[test]
    fn what_a_guard_takes_back_is_rolled_back_or_else_waits() {
        let guarded =
            |line, number, placement| deploy(line, version(number), placement, Some(GUARD), Offset(7));
        let first = guarded(Deployment::default(), 1, Placement::Live).expect("is placed");
        assert_eq!(guarded(first.clone(), 2, Placement::Dark), Err(Error::GuardOfDark));
        let parked = take_back(first.clone(), "it fails".into());
        assert_eq!((numbers(&parked), parked.guard), ([Some(1), None, None, None], None));
        assert_eq!(parked.paused.as_deref(), Some("it fails"));

        let second = guarded(first.clone(), 2, Placement::Live).expect("is placed");
        assert_eq!(second.guard, Some(GUARD));
        let back = take_back(second, "it fails".into());
        assert_eq!((numbers(&back), back.guard, &back.paused), ([Some(1), None, None, Some(2)], None, &None));

        let canary = guarded(first, 2, Placement::Canary(10)).expect("is placed");
        let promoted = promote(canary.clone(), Candidate::Canary).expect("is promoted");
        assert_eq!(promoted.guard, Some(GUARD));
        let back = take_back(canary, "it fails".into());
        assert_eq!((numbers(&back), back.guard), ([Some(1), None, None, None], None));
    }

    #[test]
    fn a_function_is_paused_once_and_stays_so_whatever_is_deployed() {
        let line = placed(Deployment::default(), 1, Placement::Live).expect("is placed");
        assert_eq!(pause(line.clone(), None), Err(Error::NotPaused));
        let paused = pause(line.clone(), Some("a repair".into())).expect("is paused");
        assert_eq!(pause(paused.clone(), Some("again".into())), Err(Error::IsPaused));
        let paused = placed(paused, 2, Placement::Live).expect("is placed");
        assert_eq!(paused.paused.as_deref(), Some("a repair"));
        assert_eq!(pause(paused, None).map(|line| line.paused), Ok(None));
    }
}
