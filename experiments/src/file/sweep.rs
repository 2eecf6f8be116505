//! `[sweep]`: the grid of an experiment, and the tree of values that each of its cells is read from.
//!
//! An axis is a key of `[sweep]` with its list of values, or all `[[sweep.cases]]` together, whose name is `case`. Axes
//! are in the order of the text, the last one is the fastest; a list that an override gives stays in the place of the
//! one it replaces. A cell is read like any experiment, from the file's tree with the settings of the cell assigned, so
//! that an error of a value points at its place in the sweep.

mod axes;
mod resolved;
mod wheres;

use std::sync::Arc;

pub use self::axes::CELLS_MAX;
use self::axes::{Assign, Axis, CASE, Step};
use self::wheres::Where;
use super::cell::{Cell, Setting};
use super::diagnostic::{Diagnostic, Invalid, Sources, Span};
use super::document::{Entry, Node, Table, Value, assign};
use super::report::{Choices, Report};

/// Most values of all cells together. The trees of all cells are in memory at once.
const VALUES_MAX: usize = 4_000_000;

/// The grid of an experiment.
pub(crate) struct Grid {
    /// The tree of the experiment without its sweep and without each `where`.
    root: Value,
    axes: Vec<Axis>,
    wheres: Vec<Where>,
}

impl Grid {
    /// Takes the sweep out of the tree `root`, if it has one.
    ///
    /// # Errors
    /// The sweep itself or a `where` is invalid. The values of keys are not checked here.
    pub(super) fn take(
        root: &mut Table,
        sources: &Sources,
        choices: &Choices,
    ) -> Result<Option<Self>, Invalid> {
        let Some(sweep) = root.remove("sweep") else {
            return Ok(None);
        };
        let report = Report::new(sources, choices);
        let axes = axes::read(&report, root, (&sweep.value, &sweep.span));
        let mut grid = Grid {
            root: Value {
                node: Node::Table(root.clone()),
                span: Span::new(0, 0..0),
            },
            axes,
            wheres: Vec::new(),
        };
        if report.len() == 0 {
            grid.take_wheres(&report);
            grid.limit_values(&report, &sweep.span);
        }
        match report.into_errors() {
            None => Ok(Some(grid)),
            Some(invalid) => Err(invalid),
        }
    }

    /// Returns the number of cells.
    pub(crate) fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.steps.len()).product()
    }

    /// Returns the index of a cell on each axis.
    fn places(&self, index: usize) -> Vec<usize> {
        let mut rest = index;
        let axes = self.axes.iter().rev();
        let place = axes.map(|axis| {
            let place = rest % axis.steps.len();
            rest /= axis.steps.len();
            place
        });
        let mut places: Vec<_> = place.collect();
        places.reverse();
        places
    }

    /// Returns the steps of a cell, one for each axis.
    fn steps(&self, index: usize) -> Vec<(&str, &Step)> {
        let axes = self.axes.iter().zip(self.places(index));
        axes.map(|(axis, place)| (axis.name.as_str(), &axis.steps[place]))
            .collect()
    }

    pub(super) fn cell(&self, index: usize) -> Cell {
        let steps = self.steps(index);
        let axes: Vec<_> = steps
            .iter()
            .map(|(name, step)| ((*name).to_owned(), step.value.clone()))
            .collect();
        let mut settings = axes.clone();
        for (_, step) in steps.iter().filter(|(name, _)| *name == CASE) {
            let set = |assign: &Assign| (assign.key.clone(), assign.setting.clone());
            settings.extend(step.assigns.iter().map(set));
        }
        Cell {
            index,
            axes,
            settings,
        }
    }

    /// Returns the tree that a cell is read from.
    ///
    /// # Errors
    /// A key leads through something that is no table.
    pub(super) fn tree(&self, cell: &Cell, sources: &Sources) -> Result<Table, Invalid> {
        let mut root = self.root.clone();
        if let Some(expects) = expects(&mut root) {
            let places = self.places(cell.index);
            let mut wheres = self.wheres.iter();
            expects.retain(|_| wheres.next().is_none_or(|place| place.holds(&places)));
        }
        let steps = self.steps(cell.index);
        let assigns = steps.iter().flat_map(|(_, step)| &step.assigns);
        let wrong: Vec<Diagnostic> = assigns
            .filter_map(|one| assign(sources, &mut root, &one.path, one.value.clone()).err())
            .collect();
        match root.node {
            Node::Table(root) if wrong.is_empty() => Ok(root),
            _ => Err(Invalid::from_all(wrong)),
        }
    }

    /// Returns the `where` of each expectation that is for the cell, in order.
    pub(crate) fn wheres(&self, cell: &Cell) -> impl Iterator<Item = &[(String, Setting)]> {
        let places = self.places(cell.index);
        let wheres = self.wheres.iter().filter(move |place| place.holds(&places));
        wheres.map(|place| place.0.as_slice())
    }

    /// Takes the `where`s out of the expectations.
    fn take_wheres(&mut self, report: &Report<'_>) {
        let swept = wheres::Swept::of(&self.axes);
        let mut wheres = Vec::new();
        for expect in expects(&mut self.root).into_iter().flatten() {
            let place = match &mut expect.node {
                Node::Table(table) if table.get("where").is_some() => table.remove("where"),
                _ => None,
            };
            let read = |entry: Entry| wheres::read(report, &entry.value, &swept);
            wheres.push(place.map_or_else(Where::default, read));
        }
        self.wheres = wheres;
    }

    /// Reports a sweep whose cells together have more than [`VALUES_MAX`] values.
    fn limit_values(&self, report: &Report<'_>, sweep: &Span) {
        let (cells, values) = (self.len(), self.root.weight());
        if cells.saturating_mul(values) > VALUES_MAX {
            let title = format!("the sweep has {cells} cells of {values} values each");
            let label = format!("allowed: up to {VALUES_MAX} values in all cells together");
            report.error(sweep, title, label);
        }
    }
}

/// Returns the expectations in a tree, if they are a list.
fn expects(root: &mut Value) -> Option<&mut Vec<Value>> {
    let Node::Table(table) = &mut root.node else {
        return None;
    };
    match &mut table.get_mut("expect")?.value.node {
        Node::Array(all) => Some(Arc::make_mut(all)),
        _ => None,
    }
}
