//! How nodes come and leave: `[churn]`; what routing tables learn and how they follow: `[maintenance]`; how long segments
//! are held: `[records]`.

mod length;
mod maintenance;
mod read;
mod records;

use std::fmt::{self, Display, Write};
use std::path::PathBuf;

pub use self::length::Length;
pub use self::maintenance::MaintenanceSection;
pub(in crate::file) use self::read::Joining;
pub use self::records::RecordsSection;
use super::diagnostic::Span;
use super::milliseconds::milliseconds;
use super::quoted::{optional, quoted, quoted_path};
use super::words::{Join, OnLeaving, Start};
use kadsim_systems::maintenance::JoinRefresh;

/// `[churn]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChurnSection {
    /// When nodes are online.
    pub presence: Presence,
    /// Classes of nodes, in order. Their shares sum to at most 1.
    pub classes: Vec<Class>,
    /// The nodes at the start.
    pub start: Start,
    /// What a node that comes knows.
    pub join: Join,
    /// What a node that joins by protocol looks up after its own key.
    pub join_refresh: JoinRefresh,
    /// Number of random servers that a node without entries gets to know when it joins by protocol, 1 to
    /// [`KNOWS_MAX`](super::defaults::KNOWS_MAX).
    pub knows: u32,
    /// Ids of the nodes that it gets to know instead, all different; empty for random ones.
    pub known: Vec<i64>,
    /// Place of `known` in the text.
    pub known_span: Span,
    /// Whether a node has its routing table in its next session.
    pub table: OnLeaving,
    /// Whether a node has its segments in its next session.
    pub records: OnLeaving,
    /// Nodes that leave together.
    pub events: Vec<Event>,
    /// Place of the section in the text.
    pub span: Span,
}

/// When nodes are online.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// Sessions and absences are drawn; these are those of the nodes of no class.
    Drawn(Lengths),
    /// As a file lists.
    Listed {
        /// Absolute path.
        path: PathBuf,
        /// Place of the path in the text.
        span: Span,
    },
}

/// Lengths of sessions and absences.
#[derive(Clone, Debug, PartialEq)]
pub struct Lengths {
    /// How long a node stays.
    pub session: Length,
    /// How long it stays away.
    pub absence: Length,
}

/// `[[churn.class]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Share of the nodes, 0 to 1.
    pub share: f64,
    /// Their sessions and absences; `None` with [`Presence::Listed`].
    pub lengths: Option<Lengths>,
    /// Share of the class that are clients, 0 to 1.
    pub clients: Option<f64>,
    /// Place of the class in the text.
    pub span: Span,
}

/// `[[churn.event]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in microseconds from the run's start.
    pub at_us: u64,
    /// Which nodes.
    pub leavers: Leavers,
    /// How long they stay away at least, in microseconds; `None`: for ever.
    pub for_us: Option<u64>,
}

/// Which nodes leave.
#[derive(Clone, Debug, PartialEq)]
pub enum Leavers {
    /// Each node with this probability, above 0 and up to 1.
    Share(f64),
    /// The nodes of a region.
    Region {
        /// Its name.
        name: String,
        /// Place of the name in the text.
        span: Span,
    },
}

impl ChurnSection {
    /// Returns the lengths of the nodes of each class and of no class, each with its share of the nodes; none with
    /// [`Presence::Listed`].
    pub fn lengths(&self) -> Vec<(f64, &Lengths)> {
        let Presence::Drawn(others) = &self.presence else {
            return Vec::new();
        };
        let classes = self.classes.iter();
        let mut all: Vec<_> = classes
            .map(|class| (class.share, class.lengths.as_ref().unwrap_or(others)))
            .collect();
        let taken: f64 = all.iter().map(|(share, _)| share).sum();
        all.push(((1.0 - taken).max(0.0), others));
        all
    }

    fn write_joining(&self, out: &mut String, is_joined: bool) -> fmt::Result {
        let joins = self.join == Join::Protocol;
        if joins || is_joined {
            writeln!(out, "join_refresh = {}", join_refresh(self.join_refresh))?;
        }
        if !joins {
            return Ok(());
        }
        let known = (!self.known.is_empty()).then(|| format!("{:?}", self.known));
        if known.is_none() {
            writeln!(out, "knows = {}", self.knows)?;
        }
        optional(out, "known", known, "random ones")
    }

    /// Writes the section. `is_joined`: all nodes join by protocol before the first phase.
    pub(super) fn write(&self, out: &mut String, is_joined: bool) -> fmt::Result {
        writeln!(out, "\n[churn]")?;
        match &self.presence {
            Presence::Drawn(lengths) => {
                writeln!(out, "session = {}", lengths.session)?;
                writeln!(out, "absence = {}", lengths.absence)?;
                writeln!(out, "start = \"{}\"", self.start)?;
            }
            Presence::Listed { path, .. } => writeln!(out, "trace = {}", quoted_path(path))?,
        }
        writeln!(out, "join = \"{}\"", self.join)?;
        self.write_joining(out, is_joined)?;
        writeln!(out, "table = \"{}\"", self.table)?;
        writeln!(out, "records = \"{}\"", self.records)?;
        optional(out, "class", listed(&self.classes), "none")?;
        optional(out, "event", listed(&self.events), "none")
    }
}

/// Writes what is looked up after the own key.
pub(super) fn join_refresh(refresh: JoinRefresh) -> String {
    match refresh {
        JoinRefresh::Farther => quoted("farther"),
        JoinRefresh::Own => quoted("own"),
        JoinRefresh::Random(keys) => format!("{{ random = {keys} }}"),
    }
}

/// Returns tables as a list on one line; `None` for none.
fn listed(tables: &[impl Display]) -> Option<String> {
    let all: Vec<_> = tables.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| format!("[{}]", all.join(", ")))
}

/// As a table in braces.
impl Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{ share = {:?}", self.share)?;
        if let Some(Lengths { session, absence }) = &self.lengths {
            write!(formatter, ", session = {session}, absence = {absence}")?;
        }
        if let Some(clients) = self.clients {
            write!(formatter, ", clients = {clients:?}")?;
        }
        formatter.write_str(" }")
    }
}

/// As a table in braces.
impl Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{{ at_ms = {}, leave = ",
            milliseconds(self.at_us)
        )?;
        match &self.leavers {
            Leavers::Share(share) => write!(formatter, "{share:?}")?,
            Leavers::Region { name, .. } => write!(formatter, "{{ region = {} }}", quoted(name))?,
        }
        if let Some(for_us) = self.for_us {
            write!(formatter, ", for_ms = {}", milliseconds(for_us))?;
        }
        formatter.write_str(" }")
    }
}
