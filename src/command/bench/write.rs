//! Writes the runs to measure with, one for each form of the format.

use anyhow::Context;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use ndarray::{Array, Array2, Array3, Axis, Dimension, arr0, arr1};
use ndarray_npy::{WritableElement, WriteNpyError, WriteNpyExt};
use rawzip::{CompressionMethod, ZipArchiveWriter, ZipDataWriter};
use std::io::Write;
use std::path::{Path, PathBuf};

const STEPS: usize = 100;
const SAMPLES: usize = 16;

/// The number of batches in a run of large ones.
const BATCHES: usize = 8;

/// The bytes of potentials in a small batch, and the most small batches.
const SMALL: usize = 8000;
const MOST_SMALL: usize = 20_000;

/// How potentials are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BenchForm {
    Trace,
    /// A trace in one large batch.
    Single,
    Pairs,
    Double,
    Half,
    Bits,
    Deflated,
    Small,
}

/// All forms, and what they are called.
pub(super) const FORMS: [(BenchForm, &str); 8] = [
    (BenchForm::Trace, "f4 trace"),
    (BenchForm::Single, "one batch"),
    (BenchForm::Pairs, "f4 pairs"),
    (BenchForm::Double, "f8 trace"),
    (BenchForm::Half, "f2 trace"),
    (BenchForm::Bits, "bits"),
    (BenchForm::Deflated, "deflated"),
    (BenchForm::Small, "small"),
];

impl BenchForm {
    /// The bytes of an element.
    fn size(self) -> usize {
        match self {
            Self::Double => 8,
            Self::Half => 2,
            _ => 4,
        }
    }
}

/// A run that was written to be measured.
pub(super) struct BenchRun {
    pub(super) files: Vec<PathBuf>,
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Membrane updates of all batches.
    pub(super) updates: u64,
}

/// How many times the potentials of the other runs the run of packed bits stands for. It would be counted before all
/// threads are at work otherwise.
const MORE_BITS: usize = 8;

/// Writes a run of about `size` bytes of potentials. Packed bits take a quarter of that, and the number of small batches
/// is bounded.
pub(super) fn write_run(
    form: BenchForm,
    run: &Path,
    size: u64,
    go_on: &dyn Fn() -> anyhow::Result<()>,
) -> anyhow::Result<BenchRun> {
    let size = usize::try_from(size).context("it is too large")?;
    let (batches, potentials) = match form {
        BenchForm::Small => ((size / SMALL).clamp(1, MOST_SMALL), SMALL),
        BenchForm::Single => (1, size),
        BenchForm::Pairs => (BATCHES, size / BATCHES / 2),
        BenchForm::Bits => (BATCHES, size / BATCHES * MORE_BITS),
        _ => (BATCHES, size / BATCHES),
    };
    let (archive, updates) = batch(form, potentials)?;
    std::fs::create_dir_all(run)?;
    let layers = serde_json::json!([{"name": "lif", "neuron": "Leaky", "reset": "zero"}]);
    let manifest = serde_json::json!({"format": "neurotop", "version": 1, "layers": layers});
    std::fs::write(run.join("manifest.json"), manifest.to_string())?;
    let files: Vec<PathBuf> = (0..batches).map(|number| run.join(format!("batch-{number:06}.npz"))).collect();
    for file in &files {
        go_on()?;
        std::fs::write(file, &archive)?;
    }
    Ok(BenchRun { bytes: archive.len() as u64 * batches as u64, updates: updates * batches as u64, files })
}

/// One batch of about `bytes` bytes of potentials, and its membrane updates.
fn batch(form: BenchForm, bytes: usize) -> anyhow::Result<(Vec<u8>, u64)> {
    let samples = if form == BenchForm::Small { 1 } else { SAMPLES };
    let neurons = (bytes / form.size() / STEPS / samples).max(1);
    let changed = random_changes(samples * neurons);
    let changes: u64 = changed.iter().map(|&changed| u64::from(changed)).sum();
    let updates = (samples * neurons) as u64 + changes;
    let mut archive = ZipArchiveWriter::new(Vec::new());
    let method =
        if form == BenchForm::Deflated { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
    add(&mut archive, "samples", &npy(&arr0(samples as i64))?, CompressionMethod::STORE)?;
    if form == BenchForm::Bits {
        let shape = arr1(&[STEPS, samples, neurons].map(|axis| axis as i64));
        add(&mut archive, "lif.shape", &npy(&shape)?, method)?;
        add(&mut archive, "lif.changed", &npy(&Array::from(packed(&changed)))?, method)?;
        return Ok((archive.finish()?, updates));
    }
    // The potential of a neuron is how often it has changed, which every type represents exactly.
    let mut post = changed;
    post.accumulate_axis_inplace(Axis(0), |before, now| *now += before);
    let post = post.into_shape_with_order((STEPS, samples, neurons))?;
    if form == BenchForm::Pairs {
        let mut pre = Array3::zeros(post.raw_dim());
        pre.slice_axis_mut(Axis(0), (1..).into()).assign(&post.slice_axis(Axis(0), (..-1).into()));
        add(&mut archive, "lif.pre", &potentials(form, &pre)?, method)?;
    }
    add(&mut archive, "lif.post", &potentials(form, &post)?, method)?;
    Ok((archive.finish()?, updates))
}

/// Small integers as potentials, in NumPy's format.
fn potentials(form: BenchForm, values: &Array3<u8>) -> Result<Vec<u8>, WriteNpyError> {
    match form {
        BenchForm::Double => npy(&values.mapv(f64::from)),
        BenchForm::Half => {
            // ndarray-npy has no halves, but the header of integers of two bytes differs in one letter.
            let mut array = npy(&values.mapv(half_of))?;
            if let Some(at) = array.windows(3).position(|part| part == b"u2'") {
                array[at] = b'f';
            }
            Ok(array)
        }
        _ => npy(&values.mapv(f32::from)),
    }
}

/// An array in NumPy's format.
fn npy<A: WritableElement, D: Dimension>(array: &Array<A, D>) -> Result<Vec<u8>, WriteNpyError> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes)?;
    Ok(bytes)
}

fn add(
    archive: &mut ZipArchiveWriter<Vec<u8>>,
    name: &str,
    array: &[u8],
    method: CompressionMethod,
) -> anyhow::Result<()> {
    let (mut entry, config) = archive.new_file(format!("{name}.npy")).compression_method(method).start()?;
    let output = if method == CompressionMethod::DEFLATE {
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(array)?;
        let (encoder, output) = writer.finish()?;
        encoder.finish()?;
        output
    } else {
        write_stored(config.wrap(&mut entry), array)?
    };
    entry.finish(output)?;
    Ok(())
}

fn write_stored<W: Write>(
    mut writer: ZipDataWriter<W>,
    array: &[u8],
) -> anyhow::Result<rawzip::DataDescriptorOutput> {
    writer.write_all(array)?;
    Ok(writer.finish()?.1)
}

/// Which elements change at each step, 1 or 0: none at the first, and later about 60 %, the same in every run.
fn random_changes(step: usize) -> Array2<u8> {
    // Marsaglia's xorshift64: fast, and random enough to defeat branch prediction.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    Array2::from_shape_fn((STEPS, step), |(at, _)| {
        if at == 0 {
            return 0;
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::from(state % 10 < 6)
    })
}

/// The changes after the first step, packed into bits.
fn packed(changed: &Array2<u8>) -> Vec<u8> {
    let later = changed.slice_axis(Axis(0), (1..).into());
    let bits = later.as_slice().unwrap_or_default();
    bits.chunks(8)
        .map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at)))
        .collect()
}

/// The bits of a small integer as a half float: the exponent of the single and the first ten bits of its fraction, which
/// are enough below 256.
fn half_of(value: u8) -> u16 {
    let single = f32::from(value).to_bits();
    if single == 0 { 0 } else { ((single >> 13) - (112 << 10)) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn halves_of_small_integers_are_exact() {
        for value in 0..=u8::MAX {
            assert_eq!(f16::from_bits(half_of(value)).to_f32(), f32::from(value));
        }
    }
}
