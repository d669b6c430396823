//! Decides after which batches TensorBoard gets a point, and takes the sums for it. A thread of its own writes them.

use super::names::{Names, directory_name};
use super::tensorboard::{EventWriter, PointPlace, ScalarPoint, TaggedLayer};
use super::thinning::Thinning;
use crate::platform::temporary_in;
use crate::run::{PointTaker, Run};
use crate::text::{printable, shown};
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often a run checks whether a point has become due with time.
const LOOK: Duration = Duration::from_millis(250);

/// What the points of all runs share.
#[derive(Debug)]
pub(super) struct Points {
    writer: EventWriter,
    outcome: Receiver<Option<String>>,
    /// The names of the runs' directories.
    names: Arc<Mutex<Names>>,
}

impl Points {
    /// Starts to write below a directory, which is created if it is missing.
    ///
    /// # Errors
    /// If the directory cannot be created or written to, or the system gives no thread.
    pub(super) fn start(directory: &Path, said: &Sender<String>) -> anyhow::Result<Self> {
        let writable = || -> std::io::Result<()> {
            std::fs::create_dir_all(directory)?;
            temporary_in(tempfile::Builder::new().prefix(".neurotop-"), directory).map(drop)
        };
        writable().with_context(|| {
            format!("--tensorboard {}: it is no directory that can be written to", shown(directory))
        })?;
        let (writer, outcome) = EventWriter::start(directory.to_owned(), said.clone())?;
        Ok(Self { writer, outcome, names: Arc::default() })
    }

    /// The points of a run, by its number.
    pub(super) fn of_run(&self, number: usize) -> RunPoints {
        let (writer, names) = (self.writer.clone(), Arc::clone(&self.names));
        RunPoints { number, writer, names, begun: None, next_look: Instant::now(), has_news: false }
    }

    /// Ends the thread once everything is written. Receives then why the last point was not written, if so.
    pub(super) fn close(self) -> Receiver<Option<String>> {
        self.writer.close();
        self.outcome
    }
}

/// The points of one run. Its owner takes them, since it knows the run after each batch.
#[derive(Debug)]
pub struct RunPoints {
    number: usize,
    writer: EventWriter,
    names: Arc<Mutex<Names>>,
    begun: Option<StartedPoints>,
    next_look: Instant,
    /// Whether a batch is counted that is in no point yet, so that one becomes due with time.
    has_news: bool,
}

/// The points of a run with at least one batch.
#[derive(Debug)]
struct StartedPoints {
    directory: Arc<str>,
    /// The layers at the time of `structure`.
    layers: Arc<[TaggedLayer]>,
    structure: Option<(u64, u64)>,
    tags: Names,
    thinning: Thinning,
    /// The step of the last point, and [`Run::corrections`] at that time.
    last: Option<(u64, (u64, u64))>,
}

impl PointTaker for RunPoints {
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
                begun.take(run, wall, now, &self.writer, PointPlace::Between);
                self.has_news = begun.has_news(run);
            }
            _ => self.note(run, wall, now),
        }
    }

    /// Ends the file, too. No other run gets the directory.
    fn close(&mut self, run: &Run, wall: SystemTime, now: Instant) {
        self.note(run, wall, now);
        if let Some(mut begun) = self.begun.take() {
            begun.take(run, wall, now, &self.writer, PointPlace::Last);
            self.writer.end(begun.directory);
        }
    }
}

impl RunPoints {
    /// The points, which start with the first batch or after those that an earlier process wrote.
    fn begun(&mut self, run: &Run, now: Instant) -> Option<(&mut StartedPoints, &EventWriter)> {
        if run.tally().batches() == 0 {
            return None;
        }
        let Self { number, writer, names, begun, .. } = self;
        if begun.is_none() {
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let directory: Arc<str> = names.name_for(*number, &directory_name(run.name())).into();
            // Without room in the queue it starts with a later batch.
            if !writer.begin(Arc::clone(&directory), run.resumed()) {
                return None;
            }
            let layers = run.tally().layers().len();
            *begun = Some(StartedPoints {
                directory,
                layers: Arc::new([]),
                structure: None,
                tags: Names::default(),
                thinning: Thinning::new(ScalarPoint::values(layers, run.has_measured()), now),
                last: None,
            });
        }
        Some((begun.as_mut()?, writer))
    }
}

impl StartedPoints {
    /// Whether the run has changed since the last point.
    fn has_news(&self, run: &Run) -> bool {
        self.last != Some((run.tally().batches(), run.corrections()))
    }

    fn note(&mut self, run: &Run, wall: SystemTime, now: Instant, writer: &EventWriter) {
        let step = run.tally().batches();
        if self.last.is_some_and(|(last, _)| step < last) {
            self.thinning.restart();
        }
        if self.has_news(run) && self.thinning.is_due(step, now) {
            self.take(run, wall, now, writer, PointPlace::Between);
        }
    }

    /// Takes a point unless there is one of this state already.
    fn take(&mut self, run: &Run, wall: SystemTime, now: Instant, writer: &EventWriter, place: PointPlace) {
        if !self.has_news(run) || run.tally().batches() == 0 {
            return;
        }
        self.know_layers(run);
        let (step, corrections) = (run.tally().batches(), run.corrections());
        let corrected = self.last.is_some_and(|(_, known)| known != corrections);
        let point = ScalarPoint {
            directory: Arc::clone(&self.directory),
            layers: Arc::clone(&self.layers),
            at: wall,
            step,
            samples: run.tally().samples(),
            updates: run.tally().layers().iter().map(|layer| layer.updates()).collect(),
            energy_per_op: run.settings().costs.energy_per_op(),
            corrected,
        };
        self.thinning.took(step, now);
        // Without room in the queue the next point stands for this one, too.
        if writer.write(point, place) {
            self.last = Some((step, corrections));
        }
    }

    /// Names and prices the layers again if they have changed.
    fn know_layers(&mut self, run: &Run) {
        let sums = run.tally().layers();
        if self.structure == Some(run.structure()) && self.layers.len() == sums.len() {
            return;
        }
        self.structure = Some(run.structure());
        let layers = sums.iter().enumerate().map(|(number, sums)| {
            let tag = self.tags.name_for(number, &printable(&sums.name)).to_owned();
            TaggedLayer { tag, cost: run.layer_cost(&sums.name) }
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
        let points = Points::start(directory.path(), &said).expect("it starts");
        let (mut series, mut run) = (points.of_run(0), run());
        let shape = |at| LayerShape { name: format!("features.{at}.lif"), neurons: None };
        let shapes: Arc<[LayerShape]> = (0..layers).map(shape).collect();
        let count = LayerCount { updates: 7, dense: 9, ..LayerCount::default() };
        for number in 0..batches {
            let count =
                BatchCount { samples: 1, shapes: Arc::clone(&shapes), layers: vec![count.clone(); layers] };
            let (name, modified) = (format!("batch-{number}.npz"), SystemTime::now());
            let batch = Addition::new(number.into(), name, modified, 1, count);
            run.add(batch, modified);
            series.note(&run, modified, Instant::now());
        }
        series.close(&run, SystemTime::now(), Instant::now());
        assert_eq!(points.close().recv_timeout(Duration::from_secs(600)), Ok(None));
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
