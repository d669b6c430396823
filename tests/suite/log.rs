//! The log of `--log`: one batch is followed through it.

use crate::support;
use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::{Archive, Members, SMALL, small_batch};

fn neurotop(args: &[&str], run: &Path, log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.args(args).arg(run).arg("--log").arg(log);
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .timeout(Duration::from_secs(60));
    command
}

/// The lines about a batch, each from its message on.
fn about<'a>(log: &'a str, batch: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(batch)).collect()
}

#[test]
fn a_batch_is_followed_from_its_arrival_to_its_count() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, log) = (place.path().join("run"), place.path().join("log"));
    support::small_run(&run, 3);
    fs::write(run.join("batch-000001.npz"), "half").expect("a file");
    // Long enough for a busy machine to read the bad one before it has settled.
    let output = neurotop(&["summary", "--settle", "5", "--log-level", "debug"], &run, &log)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    let log = fs::read_to_string(&log).expect("a log");
    let position = |lines: &[&str], parts: &[&str]| {
        let found = lines.iter().position(|line| parts.iter().all(|part| line.contains(part)));
        found.unwrap_or_else(|| panic!("{parts:?} is not in\n{log}"))
    };
    let good = about(&log, "batch-000002.npz");
    let steps = [
        position(&good, &["DEBUG", "seen", "bytes="]),
        position(&good, &["DEBUG", "ready"]),
        position(&good, &["DEBUG", "read", "took=", "whole=true"]),
        position(&good, &["INFO", "counted", "samples=2", "updates=9", "replaces=false"]),
    ];
    assert!(steps.is_sorted(), "{good:#?}");
    let bad = about(&log, "batch-000001.npz");
    assert!(position(&bad, &["seen"]) < position(&bad, &["waiting", "not a zip archive"]));
    assert!(position(&bad, &["waiting"]) < position(&bad, &["WARN", "set aside", "not a zip archive"]));
    assert!(bad.iter().all(|line| !line.contains("counted")), "{bad:#?}");
}

/// The fields of an event, from the name of the first to the value of the last; `None` where they are not
/// `name=value` all the way, each value a word or in quotes.
fn fields(mut text: &str) -> Option<Vec<(&str, &str)>> {
    let mut fields = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once('=')?;
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if !name.chars().all(is_name) {
            return None;
        }
        let end = if rest.starts_with('"') {
            let bytes = rest.as_bytes();
            (1..rest.len()).find(|&at| bytes[at] == b'"' && bytes[at - 1] != b'\\')? + 1
        } else {
            rest.find(' ').unwrap_or(rest.len())
        };
        fields.push((name, &rest[..end]));
        text = rest[end..].trim_start();
    }
    Some(fields)
}

#[test]
fn every_line_can_be_parsed_and_texts_are_in_quotes() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, log) = (place.path().join("a run"), place.path().join("log"));
    support::small_run(&run, 2);
    fs::write(run.join("batch-000001.npz"), "half").expect("a file");
    let args = ["summary", "--settle", "0.2", "--log-level", "debug"];
    assert_eq!(neurotop(&args, &run, &log).output().expect("it runs").status.code(), Some(3));
    let log = fs::read_to_string(&log).expect("a log");
    for line in log.lines() {
        // Some lines are about the program and not about a run.
        let event = if let Some((_, after)) = line.split_once("run{") {
            let (of_run, event) = after.split_once("}: ").unwrap_or_else(|| panic!("{line}"));
            assert!(of_run.starts_with("directory=\"") && of_run.ends_with('"'), "{line}");
            event
        } else {
            line
        };
        let Some(start) = event.find('=') else { continue };
        let start = event[..start].rfind(' ').map_or(0, |space| space + 1);
        let fields = fields(&event[start..]).unwrap_or_else(|| panic!("{line}"));
        for (name, value) in fields.iter().filter(|(name, _)| ["batch", "why", "path"].contains(name)) {
            assert!(value.starts_with('"') && value.ends_with('"'), "{name}: {line}");
        }
    }
    assert!(log.contains("why=\"") && log.contains("path=\"") && log.contains("batch=\""), "{log}");
}

#[test]
fn the_log_says_less_where_less_is_wanted_and_is_appended_to() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, log) = (place.path().join("run"), place.path().join("log"));
    support::small_run(&run, 2);
    let lines = |level: &str| {
        let args = ["summary", "--log-level", level];
        assert!(neurotop(&args, &run, &log).output().expect("it runs").status.success());
        fs::read_to_string(&log).expect("a log").lines().count()
    };
    assert_eq!(lines("warn"), 0);
    let info = lines("info");
    let text = fs::read_to_string(&log).expect("a log");
    assert!(text.contains("counted") && !text.contains("DEBUG"), "{text}");
    assert!(lines("debug") > 2 * info, "it is appended to, and says more");
    // Without --log nothing of it is written anywhere.
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 2);
}

#[test]
fn a_log_that_cannot_be_written_to_ends_the_program_at_once() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    support::small_run(&run, 1);
    for command in ["summary", "watch"] {
        let output = neurotop(&[command], &run, &place.path().join("nowhere/log")).output().expect("it runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("nowhere/log") && output.stdout.is_empty(), "{stderr}");
    }
}

#[test]
fn a_log_on_a_full_disk_spoils_nothing() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    let output = neurotop(&["summary", "--format", "json"], run.path(), Path::new("/dev/full"))
        .output()
        .expect("it runs");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(figures["total"]["updates"], 2 * SMALL.0);
}

#[test]
fn names_in_the_log_are_escaped() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, log) = (place.path().join("run\u{1b}[31m\u{202e}"), place.path().join("log"));
    let name = "lif\u{1b}[2J\u{200b}";
    support::write_manifest(&run, &[(name, "Leaky", "zero", &[3])], None);
    let members = Members::from([(format!("{name}.post"), small_batch()["lif.post"].clone())]);
    support::write_batch(&run, 0, &members, Archive::Stored);
    let args = ["summary", "--settle", "0.2", "--log-level", "debug"];
    assert_eq!(neurotop(&args, &run, &log).output().expect("it runs").status.code(), Some(3));
    let log = fs::read_to_string(&log).expect("a log");
    assert!(log.contains("set aside") && log.contains("u{1b}"), "{log}");
    let strange = |character: char| {
        (character.is_control() && character != '\n') || "\u{202e}\u{200b}".contains(character)
    };
    assert!(!log.contains(strange), "{log:?}");
}
