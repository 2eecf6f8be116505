//! The fate of a contact in the reference simulator.

use std::sync::Arc;

use kadsim_engine::distribution::{Distribution, whole_us};
use kadsim_engine::key::Key;
use kadsim_engine::link::{Regions, UniformLink};
use kadsim_engine::makeup::Region;
use kadsim_engine::random::{Purpose, Stream};
use kadsim_engine::record::Outcome;

use super::{Node, Reference};

/// Links between nodes.
#[derive(Clone, Debug)]
pub struct Links {
    pub uniform: UniformLink,
    /// Delays between regions, instead of those of `uniform`.
    pub regions: Option<Arc<Regions>>,
}

impl From<UniformLink> for Links {
    fn from(uniform: UniformLink) -> Self {
        Self {
            uniform,
            regions: None,
        }
    }
}

/// A contact that is sent.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub operation: u64,
    pub sequence: u32,
    pub from: Node,
    pub to: Node,
    /// When it is sent, µs.
    pub sent_us: u64,
}

/// How a contact ends, overhead left out.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    pub outcome: Outcome,
    /// One-way delay of a contact that succeeds, else the time to its failure, µs.
    pub base_delay_us: u64,
    /// Time from sending to completion, µs.
    pub total_us: u64,
    /// Time from sending until the remote acts, if it does, µs.
    pub request_us: Option<u64>,
}

impl Reference {
    /// Draws the fate of a contact.
    pub(super) fn fate(&self, request: Request) -> Fate {
        let link = &self.links.uniform;
        let draws = |purpose| {
            let sequence = u64::from(request.sequence);
            Stream::new(self.seed, purpose, request.operation, sequence)
        };
        let failed = |outcome, after_us, request_us| Fate {
            outcome,
            base_delay_us: after_us,
            total_us: after_us,
            request_us,
        };
        let mut stream = draws(Purpose::Contact);
        for (fault, outcome) in [
            (&link.fast_error, Outcome::FastError),
            (&link.slow_error, Outcome::SlowError),
        ] {
            if let Some(fault) = fault
                && fault.probability.holds(stream.bits())
            {
                return failed(outcome, fault.delay.draw(&mut stream), None);
            }
        }
        // One draw is the delay or the timeout.
        let timeout_us = link.timeout.draw(&mut stream.clone());
        let delay_us = match &self.links.regions {
            Some(regions) => self.pair_us(regions, request),
            None => link.delay.draw(&mut stream),
        };
        let mut jitters = draws(Purpose::Jitter);
        let mut message_us = || {
            let jitter = link.jitter.as_ref();
            delay_us + jitter.map_or(0, |jitter| whole_us(jitter.draw(&mut jitters)))
        };
        let request_us = (1..2 * link.round_trips).map(|_| message_us()).sum::<u64>();
        let answer_us = message_us();
        if !self.answers(request.to, request.sent_us + request_us) {
            return failed(Outcome::NotFound, timeout_us, None);
        }
        if link.gives_up && request_us + answer_us > timeout_us {
            return failed(Outcome::Late, timeout_us, Some(request_us));
        }
        Fate {
            outcome: Outcome::Ok,
            base_delay_us: delay_us,
            total_us: request_us + answer_us,
            request_us: Some(request_us),
        }
    }

    /// Returns the one-way delay between two nodes, µs.
    fn pair_us(&self, regions: &Regions, request: Request) -> u64 {
        let located = |node: Node| {
            let region = self.makeup.region(self.seed, self.keys[node]);
            (Region(region as u8), Key(self.keys[node]))
        };
        regions.one_way_us(self.seed, located(request.from), located(request.to))
    }
}
