//! A folder of its own for each test, the program in it, and its tables as plain columns.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use nix::pty::{Winsize, openpty};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A small experiment: 10 provides, 20 retrieves among 300 nodes, in 0.1 s.
pub const SMALL: &str = r#"schema = 1
name = "small"
seed = 7
network.nodes = 300
link.delay_ms = { uniform = [50, 75] }
link.fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }

[[phase]]
name = "putting"
kind = "provide"
count = 10

[[phase]]
name = "getting"
kind = "retrieve"
count = 20
segments = "putting"
"#;

/// The program under test: the one built with the tests, or another build that `KADSIM` names.
fn program() -> OsString {
    std::env::var_os("KADSIM").unwrap_or_else(|| env!("CARGO_BIN_EXE_kadsim").into())
}

/// A folder that is deleted in the end; `small.toml` is in it.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        let dir = Self(tempfile::tempdir().unwrap());
        dir.write("small.toml", SMALL);
        dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn write_parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = File::create(self.path(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        // The width of the help is the default one.
        command
            .args(args)
            .current_dir(self.0.path())
            .env_remove("COLUMNS");
        command
    }

    pub fn kadsim(&self, args: &[&str]) -> Answer {
        Answer::new(self.command(args).output().unwrap())
    }

    /// As [`Self::kadsim`], on terminals of so many columns.
    pub fn on_terminal(&self, columns: u16, args: &[&str]) -> Answer {
        on_terminal(columns, self.command(args).env("TERM", "xterm"))
    }

    /// As [`Self::command`], after what the shell does by `script`.
    pub fn through(&self, script: &str, args: &[&str]) -> Command {
        let script = format!("{script} \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command
            .args(["-c", &script])
            .arg(program())
            .args(args)
            .current_dir(self.0.path());
        command
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        piped(&mut self.command(args)).spawn().unwrap()
    }

    /// Names of what lies in the folder `name`, in order; nothing if it is not there.
    pub fn list(&self, name: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(name)) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn digest(&self, name: &str) -> String {
        kadsim::inspect::digest(&self.path(name)).unwrap()
    }

    pub fn table(&self, name: &str) -> Table {
        Table::read(&self.path(name))
    }
}

/// What a call says with stdout on a terminal of so many columns, and stderr on another one.
pub fn on_terminal(columns: u16, command: &mut Command) -> Answer {
    let (stdout, out) = terminal(columns);
    let (stderr, err) = terminal(columns);
    let mut child = command.stdout(out).stderr(err).spawn().unwrap();
    // The last ones at the terminals' other ends, so that reading comes to an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let [stdout, stderr] = [stdout, stderr].map(|end| thread::spawn(|| read_terminal(end)));
    Answer {
        status: child.wait().unwrap().code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// A terminal of so many columns: the end that sees what is shown, and the one for a program.
fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let ends = openpty(&size, None).unwrap();
    (ends.master, ends.slave)
}

/// All that a terminal was given, lines ended as in a file.
fn read_terminal(end: OwnedFd) -> String {
    let (mut file, mut text) = (File::from(end), Vec::new());
    let mut buffer = [0; 4096];
    // Linux reports an error when the last one at the other end is gone, others an end.
    while let Ok(read @ 1..) = file.read(&mut buffer) {
        text.extend(&buffer[..read]);
    }
    String::from_utf8(text).unwrap().replace("\r\n", "\n")
}

/// A number that an environment variable may give.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text}")),
        Err(_) => default,
    }
}

/// Random numbers (SplitMix64) of a seed that is printed, and that an environment variable may give.
pub struct Random(u64);

impl Random {
    pub fn new(name: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = setting(name, now.as_nanos() as u64);
        println!("{name}={seed}");
        Self(seed)
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The command with its output kept.
pub fn piped(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// What a call said, and how it ended.
pub struct Answer {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn new(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(
            self.status,
            Some(status),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in\n{}",
                self.stderr
            );
        }
        self
    }
}

/// A whole table.
pub struct Table {
    pub batch: RecordBatch,
    /// Metadata `kadsim.complete`.
    pub complete: Option<String>,
    /// Metadata `kadsim.seed`.
    pub seed: Option<String>,
}

impl Table {
    pub fn read(path: &Path) -> Self {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let metadata = reader
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .cloned()
            .unwrap_or_default();
        let noted = |key: &str| {
            let pair = metadata.iter().find(|pair| pair.key == key);
            pair.and_then(|pair| pair.value.clone())
        };
        let (complete, seed) = (noted("kadsim.complete"), noted("kadsim.seed"));
        let schema = reader.schema().clone();
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        Self {
            batch: concat_batches(&schema, &batches).unwrap(),
            complete,
            seed,
        }
    }

    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&self, name: &str, r#type: &DataType) -> ArrayRef {
        let column = self
            .batch
            .column_by_name(name)
            .unwrap_or_else(|| panic!("no column {name}"));
        // Booleans become numbers in two steps.
        let column = match column.data_type() {
            DataType::Boolean => cast(column, &DataType::UInt8).unwrap(),
            _ => column.clone(),
        };
        cast(&column, r#type).unwrap()
    }

    /// A column of numbers or booleans.
    pub fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        self.column(name, &DataType::Float64)
            .as_primitive::<Float64Type>()
            .iter()
            .collect()
    }

    /// A column of numbers that are all there.
    pub fn values(&self, name: &str) -> Vec<f64> {
        self.numbers(name)
            .into_iter()
            .map(|value| value.unwrap_or_else(|| panic!("null in {name}")))
            .collect()
    }

    pub fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().sum()
    }

    pub fn words(&self, name: &str) -> Vec<String> {
        let column = self.column(name, &DataType::Utf8);
        assert_eq!(column.null_count(), 0);
        column
            .as_string::<i32>()
            .iter()
            .map(|word| word.unwrap().to_owned())
            .collect()
    }
}
