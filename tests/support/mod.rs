//! What the tests share: the golden runs, arrays in every form, and an independent reference count.
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub mod arrays;
pub mod changes;
pub mod live;
#[cfg(unix)]
pub mod watch;

use half::f16;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, ShapeBuilder, Slice};
use neurotop::run::Settings;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until all of a condition holds. Where several things are asserted that come about independently, they belong
/// into one condition.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// Where the commands of the tests keep their progress, instead of the user's directory for state.
pub const STATE_HOME: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");

/// How a run is counted where nothing is set.
pub fn settings(name: &str, live: bool) -> Settings {
    Settings { live, ..Settings::new(name) }
}

/// Takes out of a summary's JSON what the times of the files and the place of the run make of it.
pub fn forget_times(summary: &mut Value) {
    let times = ["first_batch", "newest_batch", "quiet_seconds", "elapsed_seconds", "batches_per_second"];
    for field in times.iter().chain(&["samples_per_second", "seconds_left", "clock", "directory"]) {
        summary["run"].as_object_mut().and_then(|run| run.remove(*field));
    }
}

/// A report without what the place of the run and the times of its files make of it.
pub fn steady(report: &str, run: &Path) -> String {
    let (path, name) = (run.to_string_lossy(), run.file_name().expect("a name").to_string_lossy());
    let placed = report.replace(&*path, "RUN").replace(&format!("({name})"), "(RUN)");
    let line = Regex::new(r"(?m)^(Times|Pace|Clock): .*\n\n?").expect("an expression");
    let fields = "first_batch|newest_batch|quiet_seconds|elapsed_seconds|batches_per_second|samples_per_second|\
                  seconds_left|clock";
    let field = Regex::new(&format!(r#""({fields})": .*?(,?)\n"#)).expect("an expression");
    field.replace_all(&line.replace_all(&placed, ""), "\"$1\": …$2\n").into_owned()
}

/// The root of the repository, also for a crate below it.
fn root() -> &'static Path {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find(|directory| directory.join("tests/golden").is_dir()).expect("the repository")
}

/// The directory of a golden run.
pub fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}

/// The demo's run.
pub fn demo_run() -> PathBuf {
    root().join("assets/demo-run")
}

/// The names of all golden runs.
pub fn golden_names() -> Vec<String> {
    let directory = root().join("tests/golden");
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("the golden runs")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 24);
    names
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An exported file without how it came about, which is not printed.
pub fn without_provenance(name: &str, text: &str) -> String {
    match name.to_ascii_lowercase().rsplit('.').next() {
        Some("json") => match text.split_once(",\n  \"export\": {") {
            Some((figures, _)) => format!("{figures}\n}}\n"),
            None => text.to_owned(),
        },
        Some("csv") => {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let mut writer = csv::Writer::from_writer(Vec::new());
            let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
            let columns = rows[0].iter().position(|name| name == "exported_at").unwrap_or(rows[0].len());
            rows.iter().for_each(|row| writer.write_record(row.iter().take(columns)).expect("a row"));
            String::from_utf8(writer.into_inner().expect("all rows")).expect("text")
        }
        Some("tex" | "html") => text.lines().filter(|line| !line.contains("Written 20")).collect(),
        _ => text.rfind("\nWritten 20").map_or(text, |end| &text[..end]).to_owned(),
    }
}

/// The batches of a run, in order.
pub fn batches(run: &Path) -> Vec<PathBuf> {
    let mut batches: Vec<PathBuf> = fs::read_dir(run)
        .expect("a run")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("batch-")))
        .collect();
    batches.sort();
    batches
}

/// Copies a run's files (not its `expected.json`).
pub fn copy_run(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a run") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if name == "expected.json" {
        } else if path.is_dir() {
            copy_run(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}

/// An array as NumPy keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Npy {
    /// As in the header, such as `<f4`.
    pub descr: String,
    /// Whether the first axis is the fastest.
    pub fortran: bool,
    /// The axes.
    pub shape: Vec<usize>,
    /// The elements' bytes.
    pub data: Vec<u8>,
}

/// The members of a batch, by name.
pub type Members = BTreeMap<String, Npy>;

impl Npy {
    /// Reads what `numpy.save` wrote; these files are trusted.
    pub fn parse(bytes: &[u8]) -> Self {
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = str::from_utf8(&bytes[10..10 + length]).expect("text");
        let between = |start: &str, end: &str| {
            let rest = &header[header.find(start).expect("a field") + start.len()..];
            rest[..rest.find(end).expect("an end")].to_owned()
        };
        let axes = between("'shape': (", ")");
        Self {
            descr: between("'descr': '", "'"),
            fortran: between("'fortran_order': ", ",") == "True",
            shape: axes.split(',').filter_map(|axis| axis.trim().parse().ok()).collect(),
            data: bytes[10 + length..].to_vec(),
        }
    }

    /// Writes it as `numpy.save` does.
    pub fn bytes(&self) -> Vec<u8> {
        let axes: Vec<String> = self.shape.iter().map(|axis| format!("{axis},")).collect();
        let order = if self.fortran { "True" } else { "False" };
        let header = format!(
            "{{'descr': '{}', 'fortran_order': {order}, 'shape': ({}), }}",
            self.descr,
            axes.join(" ")
        );
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
        bytes.extend(&self.data);
        bytes
    }

    /// A C-ordered array of 64-bit integers.
    pub fn integers(shape: &[usize], values: &[i64]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { descr: "<i8".into(), fortran: false, shape: shape.to_vec(), data }
    }

    /// A C-ordered array of 32-bit potentials.
    pub fn potentials(shape: &[usize], values: impl IntoIterator<Item = f32>) -> Self {
        let data: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(data.len(), 4 * shape.iter().product::<usize>());
        Self { descr: "<f4".into(), fortran: false, shape: shape.to_vec(), data }
    }

    /// Packed bits.
    pub fn packed(bits: &[bool]) -> Self {
        let data: Vec<u8> = bits
            .chunks(8)
            .map(|chunk| {
                chunk.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at))
            })
            .collect();
        Self { descr: "|u1".into(), fortran: false, shape: vec![data.len()], data }
    }

    fn size(&self) -> usize {
        self.descr[2..].parse().expect("a size")
    }

    /// The elements as bytes, in logical (C) order, whatever the order in memory.
    fn elements(&self) -> ArrayD<Vec<u8>> {
        let elements: Vec<Vec<u8>> = self.data.chunks(self.size()).map(<[u8]>::to_vec).collect();
        let shape = IxDyn(&self.shape);
        let shape = if self.fortran { shape.f() } else { shape.into() };
        ArrayD::from_shape_vec(shape, elements).expect("as many elements as the shape says")
    }

    /// The same array in the other memory order.
    pub fn reordered(&self) -> Self {
        let elements = self.elements();
        let transposed = if self.fortran { elements.view() } else { elements.t() };
        let data = transposed.iter().flatten().copied().collect();
        Self { fortran: !self.fortran, data, ..self.clone() }
    }

    /// The same array in the other byte order.
    pub fn swapped(&self) -> Self {
        let descr = if self.descr.starts_with('<') { ">" } else { "<" }.to_owned() + &self.descr[1..];
        let data = self.data.chunks(self.size()).flat_map(|element| element.iter().rev()).copied().collect();
        Self { descr, data, ..self.clone() }
    }

    /// The values, exactly: a wider float holds each narrower one.
    pub fn values(&self) -> ArrayD<f64> {
        let big = self.descr.starts_with('>');
        self.elements().map(|element| {
            let mut element = element.clone();
            if big {
                element.reverse();
            }
            match element.as_slice() {
                &[a, b] => f64::from(f16::from_le_bytes([a, b])),
                &[a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
                bytes => f64::from_le_bytes(bytes.try_into().expect("eight bytes")),
            }
        })
    }
}

/// Reads the members of a batch.
pub fn read_batch(path: &Path) -> Members {
    let mut members = Members::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a batch") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            members.insert(name, Npy::parse(&fs::read(&path).expect("a member")));
        }
        return members;
    }
    let mut archive = ZipArchive::new(File::open(path).expect("a batch")).expect("a zip archive");
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).expect("a member");
        let name = member.name().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("its bytes");
        members.insert(name, Npy::parse(&bytes));
    }
    members
}

/// How an archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    Stored,
    Deflated,
    Zip64,
    Directory,
}

/// Writes a batch into `run` and returns its path.
pub fn write_batch(run: &Path, number: usize, members: &Members, archive: Archive) -> PathBuf {
    fs::create_dir_all(run).expect("a directory");
    if archive == Archive::Directory {
        let path = run.join(format!("batch-{number:06}"));
        fs::create_dir_all(&path).expect("a directory");
        for (name, array) in members {
            fs::write(path.join(format!("{name}.npy")), array.bytes()).expect("a member");
        }
        return path;
    }
    let path = run.join(format!("batch-{number:06}.npz"));
    fs::write(&path, archive_bytes(members, archive)).expect("a batch");
    path
}

/// The bytes of an `.npz`.
pub fn archive_bytes(members: &Members, archive: Archive) -> Vec<u8> {
    let method =
        if archive == Archive::Deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let options =
        SimpleFileOptions::default().compression_method(method).large_file(archive == Archive::Zip64);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in members {
        writer.start_file(format!("{name}.npy"), options).expect("a member");
        writer.write_all(&array.bytes()).expect("its bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

/// The layers of a batch with pairs or a trace: name, pre (where there is one) and post.
pub fn layers(members: &Members) -> Vec<(String, Option<&Npy>, &Npy)> {
    let posts = members.iter().filter_map(|(name, post)| Some((name.strip_suffix(".post")?, post)));
    posts.map(|(name, post)| (name.to_owned(), members.get(&format!("{name}.pre")), post)).collect()
}

/// The changes of steps 1 to T - 1 of a layer, in C order, computed in the potentials' own precision.
///
/// The reference that the program's counting is compared with: whole arrays, element by element. The
/// difference of two floats, taken in double precision, is zero exactly where it is in their own.
pub fn changes(pre: Option<&Npy>, post: &Npy) -> ArrayD<bool> {
    let post_values = post.values();
    let later = |values: &ArrayD<f64>, from: isize, to: Option<isize>| {
        values.slice_axis(Axis(0), Slice::new(from, to, 1)).to_owned()
    };
    if post.shape[0] == 0 {
        return ArrayD::from_elem(IxDyn(&post.shape), false);
    }
    let before = match pre {
        Some(pre) => later(&pre.values(), 1, None),
        None => later(&post_values, 0, Some(-1)),
    };
    let after: ArrayViewD<'_, f64> = post_values.slice_axis(Axis(0), Slice::from(1..));
    ndarray::Zip::from(&before).and(after).map_collect(|&pre, &post| pre - post != 0.0)
}

/// The reference count of a layer: the updates of each step. The first counts every element.
pub fn updates_by_step(pre: Option<&Npy>, post: &Npy) -> Vec<u64> {
    if post.shape[0] == 0 || post.shape.contains(&0) {
        return Vec::new();
    }
    let first = post.shape[1..].iter().product::<usize>() as u64;
    let changes = changes(pre, post);
    let later = changes.axis_iter(Axis(0)).map(|step| step.iter().filter(|&&changed| changed).count() as u64);
    std::iter::once(first).chain(later).collect()
}

/// The batch with its layers as packed bits.
pub fn as_bits(members: &Members) -> Members {
    let mut bits = Members::new();
    for (name, pre, post) in layers(members) {
        let shape: Vec<i64> = post.shape.iter().map(|&axis| axis as i64).collect();
        let changed: Vec<bool> = changes(pre, post).iter().copied().collect();
        bits.insert(format!("{name}.changed"), Npy::packed(&changed));
        bits.insert(format!("{name}.shape"), Npy::integers(&[shape.len()], &shape));
    }
    bits.extend(members.get("samples").map(|samples| ("samples".to_owned(), samples.clone())));
    bits
}

/// The batch without `.pre` where the potentials before a step are those after the step before it, as
/// they must be for the form to be equal; otherwise the pair stays.
pub fn as_trace(members: &Members) -> Members {
    let mut trace = members.clone();
    for (name, pre, post) in layers(members) {
        let Some(pre) = pre else { continue };
        if changes(Some(pre), post) == changes(None, post) {
            trace.remove(&format!("{name}.pre"));
        }
    }
    trace
}

/// The batch with every potential changed by `change`.
pub fn map_potentials(members: &Members, change: impl Fn(&str, &Npy) -> Npy) -> Members {
    members
        .iter()
        .map(|(name, array)| {
            let is_potential = name.ends_with(".post") || name.ends_with(".pre");
            (name.clone(), if is_potential { change(name, array) } else { array.clone() })
        })
        .collect()
}

/// A manifest of these layers: name, neuron, reset, one sample's neurons.
pub fn write_manifest(run: &Path, layers: &[(&str, &str, &str, &[usize])], expected_batches: Option<usize>) {
    fs::create_dir_all(run).expect("a directory");
    let layers: Vec<Value> = layers
        .iter()
        .map(|(name, neuron, reset, shape)| {
            serde_json::json!({"name": name, "neuron": neuron, "reset": reset, "shape": shape})
        })
        .collect();
    let manifest = serde_json::json!({
        "format": "neurotop", "version": 1, "run": "test-run", "producer": "the tests",
        "expected_batches": expected_batches, "layers": layers,
    });
    fs::write(run.join("manifest.json"), manifest.to_string()).expect("a manifest");
}

/// A small batch of one layer `lif` with 3 steps, 2 samples and 2 neurons: 4 + 5 of 12 elements count.
pub fn small_batch() -> Members {
    let post = [1., 1., 1., 1., 2., 1., 2., 2., 3., 3., 2., 2.];
    Members::from([
        ("samples".to_owned(), Npy::integers(&[], &[2])),
        ("lif.post".to_owned(), Npy::potentials(&[3, 2, 2], post)),
    ])
}

/// Updates and elements of [`small_batch`].
pub const SMALL: (u64, u64) = (9, 12);

/// A run of `batches` small batches, with its manifest.
pub fn small_run(run: &Path, batches: usize) {
    write_manifest(run, &[("lif", "Leaky", "zero", &[2])], Some(batches));
    for number in 0..batches {
        write_batch(run, number, &small_batch(), Archive::Stored);
    }
}

/// Says what a test cannot check on this system; `.ci/run` lists such lines. The tests' runner keeps what is printed
/// by macros to itself.
pub fn not_checked(what: &str) {
    let _ = writeln!(std::io::stderr(), "not checked: {what}");
}

/// A potential of all zeros, as a file with a hole: it takes no room on disk.
pub fn write_zeros(path: &Path, shape: [usize; 3]) {
    let header = Npy { descr: "<f8".into(), fortran: false, shape: shape.to_vec(), data: Vec::new() }.bytes();
    let mut file = File::create(path).expect("a file");
    file.write_all(&header).expect("a header");
    file.set_len((header.len() + 8 * shape.iter().product::<usize>()) as u64).expect("a hole");
}

/// Removes from a summary which neurons are silent and always active.
pub fn forget_neurons(summary: &mut Value) {
    fn forget(row: &mut Value) {
        for field in ["neurons", "silent_neurons", "always_active_neurons"] {
            row.as_object_mut().expect("an object").remove(field);
        }
    }
    forget(&mut summary["total"]);
    summary["layers"].as_array_mut().expect("layers").iter_mut().for_each(forget);
    summary["neurons"].as_object_mut().expect("classes").values_mut().for_each(forget);
}
