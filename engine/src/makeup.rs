//! What a node is for the whole run: its class, its region, and whether others can ask it. Nothing of it is stored; each
//! is a function of (seed, network, key).

use crate::key::Key;
use crate::random::{Probability, Purpose, Stream};

/// Index of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Region(pub u8);

impl Region {
    /// Returns the region as an index.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Shares of a whole, as bounds that 64 uniform bits are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares(Vec<Probability>);

impl Shares {
    /// Takes the shares; what they lack to 1 is the last one's, if they are a whole up to rounding, or belongs to none of
    /// them.
    pub fn new(shares: &[f64]) -> Self {
        let mut sum = 0.0;
        let bounds = shares.iter().map(|share| {
            sum += share;
            Probability::new(sum)
        });
        let mut bounds: Vec<Probability> = bounds.collect();
        if let Some(last) = bounds.last_mut()
            && (sum - 1.0).abs() < 1e-6
        {
            *last = Probability::new(1.0);
        }
        Self(bounds)
    }

    /// Returns the index of the share that uniform bits fall into; the number of shares where they fall into none.
    #[inline]
    pub fn of(&self, bits: u64) -> usize {
        let above = self.0.iter().position(|bound| bound.holds(bits));
        above.unwrap_or(self.0.len())
    }

    /// Returns the number of shares.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no share.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shares of the nodes that are clients: they ask, and answer no request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Clients {
    /// No node.
    #[default]
    None,
    /// This share of all nodes.
    Share(Probability),
    /// By region.
    OfRegion(Vec<Probability>),
    /// By class; the last is that of the nodes of no class.
    OfClass(Vec<Probability>),
}

/// What the nodes of a network are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Makeup {
    /// Seed of the network.
    pub network_seed: u64,
    /// Shares of the classes; nodes that fall into none are of the class after the last.
    pub classes: Shares,
    /// Weights of the regions; empty if there are none.
    pub regions: Shares,
    /// Nodes that answer no request.
    pub clients: Clients,
}

impl Makeup {
    /// Returns the index of a node's class.
    #[inline]
    pub fn class(&self, key: Key) -> usize {
        if self.classes.is_empty() {
            return 0;
        }
        self.classes.of(self.bits(Purpose::Class, key))
    }

    /// Returns a node's region; the first where there are none.
    #[inline]
    pub fn region(&self, key: Key) -> Region {
        if self.regions.is_empty() {
            return Region::default();
        }
        let region = self.regions.of(self.bits(Purpose::Region, key));
        Region(region.min(self.regions.len() - 1) as u8)
    }

    /// Returns whether some nodes may be clients.
    #[inline]
    pub fn has_clients(&self) -> bool {
        self.clients != Clients::None
    }

    /// Returns whether a node answers requests while it is online.
    #[inline]
    pub fn is_server(&self, key: Key) -> bool {
        let share = match &self.clients {
            Clients::None => return true,
            Clients::Share(share) => *share,
            Clients::OfRegion(shares) => shares[self.region(key).index()],
            Clients::OfClass(shares) => shares[self.class(key)],
        };
        !share.holds(self.bits(Purpose::Reach, key))
    }

    #[inline]
    fn bits(&self, purpose: Purpose, key: Key) -> u64 {
        Stream::new(self.network_seed, purpose, key.0, 0).bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> impl Iterator<Item = Key> {
        (0..100_000).map(|id| Key::of_node(id, 9))
    }

    #[test]
    fn regions_and_classes_have_their_shares() {
        let makeup = Makeup {
            network_seed: 5,
            classes: Shares::new(&[0.25, 0.5]),
            regions: Shares::new(&[0.1, 0.2, 0.7]),
            ..Makeup::default()
        };
        let mut counts = [[0.0; 3]; 3];
        for key in keys() {
            counts[makeup.class(key)][makeup.region(key).index()] += 1.0;
        }
        for (class, class_share) in counts.iter().zip([0.25, 0.5, 0.25]) {
            for (count, share) in class.iter().zip([0.1, 0.2, 0.7]) {
                let expected: f64 = 100_000.0 * class_share * share;
                assert!(
                    (count - expected).abs() < 5.0 * expected.sqrt(),
                    "{counts:?}"
                );
            }
        }
    }

    #[test]
    fn clients_have_their_share_in_each_region() {
        let makeup = Makeup {
            network_seed: 5,
            regions: Shares::new(&[0.5, 0.5]),
            clients: Clients::OfRegion([0.0, 0.4].map(Probability::new).to_vec()),
            ..Makeup::default()
        };
        let clients: Vec<Key> = keys().filter(|&key| !makeup.is_server(key)).collect();
        assert!(clients.iter().all(|&key| makeup.region(key) == Region(1)));
        assert!((clients.len() as f64 - 20_000.0).abs() < 5.0 * 127.0);
    }

    #[test]
    fn without_shares_there_is_one_region_and_every_node_is_a_server() {
        let makeup = Makeup::default();
        assert!(keys().all(|key| makeup.region(key) == Region(0) && makeup.is_server(key)));
    }
}
