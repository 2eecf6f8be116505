//! Milliseconds of the file as whole microseconds, and back. Numbers are read from their text, never through a float.

use kadsim_engine::time::LAST_US;

/// Formats a time as a number of milliseconds with as few decimals as possible: `12.5` for 12 500 microseconds.
pub fn milliseconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1000, micros % 1000);
    if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{rest:03}")
            .trim_end_matches('0')
            .to_owned()
    }
}

/// Reason that a number of milliseconds is not a whole number of microseconds.
pub(super) const TOO_FINE: &str = "more than three decimals";

/// Converts a number of milliseconds, as text, to microseconds, exactly. Trailing zeros of the decimals do not count:
/// 1.5000 is 1.5.
pub(super) fn micros(text: &str) -> Result<u64, &'static str> {
    match decimal(text)? {
        (_, true) => Err(TOO_FINE),
        (micros, false) => Ok(micros),
    }
}

/// Converts a number of milliseconds, as text, to microseconds, with halves rounded away from zero; `None` if it is not
/// a number from 0 to 9e12.
pub(crate) fn micros_rounded(text: &str) -> Option<u64> {
    Some(decimal(text).ok()?.0)
}

/// Converts a number of milliseconds, as text, to microseconds. Returns them, and whether they are rounded.
fn decimal(text: &str) -> Result<(u64, bool), &'static str> {
    const TOO_LARGE: &str = "above 9e12";
    let text = text.to_ascii_lowercase();
    if text.contains("nan") || text.contains("inf") {
        return Err("not a finite number");
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{decimals}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok((0, false));
    }
    if negative {
        return Err("below zero");
    }
    // An exponent beyond 64 bits makes the number too large or zero, by its sign.
    let beyond = if exponent.starts_with('-') {
        i64::MIN / 4
    } else {
        i64::MAX / 4
    };
    let exponent = exponent
        .parse::<i64>()
        .unwrap_or(beyond)
        .clamp(i64::MIN / 4, i64::MAX / 4);
    let zeros = (digits.len() - significant.len()) as i64;
    let scale = exponent - decimals.len() as i64 + zeros + 3;
    let significant = significant.trim_start_matches('0');
    if scale < 0 {
        let dropped = usize::try_from(-scale).unwrap_or(usize::MAX);
        let Some(kept) = significant.len().checked_sub(dropped) else {
            return Ok((0, true));
        };
        let rounds_up = significant.as_bytes()[kept] >= b'5';
        let whole = match &significant[..kept] {
            "" => 0,
            kept => kept.parse::<u64>().map_err(|_| TOO_LARGE)?,
        };
        let micros = whole.saturating_add(rounds_up.into());
        return match micros <= LAST_US {
            true => Ok((micros, true)),
            false => Err(TOO_LARGE),
        };
    }
    let value = significant.parse::<u64>().ok();
    let factor = u32::try_from(scale)
        .ok()
        .and_then(|scale| 10_u64.checked_pow(scale));
    let micros = value
        .zip(factor)
        .and_then(|(value, factor)| value.checked_mul(factor));
    micros
        .filter(|micros| *micros <= LAST_US)
        .map(|micros| (micros, false))
        .ok_or(TOO_LARGE)
}
