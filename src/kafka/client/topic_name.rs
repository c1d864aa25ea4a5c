//! Valid topic names, as the broker's `Topic.validate` defines them.
//!
//! An invalid name is refused before a request is made: a group member would get no error for it, since librdkafka
//! waits for the topic to be created.

/// In characters, which are all ASCII.
const LONGEST: usize = 249;

/// Why no topic can have this name, with what to write instead.
pub fn refuse_impossible(name: &str) -> Result<(), String> {
    if name.starts_with('^') {
        // librdkafka takes it for a regular expression.
        return Err(format!(
            "{name:?} begins with ^, which no topic name does. For a pattern, use subscribe(pattern=...)"
        ));
    }
    let why = if name.is_empty() {
        "is empty".to_owned()
    } else if let Some(wrong) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        format!("contains {wrong:?}")
    } else if name.len() > LONGEST {
        format!("is {} characters long", name.len())
    } else if matches!(name, "." | "..") {
        "consists of dots only".to_owned()
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(LONGEST).collect();
    Err(format!(
        "{shown:?} {why}, so that no topic can have this name. A topic name has 1 to {LONGEST} of the characters a-z, \
         A-Z, 0-9, '.', '_' and '-', and is not \".\" or \"..\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_are_accepted() {
        for name in ["orders", "a", "A.b_c-9", "...", "..a", "__consumer_offsets", "-", &"x".repeat(249)] {
            assert_eq!(refuse_impossible(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn invalid_names_are_refused_with_a_reason() {
        for (name, why) in [
            ("", "is empty"),
            (".", "dots"),
            ("..", "dots"),
            ("a/b", "contains '/'"),
            ("a b", "contains ' '"),
            ("a\0b", "contains '\\0'"),
            ("bestellungen-größe", "contains 'ö'"),
            (&"x".repeat(250), "is 250 characters long"),
            ("^orders", "subscribe(pattern=...)"),
        ] {
            let refused = refuse_impossible(name).err().unwrap_or_default();
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }
}
