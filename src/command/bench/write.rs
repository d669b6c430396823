//! Writes the runs to measure with, one for each form of the format.

use anyhow::Context;
use flate2::Compression;
use flate2::write::DeflateEncoder;
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
    /// The type of the elements, as NumPy names it, and its bytes.
    fn element(self) -> (&'static str, usize) {
        match self {
            Self::Double => ("<f8", 8),
            Self::Half => ("<f2", 2),
            _ => ("<f4", 4),
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
    let (dtype, size) = form.element();
    let samples = if form == BenchForm::Small { 1 } else { SAMPLES };
    let neurons = (bytes / size / STEPS / samples).max(1);
    let shape = format!("({STEPS}, {samples}, {neurons})");
    let changes = RandomChanges::new(samples * neurons);
    let updates = changes.updates();
    let mut archive = ZipArchiveWriter::new(Vec::new());
    let method =
        if form == BenchForm::Deflated { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
    let samples_member = npy("<i8", "()", (samples as i64).to_le_bytes().to_vec());
    add(&mut archive, "samples", &samples_member, CompressionMethod::STORE)?;
    if form == BenchForm::Bits {
        let axes = [STEPS, samples, neurons].iter().flat_map(|&axis| (axis as i64).to_le_bytes()).collect();
        add(&mut archive, "lif.shape", &npy("<i8", "(3,)", axes), method)?;
        let packed = changes.packed();
        let shape = format!("({},)", packed.len());
        add(&mut archive, "lif.changed", &npy("|u1", &shape, packed), method)?;
        return Ok((archive.finish()?, updates));
    }
    let post = changes.potentials(form);
    if form == BenchForm::Pairs {
        let step = samples * neurons * size;
        let pre = [&vec![0; step], &post[..post.len() - step]].concat();
        add(&mut archive, "lif.pre", &npy(dtype, &shape, pre), method)?;
    }
    add(&mut archive, "lif.post", &npy(dtype, &shape, post), method)?;
    Ok((archive.finish()?, updates))
}

/// An array in NumPy's format.
fn npy(dtype: &str, shape: &str, elements: Vec<u8>) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (header.len() + 11).next_multiple_of(64) - 10;
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((length as u16).to_le_bytes());
    array.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    array.extend(elements);
    array
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

/// Which elements change at each step: about 60 %, the same in every run.
struct RandomChanges {
    step: usize,
    /// `[STEPS - 1, step]`.
    changed: Vec<bool>,
}

impl RandomChanges {
    fn new(step: usize) -> Self {
        // Marsaglia's xorshift64: fast, and random enough to defeat branch prediction.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % 10 < 6
        };
        Self { step, changed: std::iter::repeat_with(next).take(step * (STEPS - 1)).collect() }
    }

    fn updates(&self) -> u64 {
        (self.step + self.changed.iter().filter(|&&changed| changed).count()) as u64
    }

    /// The potential of a neuron is how often it has changed, which every type represents exactly.
    fn potentials(&self, form: BenchForm) -> Vec<u8> {
        let mut now = vec![0_u8; self.step];
        let mut bytes = Vec::with_capacity(STEPS * self.step * form.element().1);
        let table: Vec<Vec<u8>> = (0..STEPS).map(|value| bytes_of(value as u8, form)).collect();
        now.iter().for_each(|&value| bytes.extend(&table[usize::from(value)]));
        for changes in self.changed.chunks(self.step) {
            for (value, &changed) in now.iter_mut().zip(changes) {
                *value += u8::from(changed);
                bytes.extend(&table[usize::from(*value)]);
            }
        }
        bytes
    }

    fn packed(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at))
        };
        self.changed.chunks(8).map(byte).collect()
    }
}

/// A small integer as an element.
fn bytes_of(value: u8, form: BenchForm) -> Vec<u8> {
    match form {
        BenchForm::Double => f64::from(value).to_le_bytes().to_vec(),
        BenchForm::Half => half_of(value).to_le_bytes().to_vec(),
        _ => f32::from(value).to_le_bytes().to_vec(),
    }
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
