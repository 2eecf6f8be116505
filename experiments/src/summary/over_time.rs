//! Statistics over time of a phase in which nodes come and go, and how its operations ended.

use kadsim_engine::operation::Ending;
use kadsim_engine::record::{OperationRow, TickRow};
use serde_json::{Map, Value};

use super::share::Share;

/// Columns of the ticks table with statistics over time.
const COLUMNS: [&str; 5] = ["online", "entries", "stale", "missing", "records"];
/// A column of the ticks table that is a count: its name, and its value of a row.
type Count = (&'static str, fn(&TickRow) -> u64);

/// Columns of which there is the mean in a second.
const COUNTS: [Count; 11] = [
    ("arrivals", |row| row.arrivals),
    ("departures", |row| row.departures),
    (MAINTENANCE, |row| row.maintenance_connections),
    ("maintenance_failed", |row| row.maintenance_failed),
    ("refresh", |row| row.refresh),
    ("join", |row| row.join),
    ("check", |row| row.check),
    ("republish", |row| row.republish),
    ("learned", |row| row.learned),
    ("evicted", |row| row.evicted),
    ("expired", |row| row.expired),
];
/// The column that counts all connections of maintenance.
const MAINTENANCE: &str = "maintenance_connections";
/// Key behind the phase: connections of maintenance that a node makes in a second of the time that it is online.
pub(super) const MAINTENANCE_PER_NODE_S: &str = "maintenance_per_node_s";
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
    /// In the order of [`COUNTS`].
    counts: [u64; COUNTS.len()],
    /// Nodes online in the phase's shift.
    online_in_shift: Track,
    /// Lengths of the phase in all networks, and of its shift, µs.
    length_us: u64,
    counted_for_us: u64,
    /// Operations that ended in each way of [`Ending::ALL`], of all.
    endings: [Share; Ending::ALL.len()],
    /// Up to when ticks have been counted in the current network, µs.
    counted_us: u64,
    /// When the phase started in it, and when it ended, if it has, µs.
    start_us: u64,
    end_us: Option<u64>,
    /// When the next phase starts, if that is known, µs.
    next_us: Option<u64>,
}

impl OverTime {
    /// Begins the phase in a network, at `start_us`.
    pub(super) fn begin(&mut self, start_us: u64) {
        self.counted_us = start_us;
        self.start_us = start_us;
        self.end_us = None;
        self.next_us = None;
    }

    /// Ends the shift of the phase when another one starts, at `next_us`.
    pub(super) fn end_shift_at(&mut self, next_us: u64) {
        self.next_us = Some(next_us);
    }

    /// Counts a tick of `tick_us`.
    pub(super) fn tick(&mut self, row: &TickRow, tick_us: u64) {
        let end_us = row.time_us + tick_us;
        let passed_us = end_us.saturating_sub(self.counted_us) as f64;
        let in_shift_us = end_us.min(self.next_us.unwrap_or(end_us));
        let in_shift_us = in_shift_us.saturating_sub(self.counted_us) as f64;
        self.online_in_shift.add(row.online as f64, in_shift_us);
        self.counted_us = end_us;
        let records = row.records.map(|records| records as f64);
        // Ticks after the end of the phase count what goes on in its shift.
        let is_in_phase = self.end_us.is_none_or(|end_us| row.time_us <= end_us);
        let online = is_in_phase.then_some(row.online as f64);
        let values = [online, row.entries, row.stale, row.missing, records];
        // Tables are counted at equal distances.
        let weights = [passed_us, 1.0, 1.0, 1.0, 1.0];
        for ((track, value), weight) in self.tracks.iter_mut().zip(values).zip(weights) {
            if let Some(value) = value {
                track.add(value, weight);
            }
        }
        for (sum, (_, count)) in self.counts.iter_mut().zip(COUNTS) {
            *sum += count(row);
        }
    }

    /// Counts an operation.
    pub(super) fn operation(&mut self, row: &OperationRow) {
        for (share, ending) in self.endings.iter_mut().zip(Ending::ALL) {
            share.count(row.ending == ending);
        }
    }

    /// Ends the phase in a network, at `end_us`.
    pub(super) fn end(&mut self, end_us: u64) {
        self.end_us = Some(end_us);
        self.length_us += end_us - self.start_us;
    }

    /// Ends its shift, which has lasted for `counted_for_us`.
    pub(super) fn end_shift(&mut self, counted_for_us: u64) {
        self.counted_for_us += counted_for_us;
    }

    /// Moves the counts of `other` into this one, and leaves `other` empty.
    pub(super) fn take(&mut self, other: &mut Self) {
        for (track, other) in self.tracks.iter_mut().zip(&mut other.tracks) {
            track.take(other);
        }
        for (share, other) in self.endings.iter_mut().zip(&mut other.endings) {
            share.take(other);
        }
        for (sum, other) in self.counts.iter_mut().zip(&mut other.counts) {
            *sum += std::mem::take(other);
        }
        self.online_in_shift.take(&mut other.online_in_shift);
        self.length_us += std::mem::take(&mut other.length_us);
        self.counted_for_us += std::mem::take(&mut other.counted_for_us);
    }

    /// Writes the metrics of the phase of this name.
    pub(super) fn write(&self, phase: &str, json: &mut Map<String, Value>) {
        for (column, track) in COLUMNS.iter().zip(&self.tracks) {
            for (statistic, value) in STATISTICS.iter().zip(track.values()) {
                json.insert(format!("{phase}.{column}.{statistic}"), value);
            }
        }
        let seconds = self.counted_for_us as f64 / 1e6;
        let [online, _] = self.online_in_shift.values();
        for ((column, _), count) in COUNTS.iter().zip(self.counts) {
            let rate = match self.counted_for_us {
                // Another phase starts at the same moment, and counts all.
                0 => (count == 0 && self.length_us > 0).then_some(0.0),
                _ => Some(count as f64 / seconds),
            };
            json.insert(format!("{phase}.{column}.per_s"), rate.into());
            if *column == MAINTENANCE {
                let online = online.as_f64().filter(|online| *online > 0.0);
                let of_a_node = rate.zip(online).map(|(rate, online)| rate / online);
                let key = format!("{phase}.{MAINTENANCE_PER_NODE_S}");
                json.insert(key, of_a_node.into());
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_is_that_of_a_node_that_is_online() {
        let mut over_time = OverTime::default();
        let mut second = OverTime::default();
        // Two networks of 2 s: 10 nodes, then 20 nodes, and 30 connections in all.
        for (of_network, online, sent) in [(&mut over_time, 10, 6), (&mut second, 20, 9)] {
            of_network.begin(0);
            for time_us in [0, 1_000_000] {
                let row = TickRow {
                    time_us,
                    online,
                    maintenance_connections: sent,
                    refresh: 1,
                    evicted: 3,
                    records: (time_us == 0).then_some(8),
                    ..TickRow::default()
                };
                of_network.tick(&row, 1_000_000);
            }
            of_network.end(2_000_000);
            of_network.end_shift(2_000_000);
        }
        let mut metrics = Map::new();
        over_time.write("a", &mut metrics);
        assert_eq!(metrics["a.maintenance_per_node_s"], 0.6);
        assert_eq!(metrics["a.maintenance_connections.per_s"], 6.0);
        assert_eq!(metrics["a.refresh.per_s"], 1.0);
        assert_eq!(metrics["a.evicted.per_s"], 3.0);
        assert_eq!(metrics["a.records.mean"], 8.0);
        assert_eq!(metrics["a.expired.per_s"], 0.0);
        over_time.take(&mut second);
        over_time.write("a", &mut metrics);
        // 30 connections in 2 · 10 + 2 · 20 seconds of nodes.
        assert_eq!(metrics["a.maintenance_per_node_s"], 0.5);
        // The phase lasts for one second, and its shift for four.
        let mut late = OverTime::default();
        late.begin(1_000_000);
        late.end_shift_at(5_000_000);
        let ticks = [(1_000_000, 10, 6), (2_000_000, 30, 9), (5_000_000, 99, 0)];
        for (time_us, online, sent) in ticks {
            let row = TickRow {
                time_us,
                online,
                maintenance_connections: sent,
                ..TickRow::default()
            };
            late.tick(&row, 1_000_000);
            if time_us == 1_000_000 {
                late.end(1_999_999);
            }
        }
        late.end_shift(4_000_000);
        late.write("late", &mut metrics);
        assert_eq!(metrics["late.online.mean"], 10.0);
        assert_eq!(metrics["late.maintenance_connections.per_s"], 15.0 / 4.0);
        let online = (10.0 + 30.0 + 2.0 * 99.0) / 4.0;
        assert_eq!(metrics["late.maintenance_per_node_s"], 15.0 / 4.0 / online);
        // Another phase starts at the same moment, and counts all.
        let mut beside = OverTime::default();
        beside.begin(0);
        beside.end(1_000_000);
        beside.end_shift(0);
        beside.write("beside", &mut metrics);
        assert_eq!(metrics["beside.arrivals.per_s"], 0.0);
        OverTime::default().write("b", &mut metrics);
        assert!(metrics["b.maintenance_per_node_s"].is_null());
    }
}
