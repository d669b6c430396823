//! Reads back the figures of a summary that was exported as JSON. What is not of its schema is refused;
//! fields that it does not know are not read, since later versions may add some. (An `Option` that is read
//! with `Option::deserialize` may be `null`, but must be there.)

use super::figures::{of_priced, said};
use super::several;
use super::{AccountFigures, COMPARISON_SCHEMA, Figures, Kind, Part, SCHEMA, Sums};
use crate::run::PART_SCHEMA;
use crate::run::exported::{from_json, read_bytes};
use crate::run::problem_list::More;
use crate::text::shown;
use anyhow::{anyhow, bail, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Reads the figures of a run from a file that `--export FILE.json` wrote.
///
/// # Errors
/// Where the file cannot be read or is no summary; the error names the file and says what to do.
pub fn read_figures(path: &Path) -> anyhow::Result<Figures> {
    let advice = "name a run's directory, or a file that --export FILE.json wrote";
    let bytes = read_bytes(path, advice)?;
    parse(&bytes).map_err(|why| anyhow!("{} is no exported summary: {why:#}; {advice}", shown(path)))
}

/// The figures in a summary's JSON.
fn parse(bytes: &[u8]) -> anyhow::Result<Figures> {
    let Preamble { schema } = from_json(bytes)?;
    match schema.as_deref() {
        Some(SCHEMA) => {}
        Some(PART_SCHEMA) => {
            bail!(
                "it is a part of a run ({PART_SCHEMA}), and its figures are those of one shard; merge the parts \
                   of all shards first, with neurotop merge"
            )
        }
        Some(several::SCHEMA) => bail!(
            "it holds the summaries of several runs ({}); export the one to compare alone, with neurotop summary \
             RUN --export FILE.json",
            several::SCHEMA
        ),
        Some(COMPARISON_SCHEMA) => bail!("it is a comparison ({COMPARISON_SCHEMA})"),
        Some(other) if other.starts_with("neurotop.summary/") => {
            bail!("its schema is {other:?}, and this neurotop reads {SCHEMA:?}; update neurotop")
        }
        Some(other) => bail!("its schema is {other:?} and not {SCHEMA:?}"),
        None => bail!("it has no \"schema\": {SCHEMA:?}"),
    }
    from_json::<Document>(bytes)?.figures()
}

#[derive(Deserialize)]
struct Preamble {
    schema: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    run: RunFields,
    total: Sums,
    neurons: Classes,
    layers: Vec<LayerFields>,
    complete: bool,
    account: AccountFigures,
    problems: Vec<ProblemFields>,
}

#[derive(Deserialize)]
struct RunFields {
    name: String,
    samples: u128,
    batches: u64,
}

/// The sums stand beside the rest: flattening would lose the integers that do not fit 64 bits.
#[derive(Deserialize)]
struct LayerFields {
    name: String,
    #[serde(deserialize_with = "Option::deserialize")]
    neuron: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    reset: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    ops_per_update: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    effective_ops: Option<u128>,
    #[serde(deserialize_with = "Option::deserialize")]
    dense_ops: Option<u128>,
    #[serde(deserialize_with = "Option::deserialize")]
    effective_ops_per_sample: Option<f64>,
    #[serde(deserialize_with = "Option::deserialize")]
    dense_ops_per_sample: Option<f64>,
    #[serde(deserialize_with = "Option::deserialize")]
    sparsity: Option<f64>,
    updates: u128,
    dense_updates: u128,
}

#[derive(Deserialize)]
struct ProblemFields {
    path: String,
    reason: String,
    severity: String,
    #[serde(flatten)]
    more: More,
}

/// The classes in the order of the file.
struct Classes(Vec<(String, Sums)>);

impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Classes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of neuron classes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Classes, A::Error> {
                let mut classes = Vec::new();
                while let Some(class) = map.next_entry()? {
                    classes.push(class);
                }
                Ok(Classes(classes))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl Document {
    fn figures(self) -> anyhow::Result<Figures> {
        let samples = self.run.samples;
        let part = |name, kind, sums| Part { name, kind, sums, samples };
        let neurons = self.neurons.0.into_iter().map(|(name, sums)| part(name, None, sums));
        let layers: Vec<Part> = self
            .layers
            .into_iter()
            .map(|layer| {
                let (sums, LayerFields { name, neuron, reset, ops_per_update, .. }) = (layer.sums(), layer);
                part(name, Some(Kind { neuron, reset, ops_per_update }), sums)
            })
            .collect();
        let of_severity = |severity: &str| -> Vec<String> {
            let problems = self.problems.iter().filter(|problem| problem.severity == severity);
            problems.flat_map(|problem| said(&problem.path, &problem.reason, problem.more)).collect()
        };
        let figures = Figures {
            total: part(self.run.name.clone(), None, of_priced(self.total, &layers)),
            name: self.run.name,
            samples,
            batches: self.run.batches,
            complete: self.complete,
            waiting: self.account.waiting,
            set_aside: of_severity("set_aside"),
            notices: of_severity("notice"),
            neurons: neurons.collect(),
            layers,
        };
        check("total", std::slice::from_ref(&figures.total))?;
        check("neuron", &figures.neurons)?;
        check("layer", &figures.layers)?;
        Ok(figures)
    }
}

/// Refuses what no run can have: the same part twice, negative operations, a sparsity beyond 0 to 1.
fn check(what: &str, parts: &[Part]) -> anyhow::Result<()> {
    let mut names = HashSet::new();
    for Part { name, sums, .. } in parts {
        ensure!(names.insert(name), "{what} {name:?} is in it twice");
        let operations = [sums.effective_ops_per_sample, sums.dense_ops_per_sample];
        if let Some(negative) = operations.into_iter().flatten().find(|value| *value < 0.0) {
            bail!("{what} {name:?} has {negative} operations per sample");
        }
        if let Some(sparsity) = sums.sparsity.filter(|value| !(0.0..=1.0).contains(value)) {
            bail!("{what} {name:?} has a sparsity of {sparsity}");
        }
    }
    Ok(())
}

impl LayerFields {
    fn sums(&self) -> Sums {
        Sums {
            updates: self.updates,
            dense_updates: self.dense_updates,
            effective_ops: self.effective_ops,
            dense_ops: self.dense_ops,
            effective_ops_per_sample: self.effective_ops_per_sample,
            dense_ops_per_sample: self.dense_ops_per_sample,
            sparsity: self.sparsity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{BatchCount, LayerCount};
    use crate::figures::{Colours, Format, Report, Summary};
    use crate::run::prices::LayerDefaults;
    use crate::run::{Addition, Run, Settings};
    use crate::snapshot::LayerShape;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::time::SystemTime;

    /// A run of one batch with these layers: neuron, updates, dense updates.
    fn summary(samples: u64, layers: &[(String, String, u64, u64)]) -> Summary {
        let neurons: Vec<String> = layers.iter().map(|layer| format!("{}={}", layer.0, layer.1)).collect();
        let mut run = Run::new(Settings {
            neurons: LayerDefaults::parse(&neurons),
            resets: LayerDefaults::parse(&["zero".to_owned()]),
            ..Settings::new("r")
        });
        let now = SystemTime::now();
        let shape = |name: &str| LayerShape { name: name.into(), neurons: Some(vec![1]) };
        let count = BatchCount {
            samples,
            shapes: layers.iter().map(|layer| shape(&layer.0)).collect(),
            layers: layers
                .iter()
                .map(|layer| LayerCount { updates: layer.2, dense: layer.3, updates_by_step: Vec::new() })
                .collect(),
        };
        let name = "batch".to_owned();
        run.add(Addition::new(0.into(), name, now, 0, count), now);
        Summary::of(&run, now)
    }

    fn two_layers() -> Summary {
        summary(2, &[("a".into(), "Leaky".into(), 9, 12), ("b".into(), "Other".into(), 5, 10)])
    }

    proptest! {
        /// Names of any kind, prices or none, and sums beyond 64 bits.
        #[test]
        fn the_figures_are_read_as_they_were_written(
            samples in prop_oneof![Just(0), Just(u64::MAX), 1_u64..1000],
            layers in proptest::collection::btree_map(
                "[^=]{1,12}", (prop_oneof!["Leaky", "Alpha", "Other"], any::<u64>(), any::<u64>()), 0..6),
        ) {
            let layers: Vec<_> = layers
                .into_iter()
                .map(|(name, (neuron, one, other))| (name, neuron, one.min(other), one.max(other)))
                .collect();
            let summary = summary(samples, &layers);
            let text = summary.render(Format::Json, Colours::Off).expect("JSON");
            prop_assert_eq!(parse(text.as_bytes()).expect("a summary"), Figures::of(&summary));
        }

        #[test]
        fn no_bytes_are_too_strange(cut in 0.0..1.0, flipped in any::<proptest::sample::Index>(), byte: u8) {
            let mut bytes = two_layers().render(Format::Json, Colours::Off).expect("JSON").into_bytes();
            let at = flipped.index(bytes.len());
            bytes[at] = byte;
            let _ = parse(&bytes);
            let _ = parse(&bytes[..(bytes.len() as f64 * cut) as usize]);
        }
    }

    #[test]
    fn a_total_without_a_price_has_no_operations() {
        let figures = Figures::of(&summary(2, &[("b".into(), "Other".into(), 5, 10)]));
        assert_eq!((figures.total.sums.effective_ops, figures.unpriced_layers()), (None, 1));
    }

    #[test]
    fn what_is_set_aside_is_read_and_notices_are_not() {
        let mut value = serde_json::to_value(two_layers()).expect("JSON");
        value["problems"] = json!([
            {"path": "p", "reason": "r", "severity": "set_aside"},
            {"path": "q", "reason": "r", "severity": "notice"},
        ]);
        assert_eq!(parse(value.to_string().as_bytes()).expect("a summary").set_aside, ["p: r"]);
    }

    #[test]
    fn fields_of_later_versions_are_not_read() {
        let mut value = serde_json::to_value(two_layers()).expect("JSON");
        let expected = parse(value.to_string().as_bytes()).expect("a summary");
        for pointer in ["", "/run", "/total", "/layers/0", "/neurons/Leaky"] {
            let object = value.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object");
            object.insert("later".into(), json!({"a": [1, null]}));
        }
        assert_eq!(parse(value.to_string().as_bytes()).expect("a summary"), expected);
    }

    #[test]
    fn what_is_no_summary_is_refused() {
        let with = |pointer: &str, value: Value| {
            let mut summary = serde_json::to_value(two_layers()).expect("JSON");
            *summary.pointer_mut(pointer).expect("a field") = value;
            summary.to_string()
        };
        let whole = with("/complete", json!(true));
        let layers: Value = json!([two_layers().layers[0], two_layers().layers[0]]);
        for (wrong, says) in [
            (String::new(), "it is cut off"),
            ("kind,name\n".into(), "it cannot be read as JSON"),
            (whole[..whole.len() / 2].to_owned(), "it is cut off"),
            (whole.replace("18.0", "NaN"), "it cannot be read as JSON"),
            (whole.replace("18.0", "1e999"), "number out of range"),
            ("[]".into(), "invalid"),
            ("{}".into(), "it has no \"schema\""),
            (with("/schema", json!("neurotop.summary/2")), "update neurotop"),
            (with("/schema", json!("neurotop.comparison/1")), "it is a comparison"),
            (with("/schema", json!("neurotop.part/1")), "merge the parts"),
            (with("/schema", json!("neurotop.summaries/1")), "it holds the summaries of several runs"),
            (with("/schema", json!("other")), "its schema is \"other\""),
            (with("/layers", layers), "layer \"a\" is in it twice"),
            (whole.replace("\"Other\":{", "\"Leaky\":{"), "neuron \"Leaky\" is in it twice"),
            (with("/total/updates", json!(-1)), "number out of range"),
            (with("/total/updates", json!(1.5)), "column"),
            (whole.replace("\"sparsity\":", "\"gone\":"), "missing field `sparsity`"),
            (with("/total/effective_ops_per_sample", json!(-1.0)), "has -1 operations"),
            (with("/layers/0/sparsity", json!(25)), "has a sparsity of 25"),
            (with("/neurons", json!([])), "an object of neuron classes"),
        ] {
            let error = format!("{:#}", parse(wrong.as_bytes()).expect_err(says));
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
