//! Generated and mutated experiment files and imports. No input causes a panic, each gets an answer within 10 s, and every
//! refusal names a place.
//!
//! The default number of inputs is small. A full run needs an optimised program:
//!
//! ```sh
//! KADSIM_FUZZ_EXPERIMENTS=20000 KADSIM_FUZZ_IMPORTS=2000 KADSIM_FUZZ_RUNS=500 \
//!     cargo test --release --test tests cli::fuzz -- --nocapture
//! ```
//!
//! `KADSIM_FUZZ_SEED` selects the inputs. The test writes an input that fails to a file, and prints its path.

mod grammar;
mod imports;
mod mutation;

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use kadsim::engine::random::Stream;
use kadsim::inputs::InputError;
use kadsim::sweep::{self, Task};
use kadsim::warnings::{notices, warnings};
use kadsim::watch::Watch;

use self::grammar::Grammar;
use crate::support::{Answer, Dir, piped};

/// Longest time that an input may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Name of the experiment file.
const FILE: &str = "fuzz.toml";
/// Stack of the thread that reads, as large as that of the program's main thread.
const STACK_BYTES: usize = 8 << 20;

fn variable(name: &str, default: u64) -> u64 {
    let said = env::var(name).ok();
    said.map_or(default, |text| text.parse().unwrap())
}

/// Returns the draws for the inputs of a test, and the number of inputs.
fn draws(test: &str, variable_name: &str, default: u64) -> (Stream, u64) {
    let (seed, count) = (
        variable("KADSIM_FUZZ_SEED", 1),
        variable(variable_name, default),
    );
    println!("{test}: {count} inputs, KADSIM_FUZZ_SEED={seed}");
    let of_test = test.bytes().fold(seed, |state, byte| {
        state.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte)
    });
    (Stream::from_state(of_test), count)
}

/// An experiment file with overrides, and its imported file.
#[derive(Clone, Default)]
struct Input {
    text: Vec<u8>,
    overrides: Vec<String>,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Input {
    fn write(&self, folder: &Path) {
        fs::write(folder.join(FILE), &self.text).unwrap();
        for (name, content) in &self.files {
            fs::write(folder.join(name), content).unwrap();
        }
    }

    /// Writes an input that fails to a file. Returns the path.
    fn keep(&self, test: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{test}"));
        fs::create_dir_all(&folder).unwrap();
        self.write(&folder);
        fs::write(folder.join("overrides"), self.overrides.join("\n")).unwrap();
        folder.join(FILE)
    }
}

/// Returns whether a refusal names a place: a line of the file, an override, or the file itself if it is no text.
fn has_place(message: &str) -> bool {
    let places = [
        &format!("{FILE}:"),
        "command line:",
        "cannot read the experiment file",
    ];
    places.iter().any(|place| message.contains(place))
}

/// Reads an input as `check` does. An error describes what a message must not be.
fn read(path: &Path, input: &Input) -> Result<(), String> {
    match sweep::load(path, &input.overrides, Watch::SILENT) {
        Ok(Task::One(loaded, inputs)) => {
            let found = warnings(&loaded.experiment, &inputs);
            let notices = notices(&loaded, &found);
            let rendered = notices.render(false);
            notices.to_json();
            if found.is_empty() != rendered.is_empty() {
                return Err(format!("{} warnings: {rendered}", found.len()));
            }
            let resolved = loaded.experiment.to_toml();
            let again = kadsim::file::parse("resolved.toml", &resolved, &[]);
            match again {
                Ok(again) if again.experiment == loaded.experiment => Ok(()),
                Ok(_) => Err(format!("reads otherwise once resolved:\n{resolved}")),
                Err(invalid) => Err(format!(
                    "cannot be read once resolved: {invalid}\n{resolved}"
                )),
            }
        }
        Ok(Task::Study(study)) => {
            let all: Vec<usize> = (0..study.cells.len()).collect();
            study.notices(&all).render(false);
            let folders = study.cells.iter().map(|cell| cell.cell.folder());
            let mut folders: Vec<_> = folders.collect();
            folders.sort();
            folders.dedup();
            match folders.len() == all.len() {
                true => Ok(()),
                false => Err("two cells have one folder".to_owned()),
            }
        }
        Err(InputError::Invalid(invalid)) => {
            let message = invalid.render(false);
            invalid.render(true);
            let told = invalid.to_json();
            let shown = told["errors"].as_array().map_or(0, Vec::len);
            let more = told["more"].as_u64().unwrap_or(0) as usize;
            match has_place(&message) {
                _ if told["text"] != message || shown + more != invalid.len() => {
                    Err(format!("as JSON it is another refusal: {told}"))
                }
                true => Ok(()),
                false => Err(format!("refused without a place: {message}")),
            }
        }
        Err(InputError::Stopped(_)) => Err("stopped".to_owned()),
    }
}

/// Reads `count` inputs. Fails if one panics, takes too long, or gets an invalid message.
fn hold(test: &'static str, count: u64, mut make: impl FnMut() -> Input) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let (inputs, queue) = channel::<Input>();
    let (results, ended) = channel();
    let reader = thread::Builder::new().stack_size(STACK_BYTES);
    let reader = reader.spawn(move || {
        for input in queue {
            let read = catch_unwind(AssertUnwindSafe(|| read(&path, &input)));
            let result = read.unwrap_or_else(|_| Err("panicked".to_owned()));
            if results.send(result).is_err() {
                return;
            }
        }
    });
    for number in 0..count {
        let input = make();
        input.write(folder.path());
        inputs.send(input.clone()).unwrap();
        let result = ended.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => format!("no answer within {PATIENCE:?}"),
                RecvTimeoutError::Disconnected => "the reader has gone".to_owned(),
            })
        });
        if let Err(why) = result {
            panic!(
                "input {number}, kept in {}: {why}",
                input.keep(test).display()
            );
        }
        for (name, _) in &input.files {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    }
    drop(inputs);
    reader.unwrap().join().unwrap();
}

#[test]
fn experiments_that_are_generated_or_mutated_are_read_or_refused() {
    let test = "experiments";
    let (mut stream, count) = draws(test, "KADSIM_FUZZ_EXPERIMENTS", 500);
    let grammar = Grammar::learnt();
    let files = mutation::experiments();
    hold(test, count, move || {
        let mut text = match stream.below(3) {
            0 => files[stream.below(files.len() as u64) as usize].clone(),
            _ => grammar.experiment(&mut stream, false).into_bytes(),
        };
        let times = match stream.below(3) {
            0 => 0,
            _ => 1 + stream.below(6),
        };
        for _ in 0..times {
            let other = &files[stream.below(files.len() as u64) as usize];
            mutation::mutate(&mut text, other, &mut stream);
        }
        Input {
            text,
            overrides: grammar.overrides(&mut stream),
            files: Vec::new(),
        }
    });
}

#[test]
fn imports_that_are_generated_or_mutated_are_read_or_refused() {
    let test = "imports";
    let (mut stream, count) = draws(test, "KADSIM_FUZZ_IMPORTS", 500);
    hold(test, count, move || {
        let (text, name, mut content) = imports::import(&mut stream);
        let times = match stream.below(4) {
            0 => 0,
            _ => 1 + stream.below(8),
        };
        let other = content.clone();
        for _ in 0..times {
            mutation::mutate(&mut content, &other, &mut stream);
        }
        Input {
            text: text.into_bytes(),
            overrides: Vec::new(),
            files: vec![(name, content)],
        }
    });
}

/// Runs the program. Fails if it takes too long.
fn run(dir: &Dir, args: &[&str]) -> Result<Answer, String> {
    let child = piped(&mut dir.command(args)).spawn().unwrap();
    let id = child.id();
    let (sender, ended) = channel();
    thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    ended.recv_timeout(PATIENCE).map(Answer::new).map_err(|_| {
        let _ = std::process::Command::new("kill")
            .args(["-9", &id.to_string()])
            .status();
        format!("{args:?} has not ended within {PATIENCE:?}")
    })
}

#[test]
fn small_experiments_that_are_generated_run_or_are_refused() {
    let test = "runs";
    let (mut stream, count) = draws(test, "KADSIM_FUZZ_RUNS", 25);
    let grammar = Grammar::learnt();
    let mut finished = 0;
    for number in 0..count {
        let is_check = stream.below(4) == 0;
        let mut input = Input {
            text: grammar.experiment(&mut stream, !is_check).into_bytes(),
            ..Input::default()
        };
        let dir = Dir::new();
        let mut args = vec!["run", FILE, "--quiet", "--threads", "2", "--out", "out"];
        if is_check {
            args = vec!["check", FILE];
            input.overrides = grammar.overrides(&mut stream);
        }
        for setting in &input.overrides {
            args.extend(["--set", setting]);
        }
        input.write(&dir.path(""));
        let why = match run(&dir, &args) {
            Err(why) => Some(why),
            Ok(answer) => {
                let said = &answer.stderr;
                finished += u64::from(answer.status == Some(0));
                let is_placed = has_place(said) || said.contains("of memory");
                let is_fine = match answer.status {
                    Some(0 | 1) => true,
                    Some(2) => is_placed,
                    _ => false,
                };
                let is_fine = is_fine && !said.contains("panicked");
                (!is_fine).then(|| format!("{args:?}: status {:?}: {said}", answer.status))
            }
        };
        if let Some(why) = why {
            panic!(
                "input {number}, kept in {}: {why}",
                input.keep(test).display()
            );
        }
    }
    println!("{finished} of {count} ended with 0");
    // Some 40 % of what the grammar makes run to their end; a small sample may have fewer, but not hardly any.
    assert!(5 * finished >= count, "{finished} of {count} ended with 0");
}
