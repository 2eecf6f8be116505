//! Parts of messages: excerpts of input, lists of names, suggestions.

use std::borrow::Borrow;

/// Longest excerpt of input in a message, in characters.
const SHOWN_CHARS_MAX: usize = 60;
/// Names listed in a message.
const NAMES_LISTED_MAX: usize = 10;
/// Least similarity, from 0 to 1, at which a word is suggested for another.
const ALIKE_MIN: f64 = 0.8;
/// Longest word that gets a suggestion, in bytes.
const SUGGESTED_BYTES_MAX: usize = 64;

/// Formats input for a message: on one line and not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Lists names, at most [`NAMES_LISTED_MAX`].
pub(crate) fn some<S: Borrow<str>>(names: &[S]) -> String {
    let shown = &names[..names.len().min(NAMES_LISTED_MAX)];
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Returns the question whether the most similar word of `allowed` was meant by `word`, if one is similar enough.
pub(super) fn suggestion<'a>(
    word: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if word.len() > SUGGESTED_BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let scored = allowed
        .into_iter()
        .map(|one| (strsim::jaro_winkler(&lower, one), one));
    let best = scored
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, one)| format!("did you mean `{one}`?"))
}
