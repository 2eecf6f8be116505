//! Shows the progress of a run on a terminal, and carries the user's request to stop.
//!
//! Each part of a run has one line of stderr, which disappears when the part is done. The full text fits 63 columns; a
//! narrower terminal gets a shorter one. One [`MultiProgress`] draws all lines of the process. All other output to
//! stderr goes through [`beside_lines`] meanwhile, so that it does not break the lines. A program that calls this one
//! gets events instead of lines.

mod events;
mod screen;

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{
    HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState,
    ProgressStyle,
};
use terminal_size::{Width, terminal_size_of};

pub use self::events::tell;
use self::screen::{MARGIN, Screen};

/// Most redraws in a second.
const DRAWN_HZ: u8 = 20;
/// Time between two redraws of a line whose position does not change.
const TICK: Duration = Duration::from_millis(100);
/// Time that a phase must run before its speed is shown.
const SPEED_AFTER: Duration = Duration::from_secs(1);
/// Longest name of a phase that is shown whole, in characters, so that the line fits 63 columns.
const NAME_CHARS_MAX: usize = 11;
/// Largest total up to which the number of operations done is shown, rather than the share.
const COUNTED_MAX: u64 = 999_999;
/// Largest total that is shown at all.
const SHOWN_MAX: u64 = 99_999_999;

/// All progress lines of the process.
static LINES: LazyLock<MultiProgress> = LazyLock::new(|| {
    MultiProgress::with_draw_target(match stderr().is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Screen::new()), DRAWN_HZ),
        false => ProgressDrawTarget::hidden(),
    })
});

/// Clears all lines, calls `write`, which may write to stderr, and draws the lines again.
pub fn beside_lines(write: impl FnOnce()) {
    LINES.suspend(write);
}

/// Error: the user has stopped the run.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Stopped;

/// How a run shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not at all.
    Hidden,
    /// As lines of a terminal, which disappear.
    Lines,
    /// As lines of JSON on stderr. A run whose reader is gone stops, as if the user had stopped it.
    Events,
}

/// Progress display of a run, and the flag that stops it.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// How to show progress.
    pub progress: Progress,
    /// Set by the owner of the flag to stop the run.
    pub interrupted: &'a AtomicBool,
    /// Index of the run's cell in a sweep. Its lines begin with it.
    pub cell: Option<usize>,
}

impl Watch<'static> {
    /// Shows nothing and stops nothing.
    pub const SILENT: Self = {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self {
            progress: Progress::Hidden,
            interrupted: &NEVER,
            cell: None,
        }
    };
}

impl<'a> Watch<'a> {
    /// Returns the same for the cell of this index.
    pub(crate) fn of_cell(self, index: usize) -> Self {
        Self {
            cell: Some(index),
            ..self
        }
    }

    /// Checks whether the run should go on.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the flag is set, or if the reader of its events is gone.
    pub fn go_on(self) -> Result<(), Stopped> {
        let is_alone = self.progress == Progress::Events && events::reader_is_gone();
        match is_alone || self.interrupted.load(Ordering::Relaxed) {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    /// Shows a task of unknown length until the line is dropped.
    pub(crate) fn busy(self, part: String) -> Line {
        let what = self.named(&part);
        let write = move |_: &ProgressState, out: &mut dyn Write| {
            // Room for the spinner and a space.
            let room = columns().saturating_sub(usize::from(MARGIN) + 2);
            let shown: String = what.chars().take(room).collect();
            // Writing to a string does not fail.
            let _ = out.write_str(&shown);
        };
        let style = template("{spinner} {what}").with_key("what", write);
        self.line(&part, None, style)
    }

    /// Shows the number of operations done in a phase, until the bar is dropped.
    pub(crate) fn bar(self, name: &str, total: u64) -> Line {
        self.counted(name, (total, "operation"))
    }

    /// Shows the number of nodes that have come to a network, until the bar is dropped.
    pub(crate) fn nodes(self, name: &str, total: u64) -> Line {
        self.counted(name, (total, "node"))
    }

    fn counted(self, name: &str, total: (u64, &str)) -> Line {
        let style = style(shortened(&self.named(name)), |state| {
            let speed = (state.elapsed() >= SPEED_AFTER).then(|| (state.per_sec(), state.eta()));
            status(state.pos(), state.len().unwrap_or(state.pos()), speed)
        });
        self.line(name, Some(total), style)
    }

    /// Shows the number of cells done in a sweep, above the lines of the cells, until the bar is dropped.
    pub(crate) fn cells(self, total: u64) -> Line {
        let name = "cells";
        let style = style(name.to_owned(), |state| {
            let total = state.len().unwrap_or(state.pos());
            let count = format!("{} of {total}", state.pos());
            let time = format!("{count}, {} so far", duration(state.elapsed()));
            [time, count, percent(state.pos(), total)]
        });
        self.line(name, Some((total, "cell")), style)
    }

    /// Adds the index of the cell to the text of a line.
    fn named(self, what: &str) -> String {
        match self.cell {
            None => what.to_owned(),
            Some(cell) => format!("{cell}: {what}"),
        }
    }

    /// Begins the part `what` of a run, which consists of a total of units. A part without them is one of unknown length.
    fn line(self, what: &str, total: Option<(u64, &str)>, style: ProgressStyle) -> Line {
        let (total, unit) = total.unzip();
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let id = match self.progress {
            Progress::Hidden => None,
            Progress::Events => Some(events::begin(&bar, self.cell, what, unit)),
            Progress::Lines => {
                let bar = LINES.add(bar.with_style(style).with_finish(ProgressFinish::AndClear));
                bar.enable_steady_tick(TICK);
                return Line { bar, id: None };
            }
        };
        Line { bar, id }
    }
}

/// The display of a part of a run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    bar: ProgressBar,
    /// The id of its events.
    id: Option<u64>,
}

impl Deref for Line {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.bar
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            events::end(id, self.bar.position());
        }
    }
}

/// Returns the width of the terminal in columns.
fn columns() -> usize {
    terminal_size_of(stderr()).map_or(60, |(Width(width), _)| width.into())
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Returns the style of a bar behind a name, with one of the texts.
fn style(
    name: String,
    texts: impl Fn(&ProgressState) -> [String; 3] + Clone + Send + Sync + 'static,
) -> ProgressStyle {
    let write = move |state: &ProgressState, out: &mut dyn Write| {
        let share = f64::from(state.fraction());
        // Writing to a string does not fail.
        let _ = out.write_str(&drawn(&name, share, &texts(state), columns()));
    };
    template("{line}").with_key("line", write)
}

/// Returns a line of `width` columns: the name, a bar filled to this share, and the first of the texts that fits. The
/// texts stand longest first.
fn drawn(name: &str, share: f64, texts: &[String; 3], width: usize) -> String {
    let room = width.saturating_sub(usize::from(MARGIN) + name.chars().count() + 2);
    let text = fitting(texts, room);
    let length = room.saturating_sub(text.chars().count());
    let full = ((length as f64 * share) as usize).min(length);
    let (full, empty) = ("█".repeat(full), "░".repeat(length - full));
    format!("{name} {full}{empty} {text}")
}

/// Returns the first of the texts that fits `room` columns, or else the last.
fn fitting(texts: &[String; 3], room: usize) -> &str {
    let mut fitting = texts.iter().filter(|text| text.chars().count() <= room);
    fitting.next().unwrap_or(&texts[2])
}

fn percent(done: u64, total: u64) -> String {
    format!("{:.0} %", 100.0 * done as f64 / total.max(1) as f64)
}

/// Returns the status of a phase in three lengths, the longest first. `speed` is operations a second, and the time
/// left.
fn status(done: u64, total: u64, speed: Option<(f64, Duration)>) -> [String; 3] {
    let share = 100.0 * done as f64 / total as f64;
    let count = if total <= COUNTED_MAX {
        format!("{} of {}", HumanCount(done), HumanCount(total))
    } else if total <= SHOWN_MAX {
        format!("{share:.1} % of {}", HumanCount(total))
    } else {
        format!("{share:.3} %")
    };
    let mut text = count.clone();
    if let Some((per_second, left)) = speed.filter(|_| done > 0) {
        let rate = HumanCount(per_second.round() as u64);
        text += &format!(", {rate}/s, {} left", duration(left));
    }
    [text, count, percent(done, total)]
}

/// Formats a time in the unit that gives a number of about two digits.
fn duration(time: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)];
    let seconds = time.as_secs();
    let mut units = UNITS.iter().map(|(unit, length)| (seconds / length, unit));
    match units.find(|(number, _)| *number < 100) {
        // The time left is never shown as 0.
        Some((number, unit)) => format!("{} {unit}", number.max(1)),
        None => "months".to_owned(),
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    let start: String = name.chars().take(NAME_CHARS_MAX - 1).collect();
    start + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_says_all_from_63_columns_on() {
        let name = shortened("a-name-that-goes-on-and-on");
        assert_eq!(name.chars().count(), NAME_CHARS_MAX);
        for total in [0, 10_000, COUNTED_MAX, SHOWN_MAX, u64::MAX] {
            for left in [99, 5_999, 359_999, 8_639_999, u64::MAX] {
                let speed = Some((1_234_567.8, Duration::from_secs(left)));
                for done in [0, 1, total / 2, total] {
                    let texts = status(done, total, speed);
                    for width in 21..100 {
                        let line = drawn(&name, 0.3, &texts, width);
                        assert_eq!(
                            line.chars().count(),
                            width - usize::from(MARGIN),
                            "{width}: {line}"
                        );
                        assert!(width < 63 || line.ends_with(&texts[0]), "{width}: {line}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_speed_is_a_whole_number_and_not_shown_before_there_is_one() {
        let speed = Some((96_219.64, Duration::from_millis(6_400)));
        let shown = status(4811, 10_000, speed);
        let texts = [
            "4,811 of 10,000, 96,220/s, 6 s left",
            "4,811 of 10,000",
            "48 %",
        ];
        assert_eq!(shown, texts);
        assert_eq!(status(0, 10_000, speed)[0], "0 of 10,000");
        assert_eq!(status(4811, 10_000, None)[0], "4,811 of 10,000");
    }
}
