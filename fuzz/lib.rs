//! What the fuzz targets share: a file to put their bytes in, and what must hold of a batch that is counted.

use neurotop::count::{Scratch, count_batch};
use neurotop::snapshot::Batch;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The most elements of a batch that is counted: a small file may declare, rightly, more than can be
/// counted in the time of an input.
const MOST_ELEMENTS: u64 = 1 << 22;

/// A directory that lasts as long as the process.
fn place() -> &'static Path {
    static PLACE: OnceLock<TempDir> = OnceLock::new();
    PLACE.get_or_init(|| tempfile::tempdir().expect("a directory")).path()
}

/// Writes the bytes to a file of this name, and returns its path.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = place().join(name);
    let directory = path.parent().expect("a directory");
    std::fs::create_dir_all(directory).expect("a directory");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// Opens and counts a batch as the pipeline does. What comes of it must agree with itself.
pub fn read_batch(path: &Path) {
    let Ok(batch) = Batch::open(path, None) else { return };
    if batch.layers.iter().any(|layer| layer.elements > MOST_ELEMENTS) {
        return;
    }
    let Ok(count) = count_batch(&batch, &mut Scratch::default()) else { return };
    assert_eq!(count.layers.len(), batch.layers.len());
    for (layer, declared) in count.layers.iter().zip(&batch.layers) {
        assert_eq!(layer.dense, declared.elements, "every element is one");
        assert!(layer.updates <= layer.dense, "no more updates than elements");
        let by_step: u64 = layer.updates_by_step.iter().sum();
        assert!(layer.updates_by_step.is_empty() || by_step == layer.updates, "the steps add up");
    }
}
