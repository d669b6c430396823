//! Judges what all files of a run say together: layers without a price, gaps between batches, ends that do not fit.

use super::Finding;
use super::run::{Examination, LayerDiagnosis, RankDiagnosis};
use crate::figures::Summary;
use crate::run::Cause;
use crate::snapshot::SnapshotError;
use std::time::SystemTime;

impl Examination<'_> {
    pub(super) fn judge(&mut self) {
        for at in 0..self.layers.len() {
            let layer = &self.layers[at];
            let findings = [self.incomplete_layer(layer), self.unpriced_layer(layer)];
            self.findings.extend(findings.into_iter().flatten());
        }
        self.judge_recording();
        self.judge_batches();
        let world_size = self.manifest.as_ref().and_then(|manifest| manifest.world_size).unwrap_or(1);
        let is_of_one_rank = self.ranks.is_empty() && world_size <= 1;
        self.judge_missing(is_of_one_rank);
        if is_of_one_rank && self.batches.counted_and_gone == 0 {
            self.judge_end_of_run();
        }
        self.judge_results();
        for rank in self.ranks.values().cloned().collect::<Vec<_>>() {
            self.judge_ends_of_rank(&rank);
        }
    }

    fn incomplete_layer(&self, layer: &LayerDiagnosis) -> Option<Finding> {
        let (batches, readable) = (layer.forms.values().sum::<u64>(), self.batches.readable);
        (batches > 0 && batches < readable).then(|| {
            Finding::note(
                &layer.name,
                format!(
                    "it is in {batches} of the {readable} batches that can be read; the samples of the others \
                     count for its figures per sample all the same"
                ),
                "write every layer in every batch, and a run for each network",
            )
        })
    }

    /// A layer without a price, and how to give it one on the command line.
    fn unpriced_layer(&self, layer: &LayerDiagnosis) -> Option<Finding> {
        if layer.ops_per_update.is_some() {
            return None;
        }
        let (what, advice) = match (&layer.neuron, &layer.reset) {
            (Some(neuron), Some(reset)) => (
                {
                    let recorder = layer.unpriced.as_ref();
                    let recorder =
                        recorder.map_or(String::new(), |why| format!(", nor does the recorder ({why})"));
                    format!(
                        "NeuroBench does not price {neuron} with reset {reset}{recorder}; its operations are not \
                         counted"
                    )
                },
                match self.options.costs.meant(neuron, reset) {
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
        Some(Finding::note(&layer.name, what, advice))
    }

    /// What the run cannot be whole with: a recorder that stopped, no layer at all.
    fn judge_recording(&mut self) {
        let known = self.batches.known();
        let reason = self.manifest.as_ref().and_then(|manifest| manifest.stop_reason(known > 0));
        let is_read = self.has_ended() && self.batches.are_all_readable();
        let has_some = self.manifest.is_some() || known > 0;
        let lacks_any = is_read && has_some && self.layers.is_empty();
        for error in reason.into_iter().chain(lacks_any.then(SnapshotError::no_layer)) {
            self.wrong("manifest.json", error);
        }
    }

    fn judge_batches(&mut self) {
        let known = self.batches.known();
        let is_awaited =
            self.end.is_none() && self.manifest.as_ref().is_none_or(|manifest| !manifest.stopped);
        if known == 0 && is_awaited {
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
    }

    /// What the end names and is nowhere, where the producer keeps everything.
    fn judge_missing(&mut self, is_of_one_rank: bool) {
        let batches = &self.batches;
        let keeps_all = self.manifest.as_ref().is_none_or(|manifest| manifest.keep.is_none());
        let samples = (batches.are_all_readable() && is_of_one_rank).then_some(batches.samples);
        let end = self.end.as_ref().filter(|_| keeps_all);
        if let Some(missing) = end.and_then(|end| end.missing(batches.known(), samples)) {
            self.wrong("end.json", missing);
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

    /// NeuroBench's own results must be equal to the figures, where all batches are counted.
    fn judge_results(&mut self) {
        let Some(mut run) = self.counted.take().filter(|_| self.batches.counted_and_gone == 0) else {
            return;
        };
        run.take_end(self.end.clone());
        for rank in self.ranks.values().filter(|rank| rank.ended) {
            run.take_rank_end(rank.rank, rank.ends.first().map(|(_, end)| end.clone()));
        }
        let now = SystemTime::now();
        let summary = Summary::without_steps(&run.concluded(now), now);
        for problem in summary.problems.iter().filter(|problem| problem.cause == Cause::DiffersFromNeurobench)
        {
            let (what, advice) = problem.what_and_remedy();
            self.wrong(
                &problem.path,
                SnapshotError::new(format!("{}: {what}", problem.cause.words()), advice),
            );
        }
    }

    /// The ends of a rank must agree, and fit its batches where all of those can be read.
    fn judge_ends_of_rank(&mut self, rank: &RankDiagnosis) {
        let Some(((first, end), others)) = rank.ends.split_first() else { return };
        for (name, other) in others {
            if let Some(conflict) = other.conflict_with(end, first) {
                self.wrong(name, conflict);
            }
        }
        let unlike = end.unlike(rank.batches, rank.samples);
        if let Some(what) = unlike.filter(|_| self.batches.are_all_readable()) {
            let advice = "write the end of the rank again, or the samples of its batches";
            self.wrong(first, SnapshotError::new(what, advice));
        }
    }
}
