//! Which figures of which batches go into TensorBoard's files: takes the sums where a point is due, and leaves
//! it to a thread to write them.

use super::names::{Names, directory_name};
use super::tensorboard::{Layer, Place, Point, Writer};
use super::thinning::Thinning;
use crate::run::Run;
use crate::runs::Runs;
use crate::text::{printable, shown};
use anyhow::Context;
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often is looked whether points have become due with time.
const LOOK: Duration = Duration::from_millis(250);

/// Takes points of runs.
#[derive(Debug)]
pub(super) struct Scalars {
    writer: Writer,
    /// The names of the runs' directories.
    names: Names,
    /// By the runs' numbers.
    series: HashMap<usize, Series>,
    next_look: Instant,
}

/// The points of one run.
#[derive(Debug)]
struct Series {
    directory: Arc<str>,
    /// The layers as they were at a [`Run::structure`].
    layers: Arc<[Layer]>,
    structure: u64,
    tags: Names,
    thinning: Thinning,
    /// The number of the last point's batch, and [`Run::corrections`] then.
    last: Option<(u64, u64)>,
}

impl Scalars {
    /// Starts to write below a directory, which is created where it is missing.
    ///
    /// # Errors
    /// Where the directory cannot be created or written to, or the system gives no thread.
    pub(super) fn start(directory: &Path, said: &Sender<String>) -> anyhow::Result<Self> {
        let writable = || -> std::io::Result<()> {
            std::fs::create_dir_all(directory)?;
            tempfile::Builder::new().prefix(".neurotop-").tempfile_in(directory).map(drop)
        };
        writable().with_context(|| {
            format!("--tensorboard {}: it is no directory that can be written to", shown(directory))
        })?;
        let writer = Writer::start(directory.to_owned(), said.clone())?;
        Ok(Self { writer, names: Names::default(), series: HashMap::new(), next_look: Instant::now() })
    }

    /// Takes a point of a run after a batch, where one is due.
    pub(super) fn note(&mut self, number: usize, run: &Run, wall: SystemTime, now: Instant) {
        if run.tally().batches() == 0 {
            return;
        }
        let Self { writer, names, series, .. } = self;
        let series = series.entry(number).or_insert_with(|| {
            let directory = names.of(number, &directory_name(run.name()));
            Series::new(directory.into(), run, writer, now)
        });
        series.note(run, wall, now, writer);
    }

    /// Takes the points that have become due with time.
    pub(super) fn publish(&mut self, runs: &Runs, wall: SystemTime, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        for number in runs.listed() {
            let Some(entry) = runs.get(number) else { continue };
            match self.series.get_mut(&number) {
                Some(series) if entry.run.is_over(wall) => {
                    series.take(&entry.run, wall, now, &self.writer, Place::Between);
                }
                _ => self.note(number, &entry.run, wall, now),
            }
        }
    }

    /// Takes the last points and waits until all are written; returns what could not be.
    pub(super) fn close(mut self, runs: &Runs, wall: SystemTime) -> Option<String> {
        let now = Instant::now();
        for number in runs.listed() {
            let Some(entry) = runs.get(number) else { continue };
            self.leave(number, &entry.run, wall, now);
        }
        self.writer.close()
    }

    /// Takes the last point of a run, and ends its file. Its directory stays its own.
    pub(super) fn leave(&mut self, number: usize, run: &Run, wall: SystemTime, now: Instant) {
        self.note(number, run, wall, now);
        if let Some(mut series) = self.series.remove(&number) {
            series.take(run, wall, now, &self.writer, Place::Last);
            self.writer.end(series.directory);
        }
    }
}

impl Series {
    /// The series of a run, after what was written of its batches by an earlier process.
    fn new(directory: Arc<str>, run: &Run, writer: &Writer, now: Instant) -> Self {
        writer.begin(Arc::clone(&directory), run.resumed());
        let layers = run.tally().layers().len();
        Self {
            directory,
            layers: Arc::new([]),
            structure: u64::MAX,
            tags: Names::default(),
            thinning: Thinning::new(Point::values(layers), now),
            last: None,
        }
    }

    /// Whether there is something new to take.
    fn has_news(&self, run: &Run) -> bool {
        self.last != Some((run.tally().batches(), run.corrections()))
    }

    fn note(&mut self, run: &Run, wall: SystemTime, now: Instant, writer: &Writer) {
        let step = run.tally().batches();
        if self.last.is_some_and(|(last, _)| step < last) {
            self.thinning.restart();
        }
        if self.has_news(run) && self.thinning.is_due(step, now) {
            self.take(run, wall, now, writer, Place::Between);
        }
    }

    /// Takes a point, unless there is one of this state.
    fn take(&mut self, run: &Run, wall: SystemTime, now: Instant, writer: &Writer, place: Place) {
        if !self.has_news(run) || run.tally().batches() == 0 {
            return;
        }
        self.know_layers(run);
        let (step, corrections) = (run.tally().batches(), run.corrections());
        let corrected = self.last.is_some_and(|(_, known)| known != corrections);
        let point = Point {
            directory: Arc::clone(&self.directory),
            layers: Arc::clone(&self.layers),
            at: wall,
            step,
            samples: run.tally().samples(),
            sums: run.tally().layers().iter().map(|layer| (layer.updates, layer.dense)).collect(),
            corrected,
        };
        self.thinning.took(step, now);
        // A point that finds no room is joined with the next one.
        if writer.write(point, place) {
            self.last = Some((step, corrections));
        }
    }

    /// Names and prices the layers, where they are not the same any more.
    fn know_layers(&mut self, run: &Run) {
        let sums = run.tally().layers();
        if self.structure == run.structure() && self.layers.len() == sums.len() {
            return;
        }
        self.structure = run.structure();
        let layers = sums.iter().enumerate().map(|(number, sums)| {
            let (neuron, reset) = run.neuron_and_reset(&sums.name);
            let tag = self.tags.of(number, &printable(&sums.name)).to_owned();
            Layer { tag, price: run.cost(neuron, reset).map(|cost| cost.ops_per_update) }
        });
        self.layers = layers.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Costs, LayerDefaults};
    use crate::count::{BatchCount, LayerCount};
    use crate::pipeline::{Group, Update};
    use crate::run::Settings;
    use crate::snapshot::LayerShape;
    use crossbeam_channel::unbounded;

    fn runs() -> Runs {
        let settings = Settings {
            name: "run".into(),
            costs: Costs::default(),
            neurons: LayerDefaults::parse(&["Leaky".into()]),
            resets: LayerDefaults::parse(&["zero".into()]),
            stall_after: Duration::from_secs(30),
            live: true,
        };
        Runs::new(Path::new("run"), settings)
    }

    /// Bytes that are written for so many batches of so many layers.
    fn bytes_of(batches: u64, layers: usize) -> u64 {
        let directory = tempfile::tempdir().expect("a directory");
        let (said, _said) = unbounded();
        let mut scalars = Scalars::start(directory.path(), &said).expect("it starts");
        let shape = |at| LayerShape { name: format!("features.{at}.lif"), neurons: None };
        let shapes: Arc<[LayerShape]> = (0..layers).map(shape).collect();
        let count = LayerCount { updates: 7, dense: 9, updates_by_step: Vec::new() };
        let mut runs = runs();
        for number in 0..batches {
            let count =
                BatchCount { samples: 1, shapes: Arc::clone(&shapes), layers: vec![count.clone(); layers] };
            let (name, modified) = (format!("batch-{number}.npz"), SystemTime::now());
            let counted = Update::Counted {
                id: number.into(),
                name,
                modified,
                bytes: 1,
                replaces: None,
                digest: count.digest(),
                count,
            };
            runs.apply(Group { run: 0, updates: vec![counted] }, modified);
            let run = &runs.get(0).expect("a run").run;
            scalars.note(0, run, modified, Instant::now());
        }
        assert_eq!(scalars.close(&runs, SystemTime::now()), None);
        let files = std::fs::read_dir(directory.path().join("run")).expect("the run's directory");
        files.map(|file| file.expect("a file").metadata().expect("its size").len()).sum()
    }

    #[test]
    fn ten_times_as_many_batches_take_far_less_than_ten_times_the_room() {
        let (few, many) = (bytes_of(1_000, 200), bytes_of(10_000, 200));
        assert!(many < 3 * few, "{few} {many}");
    }

    #[test]
    #[ignore = "takes a minute; prints the size that docs/publishing.md quotes"]
    fn a_hundred_thousand_batches_of_two_thousand_layers_stay_small() {
        let bytes = bytes_of(100_000, 2_000);
        println!("{bytes} bytes");
        assert!(bytes < 500_000_000, "{bytes}");
    }
}
