//! Progress bars: terminals that show them, what hides them, and the room that they leave.

use super::closing::{assert_plain, study};
use crate::support::{Dir, LONG, Shown, on_terminal, signal};

/// Bars appear on a capable terminal and disappear at the end. `--no-progress` hides bars and nothing else.
#[test]
fn no_progress_hides_the_bars_and_nothing_else() {
    let dir = Dir::new();
    study(&dir, "\"lookup.alpha\" = [1, 3]\n");
    let is_bar = |text: &str| text.contains(['█', '░']) || text.contains("bootstrap");
    for call in [
        &["run", "small.toml", "--force"][..],
        &["run", "grid.toml", "--force"],
        &["sweep", "grid.toml", "--index", "1"],
        &["layouts", "small.toml"],
    ] {
        let hidden = dir
            .on_terminal(80, &[call, &["--no-progress"]].concat())
            .ends(0);
        assert_plain(&hidden.stderr);
        assert!(!is_bar(&hidden.stderr), "{}", hidden.stderr);
        let names: Vec<_> = hidden
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let piped = dir.kadsim(&[call, &["--no-progress"]].concat()).ends(0);
        let others: Vec<_> = piped
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert!(
            !names.is_empty() && names.starts_with(&others[..1]),
            "{}",
            hidden.stdout
        );
    }
    // The run is long enough for a bar on a busy machine: a thread of its own draws the lines.
    dir.write("long.toml", LONG);
    let mut command = dir.command(&["run", "long.toml", "--force"]);
    let mut shown = Shown::start(80, command.env("TERM", "xterm"));
    shown.wait_for(|text| is_bar(text));
    signal(&shown.child, "-INT");
    let answer = shown.end().ends(130);
    // The bar is cleared at the end.
    let last = answer
        .stderr
        .rfind("\u{1b}[")
        .map(|at| &answer.stderr[at..]);
    assert!(
        last.is_some_and(|last| !is_bar(last)),
        "{:?}",
        answer.stderr
    );
    assert_plain(&answer.stdout);
}

/// A terminal echoes `^C` at the cursor. Behind a full line, the echo would go to the next line, which is not cleared.
#[test]
fn a_bar_leaves_room_for_an_echo() {
    let dir = Dir::new();
    study(&dir, "\"lookup.alpha\" = [1, 3]\n");
    let is_bar = |text: &str| text.contains(['█', '░']);
    for (columns, file) in [(80, "small.toml"), (20, "small.toml"), (80, "grid.toml")] {
        let more = ["--force", "--set", "phase.putting.count=2_000_000"];
        let mut command = dir.command(&[&["run", file], &more[..]].concat());
        let mut shown = Shown::start(columns, command.env("TERM", "xterm"));
        shown.wait_for(is_bar);
        signal(&shown.child, "-INT");
        let shown = shown.end().ends(130).stderr;
        // Each escape sequence ends with a letter.
        let mut parts = shown.split('\u{1b}');
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            text += part
                .split_once(|letter: char| letter.is_ascii_alphabetic())
                .unwrap()
                .1;
        }
        let lines = text.split(['\r', '\n']).filter(|line| is_bar(line));
        let widths: Vec<usize> = lines.map(|line| line.chars().count()).collect();
        let room = usize::from(columns) - 2;
        assert!(
            !widths.is_empty() && widths.iter().all(|width| *width <= room),
            "{widths:?} {text}"
        );
    }
}

/// A terminal that takes only text has no bars.
#[test]
fn a_dumb_terminal_shows_no_bars() {
    let dir = Dir::new();
    let mut command = dir.command(&["run", "small.toml"]);
    let answer = on_terminal(80, command.env("TERM", "dumb")).ends(0);
    assert_eq!(answer.stderr, "");
    assert!(
        answer.stdout.contains("duration_ms.p50"),
        "{}",
        answer.stdout
    );
}
