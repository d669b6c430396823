//! One run: its documents, its layers and their prices, its batches, and what is wrong with which file.

use super::{Batches, Finding, Settings};
use crate::count::{Scratch, count_batch};
use crate::follow::{Found, Neighbour, Shape, Shard, beside_run, scan};
use crate::process::fault;
use crate::run::kept;
use crate::run::state::Unreadable;
use crate::snapshot::{
    Batch, BatchId, BatchLayer, End, EntryName, Form, Manifest, ManifestError, SnapshotError, check_document,
    classify, read_document,
};
use crate::storage::{self, Interest};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct RunDiagnosis {
    /// Its name, or that of its directory.
    pub name: String,
    /// Its directory.
    pub directory: String,
    /// What its documents say.
    pub documents: Documents,
    /// Its layers: those of the manifest, then the others.
    pub layers: Vec<LayerDiagnosis>,
    /// Its batches.
    pub batches: Batches,
    /// Its ranks, where it has some, the lowest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<RankDiagnosis>,
    /// What there is to know, the gravest first.
    pub findings: Vec<Finding>,
}

/// What the documents of a run say.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Documents {
    /// Whether there is a manifest that can be read.
    pub manifest: bool,
    /// Who wrote it.
    pub producer: Option<String>,
    /// How many of the counted batches the producer keeps, where it deletes the others.
    pub keep: Option<u64>,
    /// How many batches to expect.
    pub expected_batches: Option<u64>,
    /// How many samples to expect.
    pub expected_samples: Option<u64>,
    /// Whether the run is over: `end.json` is there.
    pub ended: bool,
}

/// A rank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RankDiagnosis {
    /// The rank.
    pub rank: u32,
    /// How many batches there are of it.
    pub batches: u64,
    /// Whether it has come to its end: its own `end.json` is there.
    pub ended: bool,
}

/// A layer.
#[derive(Debug, Clone, Serialize)]
pub struct LayerDiagnosis {
    /// Its name.
    pub name: String,
    /// Its neuron, where that is known.
    pub neuron: Option<String>,
    /// Its reset mechanism, where that is known.
    pub reset: Option<String>,
    /// The neurons of one sample, as the manifest or the last batch has them.
    pub neurons: Option<Vec<u64>>,
    /// Operations of an update; `None` where nobody priced it.
    pub ops_per_update: Option<u64>,
    /// In how many batches it is in which form.
    pub forms: BTreeMap<&'static str, u64>,
}

impl RunDiagnosis {
    /// Looks at a run's directory; `within` is the directory of runs that it is in.
    pub(super) fn of(directory: &Path, within: Option<&Path>, settings: &Settings) -> Self {
        let mut examination = Examination::new(directory, settings);
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
        for found in &found {
            examination.examine(found);
        }
        examination.note_deleted(within);
        examination.note_neighbours(beside_run(directory, &found));
        examination.finish()
    }

    /// Looks at one batch as if it were a run.
    pub(super) fn of_batch(path: &Path, settings: &Settings) -> Self {
        let mut examination = Examination::new(path, settings);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = match classify(&name) {
            EntryName::BatchFile(number) | EntryName::BatchDirectory(number) => number,
            _ => 0.into(),
        };
        let parent = path.parent().unwrap_or(path);
        let bytes = storage::of(path)
            .entry(parent, &name, Interest::WithFiles)
            .map_or(0, |entry| entry.identity.size);
        examination.batches.add(number, bytes);
        examination.open(&name, path, number);
        examination.finish()
    }
}

/// What is known of a run so far.
struct Examination<'a> {
    directory: &'a Path,
    settings: &'a Settings,
    manifest: Option<Manifest>,
    end: Option<End>,
    layers: Vec<LayerDiagnosis>,
    by_name: HashMap<String, usize>,
    batches: Batches,
    /// The name of each batch.
    owners: HashMap<BatchId, String>,
    ranks: BTreeMap<u32, RankDiagnosis>,
    /// The ends of each rank by the names of their files.
    rank_ends: BTreeMap<u32, Vec<(String, End)>>,
    /// The samples of each rank.
    rank_samples: BTreeMap<u32, u128>,
    scratch: Scratch,
    findings: Vec<Finding>,
}

impl<'a> Examination<'a> {
    fn new(directory: &'a Path, settings: &'a Settings) -> Self {
        Self {
            directory,
            settings,
            manifest: None,
            end: None,
            layers: Vec::new(),
            by_name: HashMap::new(),
            batches: Batches { updates: settings.deep.then_some(0), ..Batches::default() },
            owners: HashMap::new(),
            ranks: BTreeMap::new(),
            rank_ends: BTreeMap::new(),
            rank_samples: BTreeMap::new(),
            scratch: Scratch::default(),
            findings: Vec::new(),
        }
    }

    fn wrong(&mut self, about: impl Into<String>, error: SnapshotError) {
        self.findings.push(Finding::wrong(about, error));
    }

    fn note(&mut self, about: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding::note(about, what, advice));
    }

    fn read_documents(&mut self, found: &[Found]) {
        let own = |meaning| found.iter().find(|found| found.meaning == meaning);
        let manifest = own(EntryName::Manifest(None));
        let has_own = manifest.is_some();
        if let Some(manifest) = manifest.and_then(|found| self.read_manifest(found)) {
            self.take_manifest(manifest);
        }
        self.end = own(EntryName::End(None)).and_then(|found| self.read_end(found));
        let mut of_ranks: Vec<(u32, &Found)> = found.iter().filter_map(of_rank).collect();
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
                self.rank(rank).ended = true;
                self.rank_ends.entry(rank).or_default().push((found.name.clone(), end));
            }
            return;
        }
        let Some(manifest) = self.read_manifest(found) else { return };
        match &self.manifest {
            Some(of_run) => {
                if let Some(how) = manifest.contradiction(of_run) {
                    let advice = "have all ranks run the same model, or give each a run of its own";
                    let what = format!("it contradicts the run's manifest: {how}");
                    self.wrong(&found.name, SnapshotError::new(what, advice));
                }
            }
            None if !has_own => self.take_manifest(manifest.of_all_ranks()),
            None => {}
        }
    }

    fn rank(&mut self, rank: u32) -> &mut RankDiagnosis {
        self.ranks.entry(rank).or_insert_with(|| RankDiagnosis { rank, ..RankDiagnosis::default() })
    }

    fn take_manifest(&mut self, manifest: Manifest) {
        for layer in &manifest.layers {
            self.by_name.insert(layer.name.clone(), self.layers.len());
            self.layers.push(LayerDiagnosis {
                ops_per_update: self.price(&layer.neuron, &layer.reset),
                name: layer.name.clone(),
                neuron: Some(layer.neuron.clone()),
                reset: Some(layer.reset.clone()),
                neurons: layer.shape.clone(),
                forms: BTreeMap::new(),
            });
        }
        for warning in &manifest.warnings {
            self.findings.push(Finding::note("manifest.json", warning, "it is what the producer warns of"));
        }
        self.manifest = Some(manifest);
    }

    fn price(&self, neuron: &str, reset: &str) -> Option<u64> {
        self.settings.costs.cost(neuron, reset).map(|cost| cost.ops_per_update)
    }

    fn note_temporary(&mut self, directory: &Path) {
        let mut temporary = 0;
        storage::of(directory).any(directory, &mut |name| {
            temporary += u64::from(classify(name) == EntryName::Temporary && name.contains("batch-"));
            false
        });
        self.batches.temporary += temporary;
    }

    /// Notes the batches that neurotop has counted and that are gone.
    fn note_deleted(&mut self, within: Option<&Path>) {
        match kept(&self.settings.state, self.directory, within) {
            Ok(progress) => {
                let counted = progress.iter().flat_map(|progress| progress.counted.names());
                counted.for_each(|name| self.batches.add_counted(name.id()));
            }
            Err(why) => self.note(
                "the kept progress",
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

    fn examine(&mut self, found: &Found) {
        match &found.meaning {
            EntryName::BatchFile(id) | EntryName::BatchDirectory(id) => self.examine_batch(found, *id),
            EntryName::Rank(rank) => match found.shape {
                Shape::Other(what) => self.wrong(
                    &found.name,
                    SnapshotError::new(
                        format!("it is {what}, and what is in it is not counted"),
                        "put the directory of the rank itself in its place, where this user may read it",
                    ),
                ),
                Shape::File | Shape::Directory => {
                    self.rank(*rank);
                }
            },
            _ => {}
        }
    }

    /// Notes what looks like a part of the run and is not counted: it is wrong where nothing else is the run.
    fn note_neighbours(&mut self, neighbours: Vec<Neighbour>) {
        let has_batches = self.batches.seen + self.batches.counted_and_gone > 0;
        for Neighbour { name, error, has_batches: holds_some } in neighbours {
            if holds_some && !has_batches {
                self.wrong(name, error);
            } else {
                self.note(name, error.what, error.advice);
            }
        }
    }

    fn examine_batch(&mut self, found: &Found, id: BatchId) {
        let is_new = self.batches.add(id, found.identity.size);
        if let Some(rank) = id.rank {
            self.rank(rank).batches += 1;
        }
        let refusal = match (&found.meaning, found.shape) {
            (_, Shape::Other(what)) => Some((storage::refusal_of(what, "batch"), storage::advice(what))),
            (EntryName::BatchFile(_), Shape::Directory) => {
                Some(("it is a directory, and its name says .npz".to_owned(), "drop the suffix"))
            }
            (EntryName::BatchDirectory(_), Shape::File) => {
                Some(("it is a file without a suffix".to_owned(), "name it .npz"))
            }
            _ if !is_new => {
                let owner = self.owners.get(&id).map_or("another", String::as_str);
                let what = format!("{id} is there twice, as {owner} too, and one of them counts");
                Some((what, "give this batch a number of its own, or delete it"))
            }
            _ => None,
        };
        match refusal {
            Some((what, advice)) => self.wrong(&found.name, SnapshotError::new(what, advice)),
            None => {
                self.owners.insert(id, found.name.clone());
                self.open(&found.name, &self.directory.join(&found.name), id);
            }
        }
    }

    /// Reads the headers of a batch, and the data where that is asked for.
    fn open(&mut self, name: &str, path: &Path, id: BatchId) {
        // A fault of this program in one batch must not hide what there is to say of the others.
        let read = catch_unwind(AssertUnwindSafe(|| self.read(path)))
            .unwrap_or_else(|_| Err(SnapshotError::fault()));
        let (batch, updates) = match read {
            Ok(read) => read,
            Err(error) => return self.wrong(name, error),
        };
        self.batches.updates = self.batches.updates.map(|sum| sum + updates);
        self.batches.readable += 1;
        self.batches.samples += u128::from(batch.samples);
        if let Some(rank) = id.rank {
            *self.rank_samples.entry(rank).or_default() += u128::from(batch.samples);
        }
        batch.layers.iter().for_each(|layer| self.note_layer(layer));
        for remark in batch.remarks {
            self.note(name, remark.what, remark.advice);
        }
    }

    /// A batch and, where its data are read too, its updates.
    fn read(&mut self, path: &Path) -> Result<(Batch, u128), SnapshotError> {
        fault::point("doctor");
        let batch = Batch::open(path, self.manifest.as_ref())?;
        if !self.settings.deep {
            return Ok((batch, 0));
        }
        let count = count_batch(&batch, &mut self.scratch)?;
        let updates = count.layers.iter().map(|layer| u128::from(layer.updates)).sum();
        Ok((batch, updates))
    }

    fn note_layer(&mut self, layer: &BatchLayer) {
        let at = match self.by_name.get(&layer.name) {
            Some(&at) => at,
            None => self.add_undeclared(&layer.name),
        };
        let known = &mut self.layers[at];
        known.neurons = layer.layer_shape().neurons.or(known.neurons.take());
        let form = match layer.form {
            Form::Trace(_) => "trace",
            Form::Pair { .. } => "pairs",
            Form::Bits(_) => "bits",
        };
        *known.forms.entry(form).or_default() += 1;
    }

    fn add_undeclared(&mut self, name: &str) -> usize {
        let neuron = self.settings.neurons.for_layer(name).map(str::to_owned);
        let reset = self.settings.resets.for_layer(name).map(str::to_owned);
        let ops_per_update =
            neuron.as_deref().zip(reset.as_deref()).and_then(|(neuron, reset)| self.price(neuron, reset));
        self.by_name.insert(name.to_owned(), self.layers.len());
        let (name, neurons, forms) = (name.to_owned(), None, BTreeMap::new());
        self.layers.push(LayerDiagnosis { name, neuron, reset, neurons, ops_per_update, forms });
        self.layers.len() - 1
    }

    fn finish(mut self) -> RunDiagnosis {
        self.batches.finish();
        self.judge_layers();
        self.judge_batches();
        self.judge_ends();
        self.findings.sort_by_key(|finding| finding.severity as u8);
        let directory_name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        let manifest = self.manifest.as_ref();
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
                ended: self.end.is_some()
                    || (!self.ranks.is_empty() && self.ranks.values().all(|rank| rank.ended)),
            },
            layers: self.layers,
            batches: self.batches,
            ranks: self.ranks.into_values().collect(),
            findings: self.findings,
        }
    }

    /// Layers without a price, and what to say on the command line.
    fn judge_layers(&mut self) {
        for layer in &self.layers {
            let (batches, readable) = (layer.forms.values().sum::<u64>(), self.batches.readable);
            if batches > 0 && batches < readable {
                self.findings.push(Finding::note(
                    &layer.name,
                    format!(
                        "it is in {batches} of the {readable} batches that can be read; the samples of the others \
                         count for its figures per sample all the same"
                    ),
                    "write every layer in every batch, and a run for each network",
                ));
            }
            if layer.ops_per_update.is_some() {
                continue;
            }
            let (what, advice) = match (&layer.neuron, &layer.reset) {
                (Some(neuron), Some(reset)) => (
                    format!(
                        "NeuroBench does not price {neuron} with reset {reset}; its operations are not counted"
                    ),
                    match self.settings.costs.meant(neuron, reset) {
                        Some(meant) => {
                            format!("did you mean {meant}? --cost {neuron}:{reset}=OPS prices it as it is")
                        }
                        None => format!("--cost {neuron}:{reset}=OPS prices it"),
                    },
                ),
                _ => (
                    "no manifest says what it is; its operations are not counted".to_owned(),
                    format!("--neuron {0}=NEURON --reset {0}=RESET say it", layer.name),
                ),
            };
            self.findings.push(Finding::note(&layer.name, what, advice));
        }
    }

    fn judge_batches(&mut self) {
        if self.batches.seen + self.batches.counted_and_gone == 0 {
            self.note("the run", "there is no batch yet", "neurotop watch waits for them");
        }
        let keep = self.manifest.as_ref().and_then(|manifest| manifest.keep);
        if let (Some(missing), None) = (self.batches.missing_in_words(), keep) {
            self.note(
                "the run",
                format!("batch numbers are missing: {missing}"),
                "nothing needs to be done where they were skipped",
            );
        }
        if self.batches.temporary > 0 {
            let what =
                format!("being written, or left behind, by their names: {} entries", self.batches.temporary);
            self.note("the run", what, "delete them where no benchmark runs any more");
        }
        let declared = self.end.as_ref().and_then(|end| end.batches);
        let known = self.batches.seen + self.batches.counted_and_gone;
        if let Some(declared) = declared.filter(|&declared| declared > known && keep.is_none()) {
            let what = format!("it says that there are {declared} batches, and {known} are here or counted");
            let advice = "copy the missing ones; where --prune deleted them, name the file of the progress \
                          with --state";
            self.wrong("end.json", SnapshotError::new(what, advice));
        }
    }
}

impl Examination<'_> {
    /// Whether the ends say what there is, and the same where a rank has two.
    fn judge_ends(&mut self) {
        let world_size = self.manifest.as_ref().and_then(|manifest| manifest.world_size).unwrap_or(1);
        if self.ranks.is_empty() && world_size <= 1 && self.batches.counted_and_gone == 0 {
            self.judge_end_of_run();
        }
        for (rank, ends) in std::mem::take(&mut self.rank_ends) {
            self.judge_ends_of_rank(rank, &ends);
        }
    }

    fn judge_end_of_run(&mut self) {
        let Some(end) = &self.end else { return };
        let (seen, said) = (self.batches.seen, end.batches);
        let excess = said.filter(|&said| seen > said);
        let excess = excess.map(|said| format!("it says that there are {said} batches, and {seen} are here"));
        let readable = (self.batches.readable, self.batches.samples);
        if let Some(what) = excess.or_else(|| end.unlike(readable.0, readable.1)) {
            let advice = "keep the batches of another run elsewhere, or write end.json again";
            self.wrong("end.json", SnapshotError::new(what, advice));
        }
    }

    fn judge_ends_of_rank(&mut self, rank: u32, ends: &[(String, End)]) {
        let Some((first, end)) = ends.first() else { return };
        for (name, other) in &ends[1..] {
            if let Some(how) = other.contradiction(end) {
                let what = format!("it contradicts {first}, which counts: {how}");
                self.wrong(name, SnapshotError::new(what, "delete the one that is wrong"));
            }
        }
        let batches = self.ranks.get(&rank).map_or(0, |rank| rank.batches);
        let samples = self.rank_samples.get(&rank).copied().unwrap_or(0);
        let all_are_readable =
            self.batches.readable == self.batches.seen && self.batches.counted_and_gone == 0;
        if let Some(what) = end.unlike(batches, samples).filter(|_| all_are_readable) {
            let advice = "write the end of the rank again, or the samples of its batches";
            self.wrong(first, SnapshotError::new(what, advice));
        }
    }
}

/// The rank that a document is of, where it is that of one.
fn of_rank(found: &Found) -> Option<(u32, &Found)> {
    match found.meaning {
        EntryName::Manifest(rank) | EntryName::End(rank) => Some((rank?, found)),
        _ => None,
    }
}
