//! Reads a selection, by recursive descent.

use super::field::{Field, WORDS};
use super::{DEPTH_MAX, Expression, Operator, SELECTION_BYTES_MAX};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// What is wrong with a selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is too long.
    #[error("a selection has at most {SELECTION_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// It is nested too deep.
    #[error("parentheses are nested at most {DEPTH_MAX} deep")]
    TooDeep,
    /// Something else should stand there.
    #[error("{0} is expected")]
    Expected(&'static str),
    /// A word that is no field.
    #[error("'{0}' is no field: it is one of {WORDS}")]
    Field(String),
    /// Words that have no order.
    #[error("'{0}' has no order: compare it with ==, !=, =in= or =out=")]
    Unordered(String),
    /// A time that goes on is never equal to anything.
    #[error("'{0}' is a time that goes on: compare it with <, <=, > or >=")]
    Unequal(String),
    /// What a time is compared with is no span.
    #[error("'{0}' is not a span of time such as 90s, 10m, 12h or 7d")]
    Span(String),
    /// What a number is compared with is none.
    #[error("'{0}' is not a number")]
    Number(String),
    /// What a truth is compared with is none.
    #[error("'{0}' is neither true nor false")]
    Truth(String),
    /// A quote that does not end.
    #[error("the quoted text does not end")]
    Unended,
}

/// Why a text is no selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {wrong}")]
pub struct SelectionError {
    /// Where, in bytes from 0.
    pub at: usize,
    /// What.
    pub wrong: Wrong,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Expression, SelectionError> {
    let mut parser = Parser { text, at: 0 };
    if text.len() > SELECTION_BYTES_MAX {
        return Err(parser.error(Wrong::TooLong(text.len())));
    }
    let expression = parser.any(0)?;
    parser.space();
    if parser.rest().is_empty() {
        Ok(expression)
    } else {
        Err(parser.error(Wrong::Expected("';' (and), ',' (or) or the end")))
    }
}

/// The terms of a selection that must all hold; the whole of it if it is not made of such.
pub(super) fn terms(text: &str) -> Vec<&str> {
    let mut parser = Parser { text, at: 0 };
    let mut found = Vec::new();
    loop {
        let start = parser.at;
        if parser.term(0).is_err() {
            return vec![text];
        }
        found.extend(text.get(start..parser.at).map(str::trim));
        if !parser.separator(";", "and") {
            break;
        }
    }
    parser.space();
    if parser.rest().is_empty() { found } else { vec![text] }
}

impl<'a> Parser<'a> {
    const fn error(&self, wrong: Wrong) -> SelectionError {
        SelectionError { at: self.at, wrong }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes `word` if it stands here.
    fn take(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Takes a separator, written as a sign or as a word between spaces.
    fn separator(&mut self, sign: &str, word: &str) -> bool {
        let before = self.at;
        self.space();
        if self.take(sign) || before < self.at && self.take(word) && self.rest().starts_with([' ', '(']) {
            return true;
        }
        self.at = before;
        false
    }

    fn any(&mut self, depth: usize) -> Result<Expression, SelectionError> {
        let mut parts = vec![self.all(depth)?];
        while self.separator(",", "or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, SelectionError> {
        let mut parts = vec![self.term(depth)?];
        while self.separator(";", "and") {
            parts.push(self.term(depth)?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn term(&mut self, depth: usize) -> Result<Expression, SelectionError> {
        self.space();
        if self.take("(") {
            if depth == DEPTH_MAX {
                return Err(self.error(Wrong::TooDeep));
            }
            let inner = self.any(depth + 1)?;
            self.space();
            return if self.take(")") { Ok(inner) } else { Err(self.error(Wrong::Expected("')'"))) };
        }
        let start = self.at;
        let word = self.word();
        let Some(field) = Field::parse(word) else {
            let wrong = if word.is_empty() { Wrong::Expected("a field") } else { Wrong::Field(word.into()) };
            return Err(SelectionError { at: start, wrong });
        };
        self.space();
        let before_operator = self.at;
        let (operator, values) = self.comparison()?;
        check(&field, word, operator, &values)
            .map_err(|wrong| SelectionError { at: before_operator, wrong })?;
        Ok(Expression::Compare(Box::new(field), operator, values))
    }

    /// An operator and what stands behind it.
    fn comparison(&mut self) -> Result<(Operator, Vec<String>), SelectionError> {
        let lists = [("=in=", Operator::In), ("=out=", Operator::Out)];
        let single = [
            ("==", Operator::In),
            ("!=", Operator::Out),
            ("=lt=", Operator::Less),
            ("=le=", Operator::LessOrEqual),
            ("=gt=", Operator::Greater),
            ("=ge=", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        if let Some((_, operator)) = lists.into_iter().find(|(word, _)| self.take(word)) {
            return Ok((operator, self.list()?));
        }
        match single.into_iter().find(|(word, _)| self.take(word)) {
            Some((_, operator)) => Ok((operator, vec![self.value()?])),
            None => Err(self.error(Wrong::Expected("an operator such as ==, != or <="))),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, SelectionError> {
        self.space();
        if !self.take("(") {
            return Err(self.error(Wrong::Expected("'('")));
        }
        let mut values = vec![self.value()?];
        loop {
            self.space();
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(self.error(Wrong::Expected("',' or ')'")));
            }
            values.push(self.value()?);
        }
    }

    fn value(&mut self) -> Result<String, SelectionError> {
        self.space();
        for quote in ["'", "\""] {
            if self.take(quote) {
                let text = self.rest();
                let Some(len) = text.find(quote) else { return Err(self.error(Wrong::Unended)) };
                self.at += len + quote.len();
                return Ok(text.get(..len).unwrap_or_default().into());
            }
        }
        match self.word() {
            "" => Err(self.error(Wrong::Expected("a value"))),
            word => Ok(word.into()),
        }
    }

    /// All up to the next sign with a meaning.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || "\"'();,<>=!".contains(c);
        let word = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

/// Whether a field can be compared so: a mistake is told once, not found in an empty answer.
fn check(field: &Field, word: &str, operator: Operator, values: &[String]) -> Result<(), Wrong> {
    let ordered = !matches!(operator, Operator::In | Operator::Out);
    match field {
        Field::Seen if !ordered => Err(Wrong::Unequal(word.into())),
        Field::Seen => all(values, |value| super::compare::span_ms(value).is_some(), Wrong::Span),
        Field::Id | Field::Product | Field::Class | Field::Tag | Field::TimeZone | Field::Online
            if ordered =>
        {
            Err(Wrong::Unordered(word.into()))
        }
        Field::Sequence => {
            all(values, |value| value.is_empty() && !ordered || value.parse::<u32>().is_ok(), Wrong::Number)
        }
        Field::Twin { .. } if ordered => {
            all(values, |value| value.parse::<f64>().is_ok_and(f64::is_finite), Wrong::Number)
        }
        Field::Online => all(values, |value| matches!(value, "true" | "false"), Wrong::Truth),
        Field::Id
        | Field::Product
        | Field::Class
        | Field::Tag
        | Field::TimeZone
        | Field::Version
        | Field::Twin { .. } => Ok(()),
    }
}

fn all(values: &[String], fits: impl Fn(&str) -> bool, wrong: fn(String) -> Wrong) -> Result<(), Wrong> {
    match values.iter().find(|value| !fits(value)) {
        Some(value) => Err(wrong(value.clone())),
        None => Ok(()),
    }
}
