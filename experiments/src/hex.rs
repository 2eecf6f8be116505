//! SHA-256 digests as text.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Returns the digest as 64 hexadecimal digits.
pub(crate) fn hex(hasher: Sha256) -> String {
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
