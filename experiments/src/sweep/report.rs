//! Results of a cell that is done.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use super::study::{Study, StudyCell};
use super::table;
use crate::output::METRICS;
use crate::run::{self, CutOff, Verdict};
use crate::summary::CUT_OFF;

/// The results of a cell that is done.
pub struct CellReport {
    /// Its folder.
    pub path: PathBuf,
    /// `summary.json`.
    pub summary: Map<String, Value>,
    /// Verdict on each `[[expect]]` that is for it.
    pub verdicts: Vec<Verdict>,
    /// Phases that were cut off by their `max_ms`, in order.
    pub cut_off: Vec<CutOff>,
}

impl StudyCell {
    /// The phases that were cut off, by the metrics of each network.
    fn cut_off(&self, path: &Path) -> anyhow::Result<Vec<CutOff>> {
        let phases = self.loaded.experiment.phases.iter();
        let mut cut_off: Vec<CutOff> = phases
            .filter(|phase| phase.max_us.is_some())
            .map(|phase| CutOff {
                phase: phase.name.clone(),
                networks: Vec::new(),
            })
            .collect();
        if !cut_off.is_empty() {
            table::for_each_metric(path, |network, metric, value| {
                let phase = metric
                    .strip_suffix(CUT_OFF)
                    .and_then(|m| m.strip_suffix('.'));
                let known = cut_off
                    .iter_mut()
                    .find(|known| Some(&*known.phase) == phase);
                if let Some(known) = known.filter(|_| value.is_some_and(|cut| cut > 0.0)) {
                    known.networks.push(network);
                }
            })?;
            cut_off.retain(|phase| !phase.networks.is_empty());
        }
        Ok(cut_off)
    }
}

impl Study {
    /// Reads the results of the cell of index `place`, which is done, in the study's folder `root`.
    ///
    /// # Errors
    ///
    /// Its summary cannot be read; the path is in the message.
    pub fn report(&self, place: usize, root: &Path) -> anyhow::Result<CellReport> {
        let cell = &self.cells[place];
        let path = root.join(cell.cell.folder());
        let summary = path.join(METRICS);
        let read = || -> anyhow::Result<Map<String, Value>> {
            Ok(serde_json::from_slice(&std::fs::read(&summary)?)?)
        };
        let summary = read().with_context(|| format!("cannot read {}", summary.display()))?;
        let mut verdicts = run::verdicts(&cell.loaded.experiment, &summary);
        for (verdict, settings) in verdicts.iter_mut().zip(self.grid.wheres(&cell.cell)) {
            verdict.place = settings.to_vec();
        }
        Ok(CellReport {
            verdicts,
            cut_off: cell.cut_off(&path)?,
            summary,
            path,
        })
    }
}
