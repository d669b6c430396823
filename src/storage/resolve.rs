//! Resolves symbolic links in a path whose end may not exist yet.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The limit of Linux.
const MAX_LINKS: u32 = 40;

/// Resolves the symbolic links of an absolute path. Parts that do not exist yet stay as they are. A link to such a
/// part is followed to where the directory will be created.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let mut done = PathBuf::new();
    let mut rest: Vec<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        match next.read_link() {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                rest.extend(parts(&target));
            }
            _ => done = next,
        }
    }
    done
}

/// The components of a path, the last one first. Joining the root component to any path gives the root.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    let mut parts: Vec<OsString> = parts.map(|part| part.as_os_str().to_owned()).collect();
    parts.reverse();
    parts
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_what_does_not_exist_yet() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("it exists");
        fs::create_dir_all(root.join("disk/deep")).expect("directories");
        for (target, link) in [
            ("disk", "scratch"),
            ("scratch", "chained"),
            ("disk/later", "dangling"),
            ("../..", "disk/deep/up"),
            ("loop", "loop"),
        ] {
            symlink(target, root.join(link)).expect("a link");
        }
        symlink(root.join("disk"), root.join("absolute")).expect("a link");
        for (path, leads_to) in [
            ("scratch/exp1", "disk/exp1"),
            ("chained/./exp1/", "disk/exp1"),
            ("absolute/a/b", "disk/a/b"),
            ("dangling", "disk/later"),
            ("dangling/exp1", "disk/later/exp1"),
            ("disk/deep/up/scratch/exp1", "disk/exp1"),
            ("chained/../exp1", "exp1"),
            ("loop/exp1", "loop/exp1"),
            ("missing/exp1", "missing/exp1"),
        ] {
            assert_eq!(resolve(&root.join(path)), root.join(leads_to), "{path}");
        }
        assert_eq!(
            resolve(&root.join("scratch/deep")),
            root.join("chained/deep").canonicalize().expect("it exists")
        );
    }
}
