extern crate std;
use super::*;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use std::string::ToString;

#[test]
fn every_topic_of_the_grammar_prints_as_it_was_parsed() {
    for name in [
        "devices/d1/telemetry/climate",
        "devices/d1/telemetry/gps/truck/7",
        "devices/d1/twin/reported",
        "devices/d1/twin/desired",
        "devices/d1/commands/fan",
        "devices/d1/commands/fan/reply",
        "devices/d1/update/manifest",
        "devices/d1/update/request",
        "devices/d1/update/block",
        "devices/d1/update/status",
        "alerts/berlin/fire",
    ] {
        let topic = Topic::parse(name).expect(name);
        assert_eq!(topic.to_string(), name);
        assert_eq!(topic.device().is_some(), name.starts_with("devices/"));
    }
}

#[test]
fn what_is_not_in_the_grammar_is_refused_with_its_reason() {
    for (name, error) in [
        ("", TopicError::Empty),
        ("devices", TopicError::Unknown),
        ("devices/d1", TopicError::Unknown),
        ("devices/d1/", TopicError::Unknown),
        ("devices/d1/telemetry", TopicError::Unknown),
        ("devices/d1/telemetry/", TopicError::Unknown),
        ("devices/d1/telemetry//x", TopicError::Unknown),
        ("devices/d1/commands/fan/other", TopicError::Unknown),
        ("devices/d1/twin/else", TopicError::Unknown),
        ("devices/-/twin/reported", TopicError::Device(IdError::Character(0))),
        ("devices//twin/reported", TopicError::Device(IdError::Empty)),
        ("devices/+/twin/reported", TopicError::Wildcard),
        ("a/#", TopicError::Wildcard),
        ("a\u{0}b", TopicError::Control),
        ("$SYS/uptime", TopicError::Reserved),
        ("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", TopicError::TooDeep),
    ] {
        assert_eq!(Topic::parse(name), Err(error), "{name:?}");
    }
}

#[test]
fn filters_follow_section_4_7_of_the_standard() {
    for (filter, name, expected) in [
        ("#", "a/b", true),
        ("#", "$SYS/a", false),
        ("+/a", "$SYS/a", false),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("a/+", "a", false),
        ("a/+", "a/", true),
        ("a/+/c", "a/b/c", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("a/b", "a/b/c", false),
    ] {
        assert_eq!(filter_matches(filter, name), expected, "{filter} against {name}");
    }
    for bad in ["a/#/b", "a+", "a/b#", "#a", "a/+b/c"] {
        assert_eq!(validate_filter(bad), Err(TopicError::Wildcard), "{bad}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(name in ".*") {
        let _ = Topic::parse(&name);
        let _ = validate_filter(&name);
    }

    #[test]
    fn what_parses_prints_the_same(name in "(devices/[a-z0-9]{1,4}/)?[a-z/]{1,30}") {
        if let Ok(topic) = Topic::parse(&name) {
            prop_assert_eq!(topic.to_string(), name);
        }
    }

    #[test]
    fn a_name_matches_itself_and_the_catch_all(name in "[a-z]{1,5}(/[a-z]{0,5}){0,5}") {
        prop_assert!(filter_matches(&name, &name));
        prop_assert!(filter_matches("#", &name));
    }
}
