//! What the nodes of the reference simulator are: their classes, their regions, and whether they answer.

use kadsim_engine::random::{Probability, Purpose, Stream};

/// Shares of the nodes that are clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClientShares {
    #[default]
    None,
    Of(f64),
    OfRegion(Vec<f64>),
    /// By class; the last is that of the nodes of no class.
    OfClass(Vec<f64>),
}

/// What the nodes of a network are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Makeup {
    pub classes: Vec<f64>,
    pub regions: Vec<f64>,
    pub clients: ClientShares,
}

/// Returns the index of the share that uniform bits fall into, or the number of shares.
fn index_of(shares: &[f64], bits: u64) -> usize {
    let mut sum = 0.0;
    for (index, share) in shares.iter().enumerate() {
        sum += share;
        if Probability::new(sum).holds(bits) {
            return index;
        }
    }
    shares.len()
}

impl Makeup {
    pub fn class(&self, seed: u64, key: u64) -> usize {
        index_of(
            &self.classes,
            Stream::new(seed, Purpose::Class, key, 0).bits(),
        )
    }

    /// Returns the region of a node. Shares of regions sum to 1.
    pub fn region(&self, seed: u64, key: u64) -> usize {
        if self.regions.is_empty() {
            return 0;
        }
        index_of(
            &self.regions,
            Stream::new(seed, Purpose::Region, key, 0).bits(),
        )
    }

    pub fn is_server(&self, seed: u64, key: u64) -> bool {
        let share = match &self.clients {
            ClientShares::None => 0.0,
            ClientShares::Of(share) => *share,
            ClientShares::OfRegion(shares) => shares[self.region(seed, key)],
            ClientShares::OfClass(shares) => shares[self.class(seed, key)],
        };
        let bits = Stream::new(seed, Purpose::Reach, key, 0).bits();
        !Probability::new(share).holds(bits)
    }
}
