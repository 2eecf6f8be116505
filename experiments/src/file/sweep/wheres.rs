//! Which cells of a sweep an `[[expect]]` is for.

use std::collections::HashMap;
use std::sync::Arc;

use super::axes::{Axis, CASE, setting_of};
use crate::file::cell::{Setting, TakenFor};
use crate::file::diagnostic::Diagnostic;
use crate::file::document::{Value, flat};
use crate::file::field::Field;
use crate::file::keys::table as keys;
use crate::file::report::Report;
use crate::file::wording::{shown, some};

/// An `[[expect]]`: the cells it is for, by the settings they have, and by an axis and its steps for each setting.
#[derive(Default)]
pub(super) struct Where(pub(super) Vec<(String, Setting)>, Vec<(usize, Steps)>);

/// Steps of an axis, ascending.
type Steps = Arc<Vec<usize>>;

/// The swept keys in order, and of each the axis that sets it and the steps that have a value of it.
pub(super) struct Swept<'a> {
    keys: Vec<&'a str>,
    steps: HashMap<&'a str, (usize, HashMap<TakenFor, Steps>)>,
}

impl Where {
    /// Whether it is for the cell at these places of the axes.
    pub(super) fn holds(&self, places: &[usize]) -> bool {
        let all = &mut self.1.iter();
        all.all(|(axis, steps)| steps.binary_search(&places[*axis]).is_ok())
    }

    /// Whether there is a cell it is for.
    fn is_possible(&self, axes: usize) -> bool {
        (0..axes).all(|axis| {
            let of_axis = self.1.iter().filter(|(other, _)| *other == axis);
            let mut of_axis = of_axis.map(|(_, steps)| steps);
            let Some(first) = of_axis.next() else {
                return true;
            };
            let rest: Vec<_> = of_axis.collect();
            let has = |step: &usize| rest.iter().all(|other| other.binary_search(step).is_ok());
            first.iter().any(has)
        })
    }
}

impl<'a> Swept<'a> {
    pub(super) fn of(axes: &'a [Axis]) -> Self {
        let mut keys = Vec::new();
        let mut found: HashMap<&str, (usize, HashMap<TakenFor, Vec<usize>>)> = HashMap::new();
        let mut add = |key: &'a str, axis: usize, value: &Setting, step: usize| {
            let (_, of_key) = found.entry(key).or_insert_with(|| {
                keys.push(key);
                (axis, HashMap::new())
            });
            of_key.entry(value.taken_for(false)).or_default().push(step);
        };
        for (index, axis) in axes.iter().enumerate() {
            for (place, step) in axis.steps.iter().enumerate() {
                add(&axis.name, index, &step.value, place);
                let assigns = step.assigns.iter().filter(|_| axis.name == CASE);
                for assign in assigns {
                    add(&assign.key, index, &assign.setting, place);
                }
            }
        }
        let shared = |of_key: HashMap<TakenFor, Vec<usize>>| {
            let all = of_key.into_iter();
            all.map(|(value, steps)| (value, Arc::new(steps))).collect()
        };
        let steps = found.into_iter();
        let steps = steps.map(|(key, (axis, of_key))| (key, (axis, shared(of_key))));
        Self {
            steps: steps.collect(),
            keys,
        }
    }
}

/// A `where`, which some cell has to meet.
pub(super) fn read(report: &Report<'_>, value: &Value, swept: &Swept<'_>) -> Where {
    let field = Field {
        report,
        path: keys::WHERE.path.to_owned(),
        takes: &keys::WHERE.takes,
        key: value.span,
        value,
    };
    let mut place = Where::default();
    let Some(table) = field.table() else {
        return place;
    };
    let before = report.len();
    for (key, span, value) in flat(table, "", &|key| !swept.steps.contains_key(key)) {
        let Some((axis, values)) = swept.steps.get(key.as_str()) else {
            let title = format!("`expect.where` has `{}`, which is not swept", shown(&key));
            let label = format!("allowed: {}", some(&swept.keys));
            let error = report.sources.diagnostic(&span, title, label);
            let meant = report.suggestion(&key, swept.keys.iter().copied());
            report.push(meant.into_iter().fold(error, Diagnostic::help));
            continue;
        };
        let setting = setting_of(value);
        match values.get(&setting.taken_for(false)) {
            Some(steps) => place.1.push((*axis, Arc::clone(steps))),
            None => {
                let title = format!("no cell has {key}={}", shown(&setting.to_string()));
                let label = "allowed: one of the values that the key is given in [sweep]";
                report.error(&value.span, title, label);
            }
        }
        place.0.push((key, setting));
    }
    let axes = swept.steps.values().map(|(axis, _)| axis + 1).max();
    if report.len() == before && !place.is_possible(axes.unwrap_or(0)) {
        let label = "allowed: values that some cell has together";
        report.error(&value.span, "no cell is as `expect.where` says", label);
    }
    place
}
