//! A contact of an operation: one request with its answer or failure.

use crate::key::Distance;
use crate::link::{Charge, Fate};
use crate::node::Row;
use crate::record::Outcome;

/// A contact that has been sent and not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// When it completes, µs; [`Contact::UNCHARGED`] until the barrier of the step has charged it. Under py-dht's
    /// procedure, the time from its sending to its completion.
    pub completes_us: u64,
    /// When the contact stalls, µs: its lookup then sends another one. [`Contact::NEVER_US`] if it never does, or has.
    pub stalls_us: u64,
    /// Number of the contact in the operation.
    pub sequence: u32,
    /// The node contacted.
    pub row: Row,
    /// Its distance from the operation's key.
    pub distance: Distance,
    /// Its depth.
    pub depth: u16,
    /// Whether it has stalled.
    pub is_stalled: bool,
    /// Outcome and delay, drawn when the contact is sent.
    pub fate: Fate,
}

impl Contact {
    /// Completion time of a contact whose overhead is not known yet.
    pub const UNCHARGED: u64 = u64::MAX;

    /// Stall time of a contact that never stalls, or that has stalled.
    pub const NEVER_US: u64 = u64::MAX;

    /// Latest completion time, µs. Sums saturate here, far beyond the end of the clock.
    pub const LATEST_US: u64 = Self::UNCHARGED - 1;

    /// Returns when a contact that is sent at `now_us` completes, µs, at most [`Contact::LATEST_US`].
    #[inline]
    pub fn completion_us(now_us: u64, fate: Fate, charge: Charge) -> u64 {
        Self::later_us(now_us, fate.total_us(charge))
    }

    /// Returns when the request of a contact that succeeds, or whose answer is late, reaches the remote, which acts at that moment, µs: the
    /// answer's delay before the contact completes.
    #[inline]
    pub fn arrival_us(fate: Fate, completes_us: u64) -> u64 {
        match fate.outcome {
            Outcome::Late => completes_us - fate.base_delay_us + fate.request_us,
            _ => completes_us - fate.answer_us,
        }
    }

    /// Returns the time `us` after `now_us`, µs, at most [`Contact::LATEST_US`].
    #[inline]
    pub fn later_us(now_us: u64, us: u64) -> u64 {
        now_us.saturating_add(us).min(Self::LATEST_US)
    }

    /// Returns when a contact that is sent at `now_us` stalls, µs.
    #[inline]
    pub fn stall_time_us(now_us: u64, stall_us: Option<u64>) -> u64 {
        stall_us.map_or(Self::NEVER_US, |stall_us| now_us.saturating_add(stall_us))
    }

    /// Returns the index of the contact that completes first; ties in the order of sending.
    #[inline]
    pub fn first_to_complete(in_flight: &[Contact]) -> Option<usize> {
        let order = |&index: &usize| (in_flight[index].completes_us, in_flight[index].sequence);
        (0..in_flight.len()).min_by_key(order)
    }

    /// Returns the index of the contact that stalls first; ties in the order of sending.
    #[inline]
    pub fn first_to_stall(in_flight: &[Contact]) -> Option<usize> {
        let order = |&index: &usize| (in_flight[index].stalls_us, in_flight[index].sequence);
        (0..in_flight.len()).min_by_key(order)
    }
}
