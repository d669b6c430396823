//! Diagnoses one run: reads its documents and batches as the run itself would, and says what is wrong with which file.
//!
//! The doctor has no rules of its own for what counts. A [`Ledger`] decides which names are batches, twins or refused,
//! and what becomes of a batch that was read; manifests and ends of ranks are compared by the functions that the run
//! uses. What all files say together is judged in `judge.rs`.

use super::{Batches, DoctorOptions, Finding};
use crate::count::{BatchCount, Scratch, count_batch};
use crate::figures::problems::producer_warnings;
use crate::figures::run_times::RunTimes;
use crate::follow::{
    CountedContents, Found, Job, Ledger, Neighbour, Outcome, Shard, Verdict, beside_run, look, scan,
};
use crate::platform::fault;
use crate::run::prices::{Costs, PricedBy};
use crate::run::state::{Progress, Unreadable, is_of_another_run};
use crate::run::timing::{FileTimes, Phase, Timing};
use crate::run::{Addition, Run, Settings, Severity, Status, kept};
use crate::snapshot::{
    Batch, BatchId, BatchLayer, End, EntryName, Form, LayerPrice, Manifest, ManifestError, SnapshotError,
    check_document, classify, is_unfinished_batch, read_document, shown,
};
use crate::storage::{self, Interest};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What there is to say about one run.
#[derive(Debug, Clone, Serialize)]
pub struct RunDiagnosis {
    /// The name in the manifest, or that of the directory.
    pub name: String,
    pub directory: String,
    pub documents: Documents,
    /// The layers of the manifest, then the others.
    pub layers: Vec<LayerDiagnosis>,
    pub batches: Batches,
    /// The directory to show beside the name, where that does not tell which of the runs it is.
    #[serde(skip)]
    pub(super) beside: Option<String>,
    /// When the batches that are here were written.
    pub times: RunTimes,
    /// The lowest rank first; empty where no rank is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<RankDiagnosis>,
    /// The most severe first.
    pub findings: Vec<Finding>,
}

/// What the documents of a run say.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Documents {
    /// Whether there is a readable manifest.
    pub manifest: bool,
    pub producer: Option<String>,
    /// How many of the counted batches the producer keeps, where it deletes the others.
    pub keep: Option<u64>,
    pub expected_batches: Option<u64>,
    pub expected_samples: Option<u64>,
    /// Whether the run is over: it has a readable `end.json`, or each of its ranks has one.
    pub ended: bool,
    /// Whether there is an `end.json` that cannot be used.
    #[serde(skip)]
    pub(super) end_is_wrong: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct RankDiagnosis {
    pub rank: u32,
    pub batches: u64,
    /// Whether the rank has an `end.json` of its own.
    pub ended: bool,
    /// Its ends by the names of their files.
    #[serde(skip)]
    pub(super) ends: Vec<(String, End)>,
    /// The samples in its batches that can be counted.
    #[serde(skip)]
    pub(super) samples: u128,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct LayerDiagnosis {
    pub name: String,
    pub neuron: Option<String>,
    pub reset: Option<String>,
    /// The shape of one sample's neurons, as the manifest or the last batch has it.
    pub neurons: Option<Vec<u64>>,
    /// Operations of one update; `None` if the layer has no price.
    pub ops_per_update: Option<u64>,
    /// Where the price comes from.
    pub priced_by: Option<PricedBy>,
    /// Why there is no price, if the manifest says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<String>,
    /// The number of batches in which the layer has each form.
    pub forms: BTreeMap<&'static str, u64>,
}

impl LayerDiagnosis {
    /// Takes the cost of an update, by what the manifest says of its price.
    fn take_price(&mut self, price: &LayerPrice, costs: &Costs) {
        let cost = costs.of_layer(self.neuron.as_deref(), self.reset.as_deref(), price);
        self.ops_per_update = cost.map(|cost| cost.ops_per_update);
        self.priced_by = cost.map(|cost| cost.priced_by);
        self.unpriced = price.why_unpriced().filter(|_| cost.is_none());
    }
}

impl RunDiagnosis {
    /// Diagnoses a run's directory; `within` is the directory of runs that contains it.
    pub(super) fn for_run(directory: &Path, within: Option<&Path>, options: &DoctorOptions) -> Self {
        let mut examination = Examination::new(directory, options);
        let root = storage::root(directory);
        let found = match scan(directory, Shard::WHOLE) {
            Ok(found) => found,
            Err(error) => {
                let about = directory.to_string_lossy();
                examination.wrong(about, SnapshotError::io("the directory", &error));
                Vec::new()
            }
        };
        examination.read_documents(&found);
        examination.note_temporary(directory);
        for rank in found.iter().filter(|found| found.is_rank_directory()) {
            examination.note_temporary(&directory.join(&rank.name));
        }
        examination.examine_ranks(&found);
        examination.examine_batches(&found);
        examination.note_counted_and_gone(within, &found);
        examination.note_neighbours(beside_run(directory, &found));
        if root.is_ok() && storage::root(directory) != root {
            examination.wrong(directory.to_string_lossy(), replaced_meanwhile());
        }
        examination.finish()
    }

    /// Diagnoses one batch as if it were a run.
    pub(super) fn for_batch(path: &Path, options: &DoctorOptions) -> Self {
        let mut examination = Examination::new(path, options);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let id = classify(&name).batch().unwrap_or(0.into());
        let parent = path.parent().unwrap_or(path);
        let bytes = storage::for_path(path)
            .entry(parent, &name, Interest::WithFiles)
            .map_or(0, |entry| entry.identity.size);
        examination.batches.add(id, bytes);
        match examination.read(path) {
            Ok(read) => {
                let remarks = examination.take(id, read);
                examination.findings.extend(remarks.into_iter().map(|remark| Finding::remark(&name, remark)));
            }
            Err(error) => examination.wrong(name, error),
        }
        examination.finish()
    }
}

/// A run with nothing counted, by the prices of the user.
fn counted_by(options: &DoctorOptions) -> Run {
    let (costs, neurons, resets) = (options.costs.clone(), options.neurons.clone(), options.resets.clone());
    Run::new(Settings { costs, neurons, resets, ..Settings::new("") })
}

/// The figures and the directory's files may be of two runs.
fn replaced_meanwhile() -> SnapshotError {
    SnapshotError::new(
        "the directory was replaced by another of the same name while it was examined",
        "run neurotop doctor again",
    )
}

/// What is known of a run so far.
pub(super) struct Examination<'a> {
    pub(super) directory: &'a Path,
    pub(super) options: &'a DoctorOptions,
    pub(super) manifest: Option<Manifest>,
    /// The file of that manifest: the run's own, or that of a rank where the run has none.
    manifest_file: String,
    pub(super) end: Option<End>,
    end_is_wrong: bool,
    pub(super) layers: Vec<LayerDiagnosis>,
    by_name: HashMap<String, usize>,
    pub(super) batches: Batches,
    /// When the batches were written, as it stands at `now`.
    times: FileTimes,
    now: SystemTime,
    pub(super) ranks: BTreeMap<u32, RankDiagnosis>,
    scratch: Scratch,
    /// The run as its batches add up, where all of them are counted.
    pub(super) counted: Option<Run>,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Examination<'a> {
    fn new(directory: &'a Path, options: &'a DoctorOptions) -> Self {
        Self {
            directory,
            options,
            manifest: None,
            manifest_file: String::new(),
            end: None,
            end_is_wrong: false,
            layers: Vec::new(),
            by_name: HashMap::new(),
            batches: Batches { updates: options.deep.then_some(0), ..Batches::default() },
            times: FileTimes::default(),
            now: SystemTime::now(),
            ranks: BTreeMap::new(),
            scratch: Scratch::default(),
            counted: options.deep.then(|| counted_by(options)),
            findings: Vec::new(),
        }
    }

    pub(super) fn wrong(&mut self, about: impl Into<String>, error: SnapshotError) {
        self.findings.push(Finding::wrong(about, error));
    }

    pub(super) fn note(
        &mut self,
        about: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.findings.push(Finding::note(about, what, advice));
    }

    fn read_documents(&mut self, found: &[Found]) {
        let own = |meaning| found.iter().find(|found| found.meaning == meaning);
        let manifest = own(EntryName::Manifest(None));
        let has_own = manifest.is_some();
        if let Some((found, manifest)) = manifest.and_then(|found| Some((found, self.read_manifest(found)?)))
        {
            self.take_manifest(manifest, &found.name);
        }
        let end = own(EntryName::End(None));
        self.end = end.and_then(|found| self.read_end(found));
        self.end_is_wrong = end.is_some() && self.end.is_none();
        let mut of_ranks: Vec<(u32, &Found)> = found.iter().filter_map(document_of_rank).collect();
        of_ranks.sort_by_key(|&(rank, _)| rank);
        for (rank, found) in of_ranks {
            self.read_document_of_rank(rank, found, has_own);
        }
        if self.manifest.is_none() && !has_own {
            self.note(
                "manifest.json",
                "it is missing, so that no layer has a price",
                "write it, or say what the layers are with --neuron and --reset",
            );
        }
    }

    fn read_manifest(&mut self, found: &Found) -> Option<Manifest> {
        let read = self.read_document(found).map_err(ManifestError::Unusable);
        match read.and_then(|bytes| Manifest::parse(&bytes)) {
            Ok(manifest) => Some(manifest),
            Err(ManifestError::Newer(error) | ManifestError::Unusable(error)) => {
                self.wrong(&found.name, error);
                None
            }
        }
    }

    fn read_document(&self, found: &Found) -> Result<Vec<u8>, SnapshotError> {
        check_document(found.shape)?;
        read_document(&self.directory.join(&found.name))
    }

    fn read_end(&mut self, found: &Found) -> Option<End> {
        match self.read_document(found).and_then(|bytes| End::parse(&bytes)) {
            Ok(end) => Some(end),
            Err(error) => {
                self.wrong(&found.name, error);
                None
            }
        }
    }

    /// The manifest of a rank must agree with the run's, and stands for it where there is none.
    fn read_document_of_rank(&mut self, rank: u32, found: &Found, has_own: bool) {
        if matches!(found.meaning, EntryName::End(_)) {
            if let Some(end) = self.read_end(found) {
                let rank = self.rank(rank);
                rank.ended = true;
                rank.ends.push((found.name.clone(), end));
            }
            return;
        }
        let Some(manifest) = self.read_manifest(found) else { return };
        match &self.manifest {
            Some(of_run) => match manifest.conflict_with(of_run, &self.manifest_file) {
                Some(conflict) => self.wrong(&found.name, conflict),
                None => self.join_prices(&manifest, &found.name),
            },
            None if !has_own => self.take_manifest(manifest.of_all_ranks(), &found.name),
            None => {}
        }
    }

    fn rank(&mut self, rank: u32) -> &mut RankDiagnosis {
        self.ranks.entry(rank).or_insert_with(|| RankDiagnosis { rank, ..RankDiagnosis::default() })
    }

    fn take_manifest(&mut self, manifest: Manifest, file: &str) {
        for layer in manifest.layers.iter() {
            let diagnosis = LayerDiagnosis {
                name: layer.name.clone(),
                neuron: Some(layer.neuron.clone()),
                reset: Some(layer.reset.clone()),
                neurons: layer.shape.clone(),
                ..LayerDiagnosis::default()
            };
            self.add_layer(diagnosis, &layer.price);
        }
        self.note_wrong_prices(&manifest, file);
        for warning in producer_warnings(&manifest, &self.options.costs) {
            self.findings.push(Finding::note("manifest.json", warning, "it is what the producer warns of"));
        }
        if let Some(run) = &mut self.counted {
            run.take_manifest(Arc::new(manifest.clone()));
        }
        self.manifest = Some(manifest);
        file.clone_into(&mut self.manifest_file);
    }

    /// Adds a layer with its price; returns its index.
    fn add_layer(&mut self, mut layer: LayerDiagnosis, price: &LayerPrice) -> usize {
        layer.take_price(price, &self.options.costs);
        self.by_name.insert(layer.name.clone(), self.layers.len());
        self.layers.push(layer);
        self.layers.len() - 1
    }

    /// What stands in the place of prices and is none.
    fn note_wrong_prices(&mut self, manifest: &Manifest, file: &str) {
        for layer in manifest.layers.iter() {
            if let LayerPrice::Wrong(why) = &layer.price {
                let what = format!("the price of layer {:?} is not used: {why}", shown(&layer.name));
                self.note(file, what, "correct it, or leave it out");
            }
        }
    }

    /// Takes the prices in the manifest of a rank, which may differ from those of the others.
    fn join_prices(&mut self, of_rank: &Manifest, file: &str) {
        self.note_wrong_prices(of_rank, file);
        let Some(joined) = self.manifest.as_ref().and_then(|own| own.with_prices_of(of_rank)) else { return };
        for layer in joined.layers.iter() {
            if let Some(&at) = self.by_name.get(&layer.name) {
                self.layers[at].take_price(&layer.price, &self.options.costs);
            }
        }
        self.manifest = Some(joined);
    }

    fn note_temporary(&mut self, directory: &Path) {
        let mut temporary = 0;
        storage::for_path(directory).any(directory, &mut |name| {
            temporary += u64::from(is_unfinished_batch(name));
            false
        });
        self.batches.temporary += temporary;
    }

    fn examine_ranks(&mut self, found: &[Found]) {
        for found in found {
            if let EntryName::Rank(rank) = found.meaning {
                match found.refusal() {
                    Some(refusal) => self.wrong(&found.name, refusal),
                    None => drop(self.rank(rank)),
                }
            }
        }
    }

    /// Has a ledger decide what is a batch, and reads those that it would have read. Nothing is waited for: what is
    /// wrong now is wrong, as if it had stopped changing.
    fn examine_batches(&mut self, found: &[Found]) {
        for (found, id) in found.iter().filter_map(|found| Some((found, found.meaning.batch()?))) {
            self.batches.add(id, found.identity.size);
            self.times.note_found(found.identity.modified, self.now);
            if let Some(rank) = id.rank {
                self.rank(rank).batches += 1;
            }
        }
        let mut ledger = Ledger::new(Duration::ZERO);
        let refused = ledger.reconcile(found, Instant::now(), SystemTime::now()).problems;
        let mut findings: Vec<Finding> =
            refused.into_iter().map(|(name, error)| Finding::wrong(name, error)).collect();
        let unread = ledger.tick(Instant::now());
        findings.extend(unread.into_iter().map(|(name, error)| Finding::wrong(name, error)));
        for job in ledger.take_ready(usize::MAX) {
            findings.extend(self.examine_batch(&mut ledger, job));
        }
        // By name, as a directory is listed.
        findings.sort_by(|a, b| a.about.cmp(&b.about));
        self.findings.append(&mut findings);
    }

    /// Reads a batch, and returns what there is to say of it.
    fn examine_batch(&mut self, ledger: &mut Ledger, job: Job) -> Vec<Finding> {
        let (id, name) = (job.name.id(), job.name.to_string());
        let read = self.read(&self.directory.join(&name));
        let after = look(self.directory, &name).map(|found| found.identity);
        let contents = read.as_ref().map(|(batch, _)| contents_of(batch)).map_err(SnapshotError::clone);
        let outcome = Outcome { job, after, result: contents, is_whole: read.is_ok() };
        match (ledger.settle(&outcome, Instant::now()), read) {
            (Verdict::SetAside(error), _) => vec![Finding::wrong(name, error)],
            (Verdict::Wait, _) => vec![Finding::note(
                name,
                "it was written to while it was examined, and was not read",
                "run neurotop doctor again once it is written",
            )],
            (_, Ok(read)) => {
                let remarks = self.take(id, read).into_iter();
                remarks.map(|remark| Finding::remark(&name, remark)).collect()
            }
            (_, Err(error)) => vec![Finding::wrong(name, error)],
        }
    }

    /// Reads the headers of a batch, and the data where that is asked for; then its count is returned, too.
    fn read(&mut self, path: &Path) -> Result<(Batch, Option<BatchCount>), SnapshotError> {
        // A fault of this program in one batch must not hide what there is to say about the others.
        catch_unwind(AssertUnwindSafe(|| {
            fault::point("doctor");
            let batch = Batch::open(path, self.manifest.as_ref())?;
            let count = self.options.deep.then(|| count_batch(&batch, &mut self.scratch)).transpose()?;
            Ok((batch, count))
        }))
        .unwrap_or_else(|_| Err(SnapshotError::fault()))
    }

    /// Adds a batch that can be counted; returns what the user should know about it all the same.
    fn take(&mut self, id: BatchId, (batch, count): (Batch, Option<BatchCount>)) -> Vec<SnapshotError> {
        if let Some(count) = count {
            let updates: u128 = count.layers.iter().map(|layer| u128::from(layer.updates)).sum();
            self.batches.updates = self.batches.updates.map(|sum| sum + updates);
            if let Some(run) = &mut self.counted {
                let (name, now) = (String::new(), SystemTime::now());
                run.add(Addition::new(id, name, now, 0, count), now);
            }
        }
        self.batches.readable += 1;
        self.batches.samples += u128::from(batch.samples);
        if let Some(rank) = id.rank.and_then(|rank| self.ranks.get_mut(&rank)) {
            rank.samples += u128::from(batch.samples);
        }
        batch.layers.iter().for_each(|layer| self.note_layer(layer));
        batch.remarks
    }

    fn note_layer(&mut self, layer: &BatchLayer) {
        let at = self.by_name.get(&layer.name).copied();
        let at = at.unwrap_or_else(|| self.add_layer(self.undeclared(&layer.name), &LayerPrice::Unknown));
        let known = &mut self.layers[at];
        known.neurons = layer.layer_shape().neurons.or(known.neurons.take());
        let form = match layer.form {
            Form::Trace(_) => "trace",
            Form::Pair { .. } => "pairs",
            Form::Bits(_) => "bits",
        };
        *known.forms.entry(form).or_default() += 1;
    }

    /// A layer that the manifest lacks, as the user says what it is.
    fn undeclared(&self, name: &str) -> LayerDiagnosis {
        let neuron = self.options.neurons.for_layer(name).map(str::to_owned);
        let reset = self.options.resets.for_layer(name).map(str::to_owned);
        LayerDiagnosis { name: name.to_owned(), neuron, reset, ..LayerDiagnosis::default() }
    }

    /// Adds the batches that neurotop has counted and that are gone by now, as its saved progress says. Progress of
    /// another run that was in a directory of the same name says nothing about this one.
    fn note_counted_and_gone(&mut self, within: Option<&Path>, found: &[Found]) {
        match kept(&self.options.state, self.directory, within) {
            Ok(Some(progress)) if is_of_another_run(&progress, self.directory, found) => self.note(
                PROGRESS,
                "it is that of another run, which was in a directory of this name",
                "neurotop watch starts over, since this run is another one",
            ),
            Ok(progress) => {
                let counted = progress.iter().flat_map(|progress: &Progress| progress.counted.names());
                counted.for_each(|name| self.batches.add_counted(name.id()));
                let written = || progress.iter().flat_map(|progress| progress.counted.written());
                let written = || written().map(|(_, written)| written).filter(|&written| written <= self.now);
                let (gone, first) = (self.batches.counted_and_gone, written().min());
                let times = if first.is_some() { [gone, 0] } else { [0, gone] };
                // Those that are still here have been noted.
                if gone > 0 {
                    self.times.join(&FileTimes::from_parts(first, written().max().into_iter(), times));
                }
            }
            Err(why) => self.note(
                PROGRESS,
                format!("it cannot be read: {why}"),
                match why {
                    Unreadable::Corrupt(_) => "neurotop watch counts everything again that is still here",
                    Unreadable::Transient(_) | Unreadable::NotAStateFile(_) => {
                        "neurotop watch leaves it as it is; name another file with --state"
                    }
                },
            ),
        }
    }

    /// Names what looks like a part of the run and is not counted: it is wrong where the run itself may be in it.
    fn note_neighbours(&mut self, neighbours: Vec<Neighbour>) {
        let has_batches = self.batches.known() > 0;
        for neighbour in neighbours {
            let may_be_the_run = neighbour.may_be_the_run(has_batches);
            let severity = if may_be_the_run { Severity::SetAside } else { Severity::Notice };
            self.findings.push(Finding { severity, ..Finding::wrong(neighbour.name, neighbour.error) });
        }
    }

    /// How old the run is, how long it took and how fast it went.
    fn run_times(&self) -> RunTimes {
        let expected = self.manifest.as_ref().and_then(|manifest| manifest.expected_batches);
        let age = self.times.last().and_then(|last| self.now.duration_since(last).ok());
        let (status, phase) = match age {
            _ if self.has_ended() || expected.is_some_and(|expected| self.batches.known() >= expected) => {
                (Status::Finished, Phase::Finished)
            }
            None if self.batches.known() == 0 => (Status::Waiting, Phase::Idle),
            None => (Status::Stalled(None), Phase::Idle),
            Some(quiet) if quiet >= self.options.stall_after => (Status::Stalled(Some(quiet)), Phase::Idle),
            Some(_) => (Status::Live, Phase::Live(expected.map(|all| (all - self.batches.known()) as f64))),
        };
        let samples = self.batches.samples as f64 / self.batches.readable.max(1) as f64;
        let mut timing = Timing::new(&self.times, phase, age, samples, self.now);
        if self.batches.readable == 0 {
            timing.samples_per_second = None;
        }
        RunTimes::new(timing, status)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some() || (!self.ranks.is_empty() && self.ranks.values().all(|rank| rank.ended))
    }

    fn finish(mut self) -> RunDiagnosis {
        self.batches.finish();
        self.judge();
        self.findings.sort_by_key(|finding| finding.severity);
        let directory_name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        let (times, manifest) = (self.run_times(), self.manifest.as_ref());
        RunDiagnosis {
            name: manifest
                .and_then(|manifest| manifest.run.clone())
                .unwrap_or_else(|| directory_name.into_owned()),
            directory: self.directory.to_string_lossy().into_owned(),
            documents: Documents {
                manifest: manifest.is_some(),
                producer: manifest.and_then(|manifest| manifest.producer.clone()),
                keep: manifest.and_then(|manifest| manifest.keep),
                expected_batches: manifest.and_then(|manifest| manifest.expected_batches),
                expected_samples: manifest.and_then(|manifest| manifest.expected_samples),
                ended: self.has_ended(),
                end_is_wrong: self.end_is_wrong,
            },
            layers: self.layers,
            batches: self.batches,
            beside: None,
            times,
            ranks: self.ranks.into_values().collect(),
            findings: self.findings,
        }
    }
}

/// What findings about saved progress are said of.
const PROGRESS: &str = "the kept progress";

/// What the ledger must know of a batch. Each batch is read once here, so that no digest is ever compared.
fn contents_of(batch: &Batch) -> CountedContents {
    let shapes = batch.layers.iter().map(BatchLayer::layer_shape).collect();
    CountedContents { shapes, digest: NonZeroU64::MIN }
}

/// The rank of a document, where it is that of one.
fn document_of_rank(found: &Found) -> Option<(u32, &Found)> {
    match found.meaning {
        EntryName::Manifest(rank) | EntryName::End(rank) => Some((rank?, found)),
        _ => None,
    }
}
