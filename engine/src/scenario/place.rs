//! Where in a file something stands, by its path: `groups[1].messages[0].every`.

use serde_json::Value;

/// The line, from 1, of what `told` begins with the path of; `None` if that is nowhere, or is no path. A member that is
/// missing is where its object begins.
pub(super) fn line(text: &str, told: &str) -> Option<usize> {
    let path = told.split([':', ' ']).next().filter(|path| path.starts_with("groups["))?;
    let mut at = skip_space(text, 0)?;
    for step in steps(path) {
        at = match step {
            Step::Member(name) => match member(text, at, name) {
                Some(at) => at,
                None => break,
            },
            Step::Item(number) => item(text, at, number)?,
        };
    }
    Some(text.get(..at)?.matches('\n').count() + 1)
}

/// A step into an object or a list.
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').flat_map(|part| {
        let (name, rest) = part.split_once('[').unwrap_or((part, ""));
        let items = rest.split('[').filter_map(|number| number.strip_suffix(']')?.parse().ok());
        std::iter::once(Step::Member(name)).chain(items.map(Step::Item))
    })
}

/// Where the value of a member begins, in the object that begins at `at`.
fn member(text: &str, at: usize, name: &str) -> Option<usize> {
    let mut at = after(text, at, '{')?;
    loop {
        let key_end = value_end(text, at)?;
        let key: String = serde_json::from_str(text.get(at..key_end)?).ok()?;
        let value = skip_space(text, after(text, skip_space(text, key_end)?, ':')?)?;
        if key == name {
            return Some(value);
        }
        at = after(text, skip_space(text, value_end(text, value)?)?, ',')?;
    }
}

/// Where an item begins, in the list that begins at `at`.
fn item(text: &str, at: usize, number: usize) -> Option<usize> {
    let mut at = after(text, at, '[')?;
    for _ in 0..number {
        at = after(text, skip_space(text, value_end(text, at)?)?, ',')?;
    }
    Some(at)
}

/// Behind a character and what space follows it.
fn after(text: &str, at: usize, character: char) -> Option<usize> {
    text.get(at..)?.starts_with(character).then_some(())?;
    skip_space(text, at + character.len_utf8())
}

fn skip_space(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    Some(at + rest.len() - rest.trim_start().len())
}

/// Where the value that begins at `at` ends.
fn value_end(text: &str, at: usize) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<Value>();
    values.next()?.ok()?;
    Some(at + values.byte_offset())
}

#[cfg(test)]
mod tests {
    use super::line;

    const TEXT: &str = "{\"seed\": 1,\n \"groups\": [\n  {\"devices\": 1},\n  {\"devices\": 2,\n   \"messages\": [{\n\
        \"channel\": \"a, {\",\n \"payload\": [1, {\"t\":\n {\"$walk\": 2}}]}]}\n]}";

    #[test]
    fn a_path_is_found_at_the_line_of_its_value_or_of_its_object() {
        for (path, expected) in [
            ("groups[0].devices: at least 1", 3),
            ("groups[1]: twice", 4),
            ("groups[1].messages[0].channel: 'x'", 6),
            ("groups[1].messages[0].payload[1].t.$walk: unknown", 8),
            ("groups[1].messages[0].every: it is missing", 5),
        ] {
            assert_eq!(line(TEXT, path), Some(expected), "{path}");
        }
        assert_eq!(line(TEXT, "groups: there is none"), None);
        assert_eq!(line(TEXT, "groups[7].devices: no"), None);
    }
}
