//! The file system of a directory: its kind, its free space, and whether it sends events.

use crate::storage::is_url;
use std::path::Path;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSystem {
    /// `None` if the kind is unknown.
    pub kind: Option<String>,
    /// Bytes that this user can still write.
    pub free_bytes: Option<u64>,
}

/// File systems that send no events about what other machines write. They give no error either, so that only the
/// magic number tells.
#[cfg(target_os = "linux")]
const SILENT: [(u32, &str); 10] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x00c3_6400, "CephFS"),
    (0x1983_0326, "BeeGFS"),
];

/// Other file systems by their magic numbers (`statfs(2)`).
#[cfg(target_os = "linux")]
const LOCAL: [(u32, &str); 7] = [
    (0xef53, "ext4"),
    (0x9123_683e, "Btrfs"),
    (0x5846_5342, "XFS"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlayfs"),
    (0x2fc1_2fc1, "ZFS"),
    (0xf2f5_2010, "F2FS"),
];

#[cfg(target_os = "linux")]
pub fn file_system(path: &Path) -> FileSystem {
    let Ok(system) = rustix::fs::statfs(path) else { return FileSystem::default() };
    let magic = magic(&system);
    let known = SILENT.iter().chain(&LOCAL).find(|(number, _)| *number == magic);
    let block = u64::try_from(system.f_bsize).ok();
    FileSystem {
        kind: known.map(|(_, name)| (*name).to_owned()),
        free_bytes: block.map(|block| block.saturating_mul(system.f_bavail)),
    }
}

/// Why there are no events about what other machines write, if that is known.
pub fn events_missing_because(directory: &Path) -> Option<String> {
    if is_url(directory) {
        return Some("an object store sends no events".into());
    }
    of_file_system(directory)
}

#[cfg(target_os = "linux")]
fn of_file_system(directory: &Path) -> Option<String> {
    let magic = magic(&rustix::fs::statfs(directory).ok()?);
    let (_, name) = SILENT.iter().find(|(number, _)| *number == magic)?;
    Some(format!("{name} sends no events of what other machines write"))
}

/// The width and sign of the type differ between architectures; the lowest 32 bits are the magic number.
#[cfg(target_os = "linux")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
fn magic(system: &rustix::fs::StatFs) -> u32 {
    system.f_type as u32
}

/// Nothing is known about file systems here.
#[cfg(not(target_os = "linux"))]
pub fn file_system(_path: &Path) -> FileSystem {
    FileSystem::default()
}

/// No such file systems are known here.
#[cfg(not(target_os = "linux"))]
fn of_file_system(_directory: &Path) -> Option<String> {
    None
}
