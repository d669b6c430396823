//! Writes the exports, in one thread for each file. A disk that hangs then holds up no other file. The exports to one file
//! are written in order, so that an older one never replaces a newer one. This goes for those that the key `e` orders
//! and for those on leaving.

use super::display::fault;
use super::leaving::Leaving;
use crate::figures::checks::Checks;
use crate::figures::{Export, Report, Summary};
use crate::platform::fault;
use crate::run::{BatchPotentials, Runs};
use crate::text::shown;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

/// The most orders that can wait for one file. More come only if somebody holds the key down while a disk hangs.
const ORDERS: usize = 8;

/// The most outcomes that can wait to be reported.
const OUTCOMES: usize = 256;

/// The file of an export, and the error if it could not be written.
pub(super) type Outcome = (PathBuf, Result<(), String>);

/// An export to write into one file; `None` only reports that those before are written.
struct ExportOrder {
    export: Option<(Export, Arc<ExportFigures>)>,
    path: PathBuf,
    outcomes: Sender<Outcome>,
}

/// The figures of an export, computed by the first thread that writes them.
struct ExportFigures {
    runs: Runs,
    checks: Checks,
    /// Whether any of the files has room for the potentials.
    have_potentials: bool,
    summaries: OnceLock<Vec<Summary>>,
}

impl ExportFigures {
    fn summaries(&self) -> &[Summary] {
        self.summaries.get_or_init(|| {
            let mut summaries = self.checks.summarize_all(&self.runs, SystemTime::now());
            let until = Instant::now() + BatchPotentials::WITHIN;
            let runs = self.runs.iter().filter(|_| self.have_potentials);
            runs.zip(&mut summaries).for_each(|(entry, summary)| summary.read_potentials(&entry.run, until));
            summaries
        })
    }
}

/// The threads that write. Each starts with the first order for its file.
pub(super) struct Exporter {
    checks: Checks,
    queues: HashMap<PathBuf, Sender<ExportOrder>>,
    /// The outcomes of the exports on `e`, for which nobody waits.
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
}

impl Exporter {
    /// The exports include what the checks say.
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, queues: HashMap::new(), outcomes: bounded(OUTCOMES) }
    }

    /// Orders exports of the runs. The threads that write also compute the figures.
    ///
    /// # Errors
    /// Where the system gives no thread, or too many orders wait for one of the files.
    pub(super) fn order(&mut self, runs: Runs, exports: &[Export]) -> io::Result<()> {
        let outcomes = self.outcomes.0.clone();
        let figures = self.figures(runs, exports);
        exports.iter().try_for_each(|export| self.send(export, &figures, &outcomes))
    }

    pub(super) fn outcomes(&self) -> &Receiver<Outcome> {
        &self.outcomes.1
    }

    /// Writes the last exports, after those that were ordered before, and waits until all are written; not for long once
    /// a signal asks to leave. Returns the outcome of each, in their order.
    pub(super) fn finish(&mut self, runs: Runs, exports: &[Export], leaving: &Leaving<'_>) -> Vec<Outcome> {
        let figures = self.figures(runs, exports);
        let (outcomes, finished) = bounded(self.queues.len() + exports.len());
        let mut refused = HashMap::new();
        for export in exports {
            if let Err(error) = self.send(export, &figures, &outcomes) {
                refused.insert(export.path().to_owned(), error.to_string());
            }
        }
        // Also wait for files that only the key ordered.
        let others =
            self.queues.iter().filter(|(path, _)| !exports.iter().any(|export| export.path() == *path));
        for (path, queue) in others {
            let _ =
                queue.try_send(ExportOrder { export: None, path: path.clone(), outcomes: outcomes.clone() });
        }
        drop(outcomes);
        let mut written = HashMap::new();
        while let Some((path, outcome)) = leaving.wait_for_export(&finished) {
            written.insert(path, outcome);
        }
        let mut outcome_of = |export: &Export| {
            let path = export.path();
            let late = || {
                let why = refused.remove(path).unwrap_or_else(|| "the disk took too long".to_owned());
                Err(format!("{}: not written: {why}", shown(path)))
            };
            (path.to_owned(), written.remove(path).unwrap_or_else(late))
        };
        exports.iter().map(&mut outcome_of).collect()
    }

    fn figures(&self, runs: Runs, exports: &[Export]) -> Arc<ExportFigures> {
        let have_potentials = exports.iter().any(|export| export.format().has_potentials());
        let checks = self.checks.clone();
        Arc::new(ExportFigures { runs, checks, have_potentials, summaries: OnceLock::new() })
    }

    fn send(
        &mut self,
        export: &Export,
        figures: &Arc<ExportFigures>,
        outcomes: &Sender<Outcome>,
    ) -> io::Result<()> {
        let path = export.path().to_owned();
        if !self.queues.contains_key(&path) {
            self.queues.insert(path.clone(), start()?);
        }
        let export = Some((export.clone(), Arc::clone(figures)));
        let order = ExportOrder { export, path: path.clone(), outcomes: outcomes.clone() };
        let is_sent = self.queues.get(&path).is_some_and(|queue| queue.try_send(order).is_ok());
        if is_sent { Ok(()) } else { Err(io::Error::other("the exports before it are not written yet")) }
    }
}

/// Starts the thread for one file.
fn start() -> io::Result<Sender<ExportOrder>> {
    let (orders, received) = bounded(ORDERS);
    let write = move || received.iter().for_each(carry_out);
    std::thread::Builder::new().name("export".into()).spawn(write)?;
    Ok(orders)
}

fn carry_out(ExportOrder { export, path, outcomes }: ExportOrder) {
    let write = || export.as_ref().map_or(Ok(()), |(export, figures)| write(export, figures));
    let written = catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_| Err(fault().to_string()));
    // The main thread may have left.
    let _ = outcomes.try_send((path, written));
}

fn write(export: &Export, figures: &ExportFigures) -> Result<(), String> {
    fault::point("export");
    export.write(Report::Runs(figures.summaries())).map_err(|error| format!("{error:#}"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Read;
    use std::path::Path;

    fn runs(name: &str) -> Runs {
        let settings = crate::run::Settings { live: true, ..crate::run::Settings::new(name) };
        Runs::new(Path::new(name), settings)
    }

    #[test]
    fn a_later_export_waits_for_an_earlier_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        // Nobody reads it yet.
        mknodat(CWD, at("pipe.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let export = |name: &str| Export::try_from(at(name)).expect("an export");
        let mut exporter = Exporter::new(Checks::default());
        exporter.order(runs("first"), &[export("pipe.json")]).expect("a thread");
        let (signal, signals) = unbounded();
        let reader = std::thread::spawn({
            let pipe = at("pipe.json");
            move || {
                std::thread::sleep(std::time::Duration::from_millis(100));
                let mut read = String::new();
                std::fs::File::open(pipe).and_then(|mut pipe| pipe.read_to_string(&mut read)).expect("read");
                read
            }
        });
        let last = exporter.finish(runs("last"), &[export("out.json")], &Leaving::new(&signals));
        assert_eq!(last, [(at("out.json"), Ok(()))]);
        let first = exporter.outcomes().try_recv().expect("it was written before");
        assert_eq!(first, (at("pipe.json"), Ok(())));
        assert!(reader.join().expect("read").contains("\"first\""));
        drop::<crossbeam_channel::Sender<i32>>(signal);
    }

    #[test]
    fn a_file_that_hangs_holds_up_no_other_and_is_named_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        mknodat(CWD, at("pipe.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let export = |name: &str| Export::try_from(at(name)).expect("an export");
        let mut exporter = Exporter::new(Checks::default());
        let (_signal, signals) = unbounded();
        let exports = [export("pipe.json"), export("out.csv")];
        let outcomes = exporter.finish(runs("r"), &exports, &Leaving::new(&signals));
        assert!(outcomes[0].1.as_ref().is_err_and(|why| why.contains("pipe.json")), "nobody reads it");
        assert_eq!(outcomes[1], (at("out.csv"), Ok(())));
        assert!(at("out.csv").is_file());
    }
}
