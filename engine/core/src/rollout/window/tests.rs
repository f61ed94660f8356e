use super::*;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

const HOUR_MS: u64 = 3_600_000;
/// 2026-03-29 01:00:00 UTC: in Berlin 02:00 becomes 03:00.
const SPRING_MS: u64 = 1_774_746_000_000;
/// 2026-10-25 01:00:00 UTC: in Berlin 03:00 becomes 02:00.
const AUTUMN_MS: u64 = 1_792_890_000_000;

fn window(from: &str, to: &str, weekdays: &[Weekday]) -> Window {
    let time = |text: &str| text.parse().expect("a time of day");
    Window { from: time(from), to: time(to), weekdays: weekdays.to_vec(), clock: Clock::Device }
}

fn spring() -> Option<Zone> {
    Some(Zone { offset_s: 3_600, next: Some(Transition { at_ms: SPRING_MS, offset_s: 7_200 }) })
}

fn autumn() -> Option<Zone> {
    Some(Zone { offset_s: 7_200, next: Some(Transition { at_ms: AUTUMN_MS, offset_s: 3_600 }) })
}

#[test]
fn a_window_opens_by_the_clock_of_the_device() {
    let night = window("22:00", "05:00", &[]);
    let tokyo = Some(Zone { offset_s: 9 * 3_600, next: None });
    // Noon of a day in UTC is 21:00 in Tokyo.
    let noon_ms = 20_000 * 24 * HOUR_MS + 12 * HOUR_MS;
    assert!(!night.is_open(tokyo, noon_ms));
    assert_eq!(night.opens_at(tokyo, noon_ms), Some(noon_ms + HOUR_MS));
    assert_eq!(night.closes_at(tokyo, noon_ms + HOUR_MS), Some(noon_ms + 8 * HOUR_MS));
    assert_eq!(night.opens_at(None, noon_ms), Some(noon_ms + 10 * HOUR_MS), "no zone is UTC");
}

#[test]
fn an_hour_that_the_clock_leaves_out_does_not_open_the_window() {
    let left_out = window("02:00", "03:00", &[]);
    let before_ms = SPRING_MS - HOUR_MS;
    // The next time that the clock shows 02:00 is a day later, which has come an hour earlier by then.
    assert_eq!(left_out.opens_at(spring(), before_ms), Some(SPRING_MS + 23 * HOUR_MS));
    // The clock jumps into the middle of this one.
    let jumped = window("02:30", "04:00", &[]);
    assert_eq!(jumped.opens_at(spring(), before_ms), Some(SPRING_MS));
    assert_eq!(jumped.closes_at(spring(), SPRING_MS), Some(SPRING_MS + HOUR_MS));
}

#[test]
fn an_hour_that_the_clock_shows_twice_opens_the_window_twice() {
    let twice = window("02:00", "02:30", &[]);
    let first_ms = AUTUMN_MS - HOUR_MS;
    assert_eq!(twice.opens_at(autumn(), first_ms - 1), Some(first_ms));
    assert_eq!(twice.closes_at(autumn(), first_ms), Some(first_ms + HOUR_MS / 2));
    assert_eq!(twice.opens_at(autumn(), first_ms + HOUR_MS / 2), Some(AUTUMN_MS));
    assert_eq!(twice.closes_at(autumn(), AUTUMN_MS), Some(AUTUMN_MS + HOUR_MS / 2));
    // A window over the change is open an hour longer.
    let night = window("22:00", "05:00", &[]);
    let opens_ms = night.opens_at(autumn(), AUTUMN_MS - 12 * HOUR_MS).expect("it opens");
    assert_eq!(night.closes_at(autumn(), opens_ms), Some(opens_ms + 8 * HOUR_MS));
}

#[test]
fn the_night_belongs_to_the_day_on_which_it_begins() {
    // 2026-03-29 is a Sunday.
    let saturdays = window("22:00", "05:00", &[Weekday::Sat]);
    let sunday_03_ms = SPRING_MS + 2 * HOUR_MS;
    assert!(saturdays.is_open(None, sunday_03_ms));
    assert!(!saturdays.is_open(None, sunday_03_ms + 20 * HOUR_MS), "Sunday 23:00");
    assert!(!saturdays.is_open(None, sunday_03_ms - 24 * HOUR_MS), "Saturday 03:00");
}

#[test]
fn what_never_opens_is_refused_and_what_never_closes_is_told() {
    assert!(window("05:00", "05:00", &[]).check().is_err());
    assert!(window("24:00", "05:00", &[]).check().is_err());
    let always = window("00:00", "24:00", &[]);
    assert_eq!(always.check(), Ok(()));
    assert_eq!(always.closes_at(spring(), SPRING_MS), None);
    for text in ["", "5:00", "05:60", "24:01", "-1:00", "0a:00"] {
        assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
    }
}

fn zones() -> impl Strategy<Value = Zone> {
    let change = |offset_s: i32| {
        (SPRING_MS - 40 * HOUR_MS..SPRING_MS + 40 * HOUR_MS).prop_flat_map(move |at_ms| {
            prop_oneof![Just(-7_200), Just(-3_600), Just(-1_800), Just(1_800), Just(3_600)].prop_map(
                move |by_s| Zone {
                    offset_s,
                    next: Some(Transition { at_ms: at_ms / 1_000 * 1_000, offset_s: offset_s + by_s }),
                },
            )
        })
    };
    (-12 * 4..14 * 4).prop_flat_map(move |quarters| change(quarters * 900))
}

proptest! {
    #[test]
    fn an_opening_and_a_closing_are_the_first_there_are(
        zone in zones(),
        from in 0_u16..1_440,
        to in 0_u16..1_441,
        days in 1_u8..128,
        ahead_s in 0_u64..172_800,
    ) {
        let all = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
        let weekdays = all.into_iter().filter(|day| days & (1 << *day as u8) != 0).collect();
        let window = Window { from: TimeOfDay(from), to: TimeOfDay(to), weekdays, clock: Clock::Device };
        if window.check().is_err() {
            return Ok(());
        }
        let at_ms = SPRING_MS - 24 * HOUR_MS + ahead_s * 1_000;
        let zone = Some(zone);
        let open = window.is_open(zone, at_ms);
        let edge = if open { window.closes_at(zone, at_ms) } else { window.opens_at(zone, at_ms) };
        prop_assert!(open || edge.is_some());
        // Nothing changes before it, looked at every minute.
        let end_ms = edge.unwrap_or(at_ms + 10 * 24 * HOUR_MS);
        let mut minute_ms = at_ms;
        while minute_ms < end_ms {
            prop_assert_eq!(window.is_open(zone, minute_ms), open);
            minute_ms += 60_000;
        }
        if let Some(edge_ms) = edge {
            prop_assert_eq!(window.is_open(zone, edge_ms), !open);
            prop_assert_eq!(window.is_open(zone, edge_ms - 1), open);
        }
    }

    #[test]
    fn no_time_and_no_zone_makes_it_panic(offset_s: i32, at_ms: u64, next in any::<Option<(u64, i32)>>()) {
        let next = next.map(|(at_ms, offset_s)| Transition { at_ms, offset_s });
        let (zone, window) = (Some(Zone { offset_s, next }), window("22:00", "05:00", &[Weekday::Mon]));
        let _ = (window.is_open(zone, at_ms), window.opens_at(zone, at_ms), window.closes_at(zone, at_ms));
    }
}
