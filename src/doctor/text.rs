//! The text of a diagnosis. JSON has all of it; here, long lists are cut short and equal findings share a line.

use super::{Diagnosis, Finding, LayerDiagnosis, Location, PathKind, RunDiagnosis};
use crate::figures::run_times::{RunTimes, parts, state};
use crate::run::prices::PricedBy;
use crate::run::{Severity, Status};
use crate::text::{bytes, elide, printable, thousands};
use std::collections::HashMap;

/// The most layers that are listed.
const MOST_LAYERS: usize = 40;

/// The most lines of findings about one run.
const MOST_FINDINGS: usize = 200;

/// The most columns of a name, and of a sentence.
const LONGEST: usize = 200;
const LONGEST_SENTENCE: usize = 1000;

pub(super) fn text(diagnosis: &Diagnosis) -> String {
    let what = match diagnosis.kind {
        PathKind::Run => "a run",
        PathKind::Runs => "a directory of runs",
        PathKind::Batch => "one batch",
        PathKind::Other => "no run",
        PathKind::Missing => "missing",
    };
    let mut lines = vec![format!("{}: {what}", printable(&diagnosis.path))];
    lines.extend(diagnosis.place.iter().map(location));
    lines.extend(findings(&diagnosis.findings));
    for run in &diagnosis.runs {
        lines.push(String::new());
        lines.extend(run_lines(run));
    }
    lines.push(String::new());
    lines.push(verdict(diagnosis));
    lines.join("\n") + "\n"
}

fn location(place: &Location) -> String {
    let kind = place.file_system.as_deref().unwrap_or("an unknown file system");
    let events = if place.no_events_because.is_some() { "no file events" } else { "file events" };
    let free = place.free_bytes.map_or(String::new(), |free| format!(", {} free", bytes(free)));
    let writable = if place.writable { "" } else { ", not writable" };
    format!("  on {kind}: {events}{free}{writable}")
}

fn run_lines(run: &RunDiagnosis) -> Vec<String> {
    let documents = &run.documents;
    let beside = run.beside.as_deref().map_or(String::new(), |path| format!(" ({})", elide(path, LONGEST)));
    let mut lines = vec![format!("{}{beside}:", elide(&run.name, LONGEST))];
    if let Some(producer) = &documents.producer {
        lines.push(format!("  produced by {}", elide(producer, LONGEST)));
    }
    let end_is_wrong = !documents.ended && documents.end_is_wrong;
    lines.push(match (documents.manifest, documents.ended) {
        (true, false) if end_is_wrong => "  manifest.json is right; no end.json that can be used".to_owned(),
        (false, false) if end_is_wrong => "  no manifest.json and no end.json that can be used".to_owned(),
        (true, true) => "  manifest.json is right, and end.json says that the run is over".to_owned(),
        (true, false) => "  manifest.json is right; no end.json yet".to_owned(),
        (false, true) => "  no manifest.json that can be used; end.json is there".to_owned(),
        (false, false) => "  no manifest.json that can be used, no end.json".to_owned(),
    });
    if let Some(keep) = documents.keep {
        lines.push(format!("  the producer keeps {keep} of the counted batches and deletes the others"));
    }
    lines.extend(batches(run));
    lines.extend(times(run));
    lines.extend(ranks(run));
    lines.extend(run.layers.iter().take(MOST_LAYERS).map(layer));
    if run.layers.len() > MOST_LAYERS {
        let more = thousands((run.layers.len() - MOST_LAYERS) as u128);
        lines.push(format!("  and {more} layers more (--format json: all)"));
    }
    lines.extend(findings(&run.findings));
    lines
}

fn batches(run: &RunDiagnosis) -> Vec<String> {
    let batches = &run.batches;
    let expected = run.documents.expected_batches;
    let of = expected.map_or(String::new(), |expected| format!(" of {}", thousands(expected.into())));
    let mut lines = vec![format!(
        "  {}{of} {}, {} readable, {} samples, {}",
        thousands(batches.seen.into()),
        if batches.seen == 1 && expected.is_none_or(|expected| expected == 1) { "batch" } else { "batches" },
        thousands(batches.readable.into()),
        thousands(batches.samples),
        bytes(batches.bytes),
    )];
    if let (Some((first, last)), Some((smallest, largest))) =
        (batches.first_and_last, batches.smallest_and_largest)
    {
        let numbers =
            if first == last { format!("number {first}") } else { format!("numbers {first} to {last}") };
        let sizes = match (bytes(smallest), bytes(largest)) {
            (smallest, largest) if smallest == largest => largest,
            (smallest, largest) => format!("{smallest} to {largest}"),
        };
        let each = if first == last { "" } else { " each" };
        lines.push(format!("  {numbers}, {sizes}{each}"));
    }
    if batches.counted_and_gone > 0 {
        let gone = thousands(batches.counted_and_gone.into());
        lines
            .push(format!("  {gone} more were counted by neurotop and are gone; its kept progress has them"));
    }
    if let Some(updates) = batches.updates {
        lines.push(format!("  all were read: {} membrane updates", thousands(updates)));
    }
    lines
}

/// How old the run is, how long it took and how fast it went; and what is wrong with these times.
fn times(run: &RunDiagnosis) -> Option<String> {
    let RunTimes { timing, status, clock, .. } = &run.times;
    let stalled = Some(state(*status)).filter(|_| matches!(status, Status::Stalled(_)));
    let all: Vec<String> = stalled.into_iter().chain(parts(timing, *status)).chain(clock.clone()).collect();
    (!all.is_empty()).then(|| format!("  times: {}", all.join(", ")))
}

/// All ranks in one line.
fn ranks(run: &RunDiagnosis) -> Option<String> {
    let batches = || run.ranks.iter().map(|rank| rank.batches);
    let (fewest, most) = batches().min().zip(batches().max())?;
    let ended = run.ranks.iter().filter(|rank| rank.ended).count();
    let each = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
    Some(format!("  {} ranks with {each} batches each, {ended} of them at their end", run.ranks.len()))
}

fn layer(layer: &LayerDiagnosis) -> String {
    let or_unknown = |name: &Option<String>| elide(name.as_deref().unwrap_or("?"), LONGEST);
    let from = match layer.priced_by {
        Some(PricedBy::Measured) => " (measured)",
        Some(PricedBy::Recorder) => " (given to the recorder)",
        Some(PricedBy::User | PricedBy::NeuroBench) | None => "",
    };
    let price =
        layer.ops_per_update.map_or("no price".to_owned(), |ops| format!("{ops} operations an update{from}"));
    let neurons = layer.neurons.as_ref().map_or(String::new(), |neurons| format!(", neurons {neurons:?}"));
    let forms: Vec<String> = layer.forms.iter().map(|(form, count)| format!("{form} in {count}")).collect();
    let forms = if forms.is_empty() { "in no batch".to_owned() } else { forms.join(", ") };
    format!(
        "  layer {}: {} with reset {}, {price}{neurons}; {forms}",
        elide(&layer.name, LONGEST),
        or_unknown(&layer.neuron),
        or_unknown(&layer.reset),
    )
}

/// The most files that one line names.
const MOST_NAMED: usize = 3;

/// One line for all findings that say the same, in the order of the first of each: one wrong manifest can be the reason
/// why every batch is wrong.
fn findings(findings: &[Finding]) -> Vec<String> {
    let mut said: HashMap<(&str, &str), usize> = HashMap::new();
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let at = *said.entry((&finding.what, &finding.advice)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    let mut lines: Vec<String> = groups.iter().take(MOST_FINDINGS).map(|group| line(group)).collect();
    if groups.len() > MOST_FINDINGS {
        let more = thousands((groups.len() - MOST_FINDINGS) as u128);
        lines.push(format!("  and {more} more; --format json has all"));
    }
    lines
}

fn line(group: &[&Finding]) -> String {
    let Some(finding) = group.first() else { return String::new() };
    let mark = match finding.severity {
        Severity::SetAside => "WRONG",
        Severity::Notice => "note",
    };
    let named: Vec<_> = group.iter().take(MOST_NAMED).map(|finding| elide(&finding.about, LONGEST)).collect();
    let more = match group.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u128)),
    };
    format!(
        "  {mark}  {}{more}: {}; {}",
        named.join(", "),
        elide(&finding.what, LONGEST_SENTENCE),
        elide(&finding.advice, LONGEST_SENTENCE)
    )
}

fn verdict(diagnosis: &Diagnosis) -> String {
    match diagnosis.wrong().count() {
        0 => "Nothing is wrong.".to_owned(),
        1 => "1 thing is wrong.".to_owned(),
        wrong => format!("{wrong} things are wrong."),
    }
}
