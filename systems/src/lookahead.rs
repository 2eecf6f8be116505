//! The lookahead: how far a step may go.
//!
//! Operations run in parallel within a window. That is right only if no event of the window depends on another
//! operation's event of the same window. Longer windows are faster: they have more to do for every thread, and fewer
//! barriers. A window that is too long gives wrong results. This type alone decides (after shadow's `Runahead`).
//!
//! Two limits follow from what operations share:
//!
//! 1. *Overhead.* A contact is charged at the window's end, which fixes its completion. So no contact may complete in the
//!    window in which it is sent: the limit is the shortest time that any contact takes.
//! 2. *Segments that are provided and retrieved at the same time.* A store must not reach its node within the window,
//!    because an operation that starts there may look for it. Nor may an answer that is handled in the window show a
//!    store as it was within the window, because the origin of a provide may store at itself at any moment. An answer
//!    shows the store as it was one delay before. So the limit is the shortest one-way delay.
//!
//! Without limits a window has a convenient length: long enough for work on every thread, short enough that few contacts
//! and rows wait for its end.

use kadsim_engine::link::Links;
use kadsim_engine::time::LAST_US;

use crate::window::Execution;

/// The time after the last moment of the clock, µs.
const END_US: u64 = LAST_US + 1;
/// Connections sent in a window below which the next one may be twice as long.
const FEW: u64 = 1 << 15;
/// Connections sent in a window above which the next one is half as long.
const MANY: u64 = 1 << 18;
/// Longest convenient window, µs.
const LONGEST_US: u64 = 1 << 50;

/// What limits a window, besides the links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Nodes may be offline, so contacts may time out.
    pub absences: bool,
    /// Operations in flight provide and retrieve segments at the same time.
    pub segments: bool,
}

/// Where a window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The microsecond after its last.
    pub until_us: u64,
    /// Operations that start at this time or later start in a later window, µs.
    pub starts_us: u64,
}

/// Decides where windows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookahead {
    /// Convenient length of a window, µs.
    convenient_us: u64,
}

impl Default for Lookahead {
    /// Begins with windows of a millisecond.
    fn default() -> Self {
        Self {
            convenient_us: 1000,
        }
    }
}

impl Lookahead {
    /// Returns the bounds of a window that begins at `from_us`.
    pub fn bounds(
        &self,
        execution: Execution,
        links: &Links,
        shared: Shared,
        from_us: u64,
    ) -> Bounds {
        let after_us = |us: u64| from_us.saturating_add(us.max(1)).min(END_US);
        let (until_us, starts_us) = match execution {
            Execution::Windowed => {
                let limit_us = charged_us(links, shared).min(segments_us(links, shared));
                let until_us = after_us(self.convenient_us.min(limit_us));
                (until_us, until_us)
            }
            Execution::Sequential => (END_US, after_us(segments_us(links, shared))),
            // Operations as events: the caller knows when the next events are.
            Execution::Whole | Execution::Events => (END_US, END_US),
        };
        Bounds {
            until_us,
            starts_us,
        }
    }

    /// Adapts the convenient length to a window in which `sent` connections were sent.
    pub fn adapt(&mut self, sent: u64) {
        if sent < FEW {
            self.convenient_us = self.convenient_us.saturating_mul(2).min(LONGEST_US);
        } else if sent > MANY {
            self.convenient_us = (self.convenient_us / 2).max(1);
        }
    }
}

/// Returns the limit that overhead sets, µs.
fn charged_us(links: &Links, shared: Shared) -> u64 {
    match links.is_charged() {
        true => links.link.shortest_us(shared.absences),
        false => u64::MAX,
    }
}

/// Returns the limit that shared segments set, µs.
fn segments_us(links: &Links, shared: Shared) -> u64 {
    match shared.segments {
        true => links.link.shortest_delay_us(),
        false => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use kadsim_engine::link::{Delay, Fault, UniformLink};
    use kadsim_engine::random::Probability;

    use super::*;

    /// One way takes 10 ms at least, a fast error 7 ms, a timeout 3 ms.
    fn links(overhead_us: u64) -> Links {
        let link = UniformLink {
            delay: Delay::Uniform {
                low: 10_000,
                high: 20_000,
            },
            fast_error: Some(Fault {
                probability: Probability::new(0.1),
                delay: Delay::Constant(7_000),
            }),
            timeout: Delay::Constant(3_000),
            ..UniformLink::default()
        };
        Links {
            link: Box::new(link),
            overhead_us,
        }
    }

    fn ends(bounds: Bounds) -> (u64, u64) {
        (bounds.until_us, bounds.starts_us)
    }

    fn bounds(execution: Execution, overhead_us: u64, shared: Shared) -> (u64, u64) {
        let mut lookahead = Lookahead::default();
        // Windows in which nothing is sent grow.
        (0..100).for_each(|_| lookahead.adapt(0));
        ends(lookahead.bounds(execution, &links(overhead_us), shared, 1_000_000))
    }

    const NOTHING: Shared = Shared {
        absences: false,
        segments: false,
    };

    #[test]
    fn no_contact_that_is_charged_completes_in_the_window_it_is_sent_in() {
        let until_us = 1_007_000;
        let charged = bounds(Execution::Windowed, 1, NOTHING);
        assert_eq!(charged, (until_us, until_us));
        let with_absences = Shared {
            absences: true,
            ..NOTHING
        };
        let until_us = 1_003_000;
        let charged = bounds(Execution::Windowed, 1, with_absences);
        assert_eq!(charged, (until_us, until_us));
    }

    #[test]
    fn no_store_reaches_its_node_in_the_window_it_is_sent_in() {
        let shared = Shared {
            segments: true,
            ..NOTHING
        };
        let until_us = 1_010_000;
        assert_eq!(bounds(Execution::Windowed, 0, shared), (until_us, until_us));
        assert_eq!(bounds(Execution::Sequential, 1, shared), (END_US, until_us));
    }

    #[test]
    fn operations_that_share_nothing_go_to_the_end_of_the_clock() {
        assert_eq!(bounds(Execution::Whole, 0, NOTHING), (END_US, END_US));
        assert_eq!(bounds(Execution::Sequential, 1, NOTHING), (END_US, END_US));
        let convenient_us = 1_000_000 + LONGEST_US;
        let windowed = bounds(Execution::Windowed, 0, NOTHING);
        assert_eq!(windowed, (convenient_us, convenient_us));
    }

    #[test]
    fn a_window_has_a_microsecond_at_least_and_ends_with_the_clock() {
        let instant = Links {
            link: Box::new(UniformLink::default()),
            overhead_us: 0,
        };
        let shared = Shared {
            segments: true,
            ..NOTHING
        };
        let bounds = |from_us| {
            let lookahead = Lookahead::default();
            ends(lookahead.bounds(Execution::Windowed, &instant, shared, from_us))
        };
        assert_eq!(bounds(5), (6, 6));
        assert_eq!(bounds(LAST_US), (END_US, END_US));
    }

    #[test]
    fn windows_grow_while_few_connections_are_sent_and_shrink_while_many_are() {
        let mut lookahead = Lookahead::default();
        lookahead.adapt(FEW - 1);
        assert_eq!(lookahead.convenient_us, 2000);
        lookahead.adapt(FEW);
        lookahead.adapt(MANY);
        assert_eq!(lookahead.convenient_us, 2000);
        lookahead.adapt(MANY + 1);
        assert_eq!(lookahead.convenient_us, 1000);
        (0..100).for_each(|_| lookahead.adapt(u64::MAX));
        assert_eq!(lookahead.convenient_us, 1);
    }
}
