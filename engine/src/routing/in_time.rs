//! The routing tables of a network at any moment: as they were bootstrapped or, where nodes come and go, as full knowledge
//! gave them at the instant that [`Aging`] says.

use super::live::LiveTables;
use super::{Aging, Instant, Made, Tables};
use crate::answer::Answer;
use crate::key::{BucketIndex, Key};
use crate::makeup::Makeup;
use crate::node::{Columns, Row, Table};
use crate::population::{Owner, Population};
use crate::presence::Timelines;

/// Tables, and who is online when.
#[derive(Clone, Copy)]
pub struct TablesInTime<'a> {
    /// Full knowledge of the network.
    pub population: Population<'a>,
    /// The nodes' components.
    pub columns: Columns<'a>,
    /// Bootstrapped tables.
    pub tables: &'a Tables,
    /// Who is online when.
    pub timelines: &'a Timelines,
    /// What nodes are for the whole run.
    pub makeup: &'a Makeup,
    /// When tables are made anew.
    pub aging: Aging,
    /// Number of the nodes that are not offline for the whole run.
    pub online: u64,
    /// Tables that traffic changes, as they are now; they have precedence over all others.
    pub live: Option<&'a LiveTables>,
}

/// A moment, and what of it has passed. Requests arrive before timers fire, operations start after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time, µs. Nodes have come and left.
    pub at_us: u64,
    /// Tables due to be renewed before this time have been, µs.
    renewals_us: u64,
}

impl Moment {
    /// Returns the moment at which requests arrive.
    #[inline]
    pub fn of_arrivals(at_us: u64) -> Self {
        Self {
            at_us,
            renewals_us: at_us,
        }
    }

    /// Returns the moment at which all timers have fired and operations start.
    #[inline]
    pub fn end_of(at_us: u64) -> Self {
        Self {
            at_us,
            renewals_us: at_us.saturating_add(1),
        }
    }
}

/// A table at a moment.
enum At {
    /// In the layout, or the overlay in front of it.
    Bootstrapped(Table),
    /// Made at this time, µs.
    Made(u64),
    /// As traffic has left it.
    Live,
}

impl TablesInTime<'_> {
    /// Returns whether a node is online at `at_us`, changes of that moment included.
    #[inline]
    pub fn is_online(&self, row: Row, at_us: u64) -> bool {
        let is_there = || self.columns.presence[row.index()].is_online();
        if !self.timelines.are_living() {
            // Where every node is online for ever, no column is read.
            return self.has_every_node() || is_there();
        }
        let keys = self.population.keys();
        // Up to the horizon, nodes that are offline for the whole run are offline in the timelines.
        self.timelines.is_online(row, keys, at_us)
            && (at_us <= self.timelines.horizon_us() || is_there())
    }

    /// Returns whether no node is offline for the whole run.
    #[inline]
    fn has_every_node(&self) -> bool {
        self.online as usize == self.columns.presence.len()
    }

    /// Returns whether a node answers requests.
    #[inline]
    fn is_server(&self, row: Row) -> bool {
        // Where there are no clients, no key is read.
        !self.makeup.has_clients() || self.makeup.is_server(self.population.key(row))
    }

    /// Returns whether a node answers a request that reaches it at `at_us`.
    #[inline]
    pub fn answers(&self, row: Row, at_us: u64) -> bool {
        self.is_online(row, at_us) && self.is_server(row)
    }

    /// Returns whether tables made at `made_us` name a node. A node that is offline for the whole run is named.
    #[inline]
    fn is_named(&self, row: Row, made_us: u64) -> bool {
        let is_there = self
            .timelines
            .is_online(row, self.population.keys(), made_us)
            || !self.columns.presence[row.index()].is_online();
        is_there && self.is_server(row)
    }

    /// Returns the table that a node has at a moment; an empty one if it is offline.
    #[inline]
    fn at(&self, owner: Owner, moment: Moment) -> At {
        if self.live.is_some_and(|live| live.of(owner.row).is_some()) {
            return At::Live;
        }
        let bootstrapped = || {
            let column = self.columns.tables;
            At::Bootstrapped(self.tables.table(&self.population, column, owner.row))
        };
        if !self.timelines.are_living() {
            return bootstrapped();
        }
        match self
            .aging
            .made(self.timelines, owner, moment.at_us, moment.renewals_us)
        {
            Made::Bootstrap => bootstrapped(),
            Made::At(made_us) => At::Made(made_us),
            Made::Never => At::Bootstrapped(Table::EMPTY),
        }
    }

    /// Returns the members of tables made at `made_us`.
    fn instant(&self, made_us: u64) -> Instant<'_, impl Fn(Row) -> bool> {
        Instant {
            population: &self.population,
            rule: self.tables.rule(),
            is_member: move |row| self.is_named(row, made_us),
        }
    }

    /// Replaces `out` by the entries of the owner's table that are closest to `key`, as many as an answer names, with
    /// their distances.
    #[inline]
    pub fn closest(&self, owner: Owner, key: Key, moment: Moment, out: &mut Answer) {
        match self.at(owner, moment) {
            At::Bootstrapped(table) => {
                self.tables
                    .closest(&self.population, owner, table, key, out);
            }
            At::Made(made_us) => self.instant(made_us).closest(owner, key, out),
            At::Live => {
                let (population, count) = (&self.population, self.tables.rule().answer_size());
                if let Some(tables) = self.live.and_then(|live| live.of(owner.row)) {
                    tables.closest(population, owner, key, count, true, out);
                    out.measure(population, key);
                }
            }
        }
    }

    /// Replaces `out` by the entries of one bucket of a table that traffic changes.
    fn live_entries(&self, owner: Row, bucket: BucketIndex, out: &mut Vec<Row>) {
        match self.live {
            Some(live) => live.row_entries(owner, bucket, out),
            None => out.clear(),
        }
    }

    /// Calls `visit` with each bucket of the owner's bootstrapped table that is not empty, and its entries, in no order. `rows`
    /// is memory for reuse.
    pub fn bootstrapped(
        &self,
        owner: Owner,
        rows: &mut Vec<Row>,
        visit: impl FnMut(BucketIndex, &mut [Row]),
    ) {
        let column = self.columns.tables;
        let table = self.tables.table(&self.population, column, owner.row);
        let population = &self.population;
        self.tables
            .for_each_bucket_unsorted(population, owner.row, table, rows, visit);
    }

    /// Calls `visit` with each bucket that is not empty of the table that full knowledge gives the owner at `made_us`, and its
    /// entries, in no order. `rows` is memory for reuse.
    pub fn made(
        &self,
        owner: Owner,
        made_us: u64,
        rows: &mut Vec<Row>,
        mut visit: impl FnMut(BucketIndex, &mut [Row]),
    ) {
        let instant = self.instant(made_us);
        for bucket in self.population.buckets(owner.key) {
            rows.clear();
            instant.bucket(owner, bucket, rows);
            if !rows.is_empty() {
                visit(bucket, rows);
            }
        }
    }

    /// Replaces `out` by the entries of one bucket of the owner's table, in no order.
    pub fn bucket(&self, owner: Owner, bucket: BucketIndex, moment: Moment, out: &mut Vec<Row>) {
        match self.at(owner, moment) {
            At::Bootstrapped(table) => {
                self.tables
                    .bucket(&self.population, owner, table, bucket, out);
            }
            At::Made(made_us) => {
                out.clear();
                self.instant(made_us).bucket(owner, bucket, out);
            }
            At::Live => self.live_entries(owner.row, bucket, out),
        }
    }

    /// Calls `visit` with each bucket of the owner's table at `at_us` that is not empty, and its entries, in no order. `rows`
    /// is memory for reuse.
    pub fn for_each_bucket(
        &self,
        owner: Owner,
        at_us: u64,
        rows: &mut Vec<Row>,
        mut visit: impl FnMut(BucketIndex, &mut [Row]),
    ) {
        match self.at(owner, Moment::end_of(at_us)) {
            At::Bootstrapped(table) => {
                let population = &self.population;
                self.tables
                    .for_each_bucket_unsorted(population, owner.row, table, rows, visit);
            }
            At::Made(made_us) => self.made(owner, made_us, rows, visit),
            At::Live => {
                for bucket in BucketIndex::all() {
                    self.live_entries(owner.row, bucket, rows);
                    if !rows.is_empty() {
                        visit(bucket, rows);
                    }
                }
            }
        }
    }

    /// Returns whether every node answers for ever.
    fn is_frozen(&self) -> bool {
        !self.timelines.are_living() && self.has_every_node() && !self.makeup.has_clients()
    }

    /// Counts the entries of the owner's table at `at_us`, and compares them with what full knowledge of that moment would
    /// give. `rows` is memory for reuse.
    ///
    /// Cost: O(entries + k buckets / p) for a share p of nodes that answer; O(buckets) where all do for ever.
    pub fn freshness(&self, owner: Owner, at_us: u64, rows: &mut Vec<Row>) -> Freshness {
        if self.is_frozen()
            && let At::Bootstrapped(Table::LAID_OUT) = self.at(owner, Moment::end_of(at_us))
        {
            let size = self
                .tables
                .size(&self.population, owner.row, Table::LAID_OUT);
            let entries = u64::from(size.entries);
            return Freshness {
                entries,
                live: entries,
                ideal: entries,
                buckets: size.buckets.into(),
            };
        }
        let mut freshness = Freshness::default();
        let answers = |row: Row| self.answers(row, at_us);
        self.for_each_bucket(owner, at_us, rows, |_, rows| {
            let live = rows.iter().filter(|&&row| answers(row)).count() as u64;
            freshness.entries += rows.len() as u64;
            freshness.live += live;
            freshness.buckets += 1;
        });
        let k = self.tables.rule().k();
        for bucket in self.population.buckets(owner.key) {
            let candidates = self.population.candidates(owner.key, bucket);
            let ideal = candidates.iter().filter(|&row| answers(row)).take(k);
            freshness.ideal += ideal.count() as u64;
        }
        freshness
    }
}

/// How fresh routing tables are; sums over tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Entries.
    pub entries: u64,
    /// Entries whose node answers.
    pub live: u64,
    /// Entries of the tables that full knowledge of the nodes that answer would give.
    pub ideal: u64,
    /// Buckets that are not empty.
    pub buckets: u64,
}

impl Freshness {
    /// Returns the share of entries whose node does not answer; `None` if there is no entry.
    pub fn stale(&self) -> Option<f64> {
        let stale = self.entries - self.live;
        (self.entries > 0).then(|| stale as f64 / self.entries as f64)
    }

    /// Returns 1 - live / ideal; `None` if full knowledge would give no entry.
    pub fn missing(&self) -> Option<f64> {
        (self.ideal > 0).then(|| 1.0 - self.live as f64 / self.ideal as f64)
    }
}

impl std::ops::Add for Freshness {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            live: self.live + other.live,
            ideal: self.ideal + other.ideal,
            buckets: self.buckets + other.buckets,
        }
    }
}
