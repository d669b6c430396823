//! Writes points as scalars into TensorBoard's event files, in a thread of its own.

use super::event::{Message, Value};
use crate::figures::run_times::unix_seconds;
use crate::figures::{Figure, RowSums, ShownIn};
use crate::run::energy::EnergyPerOp;
use crate::run::prices::Cost;
use crate::run::sums::{Operations, Updates};
use crate::text::shown;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// Values that may wait to be written; further points are left out.
const MAX_WAITING: usize = 1 << 20;

/// Values in one record.
const RECORD: usize = 1000;

/// Orders that may wait, and how many of them may be points between others. The rest is room for orders that must not be
/// left out, of which each run has three.
const ORDERS: usize = 4096;
const POINTS: usize = 2048;

/// How the points of a layer are named and priced.
#[derive(Debug, Clone)]
pub(super) struct TaggedLayer {
    /// Its name in tags.
    pub(super) tag: String,
    /// The cost of an update, where it has a price.
    pub(super) cost: Option<Cost>,
}

/// The sums of a run over its first batches.
#[derive(Debug)]
pub(super) struct ScalarPoint {
    /// The name of the run's directory.
    pub(super) directory: Arc<str>,
    /// The layers, in the order of the sums.
    pub(super) layers: Arc<[TaggedLayer]>,
    /// When it was taken.
    pub(super) at: SystemTime,
    /// How many batches are counted.
    pub(super) step: u64,
    /// Their samples.
    pub(super) samples: u128,
    /// The updates of each layer.
    pub(super) updates: Vec<Updates>,
    pub(super) energy_per_op: Option<EnergyPerOp>,
    /// Whether a batch was removed or replaced since the point before. The difference of the two then stands for no
    /// batches.
    pub(super) corrected: bool,
}

impl ScalarPoint {
    /// The most values of a point with so many layers: each figure twice, since the start and since the point before,
    /// of the total with the measured layers, too, if there are any, and the samples.
    pub(super) fn values(layers: usize, has_measured: bool) -> usize {
        let count = |output| Figure::all_in(output).count();
        let totals = if has_measured { 2 } else { 1 };
        2 * totals * count(ShownIn::TotalPoints) + 1 + 2 * count(ShownIn::LayerPoints) * layers
    }

    /// The most values of this point.
    fn most_values(&self) -> usize {
        Self::values(self.updates.len(), self.has_measured())
    }

    fn has_measured(&self) -> bool {
        self.layers.iter().any(TaggedLayer::is_measured)
    }
}

/// Whether further points follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PointPlace {
    /// Further points follow, whose sums include it.
    Between,
    Last,
}

/// An order to the thread.
enum WriteOrder {
    /// Begin the files of a run. An earlier process counted `resumed` batches of it.
    Begin {
        directory: Arc<str>,
        resumed: u64,
    },
    Write(ScalarPoint),
    /// End the files of a run.
    End {
        directory: Arc<str>,
    },
    /// End the thread.
    Close,
}

/// The sender of orders to the thread. Each run has a clone.
#[derive(Debug, Clone)]
pub(super) struct EventWriter {
    orders: Sender<WriteOrder>,
    waiting: Arc<AtomicUsize>,
}

impl EventWriter {
    /// Starts the thread. It says on `said` once if a file cannot be written; the receiver gets why the last point could
    /// not be written, if so.
    pub(super) fn start(root: PathBuf, said: Sender<String>) -> io::Result<(Self, Receiver<Option<String>>)> {
        let (orders, received) = bounded(ORDERS);
        let (ended, outcome) = bounded(1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&waiting);
        std::thread::Builder::new().name("tensorboard".into()).spawn(move || {
            let mut files = Files { root, runs: HashMap::new(), failing: None, said };
            for order in received {
                match order {
                    WriteOrder::Begin { directory, resumed } => files.begin(directory, resumed),
                    WriteOrder::End { directory } => drop(files.runs.remove(&directory)),
                    WriteOrder::Write(point) => {
                        let values = point.most_values();
                        files.write(point);
                        written.fetch_sub(values, Ordering::Relaxed);
                    }
                    WriteOrder::Close => break,
                }
            }
            // Nobody may be waiting any more.
            let _ = ended.send(files.failing);
        })?;
        Ok((Self { orders, waiting }, outcome))
    }

    /// Begins the files of a run; returns false if the queue is full.
    pub(super) fn begin(&self, directory: Arc<str>, resumed: u64) -> bool {
        self.orders.try_send(WriteOrder::Begin { directory, resumed }).is_ok()
    }

    pub(super) fn end(&self, directory: Arc<str>) {
        let _ = self.orders.try_send(WriteOrder::End { directory });
    }

    /// Has a point written; returns false if the queue is full. There is always room for a last point.
    pub(super) fn write(&self, point: ScalarPoint, place: PointPlace) -> bool {
        let values = point.most_values();
        let waiting = self.waiting.load(Ordering::Relaxed);
        let is_full = self.orders.len() >= POINTS || (waiting > 0 && waiting + values > MAX_WAITING);
        if place == PointPlace::Between && is_full {
            return false;
        }
        // Before it is sent: the thread takes them off once it is written.
        self.waiting.fetch_add(values, Ordering::Relaxed);
        let is_sent = self.orders.try_send(WriteOrder::Write(point)).is_ok();
        if !is_sent {
            self.waiting.fetch_sub(values, Ordering::Relaxed);
        }
        is_sent
    }

    /// Has the thread end once all is written.
    pub(super) fn close(&self) {
        let _ = self.orders.try_send(WriteOrder::Close);
    }
}

/// The files of all runs.
struct Files {
    root: PathBuf,
    runs: HashMap<Arc<str>, RunFile>,
    /// Why the last point could not be written.
    failing: Option<String>,
    said: Sender<String>,
}

/// The file of a run, and its last point.
#[derive(Default)]
struct RunFile {
    file: Option<EventFile>,
    /// TensorBoard must forget this step and all later ones before the next point.
    void_from: Option<u64>,
    last: Option<ScalarPoint>,
}

impl Files {
    fn begin(&mut self, directory: Arc<str>, resumed: u64) {
        let run = RunFile { void_from: Some(resumed + 1), ..RunFile::default() };
        self.runs.insert(directory, run);
    }

    /// Writes a point. A failure is said once, and again only after a success.
    fn write(&mut self, point: ScalarPoint) {
        let directory = self.root.join(&*point.directory);
        let Some(run) = self.runs.get_mut(&point.directory) else { return };
        if run.file.take_if(|file| !file.path.exists()).is_some() {
            let gone =
                format!("--tensorboard: the file in {} is gone; a new one is begun", shown(&directory));
            tracing::warn!("{gone}");
            let _ = self.said.try_send(gone);
        }
        match run.write(&directory, &point) {
            Ok(()) => {
                run.last = Some(point);
                self.failing = None;
            }
            Err(error) => {
                let why = format!("--tensorboard: cannot write to {}: {error}", shown(&directory));
                tracing::error!("{why}");
                if self.failing.is_none() {
                    let _ = self.said.try_send(why.clone());
                }
                self.failing = Some(why);
            }
        }
    }
}

impl RunFile {
    fn write(&mut self, directory: &Path, point: &ScalarPoint) -> io::Result<()> {
        let (wall, step) = (unix_seconds(point.at).unwrap_or(0.0), step(point.step));
        let mut records = Vec::new();
        let repeats = self.last.as_ref().is_some_and(|last| point.step <= last.step);
        let void_from = if repeats { Some(point.step) } else { self.void_from };
        if let Some(from) = void_from {
            Message::start(wall, self::step(from.min(point.step))).append_to(&mut records);
        }
        let last = self.last.as_ref().filter(|_| !repeats && !point.corrected);
        for values in values(point, last).chunks(RECORD) {
            Message::values(wall, step, values).append_to(&mut records);
        }
        match &mut self.file {
            Some(file) => file.append(&records)?,
            None => self.file = Some(EventFile::create(directory, wall, &records)?),
        }
        self.void_from = None;
        Ok(())
    }
}

/// An event file. It holds whole records only, unless the process is killed in the middle of one.
struct EventFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl EventFile {
    /// A new file with these records. Its name sorts behind those of existing files, since TensorBoard reads them in this
    /// order.
    fn create(directory: &Path, wall: f64, records: &[u8]) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut newest = 0;
        for entry in std::fs::read_dir(directory)? {
            newest = newest.max(file_time(&entry?.file_name().to_string_lossy()).unwrap_or(0));
        }
        let time = (wall as u64).max(newest.saturating_add(1));
        let name = format!("events.out.tfevents.{time:010}.neurotop.{}", std::process::id());
        let path = directory.join(name);
        let mut file = Self { file: File::create_new(&path)?, path, length: 0 };
        let mut contents = Vec::new();
        Message::version(wall).append_to(&mut contents);
        contents.extend(records);
        if let Err(error) = file.append(&contents) {
            let _ = std::fs::remove_file(&file.path);
            return Err(error);
        }
        Ok(file)
    }

    /// Appends records, all of them or none.
    fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(records);
        match written {
            Ok(()) => self.length += records.len() as u64,
            Err(_) => {
                use std::io::Seek;
                self.file.set_len(self.length)?;
                self.file.seek(io::SeekFrom::Start(self.length))?;
            }
        }
        written
    }
}

/// The time in the name of an event file.
fn file_time(name: &str) -> Option<u64> {
    let rest = name.strip_prefix("events.out.tfevents.")?;
    // A larger number would sort behind every time, so it does not count.
    rest.split('.').next()?.parse().ok().filter(|&time| time < 9_999_999_999)
}

fn step(batches: u64) -> i64 {
    i64::try_from(batches).unwrap_or(i64::MAX)
}

/// The scalars of a point. With `last`, the point before it, also those of the batches between the two.
fn values(point: &ScalarPoint, last: Option<&ScalarPoint>) -> Vec<Value> {
    let mut values = Vec::with_capacity(point.most_values());
    let first = (point.step == 1).then_some((0, &[][..]));
    let last = last.map(|last| (last.samples, &*last.updates)).or(first);
    let row = |updates: Updates, operations, samples| RowSums {
        samples,
        updates: Some(updates),
        operations,
        energy_per_op: point.energy_per_op,
        neurons: None,
    };
    let nothing = row(Updates::default(), Some(Operations::default()), point.samples);
    let mut total = PointTotals { total: nothing, with_measured: nothing };
    let mut batch = last.map(|(samples, _)| total.over(point.samples.saturating_sub(samples)));
    for (at, (layer, &updates)) in point.layers.iter().zip(&point.updates).enumerate() {
        let priced = |updates: Updates| layer.cost.map(|cost| updates.times(cost.ops_per_update));
        let sums = row(updates, priced(updates), point.samples);
        total.add(layer, &sums);
        push(&mut values, &format!("neurotop/layers/{}/", layer.tag), layer_output(layer), &sums);
        let (Some((_, last)), Some(batch)) = (last, &mut batch) else { continue };
        let before = last.get(at).copied().unwrap_or_default();
        let since = Updates {
            effective: updates.effective.saturating_sub(before.effective),
            dense: updates.dense.saturating_sub(before.dense),
        };
        let sums = row(since, priced(since), batch.total.samples);
        batch.add(layer, &sums);
        push(&mut values, &format!("neurotop/layers/{}/batch_", layer.tag), layer_output(layer), &sums);
    }
    let has_measured = point.has_measured();
    total.push(&mut values, "", has_measured);
    values.push(Value::scalar("neurotop/total/samples".into(), point.samples as f64));
    if let Some(batch) = batch {
        batch.push(&mut values, "batch_", has_measured);
    }
    values
}

impl TaggedLayer {
    fn is_measured(&self) -> bool {
        self.cost.is_some_and(|cost| !cost.priced_by.is_in_total())
    }
}

/// The totals of a point: NeuroBench's, and that with the layers whose price is measured.
struct PointTotals {
    total: RowSums,
    with_measured: RowSums,
}

impl PointTotals {
    /// The same over so many samples.
    fn over(&self, samples: u128) -> Self {
        let over = |sums| RowSums { samples, ..sums };
        Self { total: over(self.total), with_measured: over(self.with_measured) }
    }

    fn add(&mut self, layer: &TaggedLayer, sums: &RowSums) {
        self.with_measured.add(sums);
        let operations = sums.operations.filter(|_| !layer.is_measured());
        self.total.add(&RowSums { operations, ..*sums });
    }

    fn push(&self, values: &mut Vec<Value>, prefix: &str, has_measured: bool) {
        push(values, &format!("neurotop/total/{prefix}"), ShownIn::TotalPoints, &self.total);
        if has_measured {
            let tag = format!("neurotop/total_measured/{prefix}");
            push(values, &tag, ShownIn::TotalPoints, &self.with_measured);
        }
    }
}

fn layer_output(layer: &TaggedLayer) -> ShownIn {
    if layer.cost.is_some() { ShownIn::LayerPoints } else { ShownIn::UnpricedLayerPoints }
}

/// Pushes the figures of an output that have a value.
fn push(values: &mut Vec<Value>, prefix: &str, output: ShownIn, sums: &RowSums) {
    for figure in Figure::all_in(output) {
        if let Some(number) = figure.number(sums) {
            values.push(Value::scalar(format!("{prefix}{}", figure.tag), number.as_f64()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::prices::PricedBy;
    use std::time::UNIX_EPOCH;

    #[test]
    fn measured_layers_have_a_total_of_their_own() {
        let mut point = point(None);
        let cost = Some(Cost { ops_per_update: 6, priced_by: PricedBy::Measured });
        point.layers = [point.layers[0].clone(), TaggedLayer { tag: "b".into(), cost }].into();
        let all = values(&point, None);
        for (tag, value) in [
            ("layers/b/effective_ops_per_sample", 3.0),
            ("total/effective_ops_per_sample", 18.0),
            ("total/updates_per_sample", 5.0),
            ("total_measured/effective_ops_per_sample", 21.0),
            ("total_measured/dense_ops_per_sample", 30.0),
            ("total_measured/updates_per_sample", 5.0),
        ] {
            assert!(all.contains(&Value::scalar(format!("neurotop/{tag}"), value)), "{tag}");
        }
        let both = values(&point, Some(&point));
        assert!(both.iter().any(|value| *value
            == Value::scalar("neurotop/total_measured/batch_effective_ops_per_sample".into(), 0.0)));
        assert!(both.len() <= ScalarPoint::values(2, true));
    }

    fn point(energy: Option<&str>) -> ScalarPoint {
        let layer = |tag: &str, price: Option<u64>| TaggedLayer {
            tag: tag.into(),
            cost: price.map(|ops_per_update| Cost { ops_per_update, priced_by: PricedBy::NeuroBench }),
        };
        ScalarPoint {
            directory: "run".into(),
            layers: [layer("a", Some(4)), layer("b", None)].into(),
            at: UNIX_EPOCH,
            step: 2,
            samples: 2,
            updates: vec![Updates { effective: 9, dense: 12 }, Updates { effective: 1, dense: 2 }],
            energy_per_op: energy.map(|energy| energy.parse().expect("an energy")),
            corrected: false,
        }
    }

    #[test]
    fn the_figures_of_a_point_are_those_of_the_table() {
        let layer = [("layers/a/effective_ops_per_sample", 18.0), ("layers/a/sparsity", 0.25)];
        let rest = [
            ("layers/b/updates_per_sample", 0.5),
            ("total/effective_ops_per_sample", 18.0),
            ("total/dense_ops_per_sample", 24.0),
            ("total/updates_per_sample", 5.0),
            ("total/sparsity", 0.25),
            ("total/saved_ops_per_sample", 6.0),
        ];
        let expected = |more: &[(&str, f64)]| -> Vec<Value> {
            let all = layer.iter().chain(&rest).chain(more).chain(&[("total/samples", 2.0)]);
            all.map(|&(tag, value)| Value::scalar(format!("neurotop/{tag}"), value)).collect()
        };
        assert_eq!(values(&point(None), None), expected(&[]));
        assert_eq!(values(&point(Some("0.5pJ")), None), expected(&[("total/energy_per_sample", 9.0)]));
        let same = point(None);
        let all = values(&same, Some(&same));
        assert!(all.len() <= ScalarPoint::values(2, false));
        let nothing = Value::scalar("neurotop/layers/a/batch_effective_ops_per_sample".into(), 0.0);
        assert!(all.contains(&nothing), "there was no batch since the same point");
    }
}
