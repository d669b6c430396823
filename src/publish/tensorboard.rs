//! Writes points as scalars into TensorBoard's event files, in a thread of its own.

use super::event::{Event, Value};
use crate::figures::sparsity;
use crate::run::tally::quotient;
use crate::text::shown;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Values that may wait to be written before points are left out.
const MAX_WAITING: usize = 1 << 20;

/// Values in one record.
const RECORD: usize = 1000;

/// Orders that may wait, and how many of them points between others: the rest is for what must not be left out, of
/// which each run has three.
const ORDERS: usize = 4096;
const POINTS: usize = 2048;

/// What a layer's points are called and priced with.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Its name in tags.
    pub(super) tag: String,
    /// Operations of an update, where it has a price.
    pub(super) price: Option<u64>,
}

/// The sums of a run over its first batches.
#[derive(Debug)]
pub(super) struct Point {
    /// The name of the run's directory.
    pub(super) directory: Arc<str>,
    /// The layers, in the order of the sums.
    pub(super) layers: Arc<[Layer]>,
    /// When it was taken.
    pub(super) at: SystemTime,
    /// How many batches are counted.
    pub(super) step: u64,
    /// Their samples.
    pub(super) samples: u128,
    /// Updates and dense updates of each layer.
    pub(super) sums: Vec<(u128, u128)>,
    /// Whether a batch was taken out or replaced since the point before, so that the difference of the two is
    /// that of no batches.
    pub(super) corrected: bool,
}

impl Point {
    /// The most values of a point with so many layers.
    pub(super) fn values(layers: usize) -> usize {
        9 + 4 * layers
    }
}

/// Where a point is in its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Others follow, which have its sums too.
    Between,
    /// It is the last one.
    Last,
}

/// What the thread is to do.
enum Order {
    /// Begin the files of a run, of which an earlier process has counted so many batches.
    Begin { directory: Arc<str>, resumed: u64 },
    /// Write a point.
    Write(Point),
    /// End the files of a run.
    End { directory: Arc<str> },
    /// End all of it.
    Close,
}

/// The way to the thread that writes, for each of those who have points.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    orders: Sender<Order>,
    waiting: Arc<AtomicUsize>,
}

impl Writer {
    /// Starts the thread, which says on `said` once what cannot be written, and tells in the end what could not be.
    pub(super) fn start(root: PathBuf, said: Sender<String>) -> io::Result<(Self, Receiver<Option<String>>)> {
        let (orders, received) = bounded(ORDERS);
        let (ended, outcome) = bounded(1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&waiting);
        std::thread::Builder::new().name("tensorboard".into()).spawn(move || {
            let mut files = Files { root, runs: HashMap::new(), failing: None, said };
            for order in received {
                match order {
                    Order::Begin { directory, resumed } => files.begin(directory, resumed),
                    Order::End { directory } => drop(files.runs.remove(&directory)),
                    Order::Write(point) => {
                        let values = Point::values(point.sums.len());
                        files.write(point);
                        written.fetch_sub(values, Ordering::Relaxed);
                    }
                    Order::Close => break,
                }
            }
            // Whoever closes may have given up.
            let _ = ended.send(files.failing);
        })?;
        Ok((Self { orders, waiting }, outcome))
    }

    /// Begins the files of a run, where there is room for that to wait.
    pub(super) fn begin(&self, directory: Arc<str>, resumed: u64) -> bool {
        self.orders.try_send(Order::Begin { directory, resumed }).is_ok()
    }

    pub(super) fn end(&self, directory: Arc<str>) {
        let _ = self.orders.try_send(Order::End { directory });
    }

    /// Has a point written; returns whether there was room for it to wait, which there is for a last one.
    pub(super) fn write(&self, point: Point, place: Place) -> bool {
        let values = Point::values(point.sums.len());
        let waiting = self.waiting.load(Ordering::Relaxed);
        let is_full = self.orders.len() >= POINTS || (waiting > 0 && waiting + values > MAX_WAITING);
        if place == Place::Between && is_full {
            return false;
        }
        // Before it is sent: the thread takes them off once it is written.
        self.waiting.fetch_add(values, Ordering::Relaxed);
        let is_sent = self.orders.try_send(Order::Write(point)).is_ok();
        if !is_sent {
            self.waiting.fetch_sub(values, Ordering::Relaxed);
        }
        is_sent
    }

    /// Has the thread end once all is written.
    pub(super) fn close(&self) {
        let _ = self.orders.try_send(Order::Close);
    }
}

/// The last points on their way into the files.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) outcome: Receiver<Option<String>>,
}

impl Closing {
    /// Waits until all is written, and no longer than until then; returns what could not be.
    pub(super) fn wait(self, until: Instant) -> Option<String> {
        match self.outcome.recv_deadline(until) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                Some("--tensorboard: the last points were not written in time".into())
            }
            Err(RecvTimeoutError::Disconnected) => Some("--tensorboard: a fault of neurotop itself".into()),
        }
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
    /// What TensorBoard is to forget before the next point: this step and all later ones.
    void_from: Option<u64>,
    last: Option<Point>,
}

impl Files {
    fn begin(&mut self, directory: Arc<str>, resumed: u64) {
        let run = RunFile { void_from: Some(resumed + 1), ..RunFile::default() };
        self.runs.insert(directory, run);
    }

    /// Writes a point; what cannot be written is said once until it can be again.
    fn write(&mut self, point: Point) {
        let directory = self.root.join(&*point.directory);
        let Some(run) = self.runs.get_mut(&point.directory) else { return };
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
    fn write(&mut self, directory: &Path, point: &Point) -> io::Result<()> {
        let (wall, step) = (seconds(point.at), step(point.step));
        let mut records = Vec::new();
        let repeats = self.last.as_ref().is_some_and(|last| point.step <= last.step);
        let void_from = if repeats { Some(point.step) } else { self.void_from };
        if let Some(from) = void_from {
            Event::start(wall, self::step(from.min(point.step))).append_to(&mut records);
        }
        let last = self.last.as_ref().filter(|_| !repeats && !point.corrected);
        for values in values(point, last).chunks(RECORD) {
            Event::values(wall, step, values.to_vec()).append_to(&mut records);
        }
        match &mut self.file {
            Some(file) => file.append(&records)?,
            None => self.file = Some(EventFile::create(directory, wall, &records)?),
        }
        self.void_from = None;
        Ok(())
    }
}

/// An event file: whole records only, unless the process is killed in the middle of one.
struct EventFile {
    file: File,
    length: u64,
}

impl EventFile {
    /// A new file with these records, whose name sorts behind those that are there: TensorBoard reads them in
    /// this order.
    fn create(directory: &Path, wall: f64, records: &[u8]) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut newest = 0;
        for entry in std::fs::read_dir(directory)? {
            newest = newest.max(file_time(&entry?.file_name().to_string_lossy()).unwrap_or(0));
        }
        let time = (wall as u64).max(newest.saturating_add(1));
        let name = format!("events.out.tfevents.{time:010}.neurotop.{}", std::process::id());
        let path = directory.join(name);
        let mut file = Self { file: File::create_new(&path)?, length: 0 };
        let mut contents = Vec::new();
        Event::version(wall).append_to(&mut contents);
        contents.extend(records);
        file.append(&contents).inspect_err(|_| {
            let _ = std::fs::remove_file(&path);
        })?;
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
    // What is no time sorts behind every time, so that it must not count as one.
    rest.split('.').next()?.parse().ok().filter(|&time| time < 9_999_999_999)
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn step(batches: u64) -> i64 {
    i64::try_from(batches).unwrap_or(i64::MAX)
}

/// The scalars of a point; `last` is the one before it, where the batches between them have figures.
fn values(point: &Point, last: Option<&Point>) -> Vec<Value> {
    let nothing = (0, &[][..]);
    let first = (point.step == 1).then_some(nothing);
    let last = last.map(|last| (last.samples, &*last.sums)).or(first);
    let mut values = Vec::with_capacity(Point::values(point.sums.len()));
    let (mut total, mut batch) = (Sums::default(), Sums::default());
    for (at, (layer, &(updates, dense))) in point.layers.iter().zip(&point.sums).enumerate() {
        let sums = Sums::of(updates, dense, layer.price);
        total.add(&sums);
        sums.say(&format!("neurotop/layers/{}/", layer.tag), point.samples, layer.price, &mut values);
        let Some((last_samples, last_sums)) = last else { continue };
        let before = last_sums.get(at).copied().unwrap_or_default();
        let since = Sums::of(updates.saturating_sub(before.0), dense.saturating_sub(before.1), layer.price);
        batch.add(&since);
        let samples = point.samples.saturating_sub(last_samples);
        since.say(&format!("neurotop/layers/{}/batch_", layer.tag), samples, layer.price, &mut values);
    }
    values.extend(total.total("neurotop/total/", point.samples));
    values.push(Value::scalar("neurotop/total/samples".into(), point.samples as f64));
    if let Some((last_samples, _)) = last {
        values.extend(batch.total("neurotop/total/batch_", point.samples.saturating_sub(last_samples)));
    }
    values
}

/// Sums of updates, and of the operations of what has a price.
#[derive(Default)]
struct Sums {
    updates: u128,
    effective: u128,
    dense: u128,
}

impl Sums {
    fn of(updates: u128, dense: u128, price: Option<u64>) -> Self {
        let price = u128::from(price.unwrap_or(0));
        Self { updates, effective: updates.saturating_mul(price), dense: dense.saturating_mul(price) }
    }

    fn add(&mut self, other: &Self) {
        self.updates = self.updates.saturating_add(other.updates);
        self.effective = self.effective.saturating_add(other.effective);
        self.dense = self.dense.saturating_add(other.dense);
    }

    /// A layer's scalars: operations where it has a price, else updates.
    fn say(&self, prefix: &str, samples: u128, price: Option<u64>, values: &mut Vec<Value>) {
        let mut say = |figure: &str, value| values.push(Value::scalar(format!("{prefix}{figure}"), value));
        match price {
            Some(_) => say("effective_ops_per_sample", quotient(self.effective, samples)),
            None => say("updates_per_sample", quotient(self.updates, samples)),
        }
        if let Some(sparsity) = sparsity(self.effective, self.dense) {
            say("sparsity", sparsity);
        }
    }

    /// The total's scalars.
    fn total(&self, prefix: &str, samples: u128) -> Vec<Value> {
        let figures = [
            ("effective_ops_per_sample", Some(quotient(self.effective, samples))),
            ("dense_ops_per_sample", Some(quotient(self.dense, samples))),
            ("updates_per_sample", Some(quotient(self.updates, samples))),
            ("sparsity", sparsity(self.effective, self.dense)),
        ];
        let said = figures.into_iter().filter_map(|(figure, value)| Some((figure, value?)));
        said.map(|(figure, value)| Value::scalar(format!("{prefix}{figure}"), value)).collect()
    }
}
