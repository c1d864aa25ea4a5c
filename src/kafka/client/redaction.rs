//! Removes option values that may be secrets from librdkafka's texts.

/// Replaces each of the values by `***`.
pub(in crate::kafka) fn redacted<'a>(text: &str, values: impl Iterator<Item = &'a str>) -> String {
    let mut values: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
    // Longer ones first: a shorter value may be part of a longer one, whose rest would remain.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text.to_owned(), |text, value| without(&text, value))
}

/// Replaces one value. A short one, such as a group named "g", is replaced only where it is a whole word.
fn without(text: &str, value: &str) -> String {
    const LONG: usize = 8;
    let part_of_word = |before: Option<char>, after: Option<char>| {
        before.zip(value.chars().next()).is_some_and(|(one, other)| one.is_alphanumeric() && other.is_alphanumeric())
            || value
                .chars()
                .last()
                .zip(after)
                .is_some_and(|(one, other)| one.is_alphanumeric() && other.is_alphanumeric())
    };
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        kept.push_str(before);
        let inside = part_of_word(kept.chars().last(), after.chars().next());
        kept.push_str(if inside && value.len() < LONG { value } else { "***" });
        rest = after;
    }
    kept + rest
}
