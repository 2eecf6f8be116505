//! Random experiments.

use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::presence::{Churn, Offline, Sessions};
use kadsim_engine::random::{Probability, Stream};
use kadsim_engine::routing::Policy;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::network::{Network, NodeSet, Spec};
use kadsim_systems::rules::{Procedure, Rules, Stop};

use super::life::Life;
use crate::properties::reference::link::Links;

/// A random experiment.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub nodes: u32,
    pub k: u8,
    pub policy: Policy,
    pub layout: LayoutKind,
    pub rules: Rules,
    pub links: Links,
    pub overhead_us: u64,
    pub tick_us: u64,
    /// Share of the nodes, without one, that are offline from the start, in sixths.
    pub offline_sixths: u32,
    /// Most nodes that go offline after the first phase.
    pub offline: u64,
    /// Nodes added after the second phase.
    pub added: u64,
    pub parallel: Option<u32>,
    /// Most operations of a phase.
    pub operations: u64,
    /// Most origins of a phase.
    pub origins: usize,
    /// Whether connections are recorded. Operations then run window by window.
    pub connections: bool,
    pub segments: Vec<Key>,
    /// Number of phases in flight at the same time.
    pub beside: usize,
    /// Due times are multiples of it, µs.
    pub grain_us: u64,
    /// Whether stored segments are removed before phases begin.
    pub forgets: bool,
    /// What the nodes are, and how they come and go.
    pub life: Option<Life>,
    /// Whether the network has rules of churn by which no node leaves.
    pub is_never: bool,
}

/// Draws one of several choices.
pub fn pick<T: Clone>(stream: &mut Stream, choices: &[T]) -> T {
    choices[stream.below(choices.len() as u64) as usize].clone()
}

/// Draws a distribution of delays of at least `shortest` µs, 0 or 1.
pub fn any_delay(stream: &mut Stream, shortest: u64) -> Delay {
    let low = match stream.below(4) {
        0 => shortest,
        _ => 1 + stream.below(60) * pick(stream, &[1, 1000]),
    };
    match stream.below(3) {
        0 => Delay::Constant(low),
        1 => Delay::Uniform {
            low,
            high: low + stream.below(40_000),
        },
        _ => Delay::Choice([low, low + 1, low + 25_000].into()),
    }
}

/// Draws a kind of error, or none.
pub fn any_fault(stream: &mut Stream, shortest: u64) -> Option<Fault> {
    let share = pick(stream, &[0.0, 0.1, 0.4, 1.0]);
    let delay = any_delay(stream, shortest);
    (stream.below(3) > 0).then_some(Fault {
        probability: Probability::new(share),
        delay,
    })
}

/// Adds follow-ups and contacts that stall to some rules, by draws of their own.
fn with_others(rules: Rules, seed: u64) -> Rules {
    let stream = &mut Stream::from_state(!seed);
    let has_follow_up = stream.below(2) > 0;
    let stall_us = 1 + stream.below(4) * pick(stream, &[1, 1_000, 40_000]);
    let stalls = rules.procedure.allows_stalls() && stream.below(3) == 0;
    Rules {
        stop: match rules.stop {
            Stop::ClosestAnswered if has_follow_up => Stop::FollowUp,
            stop => stop,
        },
        stall_us: stalls.then_some(stall_us),
        ..rules
    }
}

impl Case {
    /// Draws an experiment with few operations in flight.
    pub fn new(seed: u64) -> Self {
        let stream = &mut Stream::from_state(seed);
        let procedure = pick(
            stream,
            &[
                Procedure::Iterative,
                Procedure::Iterative,
                Procedure::PyDht,
                Procedure::Rfm19,
            ],
        );
        let stops = [Stop::NoProgress, Stop::NoProgress, Stop::ClosestAnswered];
        let rules = Rules {
            alpha: 1 + stream.below(5) as u32,
            // A result of 20 reaches beyond the sorted head of the shortlist, if most nodes of the head have failed.
            beta: match stream.below(4) {
                0 => 20,
                _ => 1 + stream.below(9) as u32,
            },
            steps_to_stop: 1 + stream.below(4) as u32,
            stop: match procedure {
                Procedure::Iterative => pick(stream, &stops),
                Procedure::PyDht | Procedure::Rfm19 => Stop::NoProgress,
            },
            procedure,
            stall_us: None,
        };
        let rules = with_others(rules, seed);
        let overhead_us = pick(stream, &[0, 0, 1, 250, 7_000]);
        // By the clock, overhead needs contacts that take time.
        let is_charged = overhead_us > 0 && procedure.is_by_clock();
        let shortest = u64::from(is_charged);
        let nodes = pick(stream, &[1, 2, 3, 10, 30, 60, 120]);
        Self {
            seed,
            nodes,
            k: 1 + stream.below(8) as u8,
            policy: pick(stream, &[Policy::Closest, Policy::Random]),
            layout: pick(stream, &LayoutKind::ALL),
            rules,
            links: Links::from(UniformLink {
                delay: any_delay(stream, shortest),
                fast_error: any_fault(stream, shortest),
                slow_error: any_fault(stream, shortest),
                timeout: any_delay(stream, shortest),
                ..UniformLink::default()
            }),
            overhead_us,
            tick_us: pick(stream, &[1_000, 50_000, 10_000_000]),
            offline_sixths: (seed % 4) as u32,
            offline: stream.below(u64::from(nodes) / 4 + 1),
            added: stream.below(3),
            parallel: pick(stream, &[None, Some(1), Some(2), Some(3)]),
            operations: 25,
            origins: pick(stream, &[1, 3, usize::MAX]),
            connections: stream.below(2) > 0,
            segments: (0..6).map(|_| Key(stream.bits())).collect(),
            beside: 1,
            grain_us: 1,
            forgets: false,
            life: None,
            is_never: false,
        }
    }

    /// Draws phases that overlap in a network of few nodes. Few origins, mostly among their own results, and delays of few
    /// and very different sizes let stores arrive before, after and together with requests.
    pub fn meeting(seed: u64) -> Self {
        let case = Self::new(seed).overlapping(2 + (seed % 2) as usize);
        let stream = &mut Stream::from_state(!seed);
        let delay = pick(
            stream,
            &[
                Delay::Constant(1_000),
                Delay::Choice([1_000, 2_000].into()),
                Delay::Choice([1_000, 7_000, 60_000].into()),
                Delay::Constant(30_000),
                Delay::Uniform {
                    low: 10_000,
                    high: 50_000,
                },
            ],
        );
        let fault = |fault: Option<Fault>| {
            fault.map(|fault| Fault {
                probability: Probability::new(0.1),
                ..fault
            })
        };
        Self {
            nodes: 2 + stream.below(12) as u32,
            offline: stream.below(2),
            rules: Rules {
                beta: pick(stream, &[1, 4, 20]),
                ..case.rules
            },
            links: Links::from(UniformLink {
                delay,
                fast_error: fault(case.links.uniform.fast_error),
                slow_error: fault(case.links.uniform.slow_error),
                ..case.links.uniform
            }),
            overhead_us: pick(stream, &[0, 0, 1, 500]),
            origins: pick(stream, &[1, 2, 4]),
            segments: (0..3).map(|_| Key(stream.bits())).collect(),
            grain_us: pick(stream, &[1, 1_000, 1_000]),
            forgets: true,
            ..case
        }
    }

    /// Lets phases of the experiment overlap. Every delay is then at least a microsecond, so that stores and answers have
    /// an order.
    pub fn overlapping(self, beside: usize) -> Self {
        let longer = |delay: Delay| match delay {
            Delay::Constant(0) => Delay::Constant(1),
            Delay::Uniform { low: 0, high } => Delay::Uniform {
                low: 1,
                high: high + 1,
            },
            Delay::Choice(delays) => Delay::Choice(delays.iter().map(|&us| us.max(1)).collect()),
            delay => delay,
        };
        let fault = |fault: Fault| Fault {
            delay: longer(fault.delay),
            ..fault
        };
        let link = self.links.uniform;
        Self {
            links: Links::from(UniformLink {
                delay: longer(link.delay),
                fast_error: link.fast_error.map(fault),
                slow_error: link.slow_error.map(fault),
                timeout: longer(link.timeout),
                ..link
            }),
            beside,
            ..self
        }
    }

    /// Draws an experiment with many operations in flight, each short so that the reference is fast.
    pub fn crowded(seed: u64, operations: u64) -> Self {
        Self::new(seed).busy(operations)
    }

    /// Lets many operations be in flight, each short so that the reference is fast.
    pub fn busy(self, operations: u64) -> Self {
        let case = self;
        let (alpha, beta) = (case.rules.alpha.min(3), case.rules.beta.min(4));
        Self {
            nodes: case.nodes.clamp(10, 60),
            offline: case.offline.min(3),
            k: case.k.min(4),
            rules: Rules {
                alpha,
                beta,
                ..case.rules
            },
            operations,
            origins: case.origins.max(3),
            ..case
        }
    }

    /// Returns the number of nodes that are offline from the start.
    pub fn offline_from_start(&self) -> u32 {
        (self.nodes - 1) * self.offline_sixths / 6
    }

    /// Makes and bootstraps the network.
    pub fn network(&self) -> Network {
        self.network_of(|spec| spec)
    }

    /// Makes the network of the case, with changes of its specification.
    pub fn network_of(&self, change: impl FnOnce(Spec) -> Spec) -> Network {
        let mut network = self.empty_network_of(change);
        network.bootstrap();
        network
    }

    /// Makes the network of the case, with changes of its specification, and without a bootstrap.
    pub fn empty_network_of(&self, change: impl FnOnce(Spec) -> Spec) -> Network {
        let mut life = self.life.clone().unwrap_or_default();
        if self.is_never {
            life.churn = Some(Churn {
                sessions: vec![Sessions::default()],
                ..Churn::default()
            });
        }
        let mut network = Network::new(change(Spec {
            nodes: NodeSet::Generated(self.nodes),
            offline: Offline::Drawn(self.offline_from_start()),
            seed: self.seed,
            bucket_size: self.k,
            policy: self.policy,
            layout: self.layout,
            rules: self.rules,
            link: life.link(&self.links),
            overhead_us: self.overhead_us,
            tick_us: self.tick_us,
            ..life.spec()
        }))
        .unwrap();
        network.recording().connections = self.connections;
        network.recording().results = true;
        network.recording().living = life.is_recorded;
        network
    }
}
