//! Parts of messages: excerpts of input, lists of names, suggestions.

/// Longest excerpt of input in a message, in characters.
const SHOWN_CHARS_MAX: usize = 60;
/// Names listed in a message.
const NAMES_LISTED_MAX: usize = 10;
/// How alike two words must be, from 0 to 1, for one to be suggested for the other.
const ALIKE_MIN: f64 = 0.8;
/// Longest word that a suggestion is sought for, in bytes.
const SUGGESTED_BYTES_MAX: usize = 64;

/// Input as it stands in a message: on one line and not too long.
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

/// Names, as many as fit a message.
pub(super) fn some(names: &[&str]) -> String {
    let shown = &names[..names.len().min(NAMES_LISTED_MAX)];
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The word of `allowed` that `word` was likely meant to be, as a question.
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
