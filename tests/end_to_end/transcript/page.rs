//! A page of documentation, as steps that can be walked.
//!
//! A fenced block with the language `console` holds commands, each after `$ `, continued by `> `, and below each what it
//! prints. A line `...` stands for any lines, `[..]` for anything within a line. Blocks with `file=PATH` behind their
//! language are files that are written there. Everything else is text.

/// What a page says.
pub(super) struct Page {
    pub(super) steps: Vec<Step>,
}

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write a file.
    File { path: String, text: String },
    /// Run a command, and compare what it prints.
    Command { line: usize, command: String, expected: String },
}

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
                continue;
            };
            let block: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| !line.starts_with("```")).collect();
            if let Some((_, path)) = info.split_once("file=") {
                steps.push(Step::File { path: path.trim().into(), text: block.join("\n") + "\n" });
            } else if info == "console" {
                commands(number + 1, &block, &mut steps);
            }
        }
        Self { steps }
    }
}

fn commands(first: usize, block: &[&str], steps: &mut Vec<Step>) {
    for (line, text) in (first..).zip(block) {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step::Command { line, command: command.into(), expected: String::new() });
        } else if let Some(Step::Command { command, expected, .. }) = steps.last_mut() {
            match text.strip_prefix("> ") {
                Some(more) => {
                    command.push('\n');
                    command.push_str(more);
                }
                None => {
                    expected.push_str(text);
                    expected.push('\n');
                }
            }
        }
    }
}

/// Whether what was printed is what was expected.
pub(super) fn fits(expected: &str, printed: &str) -> bool {
    let expected: Vec<&str> = expected.trim_end().lines().collect();
    let printed: Vec<&str> = printed.trim_end().lines().collect();
    all(&expected, &printed)
}

fn all(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((&"...", rest)) => {
            (0..=printed.len()).any(|skipped| all(rest, printed.get(skipped..).unwrap_or_default()))
        }
        Some((line, rest)) => match printed.split_first() {
            Some((first, others)) => one(line, first) && all(rest, others),
            None => false,
        },
    }
}

/// Whether a line is as expected; `[..]` stands for anything, also nothing.
fn one(expected: &str, printed: &str) -> bool {
    let mut parts = expected.trim_end().split("[..]");
    let printed = printed.trim_end();
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[test]
fn a_page_is_its_files_and_its_commands() {
    let text = "# Tour\n```rust file=a/lib.rs\nfn f() {}\n```\ntext\n```console\n$ echo a\na\n$ cat <<X\n> b\n> X\nb\n...\n```\n```sh\nnot run\n```\n";
    let steps = Page::parse(text).steps;
    let command = |line, command: &str, expected: &str| Step::Command {
        line,
        command: command.into(),
        expected: expected.into(),
    };
    let file = Step::File { path: "a/lib.rs".into(), text: "fn f() {}\n".into() };
    assert_eq!(steps, [file, command(7, "echo a", "a\n"), command(9, "cat <<X\nb\nX", "b\n...\n")]);
}

#[test]
fn wildcards_stand_for_what_changes_and_nothing_else() {
    assert!(fits("a [..] c\n...\nz", "a b c\nx\ny\nz\n"));
    assert!(fits("", "") && fits("...", ""));
    assert!(fits("a[..]b[..]c", "a1b2c"));
    for (expected, printed) in [("a", "b"), ("a", "a\nb"), ("a\nb", "a"), ("a [..] c", "a b d"), ("", "a")] {
        assert!(!fits(expected, printed), "{expected:?} {printed:?}");
    }
}
