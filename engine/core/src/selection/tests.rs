//! What selections mean, which are refused, and that none panics.

extern crate std;

use super::{Selection, Traits, terms};
use crate::twin::Twin;
use proptest::prelude::{any, prop_assert, proptest};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{assert, assert_eq, format};

/// A device of which little is known.
fn traits() -> Traits<'static> {
    Traits {
        id: "",
        product: None,
        class: None,
        tags: &[],
        time_zone: None,
        version: None,
        sequence: None,
        online: true,
        seen_ms: 1,
        twin: None,
    }
}

fn meant(text: &str) -> bool {
    let mut twin = Twin::default();
    twin.report(br#"{"battery":{"level":81.5,"charging":true},"model":"X-7"}"#).expect("it is a change");
    twin.desire(br#"{"period":60}"#).expect("it is a change");
    let tags = ["eu", "line:3"].map(String::from);
    let device = Traits {
        id: "fan-17",
        product: Some("fan"),
        class: Some("m3"),
        tags: &tags,
        time_zone: Some("Europe/Berlin"),
        version: Some("2.4.1-rc.2"),
        sequence: Some(24),
        online: true,
        seen_ms: 600_000,
        twin: Some(&twin),
    };
    Selection::parse(text).unwrap_or_else(|error| std::panic!("{text}: {error}")).matches(&device)
}

#[test]
fn every_field_can_be_asked_for() {
    for text in [
        "id==fan-17",
        "id==fan-*",
        "id!=fan-18",
        "product=in=(pump,fan)",
        "product=out=(pump, valve)",
        "class==m*",
        "tag==eu",
        "tag==line:*",
        "tag!=us",
        "zone==Europe/*",
        "version==2.4.*",
        "version<2.4.1",
        "version>=2.4.1-rc.1",
        "version=gt=2.4.1-rc",
        "version<v10",
        "sequence>=24",
        "sequence!=23",
        "online==true",
        "seen<11m",
        "seen>=600s",
        "seen=lt=1d",
        "twin.reported.battery.level>80",
        "twin.reported.battery.level==81.50",
        "twin.reported.battery.charging==true",
        "twin.reported.model=='X-7'",
        "twin.desired.period=le=60",
        "twin.desired.missing==''",
    ] {
        assert!(meant(text), "{text}");
    }
}

#[test]
fn what_a_device_is_not_is_not_meant() {
    for text in [
        "id==fan-1",
        "id==*18",
        "tag!=eu",
        "tag=out=(us,eu)",
        "version>2.4.1",
        "version<2.4.1-rc.2",
        "version<2.4.1-beta",
        "sequence<24",
        "online==false",
        "seen>1h",
        "twin.reported.battery.level<80",
        "twin.reported.model>5",
        "twin.reported.missing<5",
        "twin.reported.missing.deeper!=''",
    ] {
        assert!(!meant(text), "{text}");
    }
}

#[test]
fn and_binds_stronger_than_or() {
    assert!(meant("tag==us;tag==asia,tag==eu"));
    assert!(meant("tag==eu or tag==us and tag==asia"));
    assert!(!meant("(tag==eu,tag==us);tag==asia"));
    assert!(meant(" ( tag == eu , tag == us ) ; online == true "));
    assert!(meant("product==fan and (tag==us or tag==eu)"));
}

#[test]
fn a_pattern_is_found_leftmost_first_and_its_end_at_the_end() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*ab*b", "abab", true),
        ("a*b*c", "abc", true),
        ("a*b*c", "acb", false),
        ("**", "x", true),
    ] {
        let device = Traits { id: text, ..traits() };
        let selection = Selection::parse(&format!("id=='{pattern}'")).expect("a selection");
        assert_eq!(selection.matches(&device), expected, "{pattern} {text}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let deep = "(".repeat(17) + "id==a";
    let long = "x".repeat(1025);
    for (text, expected) in [
        ("", "at byte 0: a field is expected"),
        (
            "colour==red",
            "at byte 0: 'colour' is no field: it is one of id, product, class, tag, zone, version, sequence, online, seen, twin.reported.NAME or twin.desired.NAME",
        ),
        (
            "twin.reported.==1",
            "at byte 0: 'twin.reported.' is no field: it is one of id, product, class, tag, zone, version, sequence, online, seen, twin.reported.NAME or twin.desired.NAME",
        ),
        ("id=fan", "at byte 2: an operator such as ==, != or <= is expected"),
        ("id==", "at byte 4: a value is expected"),
        ("id==a id==b", "at byte 6: ';' (and), ',' (or) or the end is expected"),
        ("id==a android", "at byte 6: ';' (and), ',' (or) or the end is expected"),
        ("(id==a", "at byte 6: ')' is expected"),
        ("id=in=a", "at byte 6: '(' is expected"),
        ("id=in=(a;b)", "at byte 8: ',' or ')' is expected"),
        ("id=='fan", "at byte 5: the quoted text does not end"),
        ("tag<eu", "at byte 3: 'tag' has no order: compare it with ==, !=, =in= or =out="),
        ("online==yes", "at byte 6: 'yes' is neither true nor false"),
        ("seen==5m", "at byte 4: 'seen' is a time that goes on: compare it with <, <=, > or >="),
        ("seen<soon", "at byte 4: 'soon' is not a span of time such as 90s, 10m, 12h or 7d"),
        ("sequence==v2", "at byte 8: 'v2' is not a number"),
        ("twin.reported.a<NaN", "at byte 15: 'NaN' is not a number"),
        (&deep, "at byte 17: parentheses are nested at most 16 deep"),
        (&long, "at byte 0: a selection has at most 1024 bytes, this one has 1025"),
    ] {
        let error = Selection::parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn only_a_selection_that_needs_twins_or_firmware_says_so() {
    let reads = |text| {
        let selection = Selection::parse(text).expect("a selection");
        (selection.reads_twins(), selection.reads_firmware())
    };
    assert_eq!(reads("id==a,(tag==b;online==true)"), (false, false));
    assert_eq!(reads("id==a,(tag==b;twin.desired.x==1)"), (true, false));
    assert_eq!(reads("id==a,(tag==b;version<2)"), (false, true));
}

#[test]
fn what_need_not_be_read_can_be_decided_without_it() {
    let fan = Traits { id: "a", product: Some("fan"), ..traits() };
    let may = |text| Selection::parse(text).expect(text).may_match(&fan);
    assert!(may("product==fan;version<2") && may("product==lamp,twin.reported.n==1"));
    assert!(!may("product==lamp;version<2") && !may("(product==lamp;sequence==1),id==b"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-z=<>!();,'\" .*é]{0,60}") {
        let _ = Selection::parse(&text);
    }

    #[test]
    fn what_is_meant_once_all_was_read_may_be_meant_before(
        parts in proptest::collection::vec((0_usize..7, any::<bool>(), any::<bool>()), 1..7),
        id in "[a-c]{0,2}",
        version in proptest::option::of("[12]"),
    ) {
        let terms = ["id==a*", "id!=ab", "tag==x", "version==1", "version!=1", "sequence>6", "twin.reported.n==1"];
        let mut text = String::from("version==1");
        for (term, is_alternative, is_nested) in parts {
            let separator = if is_alternative { "," } else { ";" };
            let before = if is_nested { format!("({text})") } else { text };
            text = format!("{before}{separator}{}", terms[term]);
        }
        let selection = Selection::parse(&text).expect(&text);
        let unread = Traits { id: &id, ..traits() };
        let read = Traits { version: version.as_deref(), sequence: version.as_ref().map(|_| 7), ..unread };
        prop_assert!(selection.may_match(&unread) || !selection.matches(&read), "{}", text);
    }

    #[test]
    fn an_operator_and_its_opposite_split_the_fleet(
        pattern in "[a-c*]{1,4}",
        id in "[a-c]{0,4}",
        tags in proptest::collection::vec("[a-c]{1,3}", 0..3),
    ) {
        let device = Traits { id: &id, tags: &tags, version: Some(&id), sequence: Some(7), ..traits() };
        let pairs: Vec<(String, String)> = ["id", "product", "tag", "zone", "version"]
            .into_iter()
            .map(|field| (format!("{field}=={pattern}"), format!("{field}!={pattern}")))
            .collect();
        for (text, opposite) in pairs {
            let [one, other] = [text, opposite].map(|text| Selection::parse(&text).expect("a selection").matches(&device));
            assert!(one != other);
        }
    }
}

#[test]
fn terms_are_what_must_hold_together_as_it_was_written() {
    for (text, expected) in [
        ("product==fan;tag==eu", &["product==fan", "tag==eu"][..]),
        (
            "tag=in=(a,b) and (zone==UTC,tag==c) ; version<2",
            &["tag=in=(a,b)", "(zone==UTC,tag==c)", "version<2"],
        ),
        ("tag=='a;b';online==true", &["tag=='a;b'", "online==true"]),
        ("tag==a,tag==b;tag==c", &["tag==a,tag==b;tag==c"]),
        ("online==true", &["online==true"]),
    ] {
        assert_eq!(terms(&Selection::parse(text).expect(text)), expected, "{text}");
    }
}
