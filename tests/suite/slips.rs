//! Data and documents as people write them: what would make a figure wrong is said, with what is there and what it
//! should be.

use crate::support;
use assert_cmd::Command;
use neurotop::follow::Shard;
use neurotop::publish::Publisher;
use neurotop::run::{Keeping, Mode, Priority, Run, StatePlace, Status, Watch, WatchOptions};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use support::live::{self, newest};
use support::{Archive, Members, Npy, PATIENCE, small_batch};
use tempfile::TempDir;

const LAYER: (&str, &str, &str, &[usize]) = ("lif", "Leaky", "zero", &[2]);

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Exit code, standard output and standard error of a command about a run.
fn neurotop(command: &str, run: &Path, more: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg(command)
        .args(more)
        .arg(run)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .timeout(PATIENCE)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// Exit code, figures, and what is said on standard error.
fn summary(run: &Path) -> (i32, Value, String) {
    let (code, out, said) = neurotop("summary", run, &["--format", "json", "--settle", "0.2"]);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{said}")), said)
}

/// The problems of a summary: path, severity, reason. That layers have no price is no slip.
fn problems(run: &Path) -> Vec<(String, String, String)> {
    let (_, json, _) = summary(run);
    let text = |problem: &Value, field: &str| problem[field].as_str().expect("text").to_owned();
    let problems = json["problems"].as_array().expect("a list");
    problems
        .iter()
        .filter(|problem| problem["cause"] != "unpriced")
        .map(|problem| (text(problem, "path"), text(problem, "severity"), text(problem, "reason")))
        .collect()
}

/// What the doctor says, and whether something is wrong.
fn doctor(run: &Path) -> (bool, String) {
    let (code, out, said) = neurotop("doctor", run, &[]);
    assert!(said.is_empty() && [0, 3].contains(&code), "{code}: {said}");
    (code == 3, out)
}

fn potentials(shape: &[usize]) -> Npy {
    Npy::potentials(shape, (0..shape.iter().product()).map(|at| (at % 7) as f32))
}

/// A batch of these layers and so many samples.
fn batch_of(samples: i64, layers: &[(&str, &[usize])]) -> Members {
    let layers = layers.iter().map(|(name, shape)| (format!("{name}.post"), potentials(shape)));
    layers.chain([("samples".to_owned(), Npy::integers(&[], &[samples]))]).collect()
}

fn write(run: &Path, number: usize, members: &Members) {
    support::write_batch(run, number, members, Archive::Stored);
}

/// Writes a document under a temporary name and renames it.
fn document(run: &Path, name: &str, text: impl AsRef<[u8]>) {
    let temporary = run.join(".document");
    fs::create_dir_all(run.join(name).parent().expect("a parent")).expect("a directory");
    fs::write(&temporary, text).expect("a document");
    fs::rename(temporary, run.join(name)).expect("renamed");
}

/// A run that is followed.
struct Follower(Watch);

impl Follower {
    fn start(run: &Path, keeping: Keeping, place: &StatePlace) -> Self {
        let settings = neurotop::run::Settings {
            stall_after: Duration::from_secs(2),
            ..support::settings("test", true)
        };
        let options = WatchOptions {
            mode: Mode::Live,
            poll: None,
            settle: Duration::from_millis(200),
            threads: 2,
            priority: Priority::Normal,
            keeping,
            shard: Shard::WHOLE,
        };
        Self(Watch::start(run, settings, options, place, Publisher::none()).expect("threads"))
    }

    fn of(run: &Path) -> Self {
        Self::start(run, Keeping::Nothing, &StatePlace::Nowhere)
    }

    fn run(&self) -> Arc<Run> {
        newest(&self.0)
    }

    #[track_caller]
    fn until(&mut self, what: &str, condition: impl Fn(&Run) -> bool) {
        live::until(&self.0, what, condition);
    }

    #[track_caller]
    fn until_problem(&mut self, path: &str, part: &str) {
        self.until(&format!("{path}: {part}"), |run| {
            run.problems().any(|problem| problem.path == path && problem.reason.contains(part))
        });
    }
}

fn status(run: &Run) -> Status {
    run.status(SystemTime::now())
}

#[test]
fn potentials_that_are_saved_samples_first_are_noticed_once() {
    let bits = |members: Members| support::as_bits(&members);
    let pair = |mut members: Members| {
        members.insert("lif.pre".into(), members["lif.post"].clone());
        members
    };
    for (form, turned) in [
        ("trace", batch_of(4, &[("lif", &[4, 20, 2])])),
        ("pair", pair(batch_of(4, &[("lif", &[4, 20, 2])]))),
        ("bits", bits(batch_of(4, &[("lif", &[4, 20, 2])]))),
        ("two layers", batch_of(4, &[("lif", &[4, 20, 2]), ("other", &[4, 30])])),
        ("one is empty", batch_of(4, &[("lif", &[4, 20, 2]), ("other", &[0, 4, 3])])),
    ] {
        let run = directory();
        support::write_manifest(run.path(), &[LAYER], None);
        for number in [3, 1, 2] {
            write(run.path(), number, &turned);
        }
        let (code, json, said) = summary(run.path());
        let of_axes = |problem: &&(String, String, String)| problem.2.contains("[T, B, …]");
        let found = problems(run.path());
        let found: Vec<_> = found.iter().filter(of_axes).collect();
        assert_eq!(found.len(), 1, "{form}: {found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("batch-000001.npz", "notice"), "{form}");
        assert_eq!((code, json["run"]["samples"].as_u64()), (0, Some(12)), "{form}");
        assert!(said.contains("batch-000001.npz") && said.contains("swapaxes"), "{form}: {said}");
        let (is_wrong, text) = doctor(run.path());
        assert!(!is_wrong && text.contains("note") && text.contains("[T, B, …]"), "{form}: {text}");
    }
}

#[test]
fn axes_that_say_nothing_are_not_spoken_of() {
    let without_samples = |mut members: Members| {
        members.remove("samples");
        members
    };
    for (what, members) in [
        ("right", batch_of(4, &[("lif", &[20, 4, 2])])),
        ("as many steps as samples", batch_of(4, &[("lif", &[4, 4, 2])])),
        ("nothing says how many samples", without_samples(batch_of(4, &[("lif", &[4, 20, 2])]))),
        ("neither axis", batch_of(4, &[("lif", &[20, 8, 2])])),
        ("neither axis of any layer", batch_of(4, &[("lif", &[20, 8, 2]), ("other", &[3, 8])])),
        ("it is ambiguous in one layer", batch_of(4, &[("lif", &[4, 4, 2]), ("other", &[20, 4])])),
    ] {
        let run = directory();
        support::write_manifest(run.path(), &[LAYER], None);
        write(run.path(), 0, &members);
        assert_eq!(problems(run.path()), [], "{what}");
        assert!(!doctor(run.path()).1.contains("[T, B"), "{what}");
    }
}

/// The samples of a full batch are written of the last one too, which has fewer.
#[test]
fn samples_that_are_no_part_of_axis_1_are_named_once() {
    for (what, shapes, is_named) in [
        ("the last batch has fewer", vec![("lif", vec![20, 3, 2]), ("other", vec![20, 3])], true),
        ("a part of them", vec![("lif", vec![20, 2, 2])], true),
        ("no multiple", vec![("lif", vec![20, 6, 2])], true),
        ("parts of samples", vec![("lif", vec![20, 8, 2])], false),
        ("a layer without elements", vec![("lif", vec![20, 4, 2]), ("other", vec![0, 3])], false),
    ] {
        let shapes: Vec<(&str, &[usize])> = shapes.iter().map(|(name, shape)| (*name, &shape[..])).collect();
        let run = directory();
        support::write_manifest(run.path(), &[LAYER], None);
        write(run.path(), 0, &batch_of(4, &[("lif", &[20, 4, 2])]));
        for number in [2, 1] {
            write(run.path(), number, &batch_of(4, &shapes));
        }
        let found = problems(run.path());
        let found: Vec<_> = found.iter().filter(|(_, _, reason)| reason.contains("axis 1")).collect();
        assert_eq!(found.len(), usize::from(is_named), "{what}: {found:?}");
        assert!(found.iter().all(|(path, kind, _)| path == "batch-000001.npz" && kind == "notice"), "{what}");
    }
}

/// The manifest of a recorder that stopped before its first batch, and that of its corrected run.
#[test]
fn a_recorder_that_stopped_is_named_with_its_reason_until_its_run_is_recorded_again() {
    let run = directory();
    let (reason, layers) =
        ("neurotop cannot record: the network is compiled. The recording stops here", json!([]));
    let manifest = |id: &str, more: Value| {
        let mut manifest = json!({"format": "neurotop", "version": 1, "id": id, "layers": layers});
        manifest.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        manifest.to_string()
    };
    let stopped = json!({"stopped": true, "warnings": ["another warning", reason], "expected_batches": 2});
    document(run.path(), "manifest.json", manifest("a", stopped.clone()));
    let mut watch = Follower::of(run.path());
    watch.until_problem("manifest.json", reason);
    watch.until("it is over", |run| run.is_over(SystemTime::now()));
    assert_eq!((status(&watch.run()), watch.run().is_complete()), (Status::Stopped, false));
    let (code, json, said) = summary(run.path());
    assert_eq!((code, &json["run"]["status"], &json["complete"]), (3, &"stopped".into(), &false.into()));
    assert!(said.contains(reason) && said.contains("this directory is free"), "{said}");
    let incomplete = json["incomplete"].to_string();
    assert!(
        incomplete.contains("the recording has stopped") && !incomplete.contains("is set aside"),
        "{incomplete}"
    );
    let (is_wrong, text) = doctor(run.path());
    assert!(is_wrong && text.matches(reason).count() == 1 && text.contains("another warning"), "{text}");
    assert!(!text.contains("waits for them"), "{text}");
    // The corrected run takes the directory.
    let layer = json!({"layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]});
    document(run.path(), "manifest.json", manifest("b", layer));
    write(run.path(), 0, &batch_of(4, &[("lif", &[20, 4, 2])]));
    document(run.path(), "end.json", r#"{"batches": 1, "samples": 4}"#);
    watch.until("it is whole", Run::is_complete);
    assert_eq!((watch.run().problems().count(), status(&watch.run())), (0, Status::Finished));
    // One that stopped later has batches, and is not free.
    fs::remove_file(run.path().join("end.json")).expect("removed");
    document(run.path(), "manifest.json", manifest("b", stopped));
    watch.until_problem("manifest.json", "from its first batch");
    // That a file is gone is seen when the directory is listed, which may be later.
    watch.until("the end is gone", |run| status(run) == Status::Stopped);
    assert_eq!(watch.run().tally().batches(), 1);
    assert_eq!(summary(run.path()).0, 3);
}

/// Without a word, such a run would be complete, with 0 operations per sample.
#[test]
fn a_run_without_any_layer_is_not_complete() {
    let no_layers = r#"{"format": "neurotop", "version": 1, "layers": []}"#;
    let layer = r#"{"format": "neurotop", "version": 1, "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]}"#;
    let no_batch = r#"{"batches": 0, "samples": 0}"#;
    for (what, manifest, batches, end, is_wrong) in [
        ("no batch", Some(no_layers), vec![], Some(no_batch), true),
        ("batches of samples", Some(no_layers), vec![batch_of(4, &[])], Some("{}"), true),
        ("no manifest either", None, vec![batch_of(4, &[])], Some("{}"), true),
        ("a layer that the manifest lacks", Some(no_layers), vec![small_batch()], Some("{}"), false),
        ("a layer, and no batch", Some(layer), vec![], Some(no_batch), false),
        ("it goes on", Some(no_layers), vec![batch_of(4, &[])], None, false),
    ] {
        let run = directory();
        manifest.into_iter().for_each(|text| document(run.path(), "manifest.json", text));
        batches.iter().enumerate().for_each(|(number, batch)| write(run.path(), number, batch));
        end.into_iter().for_each(|text| document(run.path(), "end.json", text));
        let (code, json, said) = summary(run.path());
        assert_eq!(
            (code == 3, said.contains("no layer was recorded")),
            (is_wrong, is_wrong),
            "{what}: {said}"
        );
        assert_eq!(json["complete"].as_bool(), Some(!is_wrong && end.is_some()), "{what}");
        assert!(!is_wrong || said.contains("rec.add"), "{what}: {said}");
        assert_eq!(doctor(run.path()).1.contains("no layer was recorded"), is_wrong, "{what}");
    }
}

/// Each of them once, for the first batch, in every form, with and without the number of samples.
#[test]
fn layers_whose_samples_differ_from_those_of_others_are_named_once() {
    let swap = "swapaxes";
    let parts = "several parts of a sample";
    for (what, shapes, says) in [
        ("one is turned", vec![("a", vec![20, 4]), ("lif", vec![4, 20, 2])], vec![swap]),
        ("the right one is ambiguous", vec![("a", vec![4, 4]), ("lif", vec![4, 20, 2])], vec![swap]),
        ("one has patches", vec![("a", vec![20, 4]), ("lif", vec![20, 16, 2])], vec![parts]),
        ("both", vec![("a", vec![20, 4]), ("b", vec![4, 20]), ("lif", vec![20, 16, 2])], vec![swap, parts]),
        ("none is right", vec![("a", vec![4, 20]), ("lif", vec![20, 16, 2])], vec![swap, parts]),
    ] {
        let shapes: Vec<(&str, &[usize])> = shapes.iter().map(|(name, shape)| (*name, &shape[..])).collect();
        let trace = batch_of(4, &shapes);
        let mut pair = trace.clone();
        for (layer, _) in &shapes {
            pair.insert(format!("{layer}.pre"), trace[&format!("{layer}.post")].clone());
        }
        for (form, members) in [("bits", support::as_bits(&trace)), ("trace", trace), ("pair", pair)] {
            let run = directory();
            for number in [3, 1, 2] {
                write(run.path(), number, &members);
            }
            let found = problems(run.path());
            assert_eq!(found.len(), says.len(), "{what} {form}: {found:?}");
            for (path, severity, reason) in &found {
                assert_eq!(
                    (path.as_str(), severity.as_str()),
                    ("batch-000001.npz", "notice"),
                    "{what} {form}"
                );
                assert!(says.iter().any(|says| reason.contains(says)), "{what} {form}: {reason}");
            }
            let text = doctor(run.path()).1;
            assert!(says.iter().all(|says| text.contains(says)), "{what} {form}: {text}");
        }
    }
}

#[test]
fn a_turned_batch_is_noticed_while_it_is_watched_and_no_more_once_it_is_written_again() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    let mut watch = Follower::of(run.path());
    for number in [5, 2, 4] {
        write(run.path(), number, &batch_of(4, &[("lif", &[4, 20, 2])]));
        watch.until("counted", |run| run.account().counted > 0 && run.account().waiting == 0);
    }
    watch.until("all", |run| run.tally().batches() == 3);
    watch.until_problem("batch-000002.npz", "[T, B, …]");
    assert_eq!(watch.run().problems().count(), 1);
    write(run.path(), 2, &batch_of(4, &[("lif", &[20, 4, 2])]));
    watch.until("it is right", |run| run.problems().next().is_none());
}

#[test]
fn samples_that_count_for_layers_without_elements_are_named() {
    let run = directory();
    for number in 0..3 {
        write(run.path(), number, &batch_of(2, &[("a", &[5, 2, 3]), ("b", &[5, 2, 1])]));
    }
    assert_eq!(problems(run.path()), []);
    write(run.path(), 1, &batch_of(2, &[("a", &[5, 2, 3]), ("b", &[0, 2])]));
    let found = problems(run.path());
    assert_eq!((found.len(), found[0].0.as_str(), found[0].1.as_str()), (1, "batch-000001.npz", "notice"));
    assert!(found[0].2.contains("no element") && found[0].2.contains("\"b\""), "{found:?}");
    assert!(doctor(run.path()).1.contains("no element"));
}

#[test]
fn batches_that_lack_a_layer_which_others_have_are_named() {
    let run = directory();
    let (whole, part) =
        (batch_of(2, &[("a", &[5, 2, 3]), ("b", &[5, 2, 1])]), batch_of(2, &[("a", &[5, 2, 3])]));
    write(run.path(), 0, &whole);
    write(run.path(), 2, &part);
    write(run.path(), 1, &part);
    let found = problems(run.path());
    assert_eq!(
        (found.len(), found[0].0.as_str(), found[0].1.as_str()),
        (1, "batch-000001.npz", "notice"),
        "{found:?}"
    );
    assert!(found[0].2.contains("it lacks layers"), "{found:?}");
    assert!(doctor(run.path()).1.contains("it is in 1 of the 3 batches"));
    // So it is in shards, of which each may have one kind of batch alone.
    let parts = directory();
    let of = |number: usize| parts.path().join(format!("{number}.json")).to_str().expect("text").to_owned();
    for number in 1..=3 {
        neurotop("summary", run.path(), &["--shard", &format!("{number}/3"), "--export", &of(number)]);
    }
    let (code, out, _) = neurotop("merge", of(1).as_ref(), &[&of(2), &of(3), "--format", "json"]);
    let merged: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &merged["problems"]), (0, &summary(run.path()).1["problems"]));
    // Watched, it goes where the batches are written again.
    let mut watch = Follower::of(run.path());
    watch.until_problem("batch-000001.npz", "it lacks layers");
    write(run.path(), 1, &whole);
    watch.until_problem("batch-000002.npz", "it lacks layers");
    assert_eq!(watch.run().problems().count(), 1);
    write(run.path(), 2, &whole);
    watch.until("all are whole", |run| run.problems().next().is_none());
    // Samples alone are a batch without any layer.
    write(run.path(), 3, &batch_of(2, &[]));
    watch.until_problem("batch-000003.npz", "it has samples and no layer");
    watch.until_problem("batch-000003.npz", "it lacks layers");
}

#[test]
fn updates_without_samples_are_named() {
    let run = directory();
    write(run.path(), 0, &batch_of(0, &[("a", &[5, 2, 3])]));
    assert!(problems(run.path())[0].2.contains("it has no samples"));
}

#[test]
fn members_with_other_names_are_not_read_and_the_right_ones_are_said() {
    for (member, right) in [
        ("lif_post", "lif.post"),
        ("lif.mem", "lif.post"),
        ("lif.post.npy", "lif.post"),
        ("post", "<layer>.post"),
    ] {
        let run = directory();
        support::write_manifest(run.path(), &[LAYER], None);
        let mut members = small_batch();
        let post = members.remove("lif.post").expect("a potential");
        members.insert(member.into(), post);
        write(run.path(), 0, &members);
        let meant = format!("{member} may be meant for {right}");
        let (code, json, said) = summary(run.path());
        assert_eq!((code, &json["account"]["set_aside"]), (3, &1.into()), "{member}: {said}");
        assert!(said.contains(&meant), "{member}: {said}");
        let (is_wrong, text) = doctor(run.path());
        assert!(is_wrong && text.contains(&meant), "{member}: {text}");
        // Without a manifest nothing says which layers there should be.
        fs::remove_file(run.path().join("manifest.json")).expect("removed");
        assert!(summary(run.path()).2.contains(&meant), "{member}");
    }
}

#[test]
fn arrays_without_their_suffix_are_named_in_both_forms() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    let members = small_batch();
    let directory = support::write_batch(run.path(), 0, &members, Archive::Directory);
    fs::rename(directory.join("lif.post.npy"), directory.join("lif.post")).expect("renamed");
    let mut archive = zip::ZipWriter::new(File::create(run.path().join("batch-000001.npz")).expect("a file"));
    for (name, array) in &members {
        let name = if name == "samples" { "samples.npy".to_owned() } else { name.clone() };
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a member");
        std::io::Write::write_all(&mut archive, &array.bytes()).expect("its bytes");
    }
    archive.finish().expect("an archive");
    let found = problems(run.path());
    assert_eq!(found.len(), 2, "{found:?}");
    for (path, severity, reason) in found {
        assert_eq!(severity, "set_aside", "{path}");
        assert!(reason.contains("lif.post may be meant for lif.post.npy"), "{path}: {reason}");
    }
}

#[test]
fn layers_that_a_wrapper_renamed_are_named() {
    for (declared, written) in
        [("lif", "module.lif"), ("_orig_mod.net.lif", "net.lif"), ("lif", "Lif"), ("lif", "net.lif")]
    {
        let run = directory();
        support::write_manifest(run.path(), &[(declared, "Leaky", "zero", &[2])], None);
        write(run.path(), 0, &batch_of(2, &[(written, &[3, 2, 2])]));
        let expected = format!("layer {declared:?} of the manifest is missing, and {written:?} is there");
        let found = problems(run.path());
        assert!(found[0].1 == "set_aside" && found[0].2.contains(&expected), "{found:?}");
        assert!(doctor(run.path()).1.contains(&expected));
    }
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    write(run.path(), 0, &batch_of(2, &[("conv1", &[3, 2, 2])]));
    assert!(problems(run.path())[0].2.contains("(there is \"conv1\", which the manifest lacks)"));
}

#[test]
fn a_neuron_or_reset_that_is_spelt_in_another_way_is_named_with_the_right_spelling() {
    for (neuron, reset, meant) in [
        ("leaky", "zero", "did you mean Leaky?"),
        ("snntorch.Leaky", "zero", "did you mean Leaky?"),
        ("Leaky", "Zero", "did you mean reset zero?"),
        ("Leaky", "soft", "did you mean reset subtract?"),
        ("synaptic", "hard", "did you mean Synaptic with reset zero?"),
    ] {
        let run = directory();
        support::write_manifest(run.path(), &[("lif", neuron, reset, &[2])], None);
        write(run.path(), 0, &small_batch());
        let found = problems(run.path());
        assert_eq!(
            (found.len(), found[0].0.as_str(), found[0].1.as_str()),
            (1, "manifest.json", "notice"),
            "{found:?}"
        );
        assert!(found[0].2.contains(meant) && found[0].2.contains("\"lif\""), "{found:?}");
        assert!(doctor(run.path()).1.contains(meant));
        // Who has a class of that name says so, and that counts.
        let cost = format!("{neuron}:{reset}=7");
        let (code, out, said) = neurotop("summary", run.path(), &["--cost", &cost, "--format", "json"]);
        let json: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, said.as_str(), &json["layers"][0]["ops_per_update"]), (0, "", &7.into()));
    }
    for (neuron, reset) in [("RLeaky", "zero"), ("Leaky", "none"), ("SLSTM", "subtract")] {
        let run = directory();
        support::write_manifest(run.path(), &[("lif", neuron, reset, &[2])], None);
        write(run.path(), 0, &small_batch());
        let (_, out, said) = neurotop("summary", run.path(), &[]);
        assert!(!format!("{out}{said}").contains("did you mean"), "{neuron}:{reset}");
    }
    let run = directory();
    write(run.path(), 0, &small_batch());
    let (_, _, said) = neurotop("summary", run.path(), &["--neuron", "leaky", "--reset", "lif=soft"]);
    assert!(
        said.contains("--neuron and --reset") && said.contains("did you mean Leaky with reset subtract?"),
        "{said}"
    );
}

#[test]
fn byte_order_marks_are_read_over_and_utf_16_is_named() {
    let run = directory();
    support::small_run(run.path(), 1);
    let manifest = fs::read_to_string(run.path().join("manifest.json")).expect("a manifest");
    document(run.path(), "manifest.json", format!("\u{feff}{manifest}"));
    document(run.path(), "end.json", "\u{feff}{\"samples\": 2, \"batches\": 1}");
    let (code, json, said) = summary(run.path());
    assert_eq!((code, said.as_str(), &json["complete"]), (0, "", &true.into()));
    assert_eq!(json["total"]["unpriced_layers"], 0);
    assert!(!doctor(run.path()).0);
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(manifest.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    document(run.path(), "manifest.json", wide);
    let (code, _, said) = summary(run.path());
    assert!(code == 3 && said.contains("UTF-16") && said.contains("save it as UTF-8"), "{said}");
    assert!(doctor(run.path()).1.contains("UTF-16"));
}

#[test]
fn where_no_name_gives_the_number_of_a_batch_nothing_looks_right() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    let path = support::write_batch(run.path(), 0, &small_batch(), Archive::Stored);
    fs::rename(&path, run.path().join("batch_000000.npz")).expect("renamed");
    let (code, json, said) = summary(run.path());
    assert!(
        code == 3 && said.contains("set aside: it is not counted, since its name gives no"),
        "{code}: {said}"
    );
    assert_eq!(json["complete"], false);
    let (is_wrong, text) = doctor(run.path());
    assert!(is_wrong && text.contains("its name gives no batch number"), "{text}");
    // Beside others it is only noticed.
    write(run.path(), 1, &small_batch());
    assert_eq!(summary(run.path()).0, 0);
    assert!(!doctor(run.path()).0);
}

#[test]
fn an_end_that_names_other_samples_than_there_are_is_named() {
    for (end, said, complete) in [
        (json!({"samples": 6, "batches": 3}), None, true),
        (
            json!({"samples": 8, "batches": 3}),
            Some("there are 8 samples, and there are 6 in 3 batches"),
            false,
        ),
        (
            json!({"samples": 5, "batches": 3}),
            Some("there are 5 samples, and there are 6 in 3 batches"),
            false,
        ),
        (json!({"samples": 5}), Some("there are 5 samples"), false),
        // More batches may be to come, but the run is over.
        (json!({"samples": 8}), Some("of the 8 samples that it names, 2 are not there"), false),
        (json!({"samples": 8, "batches": 4}), Some("end.json"), false),
    ] {
        let run = directory();
        support::small_run(run.path(), 3);
        document(run.path(), "end.json", end.to_string());
        let (code, json, stderr) = summary(run.path());
        assert_eq!(
            (code == 3, json["complete"].as_bool()),
            (said.is_some(), Some(complete)),
            "{end}: {stderr}"
        );
        assert!(said.is_none_or(|said| stderr.contains(said)), "{end}: {stderr}");
        let (is_wrong, text) = doctor(run.path());
        assert!(said.is_none_or(|said| is_wrong && text.contains(said)), "{end}: {text}");
    }
    let run = directory();
    support::small_run(run.path(), 3);
    document(run.path(), "end.json", r#"{"samples": 8}"#);
    let (_, json, _) = summary(run.path());
    assert_eq!(json["incomplete"], json!(["end.json says 8 samples, 6 are counted"]));
}

#[test]
fn two_ends_of_one_rank_that_disagree_are_named() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    fs::create_dir_all(run.path().join("rank-0")).expect("a directory");
    support::write_batch(&run.path().join("rank-0"), 0, &small_batch(), Archive::Stored);
    document(run.path(), "rank-0.end.json", r#"{"samples": 2, "batches": 1}"#);
    document(run.path(), "rank-0/end.json", r#"{"samples": 2}"#);
    assert_eq!(problems(run.path()), []);
    assert!(!doctor(run.path()).0);
    let mut watch = Follower::of(run.path());
    watch.until("over", |run| run.is_complete());
    document(run.path(), "rank-0/end.json", r#"{"samples": 4, "batches": 2}"#);
    watch.until_problem(
        "rank-0/end.json",
        "it contradicts rank-0.end.json, which counts: 4 samples here, and 2 there",
    );
    assert!(!watch.run().is_complete());
    let (code, _, said) = summary(run.path());
    assert!(code == 3 && said.contains("it contradicts rank-0.end.json"), "{said}");
    let (is_wrong, text) = doctor(run.path());
    assert!(is_wrong && text.contains("it contradicts rank-0.end.json"), "{text}");
    // The other one counts alone, and its batches are not all there.
    fs::remove_file(run.path().join("rank-0.end.json")).expect("removed");
    watch.until("one is left", |run| run.problems().next().is_none());
    watch.until("it counts", |run| run.end().and_then(|end| end.batches) == Some(2));
    fs::remove_file(run.path().join("rank-0/end.json")).expect("removed");
    watch.until("none is left", |run| run.end().is_none());
    assert_ne!(status(&watch.run()), Status::Finished);
}

#[test]
fn an_end_that_is_deleted_ends_the_run_no_more() {
    let run = directory();
    support::small_run(run.path(), 2);
    support::write_manifest(run.path(), &[LAYER], None);
    document(run.path(), "end.json", r#"{"samples": 4, "batches": 2}"#);
    let mut watch = Follower::of(run.path());
    watch.until("over", |run| run.is_complete());
    fs::remove_file(run.path().join("end.json")).expect("removed");
    watch.until("it goes on", |run| run.end().is_none());
    assert!(status(&watch.run()) != Status::Finished && !watch.run().is_complete());
    // One that cannot be read is a problem only as long as it is there.
    document(run.path(), "end.json", "[]");
    watch.until_problem("end.json", "not an end");
    fs::remove_file(run.path().join("end.json")).expect("removed");
    watch.until("nothing is wrong with it", |run| run.problems().next().is_none() && run.end().is_none());
    document(run.path(), "end.json", r#"{"samples": 4, "batches": 2}"#);
    watch.until("over again", |run| run.is_complete());
}

#[test]
fn a_measured_price_stays_when_its_manifest_is_deleted() {
    let run = directory();
    support::small_run(run.path(), 1);
    let manifest = r#"{"format": "neurotop", "version": 1, "layers": [{"name": "lif", "neuron": "LIFNode",
        "reset": "zero", "ops_per_update": 3, "priced_by": "measured", "operations": ["sub", "mul", "add"]}]}"#;
    document(run.path(), "manifest.json", manifest);
    let mut watch = Follower::of(run.path());
    watch.until("counted", |run| run.measured_operations().effective == 3 * u128::from(support::SMALL.0));
    fs::remove_file(run.path().join("manifest.json")).expect("removed");
    watch.until_problem("manifest.json", "it is gone; what it said of the layers stays");
    write(run.path(), 1, &small_batch());
    watch.until("counted", |run| run.measured_operations().effective == 6 * u128::from(support::SMALL.0));
    assert_eq!(watch.run().operations().effective, 0, "it is not in the total");
    // Another price for the same run.
    document(
        run.path(),
        "manifest.json",
        manifest.replace("[\"sub\", \"mul\", \"add\"]", "[\"sub\"]").replace("3,", "1,"),
    );
    watch
        .until("priced again", |run| run.measured_operations().effective == 2 * u128::from(support::SMALL.0));
}

#[test]
fn a_manifest_that_is_deleted_is_named_and_what_it_said_stays() {
    let run = directory();
    support::small_run(run.path(), 2);
    let text = fs::read(run.path().join("manifest.json")).expect("a manifest");
    let mut watch = Follower::of(run.path());
    watch.until("counted", |run| run.tally().batches() == 2 && run.operations().effective > 0);
    let operations = watch.run().operations();
    fs::remove_file(run.path().join("manifest.json")).expect("removed");
    watch.until_problem("manifest.json", "it is gone; what it said of the layers stays");
    assert_eq!(watch.run().operations(), operations);
    write(run.path(), 2, &small_batch());
    watch.until("counted", |run| run.tally().batches() == 3);
    assert_eq!(watch.run().operations().effective * 2, operations.effective * 3);
    document(run.path(), "manifest.json", text);
    watch.until("it is back", |run| run.problems().next().is_none());
    // One of a newer version keeps all from being counted, as long as it is there.
    document(run.path(), "manifest.json", r#"{"format": "neurotop", "version": 2}"#);
    watch.until("refused", |run| run.refused().is_some());
    fs::remove_file(run.path().join("manifest.json")).expect("removed");
    watch.until("not refused", |run| run.refused().is_none());
    write(run.path(), 3, &small_batch());
    watch.until("counted", |run| run.tally().batches() == 4);
}

#[test]
fn a_batch_of_the_future_keeps_no_run_alive_after_a_restart() {
    let (run, state) = (directory(), directory());
    support::write_manifest(run.path(), &[LAYER], None);
    for (number, written) in [
        (0, SystemTime::now() - Duration::from_secs(3600)),
        (1, SystemTime::now() + Duration::from_secs(3600)),
    ] {
        let path = support::write_batch(run.path(), number, &small_batch(), Archive::Stored);
        File::options().write(true).open(path).and_then(|file| file.set_modified(written)).expect("a time");
    }
    let kept = state.path().join("state");
    let place = StatePlace::File(kept.clone());
    let mut watch = Follower::start(run.path(), Keeping::Progress, &place);
    watch.until("counted", |run| run.tally().batches() == 2);
    live::leave(watch.0, &kept);
    let watch = Follower::start(run.path(), Keeping::Progress, &place);
    assert_eq!(watch.run().resumed(), 2);
    assert!(
        matches!(status(&watch.run()), Status::Stalled(silent) if silent > Some(Duration::from_secs(3000)))
    );
}

#[test]
fn what_is_noticed_of_batches_is_said_after_a_restart_too() {
    let (run, state) = (directory(), directory());
    support::write_manifest(run.path(), &[LAYER], None);
    let turned = batch_of(4, &[("lif", &[4, 20, 2])]);
    write(run.path(), 1, &turned);
    let kept = state.path().join("state");
    let place = StatePlace::File(kept.clone());
    let mut watch = Follower::start(run.path(), Keeping::Progress, &place);
    watch.until_problem("batch-000001.npz", "[T, B, …]");
    live::leave(watch.0, &kept);
    let mut watch = Follower::start(run.path(), Keeping::Progress, &place);
    watch.until_problem("batch-000001.npz", "[T, B, …]");
    assert!(watch.run().resumed() == 1 && watch.run().set_aside().next().is_none());
    // Of a later batch it is not said again, of an earlier one it is said instead.
    write(run.path(), 2, &turned);
    watch.until("counted", |run| run.tally().batches() == 2);
    watch.until_problem("batch-000001.npz", "[T, B, …]");
    write(run.path(), 0, &turned);
    watch.until_problem("batch-000000.npz", "[T, B, …]");
    assert_eq!(watch.run().problems().count(), 1);
}

#[test]
fn batches_that_wait_leave_a_comparison_as_incomplete_as_a_summary() {
    let place = directory();
    let (run, exported) = (place.path().join("run"), place.path().join("base.json"));
    support::small_run(&run, 2);
    let (code, out, _) = neurotop("summary", &run, &["--format", "json"]);
    assert_eq!(code, 0);
    let compare = |text: &str| {
        fs::write(&exported, text).expect("a summary");
        neurotop("compare", &run, &["--format", "json", exported.to_str().expect("text")])
    };
    let (code, _, said) = compare(&out);
    assert_eq!((code, said.as_str()), (0, ""));
    let mut summary: Value = serde_json::from_str(&out).expect("JSON");
    summary["account"]["waiting"] = 3.into();
    summary["complete"] = false.into();
    let (code, out, said) = compare(&summary.to_string());
    assert!(code == 3 && said.contains("base.json: not counted yet: 3 of the batches"), "{code}: {said}");
    let comparison: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (&comparison["base"]["waiting"], &comparison["comparisons"][0]["new"]["waiting"]),
        (&3.into(), &0.into())
    );
    let (_, text, _) = neurotop("compare", &run, &[exported.to_str().expect("text")]);
    assert!(text.contains("NOT complete, 3 waiting"), "{text}");
}

#[test]
fn what_is_noticed_of_a_run_is_said_where_it_is_compared() {
    let place = directory();
    let (right, turned) = (place.path().join("right"), place.path().join("turned"));
    for (run, shape) in [(&right, [20, 4, 2]), (&turned, [4, 20, 2])] {
        support::write_manifest(run, &[LAYER], None);
        write(run, 0, &batch_of(4, &[("lif", &shape)]));
    }
    let exported = place.path().join("turned.json");
    let (_, _, said) = neurotop("summary", &turned, &["--export", exported.to_str().expect("text")]);
    assert!(said.contains("[T, B, …]"), "{said}");
    for base in [&turned, &exported] {
        let base = base.to_str().expect("text");
        let (code, text, said) = neurotop("compare", &right, &[base]);
        let expected = format!("{base}: batch-000000.npz: in every layer");
        assert!(code == 0 && text.contains(&expected) && said.contains(&expected), "{text}{said}");
    }
}

#[test]
fn names_of_a_megabyte_are_printed_in_few_characters() {
    let place = directory();
    let run = place.path().join("run");
    let long = "x".repeat(1 << 20);
    fs::create_dir_all(&run).expect("a directory");
    let manifest = json!({
        "format": "neurotop", "version": 1, "run": format!("run-{long}"), "id": long, "producer": long,
        "warnings": [long], "layers": [{"name": format!("lif-{long}"), "neuron": long, "reset": long}],
    });
    document(&run, "manifest.json", manifest.to_string());
    write(&run, 0, &small_batch());
    let exported = place.path().join("base.json");
    let path = exported.to_str().expect("text");
    let others = [
        ("summary", vec!["--export", path]),
        ("summary", vec!["--format", "md"]),
        ("doctor", vec![]),
        ("compare", vec![path]),
        ("summary", vec!["--baseline", path, "--fail-if", "vs-baseline>1%"]),
    ];
    for (command, args) in others {
        let (_, out, said) = neurotop(command, &run, &args);
        let longest = out.lines().chain(said.lines()).map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(longest < 10_000, "{command} {args:?}: {longest}");
        assert!(!out.is_empty(), "{command}");
    }
    let exported: Value =
        serde_json::from_str(&fs::read_to_string(exported).expect("an export")).expect("JSON");
    assert_eq!(exported["run"]["name"].as_str().map(str::len), Some((1 << 20) + 4), "JSON has all of it");
}

#[test]
fn a_configuration_is_read_to_a_bound() {
    let place = directory();
    let file = place.path().join("config.toml");
    fs::write(&file, "#".repeat((1 << 20) + 1)).expect("a file");
    let (code, _, said) = neurotop("doctor", place.path(), &["--config", file.to_str().expect("text")]);
    assert!(code != 0 && said.contains("larger than 1 MiB"), "{said}");
}

/// Thousands of broken batches must not be thousands of lines.
#[test]
fn of_many_broken_batches_the_first_are_named_with_how_many_more_there_are() {
    let run = directory();
    write(run.path(), 0, &batch_of(2, &[("a", &[5, 2, 3])]));
    for number in 1..=250 {
        fs::write(run.path().join(format!("batch-{number:06}.npz")), "no archive").expect("a file");
    }
    // One with another fault.
    std::os::unix::fs::symlink("batch-000000.npz", run.path().join("batch-000999.npz")).expect("a link");
    let (code, json, said) = summary(run.path());
    let all = json["problems"].as_array().expect("a list");
    let named: Vec<&Value> = all.iter().filter(|problem| problem["cause"] != "unpriced").collect();
    let path = |at: usize| named[at]["path"].as_str().expect("text");
    assert_eq!((code, named.len(), path(0), path(99)), (3, 101, "batch-000001.npz", "batch-000100.npz"));
    let more: Vec<Option<u64>> = named.iter().map(|problem| problem["more"].as_u64()).collect();
    assert_eq!((more[99], more.iter().flatten().count(), path(100)), (Some(150), 1, "batch-000999.npz"));
    assert_eq!(
        (said.matches("set aside: ").count(), said.matches("and 242 more: see --format json").count()),
        (2, 1),
        "{said}"
    );
    for format in ["text", "md"] {
        let (_, out, _) = neurotop("summary", run.path(), &["--format", format, "--settle", "0.2"]);
        assert_eq!(out.matches("and 242 more: see").count(), 1, "{out}");
    }
    // So it is of shards, and of a summary that is read back.
    let parts = directory();
    let of = |name: &str| parts.path().join(name).to_str().expect("text").to_owned();
    let (one, two, whole) = (of("1.json"), of("2.json"), of("whole.json"));
    for (shard, part) in [("1/2", &one), ("2/2", &two)] {
        neurotop("summary", run.path(), &["--shard", shard, "--export", part, "--settle", "0.2"]);
    }
    let (code, out, said) = neurotop("merge", one.as_ref(), &[&two, "--format", "json", "--export", &whole]);
    let merged: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &merged["problems"]), (3, &json["problems"]), "{said}");
    let (code, out, said) = neurotop("compare", whole.as_ref(), &[&whole]);
    let more = format!("and {} more: see --format json", 2 * (10 + 242) - 10);
    assert_eq!((code, out.matches(&more).count(), said.matches(&more).count()), (3, 1, 1), "{out}{said}");
    // Watched, they go as they are written again, and the figures are whole once all are.
    let mut watch = Follower::of(run.path());
    watch.until("all are known", |run| run.problem_count() == 251);
    fs::remove_file(run.path().join("batch-000999.npz")).expect("removed");
    for number in (1..=250).rev().chain([999]) {
        write(run.path(), number, &batch_of(2, &[("a", &[5, 2, 3])]));
    }
    // The last one may not have been seen yet when nothing is wrong any more.
    watch.until("all are counted", |run| run.tally().batches() == 252);
    watch.until("nothing is wrong", |run| run.problem_count() == 0 && run.problems().next().is_none());
}
