//! macOS, and other systems of the Unix kind that are not Linux: what they say of file systems.

use super::FileSystem;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Signals that would kill the program here, and not elsewhere.
pub(super) const ALSO_KILL: [i32; 0] = [];

/// What says that no key sends a signal of the terminal (_POSIX_VDISABLE).
pub(super) const NO_KEY: u8 = 0xff;

/// File systems that send no events about what other machines write.
const SILENT: [&str; 8] = ["afpfs", "cifs", "macfuse", "nfs", "osxfuse", "smbfs", "sshfs", "webdav"];

/// Does nothing: a nice value belongs to the process here, and would slow the dashboard down, too.
pub(crate) fn lower_priority() {}

/// Nothing is known about the times of a thread here.
pub(crate) fn open_thread_times() -> Option<File> {
    None
}

pub(crate) fn thread_times(_: &File) -> Option<(Duration, Duration, Duration)> {
    None
}

pub(crate) fn file_system(path: &Path) -> FileSystem {
    let Ok(system) = rustix::fs::statfs(path) else { return FileSystem::default() };
    let free_bytes = u64::from(system.f_bsize).saturating_mul(system.f_bavail);
    FileSystem { kind: Some(name(&system)), free_bytes: Some(free_bytes) }
}

/// The name of the file system of a directory if it sends no events about what other machines write.
pub(crate) fn sends_no_events(directory: &Path) -> Option<String> {
    let name = name(&rustix::fs::statfs(directory).ok()?);
    SILENT.contains(&name.as_str()).then_some(name)
}

fn name(system: &rustix::fs::StatFs) -> String {
    let bytes = system.f_fstypename.iter().take_while(|byte| **byte != 0);
    bytes.map(|byte| char::from(byte.cast_unsigned())).collect()
}
