//! Opens and unpacks the file of a table, by the format that its name says.

use std::fs::{File, Metadata};
use std::io::{BufReader, Read};
use std::path::Path;

use super::{FILE_BYTES_MAX, ImportError, Reason};

/// Format of a file, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Text(Packing),
}

/// Compression of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Packing::Plain => "text",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// Returns the format that the ending of a name says, in upper or lower case.
pub(super) fn format(path: &Path) -> Result<Format, Reason> {
    let name = path.file_name().unwrap_or_default();
    let name = name.to_string_lossy().to_ascii_lowercase();
    let ends = |endings: [&str; 2]| endings.iter().any(|ending| name.ends_with(ending));
    Ok(match () {
        () if name.ends_with(".parquet") => Format::Parquet,
        () if ends([".csv", ".tsv"]) => Format::Text(Packing::Plain),
        () if ends([".csv.gz", ".tsv.gz"]) => Format::Text(Packing::Gzip),
        () if ends([".csv.zst", ".tsv.zst"]) => Format::Text(Packing::Zstd),
        () => return Err(Reason::Extension),
    })
}

/// Opens a regular file of at most [`FILE_BYTES_MAX`] bytes, or a link to one. Checks the kind of file before it opens
/// it, because opening a pipe waits for a writer.
///
/// # Errors
/// The path names something else, a longer file, or nothing that can be read.
pub(crate) fn open(path: &Path) -> Result<(File, u64), ImportError> {
    let opened = || -> Result<(File, u64), Reason> {
        let found = path.metadata()?;
        if !found.is_file() {
            return Err(Reason::NotAFile(kind(&found)));
        }
        if found.len() > FILE_BYTES_MAX {
            return Err(Reason::TooLong("the file"));
        }
        Ok((File::open(path)?, found.len()))
    };
    opened().map_err(|reason| ImportError {
        path: path.into(),
        reason,
    })
}

/// Names the kind of something that is no regular file.
fn kind(found: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let found = found.file_type();
        if found.is_fifo() {
            return "a pipe";
        }
        if found.is_char_device() || found.is_block_device() {
            return "a device";
        }
        if found.is_socket() {
            return "a socket";
        }
    }
    if found.is_dir() {
        "a directory"
    } else {
        "something else"
    }
}

/// Returns the unpacked text of a file. The formats bound the memory that unpacking takes: 32 KiB for gzip, 128 MiB for
/// zstd, whose decoder refuses larger windows.
pub(super) fn unpack(file: File, packing: Packing) -> std::io::Result<Box<dyn Read>> {
    Ok(match packing {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?),
    })
}
