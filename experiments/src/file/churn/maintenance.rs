//! `[maintenance]`.

use std::fmt::{self, Write};

use kadsim_engine::routing::live::Full;
use kadsim_systems::maintenance::{Check, Checked, Maintenance, Refresh, Refreshed};

use crate::file::field::Field;
use crate::file::keys::table as keys;
use crate::file::keys::{Key, of_section};
use crate::file::milliseconds::milliseconds;
use crate::file::reader::Section;
use crate::file::words::{CheckWord, RuleSet, WhenFull};

/// `[maintenance]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceSection {
    /// The rules that the section starts from.
    pub rules: RuleSet,
    /// Period of [`RuleSet::Ideal`], in microseconds, above 0; `None` with other rules.
    pub renewal_us: Option<u64>,
    /// How nodes keep their tables. How they join is what the rules say; `[churn]` may say otherwise.
    pub kept: Maintenance,
}

impl MaintenanceSection {
    /// Reads the section `section`, if the file has it. `rules` are its rules, if they are valid.
    pub(in crate::file) fn read(section: &Section<'_>, rules: Option<RuleSet>) -> Option<Self> {
        if !section.is_there() {
            return None;
        }
        let Some(rules) = rules else {
            return Some(Self::of(RuleSet::None));
        };
        let mut read = Self::of(rules);
        if rules == RuleSet::Ideal {
            read.renewal_us = ideal(section);
            return Some(read);
        }
        let kept = &mut read.kept;
        learning(section, kept);
        buckets(section, kept);
        kept.refresh = refresh(section, kept.refresh);
        kept.check = check(section, kept.check);
        Some(read)
    }

    fn of(rules: RuleSet) -> Self {
        let protocol = rules.protocol();
        Self {
            rules,
            renewal_us: None,
            kept: protocol.map_or_else(Maintenance::default, |set| set.maintenance.clone()),
        }
    }

    /// Returns whether tables learn.
    pub fn learns(&self) -> bool {
        self.kept.learn_asker || self.kept.learn_answerer || self.kept.learn_named
    }

    /// Returns whether traffic changes a table or what answers name, or nodes make contacts of their own accord.
    pub fn acts(&self) -> bool {
        let Maintenance {
            table,
            refresh,
            check,
            ..
        } = &self.kept;
        let fails = table.evict_after.is_some() || !table.names_failed;
        self.learns() || fails || refresh.is_some() || check.is_some()
    }

    pub(in crate::file) fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[maintenance]")?;
        writeln!(out, "rules = \"{}\"", self.rules)?;
        if let Some(renewal_us) = self.renewal_us {
            return writeln!(out, "refresh_ms = {}", milliseconds(renewal_us));
        }
        let Maintenance {
            table,
            refresh,
            check,
            ..
        } = &self.kept;
        let flags = [
            ("learn_asker", self.kept.learn_asker),
            ("learn_answerer", self.kept.learn_answerer),
            ("learn_named", self.kept.learn_named),
            ("verify", self.kept.verify),
            ("errors_count", self.kept.errors_count),
            ("names_failed", table.names_failed),
        ];
        for (key, value) in flags {
            writeln!(out, "{key} = {value}")?;
        }
        match table.full {
            Full::Keep => writeln!(out, "full = \"{}\"", WhenFull::Keep)?,
            Full::PingOldest { idle_us } => {
                writeln!(out, "full = \"{}\"", WhenFull::PingOldest)?;
                writeln!(out, "ping_idle_ms = {}", milliseconds(idle_us))?;
            }
        }
        writeln!(out, "replacements = {}", table.replacements)?;
        writeln!(out, "replacement = \"{}\"", table.replacement)?;
        writeln!(out, "evict_after = {}", table.evict_after.unwrap_or(0))?;
        if table.evict_after.is_some() {
            writeln!(out, "evict = \"{}\"", table.evict)?;
        }
        match refresh {
            None => writeln!(out, "refresh_ms = 0")?,
            Some(Refresh {
                what,
                every_us,
                own,
            }) => {
                writeln!(out, "refresh = {}", refreshed_text(*what))?;
                writeln!(out, "refresh_ms = {}", milliseconds(*every_us))?;
                writeln!(out, "refresh_own = {own}")?;
            }
        }
        let Some(Check { what, every_us }) = check else {
            return writeln!(out, "check_ms = 0");
        };
        let (word, idle_us) = match what {
            Checked::Idle { idle_us } => (CheckWord::Idle, Some(*idle_us)),
            Checked::Oldest => (CheckWord::Oldest, None),
            Checked::Random => (CheckWord::Random, None),
        };
        writeln!(out, "check = \"{word}\"")?;
        writeln!(out, "check_ms = {}", milliseconds(*every_us))?;
        idle_us.map_or(Ok(()), |us| {
            writeln!(out, "check_idle_ms = {}", milliseconds(us))
        })
    }
}

fn refreshed_text(what: Refreshed) -> String {
    match what {
        Refreshed::Idle => "\"idle\"".to_owned(),
        Refreshed::All => "\"all\"".to_owned(),
        Refreshed::Random(keys) => format!("{{ random = {keys} }}"),
    }
}

/// Reads the period of rules by full knowledge, and refuses every other key.
fn ideal(section: &Section<'_>) -> Option<u64> {
    let others = of_section(keys::MAINTENANCE.path)
        .filter(|key| ![keys::RULES.path, keys::REFRESH.path].contains(&key.path));
    for key in others {
        let allowed = format!("no `{}`: full knowledge gives the tables", key.name());
        section.refuse(key, "does not go with rules = \"ideal\"", &allowed);
    }
    let field = section.required(&keys::REFRESH)?;
    let period_us = field.micros()?;
    if period_us == 0 {
        field.cannot_be(
            "0",
            "a number of milliseconds above 0 with rules = \"ideal\"",
        );
        return None;
    }
    Some(period_us)
}

/// Overwrites a value by that of a key, if the section has the key.
fn given<'a, T>(
    section: &Section<'a>,
    key: &'static Key,
    value: &mut T,
    read: impl FnOnce(&Field<'a>) -> Option<T>,
) {
    if let Some(read) = section.get(key).and_then(|field| read(&field)) {
        *value = read;
    }
}

fn learning(section: &Section<'_>, kept: &mut Maintenance) {
    given(
        section,
        &keys::LEARN_ASKER,
        &mut kept.learn_asker,
        Field::boolean,
    );
    given(
        section,
        &keys::LEARN_ANSWERER,
        &mut kept.learn_answerer,
        Field::boolean,
    );
    given(
        section,
        &keys::LEARN_NAMED,
        &mut kept.learn_named,
        Field::boolean,
    );
    given(section, &keys::VERIFY, &mut kept.verify, Field::boolean);
    given(
        section,
        &keys::ERRORS_COUNT,
        &mut kept.errors_count,
        Field::boolean,
    );
    // Nodes that have answered need no ping.
    if kept.verify && !kept.learn_asker && !kept.learn_named {
        let allowed = "no `verify`, or `learn_asker` or `learn_named`";
        section.refuse(
            &keys::VERIFY,
            "is for nodes that are learned unheard",
            allowed,
        );
        kept.verify = false;
    }
}

fn buckets(section: &Section<'_>, kept: &mut Maintenance) {
    let table = &mut kept.table;
    given(
        section,
        &keys::NAMES_FAILED,
        &mut table.names_failed,
        Field::boolean,
    );
    let before = section.report.len();
    let full = section.get(&keys::FULL).and_then(|field| field.word());
    table.full = match (full, table.full) {
        (Some(WhenFull::Keep), _) => Full::Keep,
        (Some(WhenFull::PingOldest), Full::Keep) => Full::PingOldest { idle_us: 0 },
        (_, known) => known,
    };
    match &mut table.full {
        Full::PingOldest { idle_us } => given(section, &keys::PING_IDLE, idle_us, Field::micros),
        Full::Keep if section.report.len() == before => section.refuse(
            &keys::PING_IDLE,
            "is for full = \"ping-oldest\"",
            "no `ping_idle_ms` with full = \"keep\"",
        ),
        Full::Keep => {}
    }
    given(
        section,
        &keys::REPLACEMENTS,
        &mut table.replacements,
        Field::integer,
    );
    given(
        section,
        &keys::REPLACEMENT,
        &mut table.replacement,
        Field::word,
    );
    given(section, &keys::EVICT, &mut table.evict, Field::word);
    let after = section
        .integer::<u8>(&keys::EVICT_AFTER)
        .or(table.evict_after);
    if after.is_none() && !section.has(&keys::EVICT_AFTER) {
        let allowed = "no `evict`, or `evict_after`";
        section.refuse(&keys::EVICT, "needs `maintenance.evict_after`", allowed);
    }
    table.evict_after = after.filter(|after| *after > 0);
    if table.evict_after.is_none() {
        // Nothing is evicted, so that the choice means nothing.
        table.evict = Default::default();
    }
}

/// Reads refreshes, by default those of the rules.
fn refresh(section: &Section<'_>, of_rules: Option<Refresh>) -> Option<Refresh> {
    let field = section.get(&keys::REFRESH_KEYS);
    let has_keys = field.is_some();
    let what = field.and_then(|field| refreshed(&field));
    let what = what.or(of_rules.map(|one| one.what));
    let own = section
        .get(&keys::REFRESH_OWN)
        .and_then(|field| field.boolean());
    let period = Period {
        what: &keys::REFRESH_KEYS,
        every: &keys::REFRESH,
        more: &keys::REFRESH_OWN,
    };
    let every_us = period.read(section, has_keys, of_rules.map(|one| one.every_us))?;
    Some(Refresh {
        what: what?,
        every_us,
        own: own.or(of_rules.map(|one| one.own)).unwrap_or(true),
    })
}

fn refreshed(field: &Field<'_>) -> Option<Refreshed> {
    match field.word_or_random()? {
        Ok("idle") => Some(Refreshed::Idle),
        Ok(_) => Some(Refreshed::All),
        Err(keys) => Some(Refreshed::Random(keys)),
    }
}

/// Reads checks, by default those of the rules.
fn check(section: &Section<'_>, of_rules: Option<Check>) -> Option<Check> {
    let field = section.get(&keys::CHECK);
    let has_check = field.is_some();
    let word = field.and_then(|field| field.word());
    let idle_us = section.micros(&keys::CHECK_IDLE);
    let period = Period {
        what: &keys::CHECK,
        every: &keys::CHECK_PERIOD,
        more: &keys::CHECK_IDLE,
    };
    let every_us = period.read(section, has_check, of_rules.map(|one| one.every_us))?;
    if has_check && word.is_none() {
        return None;
    }
    let of_rules = of_rules.map(|one| one.what);
    let what = match (word, of_rules) {
        (Some(CheckWord::Idle) | None, Some(Checked::Idle { idle_us: known })) => Checked::Idle {
            idle_us: idle_us.unwrap_or(known),
        },
        (Some(CheckWord::Idle), _) => {
            section.required(&keys::CHECK_IDLE)?;
            Checked::Idle { idle_us: idle_us? }
        }
        (Some(CheckWord::Oldest), _) => Checked::Oldest,
        (Some(CheckWord::Random), _) => Checked::Random,
        (None, known) => known?,
    };
    if !matches!(what, Checked::Idle { .. }) {
        let allowed = "no `check_idle_ms` with other checks";
        section.refuse(&keys::CHECK_IDLE, "is for check = \"idle\"", allowed);
    }
    Some(Check { what, every_us })
}

/// The keys of something that happens at a period.
struct Period {
    /// What happens.
    what: &'static Key,
    /// Its period.
    every: &'static Key,
    /// Another key, which means nothing without the two.
    more: &'static Key,
}

impl Period {
    /// Reads the period, µs; `None` for 0, or if something is missing, which is reported. `is_given`: the section has
    /// `what`. `of_rules` is the period of the rules.
    fn read(&self, section: &Section<'_>, is_given: bool, of_rules: Option<u64>) -> Option<u64> {
        let (what, every) = (self.what.name(), self.every.name());
        let is_known = is_given || of_rules.is_some();
        if is_given && of_rules.is_none() {
            return section.required(self.every)?.micros().filter(|us| *us > 0);
        }
        let every_us = section.micros(self.every);
        if is_known {
            return every_us.or(of_rules).filter(|us| *us > 0);
        }
        // A period of 0 says that nothing happens.
        if every_us.is_some_and(|us| us > 0) {
            let allowed = format!(
                "0, `{what}` ({}), or rules of a protocol",
                self.what.takes.allowed()
            );
            section.refuse(self.every, &format!("needs `maintenance.{what}`"), &allowed);
        }
        if !section.has(self.every) {
            let allowed = format!("`{what}` and `{every}`, or rules of a protocol that have them");
            section.refuse(self.more, &format!("needs `maintenance.{what}`"), &allowed);
        }
        None
    }
}
