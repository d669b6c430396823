//! Cuts a large batch into parts that threads can count in parallel.

use super::activity::are_few_neurons;
use super::steps::StepCounter;
use super::stream::{MAX_KEPT_STEP, changes_in, extent};
use super::{BatchCount, Scratch};
use crate::snapshot::{Batch, BatchLayer, Checksum, Form, MemoryOrder, SnapshotError};
use std::ops::Range;

/// The least bytes of a part, unless the layer has fewer. The overhead of a cut is small in comparison.
const LEAST: u64 = 32 << 20;

/// The most parts of a layer. Each keeps its checksums until the batch is counted.
const MOST: u64 = 1024;

/// The least steps in a part of a trace, since the step before each part is read twice.
const LEAST_STEPS: u64 = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerPart {
    /// The index of the layer in the batch.
    layer: usize,
    /// Elements in the order of the file, or bytes of packed bits.
    range: Range<u64>,
    /// Whether to find out which neurons are active.
    is_tracked: bool,
}

pub(crate) struct PartCount {
    counter: StepCounter,
    checksums: Vec<Checksum>,
}

/// Whether several threads should count a batch together. Small batches are faster with one thread each.
pub(crate) fn is_large(batch: &Batch) -> bool {
    let bytes = |layer: &BatchLayer| match &layer.form {
        Form::Bits(array) => array.member.size(),
        Form::Trace(post) => post.member.size(),
        Form::Pair { pre, post } => pre.member.size().saturating_add(post.member.size()),
    };
    batch.layers.iter().map(bytes).fold(0, u64::saturating_add) >= 2 * LEAST
}

/// Cuts a batch into parts, in the order of its layers and of their bytes. A layer is a single part if it is small or
/// cannot be read from the middle.
///
/// # Errors
/// If a layer has more elements than can be counted.
pub(crate) fn cut(batch: &Batch) -> Result<Vec<LayerPart>, SnapshotError> {
    cut_into(batch, LEAST)
}

fn cut_into(batch: &Batch, least: u64) -> Result<Vec<LayerPart>, SnapshotError> {
    let mut parts = Vec::new();
    let is_tracked = are_few_neurons(&batch.layers);
    for (layer, of) in batch.layers.iter().enumerate() {
        let extent = extent(of)?;
        let length = length_of_parts(of, extent, least);
        let starts = std::iter::successors(Some(0_u64), |start| start.checked_add(length));
        let starts = starts.take_while(|&start| start == 0 || start < extent);
        let ranges = starts.map(|start| start..extent.min(start.saturating_add(length)));
        parts.extend(ranges.map(|range| LayerPart { layer, range, is_tracked }));
    }
    Ok(parts)
}

/// The length of the parts of a layer with this extent; at least 1.
fn length_of_parts(layer: &BatchLayer, extent: u64, least: u64) -> u64 {
    let (bytes, grain) = match &layer.form {
        Form::Trace(post) if post.member.is_stored() => {
            let bytes = post.header.dtype.size as u64;
            let step = layer.step_elements();
            let kept = post.header.order == MemoryOrder::C && step.saturating_mul(bytes) <= MAX_KEPT_STEP;
            (bytes, if kept { step } else { 1 })
        }
        Form::Pair { pre, post }
            if pre.header.order == post.header.order && pre.member.is_stored() && post.member.is_stored() =>
        {
            (2 * post.header.dtype.size as u64, 1)
        }
        Form::Bits(array) if array.member.is_stored() => (1, 1),
        _ => return extent.max(1),
    };
    let least = (least / bytes).max(extent.div_ceil(MOST));
    let least = if grain > 1 { least.max(grain.saturating_mul(LEAST_STEPS)) } else { least };
    // Parts of equal length, so that no tiny one is left over.
    let parts = (extent / least.max(1)).max(1);
    extent.div_ceil(parts).checked_next_multiple_of(grain.max(1)).unwrap_or(extent).max(1)
}

/// # Errors
/// If it cannot be read.
pub(crate) fn count_part(
    batch: &Batch,
    part: &LayerPart,
    scratch: &mut Scratch,
) -> Result<PartCount, SnapshotError> {
    let layer = &batch.layers[part.layer];
    let mut counter = StepCounter::new(layer, batch.layers.len(), part.is_tracked);
    let checksums = changes_in(layer, part.range.clone(), scratch, &mut counter)?;
    Ok(PartCount { counter, checksums })
}

pub(crate) struct PartialCount<'a> {
    batch: &'a Batch,
    parts: &'a [LayerPart],
    counters: Vec<Option<StepCounter>>,
    /// By part; `None` until it is counted.
    checksums: Vec<Option<Vec<Checksum>>>,
    missing: usize,
}

impl<'a> PartialCount<'a> {
    /// `parts` are all parts of the batch.
    pub(crate) fn new(batch: &'a Batch, parts: &'a [LayerPart]) -> Self {
        let counters = batch.layers.iter().map(|_| None).collect();
        Self { batch, parts, counters, checksums: vec![None; parts.len()], missing: parts.len() }
    }

    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// Adds one part by its index. Each part must be added exactly once, in any order.
    pub(crate) fn add(&mut self, part: usize, count: PartCount) {
        self.checksums[part] = Some(count.checksums);
        self.missing -= 1;
        match &mut self.counters[self.parts[part].layer] {
            Some(counter) => counter.add(count.counter),
            none => *none = Some(count.counter),
        }
    }

    /// The count of the batch. All parts must have been added.
    ///
    /// # Errors
    /// If a checksum differs from the declared one.
    pub(crate) fn finish(self) -> Result<BatchCount, SnapshotError> {
        let mut checksums = self.checksums.into_iter();
        for parts in self.parts.chunk_by(|part, next| part.layer == next.layer) {
            verify(checksums.by_ref().take(parts.len()).flatten())?;
        }
        debug_assert_eq!(self.missing, 0, "a part is not counted");
        let counted = self.counters.into_iter().flatten().zip(&self.batch.layers);
        let layers = counted.map(|(counter, layer)| counter.finish(layer.elements)).collect();
        Ok(BatchCount::from_layers(self.batch, layers))
    }
}

fn verify(mut parts: impl Iterator<Item = Vec<Checksum>>) -> Result<(), SnapshotError> {
    let mut whole = parts.next().unwrap_or_default();
    for part in parts {
        whole.iter_mut().zip(&part).for_each(|(checksum, next)| checksum.append(next));
    }
    whole.into_iter().try_for_each(Checksum::verify)
}

#[cfg(test)]
mod tests {
    use super::super::count_batch;
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    const SAMPLES: usize = 2;

    /// How the potentials of a layer are written.
    #[derive(Debug, Clone)]
    struct Written {
        form: &'static str,
        dtype: &'static str,
        fortran: (bool, bool),
        deflated: bool,
        shape: [usize; 3],
        seed: u64,
    }

    fn written() -> impl Strategy<Value = Written> {
        let form = prop::sample::select(vec!["trace", "pair", "bits"]);
        let dtype = prop::sample::select(vec!["<f2", "<f4", "<f8", ">f4"]);
        let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
        let shape = (0_usize..40, 0_usize..40).prop_map(|(steps, neurons)| [steps, SAMPLES, neurons]);
        (form, dtype, flags, shape, any::<u64>()).prop_map(
            |(form, dtype, (pre, post, deflated), shape, seed)| Written {
                form,
                dtype,
                fortran: (pre, post),
                deflated,
                shape,
                seed,
            },
        )
    }

    /// So many bytes of which some are the same as others near them, all different for each seed.
    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state % 16 < 9 { 0 } else { (state >> 32) as u8 }
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    fn npy(dtype: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn write(directory: &Path, layers: &[Written]) -> PathBuf {
        let path = directory.join("batch-0.npz");
        let mut archive = ZipWriter::new(std::fs::File::create(&path).expect("a file"));
        let mut add = |name: String, deflated: bool, bytes: &[u8]| {
            let method = if deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
            let options = SimpleFileOptions::default().compression_method(method);
            archive.start_file(name, options).expect("a member");
            archive.write_all(bytes).expect("its bytes");
        };
        add("samples.npy".into(), false, &npy("<i8", false, "", &(SAMPLES as i64).to_le_bytes()));
        for (number, layer) in layers.iter().enumerate() {
            let Written { form, dtype, fortran, deflated, shape, seed } = layer;
            let [steps, samples, neurons] = shape;
            let elements = steps * samples * neurons;
            let axes = format!("{steps}, {samples}, {neurons}");
            if *form == "bits" {
                let axes: Vec<u8> = shape.iter().flat_map(|&axis| (axis as i64).to_le_bytes()).collect();
                let bits = (steps.saturating_sub(1) * samples * neurons).div_ceil(8);
                add(format!("{number}.shape.npy"), false, &npy("<i8", false, "3,", &axes));
                let mut changed = noise(bits, *seed);
                let behind = 8 * bits - steps.saturating_sub(1) * samples * neurons;
                if let Some(last) = changed.last_mut() {
                    *last &= u8::MAX << behind;
                }
                let packed = npy("|u1", false, &format!("{bits},"), &changed);
                add(format!("{number}.changed.npy"), *deflated, &packed);
                continue;
            }
            let bytes = elements * usize::from(dtype.as_bytes()[2] - b'0');
            if *form == "pair" {
                let pre = npy(dtype, fortran.0, &axes, &noise(bytes, seed ^ 1));
                add(format!("{number}.pre.npy"), *deflated, &pre);
            }
            add(format!("{number}.post.npy"), *deflated, &npy(dtype, fortran.1, &axes, &noise(bytes, *seed)));
        }
        archive.finish().expect("an archive");
        path
    }

    /// The count by parts, which are counted in another order than that of the batch.
    fn count_in_parts(batch: &Batch, least: u64, order: u64) -> Result<(usize, BatchCount), SnapshotError> {
        let parts = cut_into(batch, least)?;
        let mut places: Vec<usize> = (0..parts.len()).collect();
        places.sort_by_key(|&place| (place as u64).wrapping_mul(order | 1).rotate_right(7));
        let mut total = PartialCount::new(batch, &parts);
        let mut scratch = Scratch::default();
        for place in places {
            total.add(place, count_part(batch, &parts[place], &mut scratch)?);
        }
        Ok((parts.len(), total.finish()?))
    }

    proptest! {
        #[test]
        fn parts_in_any_order_count_as_the_whole(
            layers in prop::collection::vec(written(), 1..4),
            least in 1_u64..5000,
            order: u64,
        ) {
            let directory = tempfile::tempdir().expect("a directory");
            let batch = Batch::open(&write(directory.path(), &layers), None).expect("a batch");
            let whole = count_batch(&batch, &mut Scratch::default()).expect("a count");
            let (parts, count) = count_in_parts(&batch, least, order).expect("a count");
            prop_assert!(parts >= layers.len());
            prop_assert_eq!(count, whole);
        }
    }

    fn layer(form: &'static str, dtype: &'static str, shape: [usize; 3]) -> Written {
        Written { form, dtype, fortran: (false, false), deflated: false, shape, seed: 5 }
    }

    #[test]
    fn steps_that_are_read_twice_are_cut_anywhere() {
        let directory = tempfile::tempdir().expect("a directory");
        let layers = [layer("trace", "<f8", [4, SAMPLES, 300_000])];
        let batch = Batch::open(&write(directory.path(), &layers), None).expect("a batch");
        let whole = count_batch(&batch, &mut Scratch::default()).expect("a count");
        assert!(8 * batch.layers[0].step_elements() > MAX_KEPT_STEP);
        let (parts, count) = count_in_parts(&batch, 3_000_000, 1).expect("a count");
        assert_eq!((parts, count), (6, whole));
    }

    #[test]
    fn parts_of_the_first_step_take_no_active_neurons_away() {
        let directory = tempfile::tempdir().expect("a directory");
        let batch = Batch::open(&write(directory.path(), &[layer("pair", "<f2", [2, SAMPLES, 21])]), None);
        let batch = batch.expect("a batch");
        let whole = count_batch(&batch, &mut Scratch::default()).expect("a count");
        assert!(whole.layers[0].activity.counts().is_some());
        for order in 0..8 {
            let (parts, count) = count_in_parts(&batch, 1, order).expect("a count");
            assert_eq!((parts, &count), (84, &whole), "{order}");
        }
    }

    #[test]
    fn one_wrong_byte_in_any_part_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        for form in ["trace", "pair", "bits"] {
            let path = write(directory.path(), &[layer(form, "<f4", [50, SAMPLES, 400])]);
            let whole = std::fs::read(&path).expect("a batch");
            for place in (1000..whole.len() - 400).step_by(1000) {
                let mut spoiled = whole.clone();
                spoiled[place] ^= 16;
                std::fs::write(&path, spoiled).expect("a batch");
                let Ok(batch) = Batch::open(&path, None) else { continue };
                let error = count_in_parts(&batch, 1000, 3).expect_err("it is spoiled");
                assert!(error.what.contains("CRC-32"), "{form} {place}: {error}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_from_its_middle_is_one_part() {
        let directory = tempfile::tempdir().expect("a directory");
        let deflated = Written { deflated: true, ..layer("trace", "<f4", [50, SAMPLES, 400]) };
        let mixed = Written { fortran: (true, false), ..layer("pair", "<f4", [50, SAMPLES, 400]) };
        let batch = Batch::open(&write(directory.path(), &[deflated, mixed]), None).expect("a batch");
        assert_eq!(cut_into(&batch, 1000).expect("parts").len(), 2);
        assert!(!is_large(&batch));
    }
}
