//! Delays by region, as the experiment names them: a region file or a built-in one, weights, and shares by region.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::delay::Delay;
use super::diagnostic::Span;
use super::milliseconds::milliseconds;
use super::quoted::{bare_or_quoted, quoted, quoted_path};
use super::wording::{shown, some};

/// Region files that are part of the program: name and text.
pub(crate) const BUILT_IN: [(&str, &str); 1] =
    [("world-2018", include_str!("../../regions/world-2018.toml"))];

/// Delay of one way: `link.delay_ms`.
#[derive(Clone, Debug, PartialEq)]
pub enum OneWay {
    /// Drawn for each contact.
    Drawn(Delay),
    /// Of a pair of nodes, by the regions of both.
    ByRegion(RegionsSection),
}

impl OneWay {
    /// Returns whether it can be 0.
    pub fn can_be_zero(&self) -> bool {
        match self {
            Self::Drawn(delay) => delay.can_be_zero(),
            Self::ByRegion(regions) => regions.floor_us == 0,
        }
    }
}

/// `{ regions = .., weights = .., floor_ms = .. }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionsSection {
    /// The names of the regions and their round trips.
    pub source: RegionSource,
    /// Place of `regions` in the text.
    pub span: Span,
    /// Shares of the nodes, which sum to 1; `None` for those of the region file.
    pub weights: Option<RegionShares>,
    /// Shortest delay, in microseconds, at least 1.
    pub floor_us: u64,
}

/// A region file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegionSource {
    /// A built-in one, by its name.
    BuiltIn(&'static str),
    /// Absolute path of one.
    File(PathBuf),
}

/// A share for each of some regions.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionShares(pub Vec<RegionShare>);

/// A region and its share.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionShare {
    /// Name of the region.
    pub region: String,
    /// The share, 0 to 1.
    pub share: f64,
    /// Place of the region's name in the text.
    pub span: Span,
}

impl RegionShare {
    /// Returns the error that none of the regions `names` has this name: title and label. `path` is the key.
    pub(crate) fn message(&self, path: &str, names: &[String]) -> (String, String) {
        unknown_region(path, &self.region, names)
    }
}

/// Returns the error that none of the regions `names` has the name `region`: title and label. `path` is the key.
pub(crate) fn unknown_region(path: &str, region: &str, names: &[String]) -> (String, String) {
    let title = format!("`{path}` names the unknown region `{}`", shown(region));
    (title, format!("allowed: {}", some(names)))
}

impl RegionShares {
    /// Returns the share of each of the regions `names`; 0 for those without one.
    ///
    /// # Errors
    /// The first region that is not one of `names`.
    pub fn of(&self, names: &[String]) -> Result<Vec<f64>, &RegionShare> {
        let mut shares = vec![0.0; names.len()];
        for share in &self.0 {
            let place = names.iter().position(|name| *name == share.region);
            shares[place.ok_or(share)?] = share.share;
        }
        Ok(shares)
    }
}

/// Shares of the nodes that are clients: `reachability.clients`.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientShares {
    /// Of all nodes, from 0 up to but below 1.
    OfAll(f64),
    /// Of the nodes of each region. The link is by regions then.
    ByRegion(RegionShares),
}

impl ClientShares {
    /// Returns whether some nodes may be clients.
    pub fn are_any(&self) -> bool {
        match self {
            Self::OfAll(share) => *share > 0.0,
            Self::ByRegion(shares) => shares.0.iter().any(|share| share.share > 0.0),
        }
    }
}

/// As the file spells it, in milliseconds.
impl Display for OneWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regions = match self {
            Self::Drawn(delay) => return delay.fmt(formatter),
            Self::ByRegion(regions) => regions,
        };
        let source = match &regions.source {
            RegionSource::BuiltIn(name) => quoted(name),
            RegionSource::File(path) => quoted_path(path),
        };
        write!(formatter, "{{ regions = {source}")?;
        if let Some(weights) = &regions.weights {
            write!(formatter, ", weights = {weights}")?;
        }
        write!(
            formatter,
            ", floor_ms = {} }}",
            milliseconds(regions.floor_us)
        )
    }
}

/// As the file spells it.
impl Display for RegionShares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one =
            |share: &RegionShare| format!("{} = {:?}", bare_or_quoted(&share.region), share.share);
        let all: Vec<_> = self.0.iter().map(one).collect();
        match all.is_empty() {
            true => formatter.write_str("{}"),
            false => write!(formatter, "{{ {} }}", all.join(", ")),
        }
    }
}

/// As the file spells it.
impl Display for ClientShares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfAll(share) => share.fmt(formatter),
            Self::ByRegion(shares) => shares.fmt(formatter),
        }
    }
}
