//! Figures of a study that need more than the summaries of its cells.

use serde_json::{Value, json};

use super::shared::{lacks, text};
use crate::report::figure::{Figure, PALETTE, steps};
use crate::report::study::{Durations, Study};

/// Most distributions that are drawn.
const CURVES_MAX: usize = 200;

/// Overlaid distributions of durations. As many are coloured as there are colours, the others are grey.
pub fn durations(study: &Study) -> Figure {
    let title = "Distributions of durations, cell by cell";
    let mut figure = Figure::new("durations", title, "")
        .axes("duration (s)", "share of operations at or below")
        .shares("yaxis");
    figure.is_wide = true;
    figure.is_tall = true;
    let all = study.cells.iter().flat_map(|cell| {
        let of_phase = |durations| (cell.folder.replace('/', ", "), durations);
        cell.durations.iter().map(of_phase)
    });
    let mut all: Vec<(String, &Durations)> = all.collect();
    if all.is_empty() {
        figure.caption = lacks("operations");
        return figure;
    }
    figure.caption = caption(all.len());
    if all.len() > PALETTE.len() {
        // From the fastest to the slowest; of equal ones in the order of cells.
        all.sort_by_key(|(_, durations)| durations.median_us);
    }
    let drawn = evenly(all.len(), CURVES_MAX);
    let coloured: Vec<usize> = evenly(drawn.len(), PALETTE.len())
        .into_iter()
        .map(|index| drawn[index])
        .collect();
    let grey = drawn.iter().filter(|index| !coloured.contains(index));
    for index in coloured.iter().chain(grey) {
        let (cell, durations) = &all[*index];
        let points = durations.points.iter();
        let points = points.map(|&(us, share)| (us as f64 / 1e6, share));
        let points = std::iter::once((0.0, 0.0)).chain(points);
        let mut trace = steps(&format!("{}, {cell}", durations.phase), points);
        trace["hoverlabel"] = json!({"namelength": -1});
        match coloured.contains(index) {
            true => trace["zorder"] = 1.into(),
            false => to_grey(&mut trace),
        }
        figure.trace(trace);
    }
    // Names of cells are long.
    figure.layout["legend"] = json!({"orientation": "v", "x": 1.02, "y": 1});
    let axes = study.axes.iter().map(|axis| format!("\"{}\"", axis.name));
    let axes = axes.collect::<Vec<_>>().join(", ");
    let tables = text(&study.path.join("**/operations.parquet"));
    figure.query(format!(
        "SELECT {axes}, phase, duration_ms / 1000 AS seconds,\n       \
         cume_dist() OVER (PARTITION BY {axes}, phase ORDER BY duration_ms) AS share\n\
         FROM read_parquet({tables}, hive_partitioning = true)\n\
         WHERE duration_ms IS NOT NULL ORDER BY {axes}, phase, seconds"
    ))
}

/// Describes the figure of this many distributions.
fn caption(all: usize) -> String {
    let mut caption =
        "One curve a cell and phase, by the time of the operation. Operations that did not end are left out."
            .to_owned();
    if all > PALETTE.len() {
        caption += &format!(
            " Of {all} curves, {} are coloured: the fastest and the slowest by their medians, and others at even ranks between \
             them. Grey ones say their names when they are pointed at.",
            PALETTE.len()
        );
    }
    if all > CURVES_MAX {
        caption += &format!(" Drawn are {CURVES_MAX} of them, at even ranks too.");
    }
    caption
}

/// Returns at most `most` of the indices below `all`, evenly spread, the first and the last among them.
fn evenly(all: usize, most: usize) -> Vec<usize> {
    match all <= most {
        true => (0..all).collect(),
        false => (0..most)
            .map(|index| index * (all - 1) / (most - 1))
            .collect(),
    }
}

/// Makes a trace grey, and leaves it out of the legend.
fn to_grey(trace: &mut Value) {
    trace["line"]["color"] = "#888888".into();
    trace["line"]["width"] = 1.into();
    trace["opacity"] = 0.4.into();
    trace["showlegend"] = false.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_spread_evenly() {
        assert_eq!(evenly(3, 8), [0, 1, 2]);
        assert_eq!(evenly(15, 8), [0, 2, 4, 6, 8, 10, 12, 14]);
        for all in 9..300 {
            let some = evenly(all, 8);
            assert!(some[0] == 0 && some[7] == all - 1);
            assert!(some.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
