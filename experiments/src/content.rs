//! Guesses the format of a file from its first bytes, for errors that name the cause.

/// Returns why a file with these first bytes is not UTF-8 text, and what to do about it. `None` if they may be text.
pub(crate) fn not_text(start: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| start.starts_with(magic);
    let zeros = |offset: usize| {
        let pairs = start.chunks_exact(2).take(4);
        pairs.len() > 0
            && pairs
                .clone()
                .all(|pair| pair[offset] == 0 && pair[1 - offset] != 0)
    };
    Some(match start {
        _ if begins(b"\xFF\xFE") || begins(b"\xFE\xFF") || zeros(0) || zeros(1) => {
            "this file is UTF-16: save it as UTF-8"
        }
        _ if begins(b"\x1F\x8B") => "this file is compressed by gzip",
        _ if begins(b"\x28\xB5\x2F\xFD") => "this file is compressed by zstd",
        _ if begins(b"BZh") => "this file is compressed by bzip2: unpack it",
        _ if begins(b"\xFD7zXZ") => "this file is compressed by xz: unpack it",
        _ if begins(b"PK\x03\x04") => {
            "this file is a zip archive or a spreadsheet: unpack it, or save the sheet as CSV"
        }
        _ if begins(b"PAR1") => "this file is Parquet",
        _ if begins(b"SQLite format 3\0") => "this file is an SQLite database",
        _ if start.contains(&0) => "this file is binary, not text",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_name_the_cause() {
        for (start, cause) in [
            (&b"\xFF\xFEn\0o\0"[..], "UTF-16"),
            (b"\xFE\xFF\0n\0o", "UTF-16"),
            (b"n\0o\0d\0e\0", "UTF-16"),
            (b"\0n\0o\0d\0e", "UTF-16"),
            (b"\x1F\x8B\x08", "gzip"),
            (b"\x28\xB5\x2F\xFD\x04", "zstd"),
            (b"PK\x03\x04", "spreadsheet"),
            (b"PAR1\x15", "Parquet"),
            (b"\0\0\0\0", "binary"),
        ] {
            assert!(
                not_text(start).is_some_and(|said| said.contains(cause)),
                "{start:?}"
            );
        }
        for text in ["", "n", "node,key\n", "\u{feff}node", "Größe"] {
            assert_eq!(not_text(text.as_bytes()), None);
        }
    }
}
