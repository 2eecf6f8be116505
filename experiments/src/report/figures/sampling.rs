//! Figures of sampling: of retrieve phases with deadlines, in which each origin takes several segments.

use serde_json::json;

use super::shared::{Source, finished, name_of};
use crate::file::{DeadlineFrom, Draw, Origin, Pace, Work};
use crate::report::figure::{Figure, line, rounded, steps};
use crate::report::run::{Phase, Run, State};
use crate::report::tally::POINTS_MAX;

/// Returns the figures, if a run has such a phase.
pub fn figures(runs: &[Run]) -> Vec<Figure> {
    let phases = runs
        .iter()
        .flat_map(|run| run.phases.iter().map(move |phase| (run, phase)));
    let retrieves =
        phases.filter(|(run, phase)| run.retrieves(&phase.name).is_some_and(|count| count > 0.0));
    let found: Vec<(&Run, &Phase)> = retrieves.collect();
    let draws_several = |phase: &Phase| phase.by_origin.values().any(|&(all, _)| all > 1);
    let several = found
        .iter()
        .copied()
        .filter(|(_, phase)| draws_several(phase));
    let several: Vec<(&Run, &Phase)> = several.collect();
    let mut figures = Vec::new();
    if !found.is_empty() {
        figures.push(by_the_clock(runs, &found));
    }
    if !several.is_empty() {
        figures.push(lacking(runs, &several));
    }
    figures
}

/// Segments found, by the clock of the run: from the table of operations or, where there is none, of ticks.
fn by_the_clock(runs: &[Run], found: &[(&Run, &Phase)]) -> Figure {
    let caption = "The clock starts with the run, as a slot's does. Dotted lines are deadlines by this clock.";
    let mut figure = Figure::new(
        "by-the-clock",
        "Segments found, by the clock of the run",
        caption,
    )
    .axes("time since the run's start (s)", "share of retrieves")
    .shares("yaxis");
    let mut deadlines = Vec::new();
    for (run, phase) in found {
        let points: Vec<(f64, f64)> = match phase.since_start_us.total() {
            0 => by_ticks(run, phase),
            _ => {
                let points = phase
                    .since_start_us
                    .cumulative(phase.operations, POINTS_MAX);
                let points = points.into_iter();
                points.map(|(us, share)| (us as f64 / 1e6, share)).collect()
            }
        };
        // Nothing is found before the first.
        let before = points.first().map(|&(s, _)| (s, 0.0));
        let points = before.into_iter().chain(points);
        figure.trace(steps(&name_of(runs, run, &phase.name), points));
        let settings = run.settings(phase);
        if settings.is_some_and(|phase| phase.deadline_from == DeadlineFrom::Run) {
            deadlines.extend(run.deadlines_s(phase));
        }
    }
    deadlines.sort_unstable_by(f64::total_cmp);
    deadlines.dedup();
    let lines = deadlines.into_iter().map(|s| (s, format!("{s} s")));
    // A run without operations is queried by its ticks, in which all runs have what they found.
    let is_whole = |table: &str| runs.iter().all(|run| run.state(table) == State::Whole);
    let table = match is_whole("operations") || !is_whole("ticks") {
        true => "operations",
        false => "ticks",
    };
    let query = query(&Source::of(runs, table), table);
    finished(figure.lines(lines).query(query), runs, table)
}

/// Returns the query for the segments found by the clock from the table of operations or of ticks.
fn query(source: &Source, name: &str) -> String {
    let Source { table, run } = source;
    match name {
        "operations" => format!(
            "SELECT {run}phase, end_ms / 1000 AS seconds,\n       \
             row_number() OVER (PARTITION BY {run}phase ORDER BY end_ms) / total AS share\n\
             FROM (SELECT *, count(*) OVER (PARTITION BY {run}phase) AS total\nFROM {table}\nWHERE kind = 'retrieve')\n\
             WHERE found ORDER BY {run}phase, seconds"
        ),
        _ => format!(
            "SELECT {run}phase, time_ms / 1000 AS seconds,\n       \
             sum(sum(found)) OVER (PARTITION BY {run}phase ORDER BY time_ms) AS found\n\
             FROM {table}\nGROUP BY {run}phase, time_ms ORDER BY {run}phase, time_ms"
        ),
    }
}

/// Returns the share of a phase's retrieves that have found their segments at the end of each bin of ticks.
fn by_ticks(run: &Run, phase: &Phase) -> Vec<(f64, f64)> {
    let retrieves = run.retrieves(&phase.name).unwrap_or(1.0);
    let half_ms = phase.found.width_ms() / 2.0;
    let mut sum = 0.0;
    let points = phase.found.bins().map(|(middle_ms, &[found])| {
        sum += found;
        ((middle_ms + half_ms) / 1e3, sum / retrieves)
    });
    let mut points: Vec<(f64, f64)> = points.collect();
    // Before the phase nothing is found, and after its last retrieve nothing more.
    let last = points.last().map_or(0.0, |&(_, share)| share);
    let end = points.iter().position(|&(_, share)| share == last);
    points.truncate(end.map_or(0, |end| end + 1));
    let first = points
        .iter()
        .position(|&(_, share)| share > 0.0)
        .unwrap_or(0);
    points.split_off(first.saturating_sub(1))
}

/// Nodes by the number of segments that they lack.
fn lacking(runs: &[Run], found: &[(&Run, &Phase)]) -> Figure {
    let caption = "Of the segments that a node asks for, those that it has not found at the end of the phase. The line is the \
                   hypergeometric law of the segments that were withheld: what would be lacking if all others were found.";
    let mut figure = Figure::new("lacking", "Nodes by the segments that they lack", caption)
        .axes("segments lacking", "share of nodes")
        .shares("yaxis");
    for (run, phase) in found {
        let mut counts = std::collections::BTreeMap::<u32, u64>::new();
        for &(_, lacking) in phase.by_origin.values() {
            *counts.entry(lacking).or_default() += 1;
        }
        let nodes = phase.by_origin.len() as f64;
        let (x, y): (Vec<u32>, Vec<f64>) = counts
            .into_iter()
            .map(|(lacking, count)| (lacking, rounded(count as f64 / nodes)))
            .unzip();
        let name = name_of(runs, run, &phase.name);
        figure.trace(json!({"type": "bar", "name": name, "x": x, "y": y}));
        if let Some(law) = Withheld::of(run, phase) {
            let last = law.drawn.min(law.withheld);
            let points = (0..=last).map(|lacking| (lacking as f64, law.share(lacking)));
            let points = points.filter(|&(_, share)| share > 1e-6);
            let mut trace = line(&name_of(runs, run, "withheld alone"), points);
            trace["mode"] = "lines+markers".into();
            figure.trace(trace);
        }
    }
    let Source { table, run } = Source::of(runs, "operations");
    let query = format!(
        "SELECT {run}phase, lacking, count(*) / sum(count(*)) OVER (PARTITION BY {run}phase) AS share\n\
         FROM (SELECT {run}phase, network, origin, count(*) FILTER (WHERE found IS NOT TRUE) AS lacking\n\
         FROM {table}\nWHERE kind = 'retrieve' GROUP BY {run}phase, network, origin)\n\
         GROUP BY {run}phase, lacking ORDER BY {run}phase, lacking"
    );
    finished(figure.query(query), runs, "operations")
}

/// A draw without repetition of segments of which some are withheld.
struct Withheld {
    all: u64,
    withheld: u64,
    drawn: u64,
}

impl Withheld {
    /// Returns the draw of a phase, if segments are withheld and drawn without repetition.
    fn of(run: &Run, phase: &Phase) -> Option<Self> {
        let Work::Drawn {
            pace: Pace::Count { count: drawn, .. },
            origin: Origin::Each | Origin::Sample(_) | Origin::One | Origin::Node(_),
            segments: Some(provide),
            draw: Draw::Distinct,
            ..
        } = run.settings(phase)?.work
        else {
            return None;
        };
        let Work::Drawn {
            pace: Pace::Count { count, .. },
            origin,
            withheld,
            parts,
            ..
        } = run.experiment.phases.get(provide)?.work
        else {
            return None;
        };
        let origins = match origin {
            Origin::Random | Origin::One | Origin::Node(_) => 1,
            Origin::Sample(size) => u64::from(size),
            // The number of nodes online is not in the file.
            Origin::Each => return None,
        };
        let law = Self {
            all: count * origins * u64::from(parts),
            withheld: withheld * u64::from(parts),
            drawn,
        };
        let is_law = law.withheld > 0 && law.withheld <= law.all && law.drawn <= law.all;
        is_law.then_some(law)
    }

    /// Returns the probability that a node draws exactly `lacking` of the withheld segments.
    fn share(&self, lacking: u64) -> f64 {
        let rest = self.all - self.withheld;
        if lacking > self.drawn.min(self.withheld) || self.drawn - lacking > rest {
            return 0.0;
        }
        let choose = |n: u64, k: u64| {
            let factorial = |n: u64| libm::lgamma(n as f64 + 1.0);
            factorial(n) - factorial(k) - factorial(n - k)
        };
        let log = choose(self.withheld, lacking) + choose(rest, self.drawn - lacking);
        libm::exp(log - choose(self.all, self.drawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_of_withheld_segments_is_hypergeometric() {
        let law = Withheld {
            all: 10,
            withheld: 4,
            drawn: 3,
        };
        // C(4, j) C(6, 3 - j) / C(10, 3)
        for (lacking, expected) in [(0, 20.0), (1, 60.0), (2, 36.0), (3, 4.0)] {
            assert!((law.share(lacking) - expected / 120.0).abs() < 1e-12);
        }
        let total: f64 = (0..=3).map(|lacking| law.share(lacking)).sum();
        assert!((total - 1.0).abs() < 1e-12);
    }
}
