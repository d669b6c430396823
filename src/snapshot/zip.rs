//! Lists the members of an `.npz` file from its central directory.

use super::SnapshotError;
use super::batch::Listing;
use super::bounded::quoted;
use super::member::{Encoding, Member};
use crate::storage::{Container, Contents};
use rawzip::{CompressionMethod, ErrorKind, ZipArchiveEntryWayfinder, ZipFileHeaderRecord, ZipLocator};
use std::collections::HashSet;
use std::sync::Arc;

/// The most members that a batch may have.
pub(super) const MAX_MEMBERS: usize = 100_000;

/// The most bytes in the names of all members of a batch together.
const MAX_NAME_BYTES: usize = 16 << 20;

/// The size of the buffer for central directory records. It has room for any sane name.
const RECORD_BUFFER: usize = rawzip::RECOMMENDED_BUFFER_SIZE;

/// The size of the fixed part of any record.
const LEAST_BUFFER: u64 = 256;

/// Lists the `.npy` members of a zip archive of `length` bytes, in the order of its central directory, and files that
/// only lack the suffix.
///
/// # Errors
/// If it has no end yet, is corrupt or encrypted, uses a compression other than deflate, has a duplicate member, or
/// has overlapping members.
pub(super) fn members(file: Contents, length: u64) -> Result<Listing, SnapshotError> {
    let file = Arc::new(file);
    let mut buffer = vec![0; length.clamp(LEAST_BUFFER, RECORD_BUFFER as u64) as usize];
    let archive = ZipLocator::new()
        .locate_in_reader(Arc::clone(&file), &mut buffer, length)
        .map_err(|(_, error)| zip_error(&error))?;
    let mut arrays = Arrays::default();
    let mut entries = archive.entries(&mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next_entry().map_err(|error| zip_error(&error))? {
        count += 1;
        arrays.add(&entry)?;
    }
    if count != archive.entries_hint() {
        return Err(corrupt(format!("it lists {count} members and declares {}", archive.entries_hint())));
    }
    let Arrays { mut listing, found, .. } = arrays;
    for (wayfinder, crc, encoding, name) in found {
        let entry = archive.get_entry(wayfinder).map_err(|error| zip_error(&error).of_member(&name))?;
        let (start, end) = entry.compressed_data_range();
        let size = wayfinder.uncompressed_size_hint();
        if end > length || (encoding == Encoding::Stored && end - start != size) {
            return Err(corrupt(format!("member {} does not lie where the archive says", quoted(&name))));
        }
        listing.members.push(Member {
            name,
            container: Container::Open(Arc::clone(&file)),
            range: start..end,
            encoding,
            size,
            crc: Some(crc),
        });
    }
    check_overlap(&listing.members)?;
    Ok(listing)
}

/// The `.npy` members that the central directory lists: where each is, its CRC-32, its encoding and its name.
#[derive(Default)]
struct Arrays {
    listing: Listing,
    found: Vec<(ZipArchiveEntryWayfinder, u32, Encoding, String)>,
    names: HashSet<String>,
    name_bytes: usize,
}

impl Arrays {
    fn add(&mut self, entry: &ZipFileHeaderRecord<'_>) -> Result<(), SnapshotError> {
        if entry.is_dir() {
            return Ok(());
        }
        let path = entry.file_path();
        let name = str::from_utf8(path.as_ref()).map_err(|_| corrupt("the name of a member is not UTF-8"))?;
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
            self.listing.note_other(name);
            return Ok(());
        };
        self.name_bytes += name.len();
        if self.found.len() == MAX_MEMBERS || self.name_bytes > MAX_NAME_BYTES {
            return Err(corrupt(format!("it has more than {MAX_MEMBERS} members, or absurdly long names")));
        }
        if !self.names.insert(name.clone()) {
            return Err(corrupt(format!("member {} is in it twice", quoted(&name))));
        }
        if entry.flags().is_encrypted() {
            return Err(corrupt(format!("member {} is encrypted", quoted(&name))));
        }
        let encoding = match entry.compression_method() {
            CompressionMethod::STORE => Encoding::Stored,
            CompressionMethod::DEFLATE => Encoding::Deflated,
            method => {
                return Err(SnapshotError::new(
                    format!("member {} has compression method {}", quoted(&name), method.as_u16()),
                    "use numpy.savez or numpy.savez_compressed, which store or deflate",
                ));
            }
        };
        self.found.push((entry.wayfinder(), entry.crc32(), encoding, name));
        Ok(())
    }
}

/// If members shared bytes, a small file could pretend to be a huge one.
fn check_overlap(members: &[Member]) -> Result<(), SnapshotError> {
    let mut by_start: Vec<&Member> = members.iter().filter(|member| !member.range.is_empty()).collect();
    by_start.sort_unstable_by_key(|member| member.range.start);
    match by_start.windows(2).find(|pair| pair[0].range.end > pair[1].range.start) {
        Some(pair) => {
            Err(corrupt(format!("members {} and {} overlap", quoted(&pair[0].name), quoted(&pair[1].name))))
        }
        None => Ok(()),
    }
}

fn zip_error(error: &rawzip::Error) -> SnapshotError {
    match error.kind() {
        ErrorKind::MissingEndOfCentralDirectory => SnapshotError::new(
            "not a zip archive, or one without its end",
            "it may have been cut off while it was written: write the batch again",
        ),
        ErrorKind::IO(error) => SnapshotError::io("it", error),
        _ => corrupt(format!("the zip archive is corrupt ({error})")),
    }
}

fn corrupt(what: impl Into<String>) -> SnapshotError {
    SnapshotError::new(what, "write the batch again with numpy.savez")
}
