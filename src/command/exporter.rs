//! Writes exports in a thread of its own, since a disk may take its time: one after the other, so that an older one never
//! replaces a newer one. What `e` asks for and what is written on leaving go the same way.

use super::display::fault;
use super::leaving::Leaving;
use crate::checks::Checks;
use crate::fault;
use crate::report::{Export, Summaries};
use crate::run::Runs;
use crate::text::shown;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::SystemTime;

/// Orders that may wait: more are keys that somebody holds down while a disk hangs.
const ORDERS: usize = 8;

/// What is to be written.
struct Order {
    runs: Runs,
    exports: Vec<Export>,
    outcome: Sender<Outcome>,
}

/// What became of an order: of each export its file, or why it could not be written.
pub(super) type Outcome = Vec<Result<PathBuf, String>>;

/// The thread that writes; it is started with the first order.
pub(super) struct Exporter {
    checks: Checks,
    orders: Option<Sender<Order>>,
    /// What became of the orders that nobody waits for.
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
}

impl Exporter {
    /// Exports say what the figures are held against.
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, orders: None, outcomes: bounded(ORDERS + 1) }
    }

    /// Has the figures of the runs written, which are worked out there, too.
    ///
    /// # Errors
    /// Where the system gives no thread, or so much is asked for already that is not written.
    pub(super) fn order(&mut self, runs: Runs, exports: Vec<Export>) -> io::Result<()> {
        let outcome = self.outcomes.0.clone();
        self.send(Order { runs, exports, outcome })
    }

    /// What became of the orders.
    pub(super) fn outcomes(&self) -> &Receiver<Outcome> {
        &self.outcomes.1
    }

    /// Has the last exports written, once those are that were asked for before, and waits for that; but once a signal
    /// asks to leave, not for long.
    pub(super) fn finish(&mut self, runs: Runs, exports: &[Export], leaving: &Leaving<'_>) -> Outcome {
        if exports.is_empty() && self.orders.is_none() {
            return Vec::new();
        }
        let (outcome, finished) = bounded(1);
        let late = |why: &str| {
            let of = |export: &Export| Err(format!("{}: not written: {why}", shown(export.path())));
            exports.iter().map(of).collect()
        };
        if let Err(error) = self.send(Order { runs, exports: exports.to_vec(), outcome }) {
            return late(&error.to_string());
        }
        leaving.wait_for_exports(&finished).unwrap_or_else(|| late("the disk took too long"))
    }

    fn send(&mut self, order: Order) -> io::Result<()> {
        if self.orders.is_none() {
            let (orders, received) = bounded(ORDERS);
            let checks = self.checks.clone();
            let write = move || received.iter().for_each(|order| carry_out(&checks, order));
            std::thread::Builder::new().name("export".into()).spawn(write)?;
            self.orders = Some(orders);
        }
        let sent = self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok());
        if sent { Ok(()) } else { Err(io::Error::other("what was asked for before is not written yet")) }
    }
}

fn carry_out(checks: &Checks, Order { runs, exports, outcome }: Order) {
    let written = catch_unwind(AssertUnwindSafe(|| write(checks, &runs, &exports)));
    // Whoever asked may have left.
    let _ = outcome.try_send(written.unwrap_or_else(|_| vec![Err(fault().to_string())]));
}

fn write(checks: &Checks, runs: &Runs, exports: &[Export]) -> Outcome {
    fault::point("export");
    let mut summaries = runs.summaries(SystemTime::now());
    summaries.iter_mut().for_each(|summary| checks.apply(summary));
    let write = |export: &Export| match export.write(&Summaries(&summaries)) {
        Ok(()) => Ok(export.path().to_owned()),
        Err(error) => Err(format!("{error:#}")),
    };
    exports.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Read;
    use std::path::Path;

    fn runs(name: &str) -> Runs {
        use crate::cost::{Costs, LayerDefaults};
        let settings = crate::run::Settings {
            name: name.into(),
            costs: Costs::default(),
            neurons: LayerDefaults::default(),
            resets: LayerDefaults::default(),
            stall_after: std::time::Duration::from_secs(30),
            live: true,
        };
        Runs::new(Path::new(name), settings)
    }

    #[test]
    fn a_later_export_waits_for_an_earlier_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        // Nobody reads it yet.
        mknodat(CWD, at("pipe.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let export = |name: &str| at(name).to_string_lossy().parse::<Export>().expect("an export");
        let mut exporter = Exporter::new(Checks::default());
        exporter.order(runs("first"), vec![export("pipe.json")]).expect("a thread");
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
        assert_eq!(last, [Ok(at("out.json"))]);
        let first = exporter.outcomes().try_recv().expect("it was written before");
        assert_eq!(first, [Ok(at("pipe.json"))]);
        assert!(reader.join().expect("read").contains("\"first\""));
        drop::<crossbeam_channel::Sender<i32>>(signal);
    }
}
