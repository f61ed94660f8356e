use super::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("fleetfn").chain(line.split_whitespace()))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn pub_takes_the_flags_of_mosquitto() {
    let command = parse("pub -h broker -p 1884 -i me -u dev -P secret -V mqttv5 -t a/b -m -5 -q 1 -r -k 30");
    let Command::Pub(arguments) = command.expect("parses").command else { panic!("it is pub") };
    let text = format!("{arguments:?}");
    for part in [
        "\"broker\"",
        "1884",
        "\"me\"",
        "\"dev\"",
        "\"secret\"",
        "\"a/b\"",
        "\"-5\"",
        "qos: 1",
        "retain: true",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(parse("pub -t a -l").is_ok());
    assert!(parse("pub -t a -s").is_ok());
    assert!(parse("pub -t a -n").is_ok());
    assert!(parse("pub -t a -f file").is_ok());
}

#[test]
fn sub_takes_the_flags_of_mosquitto() {
    let command = parse("sub -h broker -p 1884 -i me -u dev -P secret -t a/# -t +/b -q 1 -v -C 3 -W 2");
    let Command::Sub(arguments) = command.expect("parses").command else { panic!("it is sub") };
    let text = format!("{arguments:?}");
    for part in ["\"a/#\", \"+/b\"", "qos: 1", "verbose: true", "count: Some(3)", "wait: Some(2s)"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn wrong_usage_is_told() {
    let refused = |line: &str| parse(line).expect_err("is refused").kind();
    assert_eq!(refused("pub -m x"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("pub -t a"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("pub -t a -m x -l"), ErrorKind::ArgumentConflict);
    assert_eq!(refused("pub -t a -m x -P secret"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("pub -t a -m x -q 3"), ErrorKind::ValueValidation);
    assert_eq!(refused("pub -t a -m x -V mqttv31"), ErrorKind::InvalidValue);
    assert_eq!(refused("sub"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("sub -t a -C 0"), ErrorKind::ValueValidation);
    assert_eq!(refused("device add a/b"), ErrorKind::ValueValidation);
    assert_eq!(refused("serve --mqtt nowhere"), ErrorKind::ValueValidation);
    assert_eq!(refused("fn tail --from yesterday"), ErrorKind::ValueValidation);
    assert_eq!(refused("fn tail --device a --entity b"), ErrorKind::ArgumentConflict);
    assert_eq!(refused("fn redrive climate"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("fn redrive climate 7 --all"), ErrorKind::ArgumentConflict);
    assert_eq!(refused("fn dead show"), ErrorKind::MissingRequiredArgument);
    assert_eq!(refused("demo --for soon"), ErrorKind::ValueValidation);
    assert_eq!(refused("demo --devices 0"), ErrorKind::ValueValidation);
    assert_eq!(refused("dev --speed 0x"), ErrorKind::ValueValidation);
    assert_eq!(refused("dev --for soon"), ErrorKind::ValueValidation);
    assert_eq!(refused("dev --replay a --scenario b"), ErrorKind::ArgumentConflict);
}

#[test]
fn help_of_pub_and_sub_is_long_because_h_is_the_host() {
    assert_eq!(parse("pub --help").expect_err("prints").kind(), ErrorKind::DisplayHelp);
    assert_eq!(parse("sub --help").expect_err("prints").kind(), ErrorKind::DisplayHelp);
    assert_eq!(parse("serve -h").expect_err("prints").kind(), ErrorKind::DisplayHelp);
}

#[test]
fn the_data_directory_may_stand_before_or_after_the_verb() {
    for line in ["--data x device ls", "device --data x ls", "device ls --data x"] {
        assert_eq!(parse(line).expect("parses").data, Some("x".into()), "{line}");
    }
    assert_eq!(parse("device ls").expect("parses").data, None);
}

#[test]
fn a_failure_says_what_was_tried_why_it_failed_and_what_to_run() {
    let failure = super::Failure::new("cannot deploy x.wasm", "it is empty").next("fleetfn fn build");
    assert_eq!(failure.to_string(), "cannot deploy x.wasm\n  why:  it is empty\n  next: fleetfn fn build");
    assert_eq!(failure.code(), 1);
    assert_eq!(super::Failure::usage("a", "b").code(), 2);
    assert_eq!(super::Failure::timed_out("a", "b").code(), 124);
}
