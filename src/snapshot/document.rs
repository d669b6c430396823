//! Reads a small JSON document of a run (`manifest.json`, `end.json`) completely, up to a limit.

use super::SnapshotError;
use crate::storage::{self, Shape};
use std::path::Path;

/// The largest `manifest.json` or `end.json`, in bytes. It has room for 100,000 layers.
pub const MAX_DOCUMENT_BYTES: u64 = 32 << 20;

/// Refuses what is not a file, so that it is not even opened.
///
/// # Errors
/// If it is not a file.
pub fn check_document(shape: Shape) -> Result<(), SnapshotError> {
    match shape {
        Shape::File => Ok(()),
        Shape::Directory => {
            Err(SnapshotError::new("it is a directory, and its name says .json", "write it as a file"))
        }
        Shape::Other(kind) => Err(SnapshotError::new(kind.refusal("file"), kind.advice("file"))),
    }
}

/// The text of a document without the byte order mark that some editors write.
///
/// # Errors
/// If the mark is that of UTF-16.
pub(super) fn utf8(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(SnapshotError::new("it is UTF-16, and JSON is UTF-8", "save it as UTF-8"));
    }
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// Reads a document of at most [`MAX_DOCUMENT_BYTES`].
///
/// # Errors
/// If it cannot be opened, is not a regular file, or is too large.
pub fn read_document(path: &Path) -> Result<Vec<u8>, SnapshotError> {
    let bytes = storage::for_path(path)
        .read(path, MAX_DOCUMENT_BYTES + 1)
        .map_err(|error| SnapshotError::io("it", &error))?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(SnapshotError::new(
            format!("larger than {} MiB", MAX_DOCUMENT_BYTES >> 20),
            "write only the fields of the format",
        ));
    }
    Ok(bytes)
}
