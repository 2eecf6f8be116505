//! A share, such as that of retrieves that find their segment.

use serde_json::Value;

/// Number of things counted, and of those among them that have a property.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    pub(super) part: u64,
    pub(super) whole: u64,
}

impl Share {
    /// Counts one thing, which has the property or not.
    pub(super) fn count(&mut self, has_property: bool) {
        self.part += u64::from(has_property);
        self.whole += 1;
    }

    /// Moves the counts of `other` into this share, and leaves `other` empty.
    pub(super) fn take(&mut self, other: &mut Self) {
        let Self { part, whole } = std::mem::take(other);
        self.part += part;
        self.whole += whole;
    }

    /// Returns the share, 0 to 1; null if nothing was counted.
    pub(super) fn value(&self) -> Value {
        match self.whole {
            0 => Value::Null,
            whole => Value::from(self.part as f64 / whole as f64),
        }
    }
}
