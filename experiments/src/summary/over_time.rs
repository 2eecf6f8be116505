//! Statistics over time of a phase in which nodes come and go, and how its operations ended.

use kadsim_engine::operation::Ending;
use kadsim_engine::record::{OperationRow, TickRow};
use serde_json::{Map, Value};

use super::share::Share;

/// Columns of the ticks table with statistics over time.
const COLUMNS: [&str; 4] = ["online", "entries", "stale", "missing"];
/// Statistics of such a column: its mean over time, and its last value.
const STATISTICS: [&str; 2] = ["mean", "last"];

/// A quantity over the time of a phase. Each value holds from the end of the tick before it.
#[derive(Clone, Debug, Default)]
struct Track {
    /// Sum of values times their weights.
    sum: f64,
    weight: f64,
    /// Last value in the current network.
    last: Option<f64>,
    /// Sum of the last values of the networks before it.
    lasts: f64,
    networks: f64,
}

impl Track {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
        self.last = Some(value);
    }

    /// Moves what `other` has of a network into this one, and leaves `other` empty.
    fn take(&mut self, other: &mut Self) {
        let other = std::mem::take(other);
        self.sum += other.sum;
        self.weight += other.weight;
        if let Some(last) = other.last {
            self.lasts += last;
            self.networks += 1.0;
        }
    }

    /// Returns the values of [`STATISTICS`]; null where nothing was counted.
    fn values(&self) -> [Value; 2] {
        let (lasts, networks) = match self.last {
            Some(last) => (self.lasts + last, self.networks + 1.0),
            None => (self.lasts, self.networks),
        };
        [(self.sum, self.weight), (lasts, networks)].map(|(sum, weight)| match weight > 0.0 {
            true => Value::from(sum / weight),
            false => Value::Null,
        })
    }
}

/// Statistics of a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct OverTime {
    /// In the order of [`COLUMNS`].
    tracks: [Track; COLUMNS.len()],
    arrivals: u64,
    departures: u64,
    /// Lengths of the phase in all networks, µs.
    length_us: u64,
    /// Operations that ended in each way of [`Ending::ALL`], of all.
    endings: [Share; Ending::ALL.len()],
    /// Up to when ticks have been counted in the current network, µs.
    counted_us: u64,
}

impl OverTime {
    /// Begins the phase in a network, at `start_us`.
    pub(super) fn begin(&mut self, start_us: u64) {
        self.counted_us = start_us;
    }

    /// Counts a tick of `tick_us`.
    pub(super) fn tick(&mut self, row: &TickRow, tick_us: u64) {
        let end_us = row.time_us + tick_us;
        let passed_us = end_us.saturating_sub(self.counted_us) as f64;
        self.counted_us = end_us;
        let values = [Some(row.online as f64), row.entries, row.stale, row.missing];
        // Tables are counted at equal distances.
        let weights = [passed_us, 1.0, 1.0, 1.0];
        for ((track, value), weight) in self.tracks.iter_mut().zip(values).zip(weights) {
            if let Some(value) = value {
                track.add(value, weight);
            }
        }
        self.arrivals += row.arrivals;
        self.departures += row.departures;
    }

    /// Counts an operation.
    pub(super) fn operation(&mut self, row: &OperationRow) {
        for (share, ending) in self.endings.iter_mut().zip(Ending::ALL) {
            share.count(row.ending == ending);
        }
    }

    /// Ends the phase in a network, which took `length_us`.
    pub(super) fn end(&mut self, length_us: u64) {
        self.length_us += length_us;
    }

    /// Moves the counts of `other` into this one, and leaves `other` empty.
    pub(super) fn take(&mut self, other: &mut Self) {
        for (track, other) in self.tracks.iter_mut().zip(&mut other.tracks) {
            track.take(other);
        }
        for (share, other) in self.endings.iter_mut().zip(&mut other.endings) {
            share.take(other);
        }
        self.arrivals += std::mem::take(&mut other.arrivals);
        self.departures += std::mem::take(&mut other.departures);
        self.length_us += std::mem::take(&mut other.length_us);
    }

    /// Writes the metrics of the phase of this name.
    pub(super) fn write(&self, phase: &str, json: &mut Map<String, Value>) {
        for (column, track) in COLUMNS.iter().zip(&self.tracks) {
            for (statistic, value) in STATISTICS.iter().zip(track.values()) {
                json.insert(format!("{phase}.{column}.{statistic}"), value);
            }
        }
        for (column, count) in [("arrivals", self.arrivals), ("departures", self.departures)] {
            let seconds = self.length_us as f64 / 1e6;
            let rate = (seconds > 0.0).then(|| count as f64 / seconds);
            json.insert(format!("{phase}.{column}.per_s"), rate.into());
        }
        for (share, ending) in self.endings.iter().zip(Ending::ALL) {
            // `PHASE.cut_off` is the share of networks.
            if ending != Ending::CutOff {
                let ending = ending.as_str();
                json.insert(format!("{phase}.ended.{ending}"), share.value());
            }
        }
    }
}
