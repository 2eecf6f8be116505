//! A digest of operations. The same rows in the same order have the same digest on every machine.

use kadsim_engine::record::OperationRow;
use sha2::{Digest as _, Sha256};

use crate::hex::hex;

/// SHA-256 of operations.
#[derive(Default)]
pub(super) struct Digest {
    hasher: Sha256,
    bytes: Vec<u8>,
}

impl Digest {
    /// Adds an operation, and the ids of its result if they are recorded.
    pub(super) fn add(&mut self, row: &OperationRow, result: Option<&[i64]>) {
        // Destructured, so that a new column cannot be left out.
        let &OperationRow {
            network,
            phase,
            operation,
            kind,
            origin,
            key,
            due_us,
            start_us,
            end_us,
            attempts,
            completed,
            succeeded,
            failed,
            abandoned,
            depth,
            known,
            recall,
            found,
            holder,
            stored,
            store_failed,
            lookup_us,
            store_us,
            ending,
            late,
            stale_contacts,
            holders_online,
        } = row;
        self.bytes.clear();
        let small = [
            network,
            phase,
            kind as u32,
            attempts,
            completed,
            succeeded,
            failed,
            abandoned,
            depth,
            known,
            ending as u32,
            late,
            stale_contacts,
        ];
        small.iter().for_each(|number| self.number(*number));
        let large = [operation, key, due_us, start_us, origin.cast_unsigned()];
        large.iter().for_each(|number| self.number(*number));
        let small = [
            recall.map(f32::to_bits),
            stored,
            store_failed,
            holders_online,
        ];
        small.iter().for_each(|number| self.maybe(*number));
        let large = [end_us, lookup_us, store_us, holder.map(i64::cast_unsigned)];
        large.iter().for_each(|number| self.maybe(*number));
        self.maybe(found.map(u64::from));
        self.maybe(result.map(|result| result.len() as u64));
        let ids = result.unwrap_or_default().iter();
        ids.for_each(|id| self.number(id.cast_unsigned()));
        self.hasher.update(&self.bytes);
    }

    fn number(&mut self, number: impl Into<u64>) {
        self.bytes.extend(number.into().to_le_bytes());
    }

    fn maybe(&mut self, number: Option<impl Into<u64>>) {
        self.bytes.push(u8::from(number.is_some()));
        if let Some(number) = number {
            self.number(number);
        }
    }

    /// Returns the digest of all added operations, in hexadecimal.
    pub(super) fn finish(self) -> String {
        hex(self.hasher)
    }
}
