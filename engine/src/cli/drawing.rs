//! Some lines that are drawn over again and again on a terminal.
//!
//! A line that is wider than the terminal would take two rows, and whoever goes back by as many rows as there are lines would
//! leave its rest standing. So no line is wider than the terminal, each is erased to its end, and how many rows the last
//! drawing takes is asked of the terminal as wide as it is now.

use rustix::termios::tcgetwinsize;

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    columns: usize,
    rows: usize,
}

impl Size {
    /// Of the terminal that stdout is; a common one if it does not say.
    pub(crate) fn of_terminal() -> Self {
        let said = tcgetwinsize(std::io::stdout()).ok();
        let or = |said: Option<u16>, else_: u16| usize::from(said.filter(|said| *said > 0).unwrap_or(else_));
        Self { columns: or(said.map(|size| size.ws_col), 80), rows: or(said.map(|size| size.ws_row), 24) }
    }
}

/// What stands on the terminal: the widths of its lines.
#[derive(Debug, Default)]
pub(crate) struct Drawing(Vec<usize>);

impl Drawing {
    /// What puts a text in the place of the last one (ECMA-48: CPL, EL, ED). Of more lines than there are rows the last are left
    /// out, for nobody can go back to what has left the screen.
    pub(crate) fn over(&mut self, text: &str, size: Size) -> String {
        // Behind the last column a terminal waits with the next row, and erasing would take away the last character.
        let columns = size.columns.saturating_sub(1).max(1);
        // Those drawn when the terminal was wider may have been wrapped since.
        let rows: usize = self.0.iter().map(|width| width.div_ceil(size.columns.max(1)).max(1)).sum();
        let rows = rows.min(size.rows.saturating_sub(1));
        let mut drawn = if rows > 0 { format!("\x1b[{rows}F") } else { String::new() };
        self.0.clear();
        for line in text.lines().take(size.rows.saturating_sub(1).max(1)) {
            let line: String = line.chars().take(columns).collect();
            self.0.push(line.chars().count());
            drawn.push_str(&line);
            drawn.push_str("\x1b[K\n");
        }
        drawn.push_str("\x1b[J");
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::{Drawing, Size};

    /// What a terminal shows: it wraps at its edge, as far as this module asks anything of it.
    fn shown(columns: usize, rows: usize, drawings: &[String]) -> Vec<String> {
        let (mut screen, mut row, mut column) = (vec![vec![' '; columns]; rows], 0_usize, 0_usize);
        for drawing in drawings {
            let mut rest = drawing.chars();
            while let Some(c) = rest.next() {
                match c {
                    '\x1b' => {
                        let code: String = rest.by_ref().skip(1).take_while(|c| c.is_ascii_digit()).collect();
                        // The letter is gone with the end of the number: a number is of a way up.
                        if let Ok(up) = code.parse::<usize>() {
                            (row, column) = (row.checked_sub(up).expect("it is on the screen"), 0);
                        } else {
                            screen[row][column..].fill(' ');
                        }
                    }
                    '\n' => (row, column) = (row + 1, 0),
                    c => {
                        if column == columns {
                            (row, column) = (row + 1, 0);
                        }
                        screen[row][column] = c;
                        column += 1;
                    }
                }
            }
        }
        screen.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    #[test]
    fn nothing_of_longer_lines_is_left_on_a_narrow_terminal() {
        let size = Size { columns: 10, rows: 6 };
        let mut drawing = Drawing::default();
        let first = drawing.over("a line that is wider than ten\nsecond ▓▓▓▓▓▓▓\nthird", size);
        let second = drawing.over("short\n2", size);
        let screen = shown(10, 6, std::slice::from_ref(&first));
        assert_eq!(screen, ["a line th", "second ▓▓", "third", "", "", ""]);
        let screen = shown(10, 6, &[first, second.clone()]);
        assert_eq!(&screen[..2], ["short", "2"]);
        assert!(second.starts_with("\x1b[3F") && second.ends_with("\x1b[J"), "{second:?}");
    }

    #[test]
    fn a_terminal_that_became_narrower_has_wrapped_what_stands_on_it_and_a_low_one_shows_the_first_lines() {
        let mut drawing = Drawing::default();
        drawing.over("nine char\nx", Size { columns: 10, rows: 9 });
        let over = drawing.over("1\n2\n3\n4", Size { columns: 5, rows: 9 });
        assert!(over.starts_with("\x1b[3F"), "two rows and one: {over:?}");
        let over = drawing.over("1\n2\n3\n4", Size { columns: 5, rows: 3 });
        assert!(over.starts_with("\x1b[2F") && !over.contains('3'), "{over:?}");
    }
}
