//! `[maintenance]`.

use std::fmt::{self, Write};

use crate::file::keys::table as keys;
use crate::file::milliseconds::milliseconds;
use crate::file::quoted::optional;
use crate::file::reader::Section;
use crate::file::words::RuleSet;

/// `[maintenance]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintenanceSection {
    /// How nodes keep their routing tables.
    pub rules: RuleSet,
    /// Period of [`RuleSet::Ideal`], in microseconds, above 0; `None` with other rules.
    pub refresh_us: Option<u64>,
}

impl MaintenanceSection {
    /// Reads the section, if the file has it.
    pub(in crate::file) fn read(top: &Section<'_>) -> Option<Self> {
        let section = top.section(&keys::MAINTENANCE);
        if !section.is_there() {
            return None;
        }
        let before = section.report.len();
        let rules = section.word_or(&keys::RULES);
        let rules_known = section.report.len() == before;
        let mut refresh_us = None;
        if rules == RuleSet::Ideal {
            refresh_us = section
                .required(&keys::REFRESH)
                .and_then(|field| field.micros());
        } else if rules_known {
            section.refuse(
                &keys::REFRESH,
                "is for rules = \"ideal\"",
                "no `refresh_ms` with rules = \"none\"",
            );
        }
        Some(Self { rules, refresh_us })
    }

    pub(in crate::file) fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[maintenance]")?;
        writeln!(out, "rules = \"{}\"", self.rules)?;
        optional(out, "refresh_ms", self.refresh_us.map(milliseconds), "none")
    }
}
