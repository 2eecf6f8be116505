//! A page of figures for runs and studies: one HTML file that needs no network.
//!
//! Figures are drawn by plotly.js, which the crate `plotly` carries; its builders are not used, because figures are
//! data here, which `--figures` writes as they are. Of the crates that draw plots, those that render images have no legend
//! that can be switched, and `charming` loads its script from a server.

mod figure;
mod figures;
mod page;
mod run;
mod scan;
mod study;
mod tally;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::figure::Figure;
use self::figures::metrics::Pick;
use self::run::Run;
use self::study::Study;
use crate::inspect::{is_study, is_unfinished};
use crate::output::{RESOLVED, STUDY, publish};

/// A report.
pub struct Report {
    html: String,
    figures: Vec<Figure>,
}

impl Report {
    /// Reads the folders of runs, which are overlaid, or the folder of a study.
    ///
    /// # Errors
    ///
    /// A folder is none of a run or of a study, or a file in it cannot be read; the path is in the message. A study among
    /// several folders.
    pub fn of(folders: &[PathBuf]) -> Result<Self> {
        let studies = folders.iter().filter(|folder| is_study(folder));
        match (studies.count(), folders) {
            (0, _) => {
                check_different(folders)?;
                let labels = labels(folders);
                let runs = folders.iter().zip(labels);
                let runs = runs.map(|(folder, label)| run(folder, label));
                let runs = runs.collect::<Result<Vec<Run>>>()?;
                let figures = figures::of_runs(&runs);
                let html = page::of_runs(&runs, &figures);
                Ok(Self { html, figures })
            }
            (1, [folder]) => {
                let study = Study::read(folder)?;
                let pick = Pick::of(&study);
                let figures = figures::of_study(&study, pick.as_ref());
                let html = page::of_study(&study, pick.as_ref(), &figures);
                Ok(Self { html, figures })
            }
            _ => bail!("a study has a report of its own: name one study, or runs alone"),
        }
    }

    /// Writes the page. A file of that name is replaced when the new one is whole.
    ///
    /// # Errors
    ///
    /// The file system refuses; the path is in the message.
    pub fn write(&self, path: &Path) -> Result<()> {
        write(path, self.html.as_bytes())
    }

    /// Writes each figure that is drawn to `FOLDER/NAME.json`, as plotly takes it.
    ///
    /// # Errors
    ///
    /// The file system refuses; the path is in the message.
    pub fn write_figures(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let drawn = self.figures.iter().filter(|figure| !figure.data.is_empty());
        for figure in drawn {
            let path = folder.join(format!("{}.json", figure.id));
            write(&path, figure.json().to_string().as_bytes())?;
        }
        Ok(())
    }
}

/// Checks that no folder is named twice.
fn check_different(folders: &[PathBuf]) -> Result<()> {
    // A folder that is missing is found when it is read.
    let whole = folders
        .iter()
        .map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
    let whole: Vec<PathBuf> = whole.collect();
    let is_again = |index: &usize| whole[..*index].contains(&whole[*index]);
    match (0..whole.len()).find(is_again) {
        Some(index) => bail!("{}: named twice", folders[index].display()),
        None => Ok(()),
    }
}

/// Returns the folders' names or, where two are alike, the whole paths.
fn labels(folders: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| {
        // The canonical path, because the given one may be a dot.
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let name = whole.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let names: Vec<String> = folders.iter().map(name).collect();
    let are_different = names
        .iter()
        .enumerate()
        .all(|(index, name)| !names[..index].contains(name));
    match are_different {
        true => names,
        false => folders
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
    }
}

/// Reads the folder of a run.
fn run(folder: &Path, label: String) -> Result<Run> {
    let found = fs::metadata(folder).with_context(|| folder.display().to_string())?;
    if !found.is_dir() {
        bail!(
            "{}: no folder; a report is made of folders of runs, or of a study",
            folder.display()
        );
    }
    if !folder.join(RESOLVED).is_file() {
        bail!(
            "{}: no run of kadsim, which has a file {RESOLVED}, nor a study, which has a file {STUDY}",
            folder.display()
        );
    }
    let whole = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    Run::read(folder, label, !is_unfinished(&whole))
}

/// Writes a file beside `path` and gives it that name when it is whole.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let made = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let written = made
        .with_context(|| format!("cannot write {}", path.display()))
        .and_then(|()| publish(&partial, path));
    if written.is_err() {
        // What failed before is what the caller reports.
        let _ = fs::remove_file(&partial);
    }
    written
}
