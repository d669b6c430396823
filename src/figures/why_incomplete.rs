//! Says in words why figures are not complete.

use crate::run::Run;
use crate::run::Severity;
use crate::snapshot::SnapshotError;
use crate::text::{numbered, thousands};

/// What is missing from the figures of a run; empty if they are complete.
pub(super) fn why_incomplete(run: &Run) -> Vec<String> {
    if run.is_complete() {
        return Vec::new();
    }
    let account = run.account();
    let set_aside = thousands(account.set_aside.into());
    let mut why: Vec<String> = not_all_written(run).into_iter().collect();
    why.extend(run.has_stopped().then(|| "the recording has stopped".to_owned()));
    why.extend(run.lacks_any_layer().then(|| "no layer was recorded".to_owned()));
    let is_said = |path: &str| path == "manifest.json" && (run.has_stopped() || run.lacks_any_layer());
    why.extend((account.waiting > 0).then(|| format!("{} waiting", thousands(account.waiting.into()))));
    why.extend((account.set_aside > 0).then(|| format!("{set_aside} set aside")));
    if account.set_aside == 0 {
        let set_aside =
            run.problems_with_causes().filter(|(_, problem, _)| problem.severity == Severity::SetAside);
        let set_aside = set_aside.filter(|(_, problem, _)| !is_said(&problem.path));
        why.extend(set_aside.flat_map(|(_, problem, more)| {
            [Some(format!("{} is set aside", problem.path)), more.text()].into_iter().flatten()
        }));
    }
    why
}

/// What the end names and was never seen; `None` where something waits, or where what lacks is there and set aside.
pub(super) fn missing_at_the_end(run: &Run) -> Option<SnapshotError> {
    let (account, counted) = (run.account(), run.tally());
    let known = (counted.batches() + account.set_aside).max(account.seen).saturating_sub(account.twins);
    let samples = (account.set_aside == 0).then(|| counted.samples());
    run.end().filter(|_| account.waiting == 0)?.missing(known, samples)
}

const BATCHES: [&str; 2] = ["batch", "batches"];
const SAMPLES: [&str; 2] = ["sample", "samples"];

/// What is still to be written, if `end.json` or the manifest says so.
fn not_all_written(run: &Run) -> Option<String> {
    let (batches, samples) = (run.tally().batches(), run.tally().samples());
    let counted = |expected: u64, what: [&str; 2], counted: u128| {
        let verb = if counted == 1 { "is" } else { "are" };
        format!("{}, {} {verb} counted", numbered(expected.into(), what), thousands(counted))
    };
    if let Some(end) = run.end() {
        let says = if run.own_end().is_some() { "end.json says" } else { "the ends of the ranks say" };
        if let Some(declared) = end.samples.filter(|_| run.lacks_samples_of(end)) {
            return Some(format!("{says} {}", counted(declared, SAMPLES, samples)));
        }
        let declared = end.batches.filter(|&declared| declared > batches)?;
        return Some(format!("{says} {}", counted(declared, BATCHES, batches.into())));
    }
    let no_end =
        if run.ranks().is_empty() { "no end.json yet" } else { "no end.json yet of the run or all ranks" };
    match (run.expected_batches(), run.expected_samples()) {
        (Some(expected), _) if batches < expected => {
            Some(format!("{no_end}, and the manifest expects {}", counted(expected, BATCHES, batches.into())))
        }
        (None, Some(expected)) if samples < u128::from(expected) => {
            Some(format!("{no_end}, and the manifest expects {}", counted(expected, SAMPLES, samples)))
        }
        (None, None) => Some(format!("{no_end}, and nothing says how many batches there are to be")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::Account;
    use crate::run::{Problem, Settings, Severity};
    use crate::snapshot::{End, Manifest};
    use std::sync::Arc;
    use std::time::SystemTime;

    type Step = Box<dyn Fn(&mut Run)>;

    fn why(changes: &[Step]) -> String {
        let mut run = Run::new(Settings::new("r"));
        changes.iter().for_each(|change| change(&mut run));
        why_incomplete(&run.concluded(SystemTime::UNIX_EPOCH)).join("; ")
    }

    fn end(text: &str) -> Step {
        let end = End::parse(text.as_bytes()).expect("an end");
        Box::new(move |run| run.take_end(Some(end.clone())))
    }

    fn manifest(more: &str) -> Step {
        let text = format!(r#"{{"format": "neurotop", "version": 1, "layers": [] {more}}}"#);
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).expect("a manifest"));
        Box::new(move |run| run.take_manifest(Arc::clone(&manifest)))
    }

    fn account(waiting: u64, set_aside: u64) -> Step {
        let seen = waiting + set_aside;
        let account = Account { seen, counted: 0, waiting, set_aside, ..Account::default() };
        Box::new(move |run| run.take_account(account))
    }

    #[test]
    fn what_is_missing_is_said() {
        for (changes, says) in [
            (vec![], "no end.json yet, and nothing says how many batches there are to be"),
            (vec![manifest("")], "no end.json yet, and nothing says how many batches there are to be"),
            (vec![end(r#"{"batches": 8}"#)], "end.json says 8 batches, 0 are counted"),
            (vec![end(r#"{"batches": 1}"#)], "end.json says 1 batch, 0 are counted"),
            (vec![end("{}"), account(0, 0)], ""),
            (
                vec![manifest(r#", "stopped": true"#)],
                "no end.json yet, and nothing says how many batches there are to be; the recording has stopped",
            ),
            (vec![manifest(""), end(r#"{"batches": 0}"#)], "no layer was recorded"),
            (vec![manifest(""), end("{}"), account(0, 1)], "1 set aside"),
            (vec![end(r#"{"samples": 1920}"#)], "end.json says 1,920 samples, 0 are counted"),
            (vec![end(r#"{"samples": 0}"#)], ""),
            (vec![end("{}"), account(2, 1)], "2 waiting; 1 set aside"),
            (
                vec![manifest(r#", "expected_batches": 12"#)],
                "no end.json yet, and the manifest expects 12 batches, 0 are counted",
            ),
            (
                vec![manifest(r#", "expected_samples": 1920"#)],
                "no end.json yet, and the manifest expects 1,920 samples, 0 are counted",
            ),
        ] {
            assert_eq!(why(&changes), says);
        }
        let (path, reason) = ("end.json".to_owned(), "it is a list".to_owned());
        let problem = Problem { path, reason, severity: Severity::SetAside };
        let set_aside: Step = Box::new(move |run| run.add_problem(problem.clone()));
        assert_eq!(why(&[end("{}"), set_aside]), "end.json is set aside");
    }
}
