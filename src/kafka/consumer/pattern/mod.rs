//! Subscription patterns: one dialect of regular expressions with one meaning under both group protocols.
//!
//! librdkafka matches a pattern with libc's `regexec` (POSIX extended, anywhere in the name) under the classic
//! protocol, the broker with RE2/J (the whole name) under KIP-848. So a pattern is parsed and written again for both,
//! as `^(...).*`: it matches from the beginning of a name, as Python's `re.match` does.

mod characters;

use std::iter::Peekable;
use std::str::Chars;

/// POSIX guarantees 255 repetitions (RE_DUP_MAX), RE2/J 1,000 in nested ones.
const MOST_REPEATS: u32 = 255;
const MOST_NESTED_REPEATS: u32 = 1000;
/// The parser recurses.
const DEEPEST: usize = 50;

/// The pattern for librdkafka, or why there is none and what to write instead.
pub fn translate(pattern: &str) -> Result<String, String> {
    let mut parser =
        Parser { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 8), depth: 0 };
    parser.out.push_str("^(");
    parser.alternatives()?;
    if parser.rest.next().is_some() {
        return Err("a ')' has no '('".to_owned());
    }
    parser.out.push_str(").*");
    Ok(parser.out)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    depth: usize,
}

fn in_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn not_in_names(c: char) -> String {
    format!("no topic name contains {c:?}")
}

impl Parser<'_> {
    fn eat(&mut self, c: char) -> bool {
        self.rest.next_if_eq(&c).is_some()
    }

    /// Parses up to the end or a ')'. Returns how many repetitions are nested in it.
    fn alternatives(&mut self) -> Result<u32, String> {
        let mut repeats = 1;
        loop {
            repeats = repeats.max(self.sequence()?);
            if !self.eat('|') {
                return Ok(repeats);
            }
            self.out.push('|');
        }
    }

    fn sequence(&mut self) -> Result<u32, String> {
        let (mut repeats, mut empty) = (1, true);
        while let Some(c) = self.rest.next_if(|c| !matches!(c, '|' | ')')) {
            empty = false;
            let inner = match c {
                '^' | '$' => {
                    self.out.push(c);
                    if matches!(self.rest.peek(), Some('*' | '+' | '?' | '{')) {
                        return Err(format!("nothing to repeat after {c:?}"));
                    }
                    continue;
                }
                '(' => self.group()?,
                '[' => self.class()?,
                '\\' => self.escape()?,
                '.' => self.plain("."),
                '*' | '+' | '?' => return Err(format!("nothing to repeat before {c:?}")),
                c if in_names(c) => self.plain(c.encode_utf8(&mut [0; 4])),
                c => return Err(not_in_names(c)),
            };
            repeats = repeats.max(self.repetition(inner)?);
        }
        if empty {
            return Err(
                "an alternative is empty. Write \".*\" for every topic, and \"(a|b)?\" for what may be missing"
                    .to_owned(),
            );
        }
        Ok(repeats)
    }

    fn plain(&mut self, text: &str) -> u32 {
        self.out.push_str(text);
        1
    }

    fn group(&mut self) -> Result<u32, String> {
        if self.eat('?') && !self.eat(':') {
            return Err(match self.rest.next() {
                Some('=' | '!' | '<') => {
                    "there is no lookaround, and no named group. Subscribe to topics by name, or look at message.topic"
                }
                Some('P') => "there are no named groups. Write \"(...)\"",
                _ => "there are no flags such as (?i). Write \"[oO]rders\"",
            }
            .to_owned());
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("groups are nested more than {DEEPEST} deep"));
        }
        self.out.push('(');
        let repeats = self.alternatives()?;
        if !self.eat(')') {
            return Err("a '(' has no ')'".to_owned());
        }
        self.out.push(')');
        self.depth -= 1;
        Ok(repeats)
    }

    fn repetition(&mut self, inner: u32) -> Result<u32, String> {
        let repeats = match self.rest.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.out.push(*c);
                self.rest.next();
                inner
            }
            Some('{') => {
                self.rest.next();
                inner.saturating_mul(self.count()?)
            }
            _ => return Ok(inner),
        };
        if repeats > MOST_NESTED_REPEATS {
            return Err(format!("nested repetitions come to more than {MOST_NESTED_REPEATS}"));
        }
        match self.rest.peek() {
            Some('?') => {
                Err("there are no lazy repetitions such as \"*?\". Leave out the '?': the same names match".to_owned())
            }
            Some('*' | '+' | '{') => {
                Err("a repetition follows a repetition. Put the first one in parentheses".to_owned())
            }
            _ => Ok(repeats),
        }
    }

    /// The rest of `{2}`, `{2,}` or `{2,5}`.
    fn count(&mut self) -> Result<u32, String> {
        const WRONG: &str = "a '{' is not the beginning of a repetition such as {2}, {2,} or {2,5}";
        let text: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX)).ok_or(WRONG)
        };
        let (low, high) = match text.split_once(',') {
            None => (number(&text)?, number(&text)?),
            Some((low, "")) => (number(low)?, number(low)?),
            Some(("", high)) => (0, number(high)?),
            Some((low, high)) => (number(low)?, number(high)?),
        };
        if !self.eat('}') || low > high {
            return Err(WRONG.to_owned());
        }
        if high > MOST_REPEATS {
            return Err(format!("a repetition is larger than {MOST_REPEATS}"));
        }
        self.out.push_str(&match text.split_once(',') {
            None => format!("{{{low}}}"),
            Some((_, "")) => format!("{{{low},}}"),
            Some(_) => format!("{{{low},{high}}}"),
        });
        Ok(high.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_written_for_both_protocols() {
        for (pattern, written) in [
            ("orders", "^(orders).*"),
            ("orders|payments", "^(orders|payments).*"),
            ("^orders$|^payments", "^(^orders$|^payments).*"),
            (r"orders-\d+$", "^(orders-[0-9]+$).*"),
            (r"a\.b\-c\_", r"^(a\.b-c_).*"),
            ("(?:a|b){2}c{1,}d{,3}e{0,4}", "^((a|b){2}c{1,}d{0,3}e{0,4}).*"),
            ("[^a-y]", "^([.0-9A-Z_z-]).*"),
            (r"[\d\w.-]+", "^([.0-9A-Z_a-z-]+).*"),
            (r"[]a\]-]", "^([a-]).*"),
            ("[+--]", "^([-]).*"),
            (r"\w\W\D\S", "^([0-9a-zA-Z_][.-][a-zA-Z._-].).*"),
        ] {
            assert_eq!(translate(pattern).as_deref(), Ok(written), "{pattern}");
        }
    }

    #[test]
    fn what_one_of_them_lacks_is_refused() {
        for (pattern, why) in [
            ("", "\".*\""),
            ("a|", "empty"),
            ("()", "empty"),
            ("(a", "has no ')'"),
            ("a)", "has no '('"),
            ("[a", "has no ']'"),
            ("[b-a]", "range"),
            ("[/]", "no character"),
            ("[[:alpha:]]", "[a-zA-Z]"),
            ("*a", "nothing to repeat"),
            ("^*a", "nothing to repeat"),
            ("a**", "parentheses"),
            ("a*?", "lazy"),
            ("a{", "repetition such as"),
            ("a{2,1}", "repetition such as"),
            ("a{x}", "repetition such as"),
            ("a{256}", "larger than 255"),
            ("(a{200}){200}", "nested"),
            ("(?=a)", "lookaround"),
            ("(?!a)b", "lookaround"),
            ("(?P<x>a)", "named"),
            ("(?i)a", "flags"),
            (r"a\b", "boundaries"),
            (r"(a)\1", "backreferences"),
            (r"a\Z", "\"$\""),
            (r"\Aa", "\"^\""),
            (r"a\s", "white space"),
            (r"\p{L}", "no \\p"),
            ("a\\", "backslash"),
            ("a b", "' '"),
            ("größe", "'ö'"),
        ] {
            let refused = translate(pattern).err().unwrap_or_default();
            assert!(refused.contains(why), "{pattern}: {refused:?}");
        }
        assert!(translate(&"(".repeat(100_000)).is_err());
    }
}
