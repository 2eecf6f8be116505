//! The terminal that progress lines are drawn on.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;
use indicatif::TermLike;

/// Columns that lines leave free on the right.
pub(super) const MARGIN: u16 = 3;

/// Stderr, with the cursor left behind the text of the last line.
///
/// A terminal echoes `^C` at the cursor. [`indicatif`] fills each line with spaces up to the right margin, so the echo
/// would go to the next line, and that line would be cleared instead of the drawn ones. This type leaves the spaces
/// out, and writes the line feed only when another line follows.
#[derive(Debug)]
pub(super) struct Screen {
    term: Term,
    /// Whether the cursor is behind a drawn line.
    drawn: AtomicBool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            term: Term::buffered_stderr(),
            drawn: AtomicBool::new(false),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        TermLike::width(&self.term)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.term)
    }

    /// Each redraw begins with this call.
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.drawn.store(false, Ordering::Relaxed);
        self.term.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.term.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.chars().all(|letter| letter == ' ') {
            self.drawn.store(true, Ordering::Relaxed);
            // Clears the rest of a longer line drawn before.
            return self.term.write_str("\x1b[K");
        }
        if self.drawn.swap(false, Ordering::Relaxed) {
            self.term.write_str("\n")?;
        }
        self.term.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.term.flush()
    }
}
