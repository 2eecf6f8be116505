//! What the folder of a study holds: its cells, each with its digest, and the table over them.
//!
//! The digest of a study is over the folders and digests of its cells, in order, and that of its table.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{add_bytes, describe_table, digest, hex, summarise};
use crate::output::{RESOLVED, STUDY};
use crate::sweep::SUMMARY;

/// What `study.json` says.
struct Study {
    experiment: String,
    seed: String,
    version: String,
    cells: Vec<String>,
}

/// Whether the folder is that of a study.
pub(super) fn is_study(path: &Path) -> bool {
    path.join(STUDY).is_file()
}

fn read(path: &Path) -> Result<Study> {
    let file = path.join(STUDY);
    let read = || -> Result<Value> { Ok(serde_json::from_slice(&fs::read(&file)?)?) };
    let known = read().with_context(|| format!("cannot read {}", file.display()))?;
    let text = |key: &str| match &known[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cells = known["cells"].as_array();
    let cells = cells.ok_or_else(|| anyhow!("{} names no cells", file.display()))?;
    let folder = |cell: &Value| cell.as_str().map(str::to_owned);
    Ok(Study {
        experiment: text("experiment"),
        seed: text("seed"),
        version: text("version"),
        cells: cells.iter().filter_map(folder).collect(),
    })
}

/// The digest of a finished study.
pub(super) fn digest_of_study(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    for cell in read(path)?.cells {
        let folder = path.join(&cell);
        if !folder.is_dir() {
            bail!("{}: the cell is not done", folder.display());
        }
        add_bytes(&mut hasher, cell.as_bytes());
        add_bytes(&mut hasher, digest(&folder)?.as_bytes());
    }
    add_bytes(&mut hasher, SUMMARY.as_bytes());
    add_bytes(
        &mut hasher,
        summarise(&path.join(SUMMARY))?.digest.as_bytes(),
    );
    Ok(hex(hasher))
}

/// Describes a study.
pub(super) fn describe(path: &Path) -> Result<String> {
    let study = read(path)?;
    // The whole path: what was typed may end in a slash, or be a dot.
    let whole = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    let partial = whole.with_extension("partial");
    let mut lines = String::new();
    let mut done = 0;
    for (index, cell) in study.cells.iter().enumerate() {
        let folder = path.join(cell);
        let unfinished = partial.join(cell).join(RESOLVED);
        let state = if folder.is_dir() {
            done += 1;
            digest(&folder)?[..12].to_owned()
        } else if unfinished.is_file() {
            "not finished".to_owned()
        } else {
            "not begun".to_owned()
        };
        let _ = writeln!(lines, "  {index:>5}  {state:<12}  {cell}");
    }
    let table = path.join(SUMMARY);
    let is_finished = done == study.cells.len() && table.is_file();
    let whole = match is_finished {
        true => digest_of_study(path)?,
        false => "none: the study is not finished".to_owned(),
    };
    let mut text = format!("{}\n", path.display());
    for (name, value) in [
        (
            "study",
            format!("{done} of {} cells done", study.cells.len()),
        ),
        ("experiment", study.experiment),
        ("seed", study.seed),
        ("version", study.version),
        ("digest", whole),
    ] {
        let _ = writeln!(text, "{name:<10}  {value}");
    }
    let _ = writeln!(text, "   cell  {:<12}  folder", "digest");
    text += &lines;
    if is_finished {
        text += "\n";
        text += &describe_table(Path::new(SUMMARY), &summarise(&table)?);
    }
    Ok(text)
}
