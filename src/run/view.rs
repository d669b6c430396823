//! A run at one moment: documents, sums, series, ranks, account, problems.

use super::energy::EnergyPerOp;
use super::owner::FirstBatches;
use super::{BatchPotentials, Cause, Presence, Problem, Severity, Watching};
use crate::count::BatchCount;
use crate::follow::{Account, CountedBatches};
use crate::run::log;
use crate::run::prices::{Cost, Costs, LayerDefaults};
use crate::run::problem_list::{More, Problems};
use crate::run::ranks::{RankStatus, Ranks};
use crate::run::run_sums::RunSums;
use crate::run::series::History;
use crate::run::state::{KnownManifest, Loss, Progress, path_bytes};
use crate::run::sums::Operations;
use crate::run::tally::{LayerSums, Tally};
use crate::run::throughput::Throughput;
use crate::run::timing::{FileTimes, Phase, Timing, when_written};
use crate::snapshot::{BatchId, BatchName, End, LayerEntry, LayerPrice, Manifest, SnapshotError, shown};
use crate::storage::Root;
use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long to wait for `end.json` after everything that was expected is counted.
const WAIT_FOR_END: Duration = Duration::from_secs(2);

/// The path of problems about counts that the figures have lost.
pub const PROGRESS: &str = "progress";

/// Whether a problem is about lost counts. From the second one on, its path ends in a number.
fn is_of_progress(path: &str) -> bool {
    path.strip_prefix(PROGRESS).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix(' ').is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// A backlog that takes less time to count is not worth a word.
const LONG_BACKLOG: Duration = Duration::from_secs(1);

/// What waits to be counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that are counted in a second at present.
    pub per_second: f64,
    /// The time it takes to count them.
    pub left: Duration,
}

/// What the user says about a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the run if its manifest gives none.
    pub name: String,
    /// The operations of an update.
    pub costs: Costs,
    /// Neurons of layers that the manifest lacks.
    pub neurons: LayerDefaults,
    /// Reset mechanisms of layers that the manifest lacks.
    pub resets: LayerDefaults,
    /// A run that is not over and has written nothing for this long is stalled.
    pub stall_after: Duration,
    /// Whether the appearance of a batch is activity, besides its writing. It is not in a summary, where all batches
    /// were there before.
    pub live: bool,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No batch yet.
    Waiting,
    Live,
    /// It is not over, and nothing was written for this long; `None` where no time of a file can be right.
    Stalled(Option<Duration>),
    /// It is not over, and the manifest says that its recorder has stopped.
    Stopped,
    /// `end.json` is there, or everything that was expected is counted.
    Finished,
}

/// What outlives a tally that starts over.
#[derive(Debug, Clone, Default)]
pub(super) struct Lasting {
    /// Where it is, as it was named or found.
    directory: Option<Arc<Path>>,
    /// How often the tally was started over.
    pub(super) epoch: u64,
    presence: Option<Presence>,
    watching: Option<Watching>,
    /// Why it was last started over.
    restarted: Option<String>,
    /// What was counted and is no longer in any figures, one sentence each.
    losses: Vec<String>,
    /// Why batches may have been counted and deleted that are not in any figures, one sentence each.
    doubts: Vec<String>,
}

/// A counted batch: what it adds, and what is known of it.
#[derive(Debug, Clone)]
pub struct Addition {
    pub id: BatchId,
    /// Its name in the directory.
    pub name: String,
    /// When it was written.
    pub modified: SystemTime,
    /// Its bytes on disk.
    pub bytes: u64,
    /// What an earlier count of the same batch added, to be taken out first.
    pub replaces: Option<BatchCount>,
    /// What it adds.
    pub count: BatchCount,
    /// Tells this count from another count of the same batch.
    pub digest: NonZeroU64,
}

/// A run at one moment: what one tally of it has come to. Its owner changes it. Everybody else has a clone, which never
/// changes and shares everything that has not changed since.
#[derive(Debug, Clone, Default)]
pub struct Run {
    settings: Arc<Settings>,
    pub(super) lasting: Lasting,
    manifest: Option<Arc<Manifest>>,
    end: Option<End>,
    /// When the end, or that the recorder has stopped, was first seen.
    end_came: Option<SystemTime>,
    pub(super) sums: RunSums,
    /// Tells which batches are in the sums, with which counts: see [`BatchId::fingerprint`].
    fingerprint: u64,
    pub(super) problems: Arc<Problems>,
    /// Problems of all counted batches together.
    of_all: Vec<(Cause, Problem)>,
    /// Notices about counted batches: by [kind](Problem::kind) the batch that it names, and its text.
    remarks: BTreeMap<(String, String), (BatchName, String)>,
    /// The first batches with all layers and without some.
    pub(super) first: FirstBatches,
    /// Neurons and reset mechanisms without a price that may be misspelt.
    misspelt: Misspelt,
    /// Prices in the manifest that cannot be used.
    wrong_prices: Vec<Problem>,
    /// Whether any layer of the manifest has a measured price that counts.
    has_measured: bool,
    /// The losses and doubts, as problems.
    lost: Vec<Problem>,
    account: Account,
    refused: Option<SnapshotError>,
    times: FileTimes,
    /// When something was last written, or appeared, as far as that is known.
    last_activity: Option<SystemTime>,
    /// When its first batches were seen. If no time of a file can be right, it is judged by this one.
    first_seen: Option<SystemTime>,
    /// When something was last seen to be new: what is being copied here may be old.
    last_news: Option<SystemTime>,
    /// How many batches there were at first, until they are counted.
    pub(super) found: Option<u64>,
    throughput: Throughput,
    ended: Option<Ended>,
    /// The batch with the highest number, as it was last counted.
    newest: Option<(u64, String)>,
    /// What an export has of that batch.
    pub(super) potentials: Option<Arc<BatchPotentials>>,
    revision: u64,
    structure: u64,
    /// How many of the batches an earlier process counted.
    resumed: u64,
    /// Whether batches may have been deleted since that process counted them, so that they cannot be counted again.
    pub(super) may_have_deleted: bool,
    corrections: u64,
}

/// How a run's owner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has counted everything.
    Done,
    /// By a fault of this program.
    Fault,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new("")
    }
}

impl Settings {
    /// The settings of a run about which the user says nothing.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            costs: Costs::default(),
            neurons: LayerDefaults::default(),
            resets: LayerDefaults::default(),
            stall_after: Duration::from_secs(30),
            live: false,
        }
    }
}

impl Addition {
    /// A batch that is counted for the first time.
    pub fn new(id: BatchId, name: String, modified: SystemTime, bytes: u64, count: BatchCount) -> Self {
        Self { id, name, modified, bytes, replaces: None, digest: count.digest(), count }
    }
}

impl Run {
    /// A run with nothing counted.
    pub fn new(settings: Settings) -> Self {
        Self::with(settings.into(), Lasting::default())
    }

    /// The run with nothing counted, after its tally was started over for this reason.
    pub fn begun_again(&self, why: &str) -> Self {
        let lasting = Lasting {
            epoch: self.lasting.epoch + 1,
            restarted: Some(why.to_owned()),
            ..self.lasting.clone()
        };
        Self::with(Arc::clone(&self.settings), lasting)
    }

    /// The run in this directory that has replaced this one. `why` is given if this one had figures. The losses of this
    /// run are not losses of the other.
    pub(super) fn replaced(&self, why: Option<String>, directory: &Path) -> Self {
        let (epoch, named) = (self.lasting.epoch + 1, self.lasting.directory.clone());
        let lasting = Lasting { epoch, directory: named, restarted: why, ..Lasting::default() };
        let mut run = Self::with(Arc::clone(&self.settings), lasting);
        run.rename(directory);
        run
    }

    /// The same run, in this directory.
    pub fn in_directory(mut self, directory: &Path) -> Self {
        self.lasting.directory = Some(directory.into());
        self
    }

    /// Where it is, as it was named or found; `None` of a run that was merged from several places.
    pub fn directory(&self) -> Option<&Path> {
        self.lasting.directory.as_deref()
    }

    fn with(settings: Arc<Settings>, lasting: Lasting) -> Self {
        let mut run = Self { settings, lasting, ..Self::default() };
        run.lost = run.lost_problems();
        run
    }

    /// Resumes from the progress that an earlier process kept, at `now`.
    pub fn resume(&mut self, progress: &Progress, now: SystemTime) {
        self.sums = progress.sums.clone();
        self.fingerprint = progress.counted.fingerprint();
        self.newest.clone_from(&progress.newest);
        self.resumed = progress.counted.len() as u64;
        self.first_seen = (self.resumed > 0).then_some(now);
        for (rank, written) in progress.counted.written() {
            self.last_activity = self.last_activity.max(when_written(written, now));
            self.times.note_found(written, now);
            if let Some(rank) = rank {
                self.sums.ranks.times_of(rank).note_found(written, now);
            }
        }
        self.last_news = self.last_activity;
        let untimed = progress.counted.untimed();
        self.times.stand_for(self.resumed - untimed, untimed);
        self.may_have_deleted = progress.may_have_deleted;
        let lost: HashSet<String> = progress.counted.lost().iter().map(BatchName::to_string).collect();
        for (path, reason) in progress.problems.iter().cloned() {
            // For a counted batch, nothing but notices is kept.
            if is_of_progress(&path) {
                self.lasting.losses.push(reason);
            } else if let Some(batch) = BatchName::parse(&path).filter(|_| !lost.contains(&path)) {
                let notice = remark(batch, &reason);
                self.remarks.insert(notice.kind(), (batch, reason));
                self.add_problem(notice);
            } else {
                self.add_problem(set_aside(path, reason));
            }
        }
        self.reprice();
        self.lost = self.lost_problems();
    }

    /// Takes sums of this run that were counted elsewhere. The manifest comes first, and no batch can be added
    /// afterwards.
    pub fn take_sums(&mut self, sums: RunSums, last_activity: Option<SystemTime>, times: FileTimes) {
        self.sums = sums;
        self.sums.history = std::mem::take(&mut self.sums.history).priced_at(self.prices());
        self.expect_ranks();
        (self.last_activity, self.last_news, self.times) = (last_activity, last_activity, times);
        // Nobody knows how long ago.
        self.first_seen = (self.sums.tally.batches() > 0).then_some(SystemTime::UNIX_EPOCH);
        self.structure += 1;
        self.note_misspelt();
        self.of_all = self.problems_of_all();
    }

    /// The progress to keep of the run at `directory`: the counted batches, as the ledger knows them, and their sums.
    pub(super) fn progress_at(
        &self,
        directory: &Path,
        counted: CountedBatches,
        manifest: Option<KnownManifest>,
        root: Option<Root>,
        may_have_deleted: bool,
    ) -> Progress {
        let lost: HashSet<String> = counted.lost().iter().map(BatchName::to_string).collect();
        let remarks = self.remarks().filter(|problem| !lost.contains(&problem.path));
        let stays = lost.iter().filter_map(|path| self.problems.set_aside(path));
        let losses = self.lost.iter().take(self.lasting.losses.len()).cloned();
        let problems = losses.chain(stays).chain(remarks);
        Progress {
            directory: path_bytes(directory),
            manifest,
            root,
            may_have_deleted,
            problems: problems.map(|problem| (problem.path, problem.reason)).collect(),
            counted,
            sums: self.sums.clone(),
            newest: self.newest.clone(),
        }
    }

    /// Whether the sums are of exactly so many batches with this [fingerprint](CountedBatches::fingerprint).
    pub fn agrees_with(&self, fingerprint: u64, batches: u64) -> bool {
        batches == self.sums.tally.batches() && fingerprint == self.fingerprint
    }

    /// Records what is lost, or may be.
    pub(super) fn note_loss(&mut self, loss: Loss) {
        match loss {
            Loss::Certain(why) => self.lasting.losses.push(why),
            Loss::Possible(why) => self.lasting.doubts.push(why),
        }
        self.lost = self.lost_problems();
    }

    /// Each loss is a problem of its own, so that none hides another. What may be lost cannot be if all expected
    /// batches are counted.
    fn lost_problems(&self) -> Vec<Problem> {
        let path = |before: usize| match before {
            0 => PROGRESS.to_owned(),
            _ => format!("{PROGRESS} {}", before + 1),
        };
        let losses = self.lasting.losses.iter().enumerate();
        let losses = losses.map(|(before, reason)| set_aside(path(before), reason.clone()));
        let severity = if self.has_all_batches() { Severity::Notice } else { Severity::SetAside };
        let doubt = |reason: &String| Problem { path: PROGRESS.into(), reason: reason.clone(), severity };
        losses.chain(self.lasting.doubts.iter().map(doubt)).collect()
    }

    /// Whether the expected number of batches is known and counted. The end of a run with several ranks does not say
    /// it: the last rank may have written its own end as that of the run.
    fn has_all_batches(&self) -> bool {
        let end = if self.has_several_ranks() { self.sums.ranks.common_end() } else { self.end() };
        let said = end.map_or(self.expected_batches(), |end| end.batches);
        said.is_some_and(|said| self.sums.tally.batches() >= said)
    }

    fn has_several_ranks(&self) -> bool {
        !self.sums.ranks.is_empty() || self.manifest().is_some_and(|own| own.world_size.unwrap_or(1) > 1)
    }

    /// How many of the batches an earlier process counted.
    pub fn resumed(&self) -> u64 {
        self.resumed
    }

    /// A view of the run at `now` with this revision. Problems of all batches together are found here and not after
    /// each batch, since that may take a look at each rank.
    pub(super) fn conclude(&mut self, revision: u64, now: SystemTime) -> Self {
        self.revision = revision;
        let has_ended = self.end().is_some() || self.has_stopped();
        self.end_came = has_ended.then(|| self.end_came.unwrap_or(now));
        self.of_all = self.problems_of_all();
        self.lost = self.lost_problems();
        self.clone()
    }

    /// A view of a run that follows no directory: one that is merged, or made for a test.
    pub fn concluded(mut self, now: SystemTime) -> Self {
        let revision = self.revision + 1;
        self.conclude(revision, now)
    }

    /// Problems of all batches together, which no single file has.
    fn problems_of_all(&self) -> Vec<(Cause, Problem)> {
        let mut of_end: Vec<Problem> = self.excess_over_end().into_iter().collect();
        if of_end.is_empty() {
            of_end.extend(self.samples_unlike_end());
        }
        let mut problems: Vec<_> = of_end.into_iter().map(|problem| (Cause::EndDisagrees, problem)).collect();
        let no_layer = self.lacks_any_layer().then(SnapshotError::no_layer);
        let of_run = [(Cause::RecordingStopped, self.stop_reason()), (Cause::NoLayers, no_layer)];
        problems.extend(
            of_run.into_iter().filter_map(|(cause, why)| {
                Some((cause, set_aside("manifest.json".into(), why?.to_string())))
            }),
        );
        let notices = self.first.lacking.map(lacks_layers).into_iter();
        let notices = notices.chain(self.misspelt.iter().map(|(named, meant)| misspelt(named, meant)));
        let notices = notices.chain(self.wrong_prices.iter().cloned());
        problems.extend(notices.map(|problem| (Cause::Notice, problem)));
        problems
    }

    /// The problem of an end that gives another number of samples than is counted, although all its batches are.
    fn samples_unlike_end(&self) -> Vec<Problem> {
        let ranks = self.manifest().and_then(|manifest| manifest.world_size).unwrap_or(1);
        if self.account.waiting > 0 {
            return Vec::new();
        }
        if self.sums.ranks.is_empty() {
            let own = self.end.as_ref().filter(|_| ranks <= 1);
            let why = own.and_then(|end| end.unlike(self.sums.tally.batches(), self.sums.tally.samples()));
            return why.map(|why| set_aside("end.json".into(), why)).into_iter().collect();
        }
        let of_ranks = self.sums.ranks.all().filter_map(|(number, rank)| {
            let why = rank.end.as_ref()?.unlike(rank.sums.batches, rank.sums.samples)?;
            Some(set_aside(format!("the end of rank {number}"), why))
        });
        of_ranks.collect()
    }

    /// The problem of a run with more batches than its end gives: they are from several runs. With several ranks it is
    /// none, since the last may have written its own end as that of the run.
    fn excess_over_end(&self) -> Option<Problem> {
        let ranks = self.manifest().and_then(|manifest| manifest.world_size).unwrap_or(1);
        let said = self.end().and_then(|end| end.batches)?;
        let counted = self.sums.tally.batches();
        (counted > said && ranks <= 1 && self.sums.ranks.is_empty()).then(|| {
            let reason = format!(
                "it says that there are {said}, but {counted} batches are counted; if another run was written over one, \
                 press r in the dashboard to recount from scratch"
            );
            set_aside("end.json".into(), reason)
        })
    }

    /// Why the recorder stopped, if the manifest says that it did.
    pub fn stop_reason(&self) -> Option<SnapshotError> {
        self.manifest()?.stop_reason(self.sums.tally.batches() > 0 || self.account.seen > 0)
    }

    /// Whether the manifest says that the recorder has stopped.
    pub fn has_stopped(&self) -> bool {
        self.manifest().is_some_and(|manifest| manifest.stopped)
    }

    /// Whether the run is over, and there is no layer of which anything could be counted. What could not be read may have
    /// had some.
    pub fn lacks_any_layer(&self) -> bool {
        let is_over = self.end().is_some() || self.expectations_met();
        let is_read = self.account.waiting == 0 && self.account.set_aside == 0;
        let has_some = self.manifest.is_some() || self.sums.tally.batches() > 0;
        let is_declared = self.manifest().is_some_and(|manifest| !manifest.layers.is_empty());
        let tally = &self.sums.tally;
        let is_counted = (0..tally.layers().len()).any(|layer| !tally.is_gone(layer));
        is_over && is_read && has_some && !is_declared && !is_counted
    }

    /// Takes whether the directory is there; `None` if that is no longer known.
    pub fn take_presence(&mut self, presence: Option<Presence>) {
        self.lasting.presence = presence;
    }

    pub fn take_watching(&mut self, watching: Watching) {
        self.lasting.watching = Some(watching);
    }

    /// Takes the manifest, which may replace an earlier one.
    pub fn take_manifest(&mut self, manifest: Arc<Manifest>) {
        self.refused = None;
        self.manifest = Some(manifest);
        self.note_recorded_prices();
        self.expect_ranks();
        self.reprice();
    }

    /// Takes the end of the run, or that it is gone.
    pub fn take_end(&mut self, end: Option<End>) {
        self.end = end;
    }

    /// Takes the end of a rank, or that it is gone.
    pub fn take_rank_end(&mut self, rank: u32, end: Option<End>) {
        match end {
            Some(end) => self.sums.ranks.end(rank, end),
            None => self.sums.ranks.forget_end(rank),
        }
        self.expect_ranks();
    }

    /// Takes the account of a rank; `None` if the rank is gone.
    pub fn take_rank(&mut self, rank: u32, account: Option<Account>) {
        self.sums.ranks.account(rank, account);
        self.expect_ranks();
    }

    pub fn take_account(&mut self, account: Account) {
        self.account = account;
    }

    /// Takes why the run must not be counted, or that it may be.
    pub fn refuse(&mut self, why: Option<SnapshotError>) {
        self.refused = why;
    }

    /// Takes what the counted batches say of some layers, after a batch with these layers was replaced or taken out.
    pub(super) fn correct_layers(&mut self, layers: &[LayerSums]) {
        self.sums.tally.correct(layers);
        self.structure += 1;
    }

    pub fn end_with(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    /// Takes how many batches there are at first, and when each was written, with its rank. Until they are counted, no
    /// batch appears.
    pub fn find(
        &mut self,
        batches: u64,
        written: impl Iterator<Item = (Option<u32>, SystemTime)>,
        now: SystemTime,
    ) {
        self.found = Some(batches);
        for (rank, modified) in written {
            self.first_seen.get_or_insert(now);
            let written = when_written(modified, now);
            self.last_activity = self.last_activity.max(written);
            // Where everything is counted at once, nothing waits that could make a rank look silent.
            if let (true, Some(rank), Some(written)) = (self.settings.live, rank, written) {
                self.sums.ranks.note_first_found(rank, written);
            }
        }
    }

    /// Adds a batch that is counted at `now`.
    pub fn add(&mut self, batch: Addition, now: SystemTime) {
        let Addition { id, name, modified, bytes, replaces, count, digest } = batch;
        let BatchId { number, rank } = id;
        self.fingerprint = self.fingerprint.wrapping_add(id.fingerprint(Some(digest)));
        if let Some(replaced) = &replaces {
            self.take_out(id, replaced);
        }
        let (layers, order) = (self.sums.tally.layers().len(), self.sums.tally.order());
        let Self { sums, settings, manifest, .. } = self;
        let price = |layer: &LayerSums| total_price(cost(settings, manifest.as_deref(), &layer.name));
        sums.add(id, &count, price);
        // Of several ranks the highest, in whatever order they are counted.
        let newest = self.newest.as_ref().and_then(|(_, name)| BatchName::parse(name));
        if newest.is_none_or(|newest| newest.id() <= id) {
            self.newest = Some((number, name));
        }
        self.structure += u64::from(self.sums.tally.order() != order);
        (layers..self.sums.tally.layers().len()).for_each(|at| self.note_spelling_of_undeclared(at));
        // Where everything is counted at once, the arrival of a batch says nothing.
        let came = if self.settings.live { now } else { modified.min(now) };
        self.sums.bytes = self.sums.bytes.saturating_add(bytes);
        self.throughput.note(bytes, now);
        self.last_news = self.last_news.max(Some(came));
        self.first_seen.get_or_insert(now);
        let appeared = self.settings.live && self.found.is_none();
        let written = if appeared { Some(now) } else { when_written(modified, now) };
        self.last_activity = self.last_activity.max(written);
        let of_rank = rank.map(|rank| self.sums.ranks.times_of(rank));
        for times in std::iter::once(&mut self.times).chain(of_rank) {
            match appeared {
                true => times.note_appeared(modified, now),
                false => times.note_found(modified, now),
            }
        }
    }

    /// Prices all layers.
    fn reprice(&mut self) {
        self.structure += 1;
        self.sums.history.reprice(self.prices());
        self.note_misspelt();
    }

    /// Looks for measured prices in the manifest, and for those that cannot be used.
    fn note_recorded_prices(&mut self) {
        let layers = self.manifest().into_iter().flat_map(|manifest| manifest.layers.iter());
        let problems =
            layers.filter_map(|layer| price_problem(layer, self.layer_cost(&layer.name).is_some()));
        self.wrong_prices = problems.take(MOST_MISSPELT).collect();
        let mut layers = self.manifest().into_iter().flat_map(|manifest| manifest.layers.iter());
        self.has_measured = layers
            .any(|layer| self.layer_cost(&layer.name).is_some_and(|cost| !cost.priced_by.is_in_total()));
    }

    /// Looks for neurons and reset mechanisms that have no price and may be meant for some that have.
    fn note_misspelt(&mut self) {
        self.misspelt.clear();
        let declared = self.manifest.clone();
        for layer in declared.iter().flat_map(|manifest| manifest.layers.iter()) {
            self.note_spelling("manifest.json", Some(&layer.neuron), Some(&layer.reset), &layer.name);
        }
        for at in 0..self.sums.tally.layers().len() {
            self.note_spelling_of_undeclared(at);
        }
    }

    /// Looks at the spelling for a layer that the manifest lacks.
    fn note_spelling_of_undeclared(&mut self, at: usize) {
        let (name, settings) = (self.sums.tally.layers()[at].name.clone(), Arc::clone(&self.settings));
        if self.declared(&name).is_none() {
            let (neuron, reset) = neuron_and_reset(&settings, None, &name);
            self.note_spelling("--neuron and --reset", neuron, reset, &name);
        }
    }

    fn note_spelling(
        &mut self,
        source: &'static str,
        neuron: Option<&str>,
        reset: Option<&str>,
        layer: &str,
    ) {
        let Some((neuron, reset)) = neuron.zip(reset).filter(|_| self.misspelt.len() < MOST_MISSPELT) else {
            return;
        };
        let has_price = self.declared(layer).is_some_and(|entry| entry.price.recorded().is_some());
        if let Some(meant) = self.settings.costs.meant(neuron, reset).filter(|_| !has_price) {
            let key = (source, neuron.to_owned(), reset.to_owned());
            let layer = shown(layer).into_owned();
            // The first layer by name is given, whatever the order.
            let known = self.misspelt.entry(key).or_insert_with(|| (layer.clone(), meant));
            known.0 = layer.min(std::mem::take(&mut known.0));
        }
    }

    /// The operations of an update of each layer in the total, by index in the tally; 0 where it has no price, or one
    /// that is measured.
    fn prices(&self) -> Vec<u64> {
        self.sums.tally.layers().iter().map(|layer| total_price(self.layer_cost(&layer.name))).collect()
    }

    /// The same of the layers whose price is measured; 0 for others.
    pub fn measured_prices(&self) -> Vec<u64> {
        let price = |layer: &Arc<LayerSums>| {
            let cost = self.layer_cost(&layer.name).filter(|cost| !cost.priced_by.is_in_total());
            cost.map_or(0, |cost| cost.ops_per_update)
        };
        self.sums.tally.layers().iter().map(price).collect()
    }

    /// Whether any layer of the manifest has a measured price.
    pub fn has_measured(&self) -> bool {
        self.has_measured
    }

    /// Whether the price of every layer that has one is measured, and there is such a layer.
    pub fn has_only_measured(&self) -> bool {
        let others = || self.sums.tally.layers().iter().map(|layer| self.layer_cost(&layer.name));
        let declared = || self.manifest().into_iter().flat_map(|manifest| manifest.layers.iter());
        let is_other = |cost: Option<Cost>| cost.is_some_and(|cost| cost.priced_by.is_in_total());
        self.has_measured
            && !others().any(is_other)
            && !declared().any(|layer| is_other(self.layer_cost(&layer.name)))
    }

    /// The operations of the layers whose price is measured.
    pub fn measured_operations(&self) -> Operations {
        let layers = self.sums.tally.layers().iter().zip(self.measured_prices());
        layers.map(|(layer, price)| layer.updates().times(price)).sum()
    }

    /// The effective operations of all layers with a price, measured or not, and the samples of the batches or groups of
    /// them along the run. `None` if what was counted elsewhere does not say.
    pub fn units_with_measured(&self) -> Option<Vec<(u128, u128)>> {
        self.sums.history.units_with_measured(&self.measured_prices())
    }

    /// Expects the ranks that the manifest says, once there is any.
    fn expect_ranks(&mut self) {
        self.sums.ranks.expect(self.manifest().and_then(|manifest| manifest.world_size).unwrap_or(0));
    }

    /// Adds a problem. One that sets a file aside replaces an earlier one with the same file; there may be several
    /// notices.
    pub fn add_problem(&mut self, problem: Problem) {
        Arc::make_mut(&mut self.problems).add(problem);
    }

    /// Removes all problems of a file.
    pub fn solve(&mut self, path: &str) {
        // Most batches never had one.
        if self.problems.has(path) {
            Arc::make_mut(&mut self.problems).solve(path);
        }
    }

    /// Adds a notice about a counted batch. Many batches may have it, of which it names the first by name, whichever
    /// process counted that batch, and whatever the order.
    pub fn add_remark(&mut self, batch: BatchName, reason: String) {
        let notice = remark(batch, &reason);
        if let Some((first, said)) = self.remarks.get(&notice.kind()) {
            let before = remark(*first, said);
            if self.problems.contains(&before) && *first < batch {
                return;
            }
            Arc::make_mut(&mut self.problems).take_back(&before);
        }
        self.remarks.insert(notice.kind(), (batch, reason));
        log::problem(&notice);
        self.add_problem(notice);
    }

    /// The notices about counted batches that are still true.
    fn remarks(&self) -> impl Iterator<Item = Problem> {
        let remarks = self.remarks.values().map(|(batch, reason)| remark(*batch, reason));
        remarks.filter(|remark| self.problems.contains(remark))
    }

    /// Takes out a batch that was added.
    pub fn take_out(&mut self, id: BatchId, count: &BatchCount) {
        let order = self.sums.tally.order();
        self.sums.remove(id, count);
        self.times.take_out();
        self.fingerprint = self.fingerprint.wrapping_sub(id.fingerprint(Some(count.digest())));
        self.structure += u64::from(self.sums.tally.order() != order);
        self.corrections += 1;
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets the energy of one operation: a part of a run says nothing of it.
    pub fn set_energy(&mut self, energy_per_op: Option<EnergyPerOp>) {
        let settings = Arc::make_mut(&mut self.settings);
        settings.costs = std::mem::take(&mut settings.costs).with_energy(energy_per_op);
    }

    /// Names the run after its new directory, unless its manifest names it.
    pub(super) fn rename(&mut self, directory: &Path) {
        if let Some(name) = directory.file_name() {
            Arc::make_mut(&mut self.settings).name = name.to_string_lossy().into_owned();
        }
    }

    /// Notes the new place of the same run.
    pub(super) fn move_to(&mut self, directory: &Path) {
        self.rename(directory);
        self.lasting.directory = Some(directory.into());
    }

    /// When something was last written, if that is known.
    pub fn last_activity(&self) -> Option<SystemTime> {
        self.last_activity
    }

    pub fn name(&self) -> &str {
        let declared = self.manifest.as_ref().and_then(|manifest| manifest.run.as_deref());
        declared.unwrap_or(&self.settings.name)
    }

    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_deref()
    }

    pub fn shared_manifest(&self) -> Option<Arc<Manifest>> {
        self.manifest.clone()
    }

    /// The end of the run; without one of its own, the end of all ranks together.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref().or(self.sums.ranks.common_end())
    }

    /// The run's own end.
    pub fn own_end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    pub fn ranks(&self) -> &Ranks {
        &self.sums.ranks
    }

    /// The ranks as they stand at `now`, the lowest first. Where everything is counted at once, they stand as they did
    /// when the newest batch of any of them was written.
    pub fn rank_statuses(&self, now: SystemTime) -> Vec<RankStatus> {
        let ranks = &self.sums.ranks;
        if ranks.is_empty() {
            return Vec::new();
        }
        let is_over = self.status(now) == Status::Finished;
        let now = ranks.newest().filter(|_| !self.settings.live).unwrap_or(now);
        ranks.statuses(now, is_over, self.settings.stall_after, self.sums.history.prices())
    }

    /// All sums over the counted batches.
    pub fn sums(&self) -> &RunSums {
        &self.sums
    }

    /// The sums by layer.
    pub fn tally(&self) -> &Tally {
        &self.sums.tally
    }

    /// The sums along the run.
    pub fn history(&self) -> &History {
        &self.sums.history
    }

    pub fn account(&self) -> Account {
        self.account
    }

    /// The problems, by file. Of many of a kind, the first by name are listed.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.of_all.iter().map(|(_, problem)| problem)).chain(&self.lost)
    }

    /// How many problems files have, and all batches together.
    pub fn problem_count(&self) -> u64 {
        self.problems_with_causes().map(|(_, _, more)| 1 + more.total()).sum()
    }

    /// The problems with their causes. Behind the last of each kind is how many more there are.
    pub fn problems_with_causes(&self) -> impl Iterator<Item = (Cause, &Problem, More)> {
        let of_files = self
            .problems
            .with_more()
            .map(|(problem, more)| (Cause::of_file(problem.severity), problem, more));
        let of_all = self.of_all.iter().map(|(cause, problem)| (*cause, problem, More::default()));
        let lost = self.lost.iter().map(|problem| (Cause::CountsLost, problem, More::default()));
        of_files.chain(of_all).chain(lost)
    }

    /// Whether nothing more is to be expected of it, so that what is missing now is missing: it is over, or counting has
    /// ended.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        !self.settings.live || self.ended.is_some() || self.is_over(now)
    }

    /// Why the run must not be counted, if it must not.
    pub fn refused(&self) -> Option<&SnapshotError> {
        self.refused.as_ref()
    }

    /// Whether the directory is there; `None` before it was looked at.
    pub fn presence(&self) -> Option<&Presence> {
        self.lasting.presence.as_ref()
    }

    /// How changes are noticed; `None` before that is known.
    pub fn watching(&self) -> Option<&Watching> {
        self.lasting.watching.as_ref()
    }

    /// Why the tally was last started over, if it was.
    pub fn restarted(&self) -> Option<&str> {
        self.lasting.restarted.as_deref()
    }

    /// The name of the batch with the highest number, and of several ranks the highest, as it was last counted.
    pub fn newest_batch(&self) -> Option<&str> {
        self.newest.as_ref().map(|newest| newest.1.as_str())
    }

    /// The potentials in the newest batch, of a run that was exported.
    pub fn potentials(&self) -> Option<&Arc<BatchPotentials>> {
        self.potentials.as_ref()
    }

    /// Changes with every view.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Changes whenever layers, or what is known of them, change.
    pub fn structure(&self) -> (u64, u64) {
        (self.lasting.epoch, self.structure)
    }

    /// Changes whenever a batch is taken out or replaced, and when the tally starts over.
    pub fn corrections(&self) -> (u64, u64) {
        (self.lasting.epoch, self.corrections)
    }

    /// Whether there was never anything of a run.
    pub fn is_blank(&self) -> bool {
        let documents = self.manifest.is_none() && self.end.is_none() && self.refused.is_none();
        documents && self.sums.ranks.is_empty() && self.account.seen == 0 && self.sums.tally.batches() == 0
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// How the owner of the run ended, if it has. Nothing changes after that.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Bytes counted.
    pub fn bytes(&self) -> u64 {
        self.sums.bytes
    }

    /// The neuron and reset mechanism of a layer: the manifest's, else the user's.
    pub fn neuron_and_reset(&self, layer: &str) -> (Option<&str>, Option<&str>) {
        neuron_and_reset(&self.settings, self.declared(layer), layer)
    }

    /// The cost of an update of a layer.
    pub fn layer_cost(&self, layer: &str) -> Option<Cost> {
        cost(&self.settings, self.manifest(), layer)
    }

    /// What the manifest says of a layer.
    fn declared(&self, layer: &str) -> Option<&LayerEntry> {
        self.manifest()?.layers.named(layer)
    }

    /// The operations of all layers in the total: those with a price, apart from measured ones.
    pub fn operations(&self) -> Operations {
        self.sums.operations()
    }

    /// How many batches the manifest expects.
    pub fn expected_batches(&self) -> Option<u64> {
        self.manifest().and_then(|manifest| manifest.expected_batches)
    }

    /// How many samples the manifest expects.
    pub fn expected_samples(&self) -> Option<u64> {
        self.manifest().and_then(|manifest| manifest.expected_samples)
    }

    /// The part of the run that is counted, from 0 to 1, if it is known what to expect.
    pub fn progress(&self) -> Option<f64> {
        let part = |done: f64, whole: Option<u64>| {
            whole.filter(|&whole| whole > 0).map(|whole| (done / whole as f64).min(1.0))
        };
        part(self.sums.tally.batches() as f64, self.expected_batches())
            .or_else(|| part(self.sums.tally.samples() as f64, self.expected_samples()))
    }

    fn expectations_met(&self) -> bool {
        match (self.expected_batches(), self.expected_samples()) {
            (Some(batches), _) => self.sums.tally.batches() >= batches,
            (None, Some(samples)) => self.sums.tally.samples() >= u128::from(samples),
            (None, None) => false,
        }
    }

    /// Whether the run goes on.
    pub fn status(&self, now: SystemTime) -> Status {
        let has_stopped = self.has_stopped();
        if self.end().is_some() || (self.expectations_met() && !has_stopped) {
            return Status::Finished;
        }
        let Some(last) = self.last_activity.or(self.first_seen) else {
            return if has_stopped { Status::Stopped } else { Status::Waiting };
        };
        let silent = now.duration_since(last).unwrap_or_default();
        // Where nobody looks on, nothing shows that a run goes on whose files have no time that can be right.
        let is_unknown = self.last_activity.is_none() && !self.settings.live;
        let is_silent = silent >= self.settings.stall_after || is_unknown;
        // Of several ranks the others may go on.
        if has_stopped && (!self.has_several_ranks() || is_silent) {
            return Status::Stopped;
        }
        if is_silent { Status::Stalled(self.age(now)) } else { Status::Live }
    }

    /// The time since something was last written, or appeared; `None` where no time of a file can be right.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        self.last_activity.map(|last| now.duration_since(last).unwrap_or_default())
    }

    /// Whether there is nothing left to wait for.
    ///
    /// `end.json` may arrive a moment before the last batches (as in a copy in reverse alphabetical order) or after
    /// them, so that both are waited for a little.
    pub fn is_over(&self, now: SystemTime) -> bool {
        let status = self.status(now);
        if !matches!(status, Status::Finished | Status::Stopped) || self.account.waiting > 0 {
            return false;
        }
        // If the end comes before the first batch, the wait begins with it.
        let last = self.last_news.max(self.end_came);
        // Where the clock was set back since then, nobody knows for how long; waiting for it may take for ever.
        let distance = |last| now.duration_since(last).unwrap_or_else(|back| back.duration());
        let silent_for = |time: Duration| last.is_none_or(|last| distance(last) >= time);
        let seen = self.account.seen - self.account.twins;
        match self.end() {
            Some(End { batches: Some(batches), .. }) if seen < *batches => {
                silent_for(self.settings.stall_after)
            }
            Some(end) if self.lacks_samples_of(end) => silent_for(self.settings.stall_after),
            // A copy in alphabetical order brings the manifest last.
            Some(_) if self.account.seen > 0 => self.manifest.is_some() || silent_for(WAIT_FOR_END),
            Some(End { batches: Some(0), .. }) => true,
            Some(_) => silent_for(self.settings.stall_after),
            None if self.has_stopped() && self.has_several_ranks() => silent_for(self.settings.stall_after),
            None => silent_for(WAIT_FOR_END),
        }
    }

    /// Whether the figures are whole: the run is over, all its batches are counted, nothing waits, and nothing was set
    /// aside.
    pub fn is_complete(&self) -> bool {
        let all_written = match self.end() {
            Some(End { batches: Some(batches), .. }) => self.sums.tally.batches() >= *batches,
            Some(end) => !self.lacks_samples_of(end),
            None => self.expectations_met(),
        };
        let nothing_missing = self.account.waiting == 0 && self.account.set_aside == 0;
        all_written && nothing_missing && self.set_aside().next().is_none()
    }

    /// Whether an end that gives no number of batches gives more samples than are counted.
    pub fn lacks_samples_of(&self, end: &End) -> bool {
        end.batches.is_none()
            && end.samples.is_some_and(|samples| self.sums.tally.samples() < u128::from(samples))
    }

    /// The problems that keep something out of the figures.
    pub fn set_aside(&self) -> impl Iterator<Item = &Problem> {
        self.problems().filter(|problem| problem.severity == Severity::SetAside)
    }

    /// What waits to be counted, if that takes a while.
    pub fn backlog(&self, now: SystemTime) -> Option<Backlog> {
        let bytes = self.account.waiting_bytes;
        let per_second = self.throughput.per_second(now)?;
        let left = Duration::try_from_secs_f64(bytes as f64 / per_second).ok()?;
        (left >= LONG_BACKLOG).then_some(Backlog { bytes, per_second, left })
    }

    /// How old the run is, how long it takes and how fast it goes.
    pub fn timing(&self, now: SystemTime) -> Timing {
        let batches = self.sums.tally.batches();
        let samples = self.sums.tally.samples() as f64 / batches.max(1) as f64;
        Timing::new(&self.times, self.phase(now), self.age(now), samples, now)
    }

    fn phase(&self, now: SystemTime) -> Phase {
        let done = self.account.counted + self.account.set_aside;
        match (self.found, self.status(now)) {
            _ if self.refused.is_some() => Phase::Idle,
            (Some(found), _) => Phase::CatchingUp(done.min(found), found),
            (None, Status::Live) => Phase::Live(self.batches_left()),
            (None, Status::Finished) => Phase::Finished,
            (None, Status::Waiting | Status::Stalled(_) | Status::Stopped) => Phase::Idle,
        }
    }

    /// When the counted batches were written.
    pub fn times(&self) -> &FileTimes {
        &self.times
    }

    /// How many batches are to come, if that is known; where only samples are, in batches of the mean size.
    fn batches_left(&self) -> Option<f64> {
        let counted = self.sums.tally.batches();
        match (self.expected_batches(), self.expected_samples()) {
            (Some(batches), _) => Some(batches.saturating_sub(counted) as f64),
            (None, Some(samples)) => {
                let done = self.sums.tally.samples() as f64;
                Some((samples as f64 - done).max(0.0) * counted as f64 / done.max(1.0))
            }
            (None, None) => None,
        }
    }
}

/// The neuron and reset mechanism of a layer: the manifest's, else the user's.
fn neuron_and_reset<'a>(
    settings: &'a Settings,
    declared: Option<&'a LayerEntry>,
    layer: &str,
) -> (Option<&'a str>, Option<&'a str>) {
    match declared {
        Some(entry) => (Some(&entry.neuron), Some(&entry.reset)),
        None => (settings.neurons.for_layer(layer), settings.resets.for_layer(layer)),
    }
}

/// The cost of an update of a layer, where it has a price.
fn cost(settings: &Settings, manifest: Option<&Manifest>, layer: &str) -> Option<Cost> {
    let declared = manifest.and_then(|manifest| manifest.layers.named(layer));
    let (neuron, reset) = neuron_and_reset(settings, declared, layer);
    settings.costs.of_layer(neuron, reset, declared.map_or(&LayerPrice::Unknown, |entry| &entry.price))
}

/// The operations of an update as they are in the total; 0 where they are not.
fn total_price(cost: Option<Cost>) -> u64 {
    cost.filter(|cost| cost.priced_by.is_in_total()).map_or(0, |cost| cost.ops_per_update)
}

/// The problem of a layer whose manifest has a price that cannot be used.
fn price_problem(layer: &LayerEntry, has_price: bool) -> Option<Problem> {
    let is_problem = match &layer.price {
        LayerPrice::Wrong(_) => true,
        LayerPrice::Recorded(prices) => prices.len() > 1 && !has_price,
        LayerPrice::Unknown | LayerPrice::Unpriced(_) => false,
    };
    let why = layer.price.why_unpriced().filter(|_| is_problem)?;
    let left_out = if has_price { "it is not used" } else { "the layer is left out of the operations" };
    let (name, neuron, reset) = (shown(&layer.name), shown(&layer.neuron), shown(&layer.reset));
    let reason = format!(
        "layer {name:?}: {why}: {left_out}; record all of the run in one mode and with one version, or price it with \
         --cost {neuron}:{reset}=OPS"
    );
    Some(Problem { path: "manifest.json".into(), reason, severity: Severity::Notice })
}

/// The most misspelt names and wrong prices that are reported: one manifest may have a hundred thousand.
const MOST_MISSPELT: usize = 20;

/// Neurons and reset mechanisms without a price, by where they are given: the first layer that has them, and what they
/// may be meant for.
type Misspelt = BTreeMap<(&'static str, String, String), (String, String)>;

fn misspelt((source, neuron, reset): &(&str, String, String), (layer, meant): &(String, String)) -> Problem {
    let reason = format!(
        "layer {layer:?} is {neuron} with reset {reset}, which has no price; did you mean {meant}? correct it, or price \
         it as it is with --cost"
    );
    Problem { path: (*source).to_owned(), reason, severity: Severity::Notice }
}

fn lacks_layers(batch: BatchName) -> Problem {
    let reason = "it lacks layers that other batches have, here and perhaps later: its samples count for their figures \
                  per sample all the same; write every layer in every batch, and a run for each network";
    remark(batch, reason)
}

fn remark(batch: BatchName, reason: &str) -> Problem {
    Problem { path: batch.to_string(), reason: reason.to_owned(), severity: Severity::Notice }
}

fn set_aside(path: String, reason: String) -> Problem {
    Problem { path, reason, severity: Severity::SetAside }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run::new(Settings {
            neurons: LayerDefaults::parse(&["Leaky".into()]),
            resets: LayerDefaults::parse(&["zero".into()]),
            ..Settings::new("x")
        })
    }

    fn counted(number: u64, layer: &str) -> Addition {
        let count = BatchCount::for_tests(1, &[(layer, 1, 2)]);
        Addition::new(number.into(), format!("batch-{number}.npz"), SystemTime::UNIX_EPOCH, 1, count)
    }

    #[test]
    fn the_newest_batch_is_the_same_in_any_order_of_the_ranks() {
        let of_rank = |number, rank: u32| {
            let (id, name) =
                (BatchId { number, rank: Some(rank) }, format!("rank-{rank}/batch-{number}.npz"));
            Addition { id, name, ..counted(number, "a") }
        };
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut run = run();
            order.into_iter().for_each(|rank| run.add(of_rank(5, rank), SystemTime::UNIX_EPOCH));
            run.add(of_rank(4, 9), SystemTime::UNIX_EPOCH);
            assert_eq!(run.newest_batch(), Some("rank-2/batch-5.npz"));
        }
    }

    /// There are so many that the test never ends if all layers are priced again for each batch.
    #[test]
    fn each_of_very_many_batches_may_have_a_new_layer() {
        const MANY: u64 = 20_000;
        let mut run = run();
        for number in 0..MANY {
            run.add(counted(number, &format!("l{number}")), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(run.history().prices(), vec![4; MANY as usize]);
        assert_eq!(
            run.operations(),
            Operations { effective: 4 * u128::from(MANY), dense: 8 * u128::from(MANY) }
        );
        let effective: u128 = run.history().points().iter().map(|point| point.operations.effective).sum();
        assert_eq!(effective, 4 * u128::from(MANY));
    }

    #[test]
    fn layers_that_come_before_and_after_a_manifest_have_its_prices() {
        let manifest = r#"{"format": "neurotop", "version": 1, "layers": [
            {"name": "a", "neuron": "Synaptic", "reset": "zero"},
            {"name": "b", "neuron": "Alpha", "reset": "zero"}]}"#;
        let manifest = Manifest::parse(manifest.as_bytes()).expect("a manifest");
        let mut run = run();
        run.add(counted(0, "a"), SystemTime::UNIX_EPOCH);
        run.take_manifest(Arc::new(manifest));
        for batch in [counted(1, "b"), counted(2, "c"), counted(3, "a")] {
            run.add(batch, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(run.history().prices(), [8, 24, 4]);
        let effective: Vec<u128> =
            run.history().points().iter().map(|point| point.operations.effective).collect();
        assert_eq!(effective, [8, 24, 4, 8]);
    }

    /// A fault of this program that must not become the next process's.
    #[test]
    fn sums_that_are_not_those_of_the_counted_batches_are_never_kept() {
        let mut run = run();
        let one = counted(0, "a");
        let (count, digest) = (one.count.clone(), one.digest);
        let now = SystemTime::UNIX_EPOCH;
        run.add(one, now);
        assert!(run.agrees_with(BatchId::from(0).fingerprint(Some(digest)), 1));
        assert!(!run.agrees_with(BatchId::from(1).fingerprint(Some(digest)), 1), "another batch");
        assert!(!run.agrees_with(BatchId::from(0).fingerprint(None), 1), "another count of it");
        run.add(counted(1, "a"), now);
        let both = BatchId::from(0).fingerprint(Some(digest));
        let both = both.wrapping_add(BatchId::from(1).fingerprint(Some(digest)));
        assert!(run.agrees_with(both, 2) && !run.agrees_with(both, 3));
        run.take_out(1.into(), &count);
        assert!(run.agrees_with(BatchId::from(0).fingerprint(Some(digest)), 1));
    }

    #[test]
    fn a_notice_hides_nothing_that_was_set_aside() {
        let problem = |severity| Problem { path: "x".into(), reason: "y".into(), severity };
        let now = SystemTime::UNIX_EPOCH;
        for severities in [[Severity::SetAside, Severity::Notice], [Severity::Notice, Severity::SetAside]] {
            let mut run = run();
            run.take_end(Some(End::default()));
            assert!(run.is_complete());
            severities.map(problem).into_iter().for_each(|problem| run.add_problem(problem));
            let view = run.conclude(1, now);
            assert_eq!(
                (view.problems().count(), view.set_aside().count(), view.is_complete()),
                (2, 1, false)
            );
            Arc::make_mut(&mut run.problems).take_back(&problem(Severity::Notice));
            assert_eq!((run.problems().count(), run.set_aside().count()), (1, 1));
            run.solve("x");
            assert!(run.problems().next().is_none() && run.is_complete());
            assert_eq!(view.problems().count(), 2, "what was published stays as it was");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_holds_up_no_end() {
        let mut run = run();
        let counted_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        run.add(counted(0, "a"), counted_at);
        run.take_end(Some(End { samples: Some(2), ..End::default() }));
        let run = run.conclude(1, counted_at);
        for (moved, is_over) in [(-3600, true), (-1, false), (0, false), (29, false), (30, true)] {
            let now = counted_at.checked_add(Duration::from_secs(3600)).expect("a time");
            let now = now - Duration::from_secs((3600 - moved) as u64);
            assert_eq!(run.is_over(now), is_over, "{moved} s later");
        }
    }

    #[test]
    fn more_batches_than_the_end_says_are_those_of_several_runs() {
        let (mut run, now) = (run(), SystemTime::UNIX_EPOCH);
        run.add(counted(0, "a"), now);
        run.take_end(Some(End { batches: Some(1), ..End::default() }));
        let view = run.conclude(1, now);
        assert!(view.is_complete() && view.set_aside().next().is_none());
        run.add(counted(1, "a"), now);
        let view = run.conclude(2, now);
        let why = &view.set_aside().next().expect("it is named").reason;
        assert!(!view.is_complete() && why.contains("there are 1, but 2 batches are counted"), "{why}");
        run.take_manifest(Arc::new(Manifest { world_size: Some(2), ..Manifest::default() }));
        let view = run.conclude(3, now);
        assert!(view.is_complete() && view.set_aside().next().is_none(), "the end may be that of one rank");
    }

    #[test]
    fn what_was_lost_outlives_the_tally_and_nothing_else_does() {
        let mut before = run();
        before.note_loss(Loss::Certain("a".into()));
        before.note_loss(Loss::Certain("b".into()));
        before.note_loss(Loss::Possible("c".into()));
        before.add(counted(0, "a"), SystemTime::UNIX_EPOCH);
        let after = before.begun_again("as you asked");
        assert_eq!((after.lasting.epoch, after.restarted()), (1, Some("as you asked")));
        let named: Vec<&str> = after.problems().map(|problem| problem.path.as_str()).collect();
        assert_eq!(named, ["progress", "progress 2", "progress"]);
        assert_eq!((after.sums.tally.batches(), after.set_aside().count()), (0, 3));
        let mut resumed = run();
        let kept = after.progress_at(Path::new("x"), CountedBatches::default(), None, None, false);
        resumed.resume(&kept, SystemTime::UNIX_EPOCH);
        let kept: Vec<&str> = resumed.problems().map(|problem| problem.path.as_str()).collect();
        assert_eq!(kept, ["progress", "progress 2"], "a doubt is one of this process");
    }
}
