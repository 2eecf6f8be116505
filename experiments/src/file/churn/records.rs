//! `[records]`.

use std::fmt::{self, Write};

use kadsim_systems::maintenance::sets::Protocol;

use crate::file::keys::table as keys;
use crate::file::milliseconds::milliseconds;
use crate::file::reader::Section;

/// `[records]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSection {
    /// How long a segment is held after its publication, in microseconds, above 0; `None`: for ever.
    pub ttl_us: Option<u64>,
    /// Time after the start of a provide after which its origin provides again, in microseconds, above 0; `None`: never.
    pub republish_us: Option<u64>,
}

impl RecordsSection {
    /// Reads the section, if the file or the rules have one.
    pub(in crate::file) fn read(
        top: &Section<'_>,
        protocol: Option<&'static Protocol>,
    ) -> Option<Self> {
        let section = top.section(&keys::RECORDS);
        if !section.is_there() && protocol.is_none() {
            return None;
        }
        let given = |key| section.micros(key);
        let ttl_us = given(&keys::TTL).or(protocol.and_then(|set| set.ttl_us));
        let republish_us = given(&keys::REPUBLISH).or(protocol.and_then(|set| set.republish_us));
        Some(Self {
            ttl_us: ttl_us.filter(|us| *us > 0),
            republish_us: republish_us.filter(|us| *us > 0),
        })
    }

    /// Returns whether segments expire or are provided again.
    pub fn acts(&self) -> bool {
        self.ttl_us.is_some() || self.republish_us.is_some()
    }

    pub(in crate::file) fn write(&self, out: &mut String) -> fmt::Result {
        let written = |us: Option<u64>| milliseconds(us.unwrap_or(0));
        writeln!(out, "\n[records]")?;
        writeln!(out, "ttl_ms = {}", written(self.ttl_us))?;
        writeln!(out, "republish_ms = {}", written(self.republish_us))
    }
}
