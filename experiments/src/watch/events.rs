//! Progress as lines of JSON on stderr, for programs that call this one.
//!
//! A part of a run begins, progresses and ends:
//!
//! ```json
//! {"event":"begin","id":0,"cell":null,"what":"seeding","total":2000,"unit":"operation"}
//! {"event":"progress","id":0,"done":812}
//! {"event":"end","id":0,"done":2000}
//! ```
//!
//! Progress comes at most every [`PAUSE`]. Total and unit are null where the length is not known; `cell` is the index of a
//! study's cell.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, WeakProgressBar};
use serde_json::{Value, json};

/// Time between two looks at the bars.
const PAUSE: Duration = Duration::from_millis(100);

/// Bars that have begun and not ended.
static BARS: Mutex<Vec<Bar>> = Mutex::new(Vec::new());
/// Whether a line could not be written.
static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

/// A bar, its id, and the position that was written last.
struct Bar {
    id: u64,
    bar: WeakProgressBar,
    written: u64,
}

/// Writes an event as one line of stderr.
pub fn tell(event: &Value) {
    let line = format!("{event}\n");
    let mut stderr = io::stderr().lock();
    let written = stderr.write_all(line.as_bytes());
    if written.and_then(|()| stderr.flush()).is_err() {
        READER_IS_GONE.store(true, Ordering::Relaxed);
    }
}

/// Returns whether the reader of the events is gone. No user waits for the run then.
pub(super) fn reader_is_gone() -> bool {
    READER_IS_GONE.load(Ordering::Relaxed)
}

/// Writes that a part begins, and its progress until [`end`]. Returns its id.
pub(super) fn begin(bar: &ProgressBar, cell: Option<usize>, what: &str, unit: Option<&str>) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static LOOKING: Once = Once::new();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    tell(
        &json!({ "event": "begin", "id": id, "cell": cell, "what": what, "total": bar.length(), "unit": unit }),
    );
    BARS.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Bar {
            id,
            bar: bar.downgrade(),
            written: 0,
        });
    // Without the thread there is no progress between begin and end, and the run goes on.
    LOOKING.call_once(|| drop(thread::Builder::new().spawn(look)));
    id
}

/// Writes that a part has ended at this position.
pub(super) fn end(id: u64, done: u64) {
    let mut bars = BARS.lock().unwrap_or_else(PoisonError::into_inner);
    bars.retain(|bar| bar.id != id);
    tell(&json!({ "event": "end", "id": id, "done": done }));
}

/// Writes the positions that have changed, again and again.
fn look() {
    loop {
        thread::sleep(PAUSE);
        let mut bars = BARS.lock().unwrap_or_else(PoisonError::into_inner);
        for bar in bars.iter_mut() {
            let position = bar.bar.upgrade().map(|line| line.position());
            if let Some(done) = position.filter(|done| *done != bar.written) {
                bar.written = done;
                tell(&json!({ "event": "progress", "id": bar.id, "done": done }));
            }
        }
    }
}
