//! `kadsim report`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use kadsim::report::Report;

/// Name of the page if none is given.
const PAGE: &str = "report.html";

#[derive(Args)]
pub(super) struct ReportArgs {
    /// Folders of runs, which are overlaid, or the folder of a study
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Write the page to this file, replacing one of that name [default: report.html in this folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
    /// Also write the data and the layout of each figure to DIR, as JSON for plotly
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

/// Makes a report, and returns what is printed.
pub(super) fn report(args: &ReportArgs) -> Result<String> {
    let report = Report::of(&args.folders)?;
    let page = args.output.clone().unwrap_or_else(|| PAGE.into());
    report.write(&page)?;
    if let Some(folder) = &args.figures {
        report.write_figures(folder)?;
    }
    if args.open {
        open::that(&page).with_context(|| format!("cannot open {}", page.display()))?;
    }
    Ok(format!("{}\n", page.display()))
}
