//! Facts about the network and earlier phases that the reader of a phase needs.

use std::collections::HashMap;
use std::path::Path;

use crate::file::defaults::OPERATIONS_MAX;
use crate::file::diagnostic::Span;
use crate::file::field::Field;
use crate::file::phase::{Origin, Pace};
use crate::file::words::{Kind, PhaseKind};

/// Facts about a phase for later ones.
pub(super) struct Seen<'a> {
    pub(super) name: Option<(&'a str, Span)>,
    pub(super) kind: Option<PhaseKind>,
    /// Number of parts that retrieves may draw, if known.
    pub(super) segments: Option<u64>,
    /// Whether the phase waits for those before it.
    pub(super) waits: bool,
}

pub(super) struct Earlier<'a> {
    pub(super) nodes: Option<u32>,
    pub(super) online: Option<u32>,
    pub(super) folder: &'a Path,
    pub(super) seen: Vec<Seen<'a>>,
    /// The first phase of each name, as an index in `seen`.
    pub(super) places: HashMap<&'a str, usize>,
    /// The names of the phases that provide.
    pub(super) provides: Vec<&'a str>,
    /// The first phase that waits for those before it.
    pub(super) waiting: Option<usize>,
    /// Operations of all phases so far, as far as they are known.
    pub(super) total: u64,
}

impl<'a> Earlier<'a> {
    /// Records a phase for later ones.
    pub(super) fn see(&mut self, seen: Seen<'a>) {
        let place = self.seen.len();
        if let Some((name, _)) = seen.name {
            self.places.entry(name).or_insert(place);
            if seen.kind == Some(PhaseKind::Operations(Kind::Provide)) {
                self.provides.push(name);
            }
        }
        if seen.waits {
            self.waiting.get_or_insert(place);
        }
        self.seen.push(seen);
    }

    /// Returns the first phase of a name, with its index.
    pub(super) fn named(&self, name: &str) -> Option<(usize, &Seen<'a>)> {
        let place = *self.places.get(name)?;
        Some((place, self.seen.get(place)?))
    }

    /// Returns the number of origins that multiplies a count, if known.
    pub(super) fn origins(&self, origin: Origin) -> Option<u64> {
        match (origin, self.online) {
            (Origin::Each, None) => None,
            (_, online) => Some(origin.nodes(online.unwrap_or(0)).unwrap_or(1)),
        }
    }

    /// Adds the operations of a phase to the total. Returns their number, if known.
    pub(super) fn add(&mut self, pace: Pace, field: &Field<'_>, origins: u64) -> Option<u64> {
        let operations = match pace {
            Pace::Count { count, .. } => count.checked_mul(origins),
            Pace::Rate { .. } => Some(pace.operations(origins)),
        };
        let count = pace.count();
        match operations.and_then(|operations| self.total.checked_add(operations)) {
            Some(total) if total <= OPERATIONS_MAX => self.total = total,
            _ => field.cannot_be(
                &count.map_or_else(|| field.written(), |count| count.to_string()),
                format_args!("up to {OPERATIONS_MAX} operations over all phases"),
            ),
        }
        operations.filter(|_| count.is_some())
    }
}
