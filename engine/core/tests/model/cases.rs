//! Random steps, in the proportions in which they find something.

use crate::step::{Line, Record, Step};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

fn id() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![2 => Just(None), 3 => (0_u8..6).prop_map(Some)]
}

/// Up to four pairs of what to do and an argument: what comes later does the rest.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let pair = (0_u8..crate::handler::OPS, 0_u8..4);
    let pairs = prop::collection::vec(pair, 0..4);
    pairs.prop_map(|pairs| pairs.into_iter().flat_map(|(op, argument)| [op, argument]).collect())
}

fn line() -> impl Strategy<Value = Line> {
    let version = || prop::option::weighted(0.3, 0_u8..6);
    (0_u8..6, version(), version(), prop::bool::weighted(0.25), prop::option::weighted(0.2, 0_u8..40))
        .prop_map(|(live, canary, dark, paused, backfill)| Line { live, canary, dark, paused, backfill })
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        16 => (0_u8..3, id(), script()).prop_map(|(device, id, script)| Record::Reading { device, id, script }),
        2 => (0_u8..3, script()).prop_map(|(device, script)| Record::Reply { device, script }),
        2 => (0_u8..3, any::<u8>()).prop_map(|(device, value)| Record::Report { device, value }),
        2 => (0_u8..3, prop::option::of(0_u8..3), 0_u8..3)
            .prop_map(|(device, expected, value)| Record::Desire { device, expected, value }),
        1 => (0_u8..3, id()).prop_map(|(device, id)| Record::Command { device, id }),
        3 => (0_u8..2, line()).prop_map(|(function, line)| Record::Deploy { function, line }),
        1 => (0_u8..2).prop_map(|function| Record::Remove { function }),
        1 => (0_u8..2, prop::option::of(0_u8..4))
            .prop_map(|(function, tens)| Record::Budget { function, tens }),
        2 => any::<u8>().prop_map(|letter| Record::Redrive { letter }),
        1 => (0_u8..3, 0_u8..2).prop_map(|(device, zone)| Record::Zone { device, zone }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => record().prop_map(Step::Append),
        6 => Just(Step::Sync),
        8 => (1_u8..9, prop_oneof![4 => Just(0), 1 => 1_u8..3])
            .prop_map(|(records, interrupt)| Step::Turn { records, interrupt }),
        1 => (1_u8..9).prop_map(|records| Step::LostTurn { records }),
        2 => (0_u8..6).prop_map(|kept| Step::Crash { kept }),
        1 => Just(Step::Restart),
        2 => (0_u8..3).prop_map(|device| Step::Acknowledge { device }),
        3 => (0_u16..3_000).prop_map(|ms| Step::Wait { ms }),
        4 => (0_u8..6).prop_map(|room| Step::Fire { room }),
        3 => (0_u8..6).prop_map(|room| Step::Send { room }),
        2 => (0_u8..6).prop_map(|room| Step::Fetch { room }),
        2 => Just(Step::Drain),
        2 => (1_u8..6).prop_map(|room| Step::Backfill { room }),
        1 => (1_u8..6).prop_map(|back| Step::Reread { back }),
    ]
}

/// A case.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let deployed = Line { live: 1, canary: None, dark: None, paused: false, backfill: None };
    prop::collection::vec(step(), 0..140).prop_map(move |mut steps| {
        steps.insert(0, Step::Append(Record::Deploy { function: 0, line: deployed }));
        steps
    })
}
