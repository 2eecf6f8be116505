//! `kadsim new`: experiment files to start from.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use clap::builder::PossibleValuesParser;
use kadsim::table::{Side, TextTable};

/// Each kind with its file. The first sentence of a file is the question that it answers. Each names itself after its
/// kind.
const TEMPLATES: [(&str, &str); 5] = [
    ("lookup", include_str!("new/lookup.toml")),
    ("retrieve", include_str!("new/retrieve.toml")),
    ("das", include_str!("new/das.toml")),
    ("churn", include_str!("new/churn.toml")),
    ("sweep", include_str!("new/sweep.toml")),
];

#[derive(Args)]
pub(super) struct NewArgs {
    /// What to experiment on; without it, all kinds are listed
    #[arg(value_parser = PossibleValuesParser::new(TEMPLATES.map(|(kind, _)| kind)))]
    kind: Option<String>,
    /// Name of the experiment, and of its file without .toml [default: the kind]
    #[arg(long, requires = "kind", value_parser = name)]
    name: Option<String>,
    /// Replace a file of that name
    #[arg(long, requires = "kind")]
    force: bool,
}

/// Checks the name of an experiment.
fn name(text: &str) -> Result<String, String> {
    let is_allowed = |letter| matches!(letter, 'a'..='z' | '0'..='9' | '_' | '-');
    match !text.is_empty() && text.chars().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err("allowed: lower-case letters, digits, _ and -".to_owned()),
    }
}

/// Writes the experiment file, or lists the kinds. Returns what to print.
///
/// # Errors
///
/// The file exists and is not to be replaced, or cannot be written. No part of a file stays.
pub(super) fn new(args: &NewArgs, width: Option<usize>) -> anyhow::Result<String> {
    let template = TEMPLATES
        .iter()
        .find(|(kind, _)| args.kind.as_deref() == Some(*kind));
    let Some((kind, text)) = template else {
        return Ok(kinds(width));
    };
    let name = args.name.as_deref().unwrap_or(kind);
    let path = PathBuf::from(format!("{name}.toml"));
    write(&path, &named(kind, name, text), args.force)?;
    let path = path.display();
    Ok(format!("{path}\n`kadsim run {path}` runs it\n"))
}

/// Returns the kinds, each with its question.
fn kinds(width: Option<usize>) -> String {
    let mut table = TextTable::new(1, [("kind", Side::Left), ("answers", Side::Left)]);
    for (kind, text) in TEMPLATES {
        table.push([kind.to_owned(), question(text)]);
    }
    table.render(width)
}

/// Returns the first sentence of a file that is a question.
fn question(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let comment: Vec<&str> = comment.map(str::trim).collect();
    let comment = comment.join(" ");
    let end = comment.find('?').map_or(comment.len(), |at| at + 1);
    comment[..end].to_owned()
}

/// Returns the file of a kind under another name.
fn named(kind: &str, name: &str, text: &str) -> String {
    text.replace(
        &format!("name = \"{kind}\"\n"),
        &format!("name = \"{name}\"\n"),
    )
    .replace(&format!("{kind}.toml"), &format!("{name}.toml"))
    .replace(&format!("out/{kind}"), &format!("out/{name}"))
}

fn write(path: &PathBuf, text: &str, force: bool) -> anyhow::Result<()> {
    // A file that is to be replaced stays until the new one is whole.
    let target = match force {
        true => path.with_extension("toml.new"),
        false => path.clone(),
    };
    let fresh = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&target);
    let mut file = fresh.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let remedy = match force {
                true => "remove it",
                false => "--force replaces it, --name chooses another name",
            };
            anyhow!("{} exists; {remedy}", target.display())
        }
        _ => anyhow!("cannot write {}: {error}", target.display()),
    })?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    let written = written.and_then(|()| match force {
        true => fs::rename(&target, path),
        false => Ok(()),
    });
    written
        .inspect_err(|_| drop(fs::remove_file(&target)))
        .with_context(|| format!("cannot write {}", path.display()))
}
