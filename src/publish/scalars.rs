//! Which figures of which batches go into TensorBoard's files: takes the sums where a point is due, and leaves
//! it to a thread to write them.

use super::names::{Names, directory_name};
use super::tensorboard::{Closing, Layer, Place, Point, Writer};
use super::thinning::Thinning;
use crate::run::{PointTaker, Run};
use crate::text::{printable, shown};
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often is looked whether points have become due with time.
const LOOK: Duration = Duration::from_millis(250);

/// What the series of all runs have in common.
#[derive(Debug)]
pub(super) struct Scalars {
    writer: Writer,
    outcome: Receiver<Option<String>>,
    /// The names of the runs' directories.
    names: Arc<Mutex<Names>>,
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
        let (writer, outcome) = Writer::start(directory.to_owned(), said.clone())?;
        Ok(Self { writer, outcome, names: Arc::default() })
    }

    /// The points of a run, by its number.
    pub(super) fn series(&self, number: usize) -> Series {
        let (writer, names) = (self.writer.clone(), Arc::clone(&self.names));
        Series { number, writer, names, begun: None, next_look: Instant::now(), has_news: false }
    }

    /// Has all of it end once it is written.
    pub(super) fn close(self) -> Closing {
        self.writer.close();
        Closing { outcome: self.outcome }
    }
}

/// The points of one run, which its owner takes: it knows the run after each batch.
#[derive(Debug)]
pub struct Series {
    number: usize,
    writer: Writer,
    names: Arc<Mutex<Names>>,
    begun: Option<Begun>,
    next_look: Instant,
    /// Whether something is counted that no point has, so that one becomes due with time.
    has_news: bool,
}

/// The points of a run that has a batch.
#[derive(Debug)]
struct Begun {
    directory: Arc<str>,
    /// The layers as they were at a [`Run::structure`].
    layers: Arc<[Layer]>,
    structure: Option<(u64, u64)>,
    tags: Names,
    thinning: Thinning,
    /// The number of the last point's batch, and [`Run::corrections`] then.
    last: Option<(u64, (u64, u64))>,
}

impl PointTaker for Series {
    fn note(&mut self, run: &Run, wall: SystemTime, now: Instant) {
        if let Some((begun, writer)) = self.begun(run, now) {
            begun.note(run, wall, now, writer);
            self.has_news = self.begun.as_ref().is_some_and(|begun| begun.has_news(run));
        }
    }

    fn due(&self) -> Option<Instant> {
        self.has_news.then_some(self.next_look)
    }

    fn pass(&mut self, run: &Run, wall: SystemTime, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        match &mut self.begun {
            Some(begun) if run.is_over(wall) => {
                begun.take(run, wall, now, &self.writer, Place::Between);
                self.has_news = begun.has_news(run);
            }
            _ => self.note(run, wall, now),
        }
    }

    /// Ends the file, too. The directory stays the run's own.
    fn close(&mut self, run: &Run, wall: SystemTime, now: Instant) {
        self.note(run, wall, now);
        if let Some(mut begun) = self.begun.take() {
            begun.take(run, wall, now, &self.writer, Place::Last);
            self.writer.end(begun.directory);
        }
    }
}

impl Series {
    /// The series, which begins with the first batch, after what was written of it by an earlier process.
    fn begun(&mut self, run: &Run, now: Instant) -> Option<(&mut Begun, &Writer)> {
        if run.tally().batches() == 0 {
            return None;
        }
        let Self { number, writer, names, begun, .. } = self;
        if begun.is_none() {
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let directory: Arc<str> = names.of(*number, &directory_name(run.name())).into();
            // Where there is no room, it begins with a later batch.
            if !writer.begin(Arc::clone(&directory), run.resumed()) {
                return None;
            }
            let layers = run.tally().layers().len();
            *begun = Some(Begun {
                directory,
                layers: Arc::new([]),
                structure: None,
                tags: Names::default(),
                thinning: Thinning::new(Point::values(layers), now),
                last: None,
            });
        }
        Some((begun.as_mut()?, writer))
    }
}

impl Begun {
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
            sums: run
                .tally()
                .layers()
                .iter()
                .map(|layer| (layer.updates.effective, layer.updates.dense))
                .collect(),
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
        if self.structure == Some(run.structure()) && self.layers.len() == sums.len() {
            return;
        }
        self.structure = Some(run.structure());
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
    use crate::count::{BatchCount, LayerCount};
    use crate::run::prices::LayerDefaults;
    use crate::run::{Addition, Settings};
    use crate::snapshot::LayerShape;
    use crossbeam_channel::bounded;

    fn run() -> Run {
        let settings = Settings {
            neurons: LayerDefaults::parse(&["Leaky".into()]),
            resets: LayerDefaults::parse(&["zero".into()]),
            live: true,
            ..Settings::new("run")
        };
        Run::new(settings)
    }

    /// Bytes that are written for so many batches of so many layers.
    fn bytes_of(batches: u64, layers: usize) -> u64 {
        let directory = tempfile::tempdir().expect("a directory");
        let (said, _said) = bounded(1);
        let scalars = Scalars::start(directory.path(), &said).expect("it starts");
        let (mut series, mut run) = (scalars.series(0), run());
        let shape = |at| LayerShape { name: format!("features.{at}.lif"), neurons: None };
        let shapes: Arc<[LayerShape]> = (0..layers).map(shape).collect();
        let count = LayerCount { updates: 7, dense: 9, updates_by_step: Vec::new() };
        for number in 0..batches {
            let count =
                BatchCount { samples: 1, shapes: Arc::clone(&shapes), layers: vec![count.clone(); layers] };
            let (name, modified) = (format!("batch-{number}.npz"), SystemTime::now());
            let batch = Addition::new(number.into(), name, modified, 1, count);
            run.add(batch, modified);
            series.note(&run, modified, Instant::now());
        }
        series.close(&run, SystemTime::now(), Instant::now());
        assert_eq!(scalars.close().wait(Instant::now() + Duration::from_secs(60)), None);
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
