//! What only Linux has: priorities and times of single threads, and file systems known by their numbers.

use super::FileSystem;
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Signals that would kill the program here, and not elsewhere.
pub(super) const ALSO_KILL: [i32; 2] = [Signal::IO.as_raw(), Signal::POWER.as_raw()];

/// What says that no key sends a signal of the terminal (_POSIX_VDISABLE).
pub(super) const NO_KEY: u8 = 0;

/// The lowest priority. Idle processors are still used fully.
const LOWEST: i32 = 19;

/// File systems that send no events about what other machines write. They give no error either, so that only the
/// magic number tells.
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
const LOCAL: [(u32, &str); 7] = [
    (0xef53, "ext4"),
    (0x9123_683e, "Btrfs"),
    (0x5846_5342, "XFS"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlayfs"),
    (0x2fc1_2fc1, "ZFS"),
    (0xf2f5_2010, "F2FS"),
];

/// Gives the calling thread the lowest priority. A nice value belongs to a thread here. If it is refused nothing is
/// lost: counting is as fast as without it.
pub(crate) fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(None, LOWEST) {
        tracing::debug!(%error, "counting at normal priority");
    }
}

/// The file that says how long the calling thread ran and waited.
pub(crate) fn open_thread_times() -> Option<File> {
    File::open("/proc/thread-self/schedstat").ok()
}

/// How long the thread of that file ran, and waited for a processor; and how long all threads of the process ran.
pub(crate) fn thread_times(file: &File) -> Option<(Duration, Duration, Duration)> {
    let mut text = [0; 96];
    let length = file.read_at(&mut text, 0).ok()?;
    let (ran, waited) = parse_times(&text[..length])?;
    let process = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some((ran, waited, process.try_into().ok()?))
}

/// The times for which a thread ran and waited: the first two of three numbers, in nanoseconds.
fn parse_times(schedstat: &[u8]) -> Option<(Duration, Duration)> {
    let mut numbers = std::str::from_utf8(schedstat).ok()?.split_ascii_whitespace().map(str::parse);
    let (ran, waited) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    // A kernel that does not keep them gives zeros even for a thread that runs.
    (ran > 0).then(|| (Duration::from_nanos(ran), Duration::from_nanos(waited)))
}

pub(crate) fn file_system(path: &Path) -> FileSystem {
    let Ok(system) = rustix::fs::statfs(path) else { return FileSystem::default() };
    let magic = magic(&system);
    let known = SILENT.iter().chain(&LOCAL).find(|(number, _)| *number == magic);
    let block = u64::try_from(system.f_bsize).ok();
    FileSystem {
        kind: known.map(|(_, name)| (*name).to_owned()),
        free_bytes: block.map(|block| block.saturating_mul(system.f_bavail)),
    }
}

/// The name of the file system of a directory if it sends no events about what other machines write.
pub(crate) fn sends_no_events(directory: &Path) -> Option<String> {
    let magic = magic(&rustix::fs::statfs(directory).ok()?);
    SILENT.iter().find(|(number, _)| *number == magic).map(|(_, name)| (*name).to_owned())
}

/// The width and sign of the type differ between architectures; the lowest 32 bits are the magic number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
fn magic(system: &rustix::fs::StatFs) -> u32 {
    system.f_type as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    #[test]
    fn a_low_priority_is_that_of_its_thread_alone() {
        let before = getpriority_process(None).expect("a priority");
        let lowered = std::thread::spawn(|| {
            lower_priority();
            getpriority_process(None)
        });
        assert_eq!(lowered.join().expect("it ends"), Ok(LOWEST));
        assert_eq!(getpriority_process(None), Ok(before));
    }

    #[test]
    fn the_times_of_a_thread_are_read_or_left() {
        let read = |text: &str| {
            parse_times(text.as_bytes()).map(|(ran, waited)| (ran.as_nanos(), waited.as_nanos()))
        };
        assert_eq!(read("12 345 6\n"), Some((12, 345)));
        for nothing in ["", "12", "x y z", "0 0 0\n", "-1 5 6"] {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
    }
}
