//! Bracket expressions and escapes.

use super::{in_names, not_in_names, Parser};

impl Parser<'_> {
    pub(super) fn escape(&mut self) -> Result<u32, String> {
        Ok(match self.rest.next() {
            Some('.') => self.plain("\\."),
            Some(c @ ('_' | '-')) => self.plain(c.encode_utf8(&mut [0; 4])),
            Some('d') => self.plain("[0-9]"),
            Some('D') => self.plain("[a-zA-Z._-]"),
            Some('w') => self.plain("[0-9a-zA-Z_]"),
            Some('W') => self.plain("[.-]"),
            Some('S') => self.plain("."),
            c => return Err(unknown_escape(c)),
        })
    }

    /// Writes a bracket expression with the characters that topic names contain: a backslash inside one means different
    /// things to the two.
    pub(super) fn class(&mut self) -> Result<u32, String> {
        let negated = self.eat('^');
        let mut chosen = Vec::new();
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or("a '[' has no ']'")?;
            if c == ']' && !first {
                break;
            }
            first = false;
            if c == '[' && matches!(self.rest.peek(), Some(':' | '.' | '=')) {
                return Err("there are no classes such as [:alpha:]. Write \"[a-zA-Z]\"".to_owned());
            }
            let low = if c == '\\' {
                match self.rest.next() {
                    Some('d') => {
                        chosen.extend('0'..='9');
                        continue;
                    }
                    Some('w') => {
                        chosen.extend((0..128_u8).map(char::from).filter(|c| c.is_ascii_alphanumeric() || *c == '_'));
                        continue;
                    }
                    Some(c) if c.is_ascii_punctuation() => c,
                    c => return Err(unknown_escape(c)),
                }
            } else {
                c
            };
            chosen.extend(low..=self.end_of_range(low)?);
        }
        let named: Vec<char> =
            (0..128_u8).map(char::from).filter(|c| in_names(*c) && chosen.contains(c) != negated).collect();
        if named.is_empty() {
            return Err("a '[...]' has no character that topic names contain".to_owned());
        }
        self.write_class(&named);
        Ok(1)
    }

    /// `low` itself if no range follows.
    fn end_of_range(&mut self, low: char) -> Result<char, String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), Some(']') | None) {
            return Ok(low);
        }
        let high = match ahead.next() {
            Some('\\') => ahead.next().filter(char::is_ascii_punctuation),
            high => high,
        };
        let high = high
            .filter(|high| *high >= low)
            .ok_or_else(|| format!("a range begins with {low:?} and has no end after that"))?;
        if !high.is_ascii() {
            return Err(not_in_names(high));
        }
        self.rest = ahead;
        Ok(high)
    }

    fn write_class(&mut self, chosen: &[char]) {
        self.out.push('[');
        // A '-' at the end is literal everywhere.
        let mut rest = chosen.iter().copied().filter(|c| *c != '-').peekable();
        while let Some(low) = rest.next() {
            let mut high = low;
            while let Some(next) = rest.next_if(|next| u32::from(*next) == u32::from(high) + 1) {
                high = next;
            }
            self.out.push(low);
            if high != low {
                self.out.push('-');
                self.out.push(high);
            }
        }
        if chosen.contains(&'-') {
            self.out.push('-');
        }
        self.out.push(']');
    }
}

fn unknown_escape(c: Option<char>) -> String {
    match c {
        None => "a backslash ends it".to_owned(),
        Some('A') => "there is no \\A. Write \"^\"".to_owned(),
        Some('Z' | 'z') => "there is no \\Z. Write \"$\"".to_owned(),
        Some('b' | 'B') => {
            "there are no word boundaries. Write the character that separates, such as \"[._-]\"".to_owned()
        }
        Some('0'..='9') => "there are no backreferences. Write what is to be repeated".to_owned(),
        Some('s') => "no topic name contains white space".to_owned(),
        Some(c) if c.is_ascii_alphabetic() => {
            format!("there is no \\{c} here. Use \\d, \\w, \".\" or a class such as \"[a-z]\"")
        }
        Some(c) => not_in_names(c),
    }
}
