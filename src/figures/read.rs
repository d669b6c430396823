//! Reads back the figures of a summary that was exported as JSON. Files of another schema are refused. Unknown fields
//! are skipped, since later versions may add some.

use super::compared_run::{
    ComparedRow, ComparedRows, ComparedRun, LayerKind, disagreements, has_total, sentences, told, total_sums,
};
use super::figure::{Basis, FIGURES, Figure, FigureUnit, Number, ShownIn};
use super::row::RowSums;
use super::{COMPARISON_SCHEMA, ProblemFigures, SCHEMA, SUMMARIES_SCHEMA};
use crate::count::NeuronCounts;
use crate::follow::Account;
use crate::run::exported::{from_json, read_bytes, schema_in};
use crate::run::sums::{Operations, Updates};
use crate::run::{PART_SCHEMA, RunPart, Severity};
use crate::text::shown;
use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

/// Reads the figures of a run from a file that `--export FILE.json` wrote.
///
/// # Errors
/// Where the file cannot be read or is no summary; the error names the file and says what to do.
pub fn read_figures(path: &Path) -> anyhow::Result<ComparedRun> {
    let advice = "name a run's directory, or a file that --export FILE.json wrote";
    let bytes = read_bytes(path, advice)?;
    let source = path.to_string_lossy().into_owned();
    parse(&bytes, source).map_err(|why| anyhow!("{} is no exported summary: {why:#}; {advice}", shown(path)))
}

/// The figures in a summary's JSON.
fn parse(bytes: &[u8], source: String) -> anyhow::Result<ComparedRun> {
    match schema_in(bytes)?.as_deref() {
        Some(SCHEMA) => {}
        Some(PART_SCHEMA) => {
            bail!(
                "it is a part of a run ({PART_SCHEMA}), and its figures are those of one shard; merge the parts \
                   of all shards first, with neurotop merge"
            )
        }
        Some(SUMMARIES_SCHEMA) => bail!(
            "it holds the summaries of several runs ({}); export the one to compare alone, with neurotop summary \
             RUN --export FILE.json",
            SUMMARIES_SCHEMA
        ),
        Some(COMPARISON_SCHEMA) => bail!("it is a comparison ({COMPARISON_SCHEMA})"),
        Some(other) if other.starts_with("neurotop.summary/") => {
            bail!("its schema is {other:?}, and this neurotop reads {SCHEMA:?}; update neurotop")
        }
        Some(other) => bail!("its schema is {other:?} and not {SCHEMA:?}"),
        None => bail!("it has no \"schema\": {SCHEMA:?}"),
    }
    from_json::<SummaryFile>(bytes)?.into_run(source)
}

#[derive(Deserialize)]
struct SummaryFile {
    run: RunFields,
    total: RowFields,
    total_measured: Option<RowFields>,
    #[serde(deserialize_with = "in_order")]
    neurons: Vec<(String, RowFields)>,
    layers: Vec<RowFields>,
    complete: bool,
    account: Account,
    problems: Vec<ProblemFigures>,
    /// Earlier versions wrote none.
    #[serde(default)]
    part: Option<RunPart>,
}

#[derive(Deserialize)]
struct RunFields {
    name: String,
    samples: u128,
    batches: u64,
    #[serde(default)]
    directory: Option<String>,
}

/// What a file says of a total, a class or a layer.
#[derive(Default)]
struct RowFields {
    /// Of a layer: its name and what it is.
    name: Option<String>,
    neuron: Option<Option<String>>,
    reset: Option<Option<String>>,
    ops_per_update: Option<Option<u64>>,
    priced_by: Option<String>,
    /// The figures by their names.
    figures: HashMap<&'static str, Option<Number>>,
}

/// Each figure of the table that is exported is read as the number that it is: flattening would lose the integers that
/// do not fit 64 bits. It must be there unless earlier versions did not have it.
impl<'de> Deserialize<'de> for RowFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = RowFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of figures")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowFields, A::Error> {
                let mut fields = RowFields::default();
                while let Some(key) = map.next_key::<String>()? {
                    fields.take(&key, &mut map)?;
                }
                let mut needed = Figure::all_in(ShownIn::Export).filter(|figure| !figure.is_later);
                match needed.find(|figure| !fields.figures.contains_key(figure.name)) {
                    Some(missing) => Err(A::Error::missing_field(missing.name)),
                    None => Ok(fields),
                }
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl RowFields {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => self.name = Some(map.next_value()?),
            "neuron" => self.neuron = Some(map.next_value()?),
            "reset" => self.reset = Some(map.next_value()?),
            "ops_per_update" => self.ops_per_update = Some(map.next_value()?),
            "priced_by" => self.priced_by = map.next_value()?,
            _ => match Figure::all_in(ShownIn::Export).find(|figure| figure.name == key) {
                Some(figure) if self.figures.insert(figure.name, number(figure, map)?).is_some() => {
                    return Err(A::Error::duplicate_field(figure.name));
                }
                Some(_) => {}
                None => drop(map.next_value::<IgnoredAny>()?),
            },
        }
        Ok(())
    }

    /// The figures as they stand in the file, and those that it lacks as they follow from its sums.
    fn row(&self, name: &str, kind: Option<LayerKind>, samples: u128, is_priced: bool) -> ComparedRow {
        let said = |figure: &Figure| self.figures.get(figure.name).copied();
        let sums = ComparedRow::with_values(name, None, |figure| said(figure).flatten()).sums(samples);
        let sums = total_sums(sums, is_priced);
        ComparedRow::with_values(name, kind, |figure| match said(figure) {
            Some(value) => {
                let has_value = matches!(figure.basis, Basis::Updates | Basis::Neurons) || is_priced;
                value.filter(|_| has_value && (samples > 0 || !figure.per_sample))
            }
            None => figure.value(&sums),
        })
    }

    fn into_layer(mut self, samples: u128) -> anyhow::Result<ComparedRow> {
        let missing = |field: &str| anyhow!("missing field `{field}` of a layer");
        let kind = LayerKind {
            neuron: self.neuron.take().ok_or_else(|| missing("neuron"))?,
            reset: self.reset.take().ok_or_else(|| missing("reset"))?,
            ops_per_update: self.ops_per_update.ok_or_else(|| missing("ops_per_update"))?,
            priced_by: self.priced_by.take(),
        };
        let name = self.name.as_deref().ok_or_else(|| missing("name"))?;
        Ok(self.row(name, Some(kind), samples, true))
    }
}

/// The value of a figure. Updates are counted in any case; what needs a price may be `null`.
fn number<'de, A: MapAccess<'de>>(figure: &Figure, map: &mut A) -> Result<Option<Number>, A::Error> {
    Ok(match (figure.compute)(&ONE) {
        Some(Number::Whole(_)) if figure.basis == Basis::Updates => Some(Number::Whole(map.next_value()?)),
        Some(Number::Whole(_)) => map.next_value::<Option<u128>>()?.map(Number::Whole),
        _ => map.next_value::<Option<f64>>()?.map(Number::Real),
    })
}

/// Sums from which each figure but the energy has a value, which says whether it is a whole number.
const ONE: RowSums = RowSums {
    samples: 1,
    updates: Some(Updates { effective: 1, dense: 1 }),
    operations: Some(Operations { effective: 1, dense: 1 }),
    energy_per_op: None,
    neurons: Some(NeuronCounts { neurons: 1, silent: 1, always_active: 1 }),
};

/// The classes in the order of the file.
fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, RowFields)>, D::Error> {
    struct ClassesVisitor;

    impl<'de> Visitor<'de> for ClassesVisitor {
        type Value = Vec<(String, RowFields)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of neuron classes")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            std::iter::from_fn(|| map.next_entry().transpose()).collect()
        }
    }

    deserializer.deserialize_map(ClassesVisitor)
}

impl SummaryFile {
    fn into_run(self, source: String) -> anyhow::Result<ComparedRun> {
        let samples = self.run.samples;
        let row = |name: &str, fields: &RowFields, is_priced| fields.row(name, None, samples, is_priced);
        let neurons: Vec<ComparedRow> =
            self.neurons.iter().map(|(name, fields)| row(name, fields, true)).collect();
        let layers = self.layers.into_iter().map(|layer| layer.into_layer(samples));
        let layers = layers.collect::<anyhow::Result<Vec<ComparedRow>>>()?;
        let total = row(&self.run.name, &self.total, has_total(&layers));
        check("total", std::slice::from_ref(&total))?;
        let with_measured = self.total_measured.map(|fields| row(&self.run.name, &fields, true));
        check("total_measured", with_measured.as_slice())?;
        check("neuron", &neurons)?;
        check("layer", &layers)?;
        if let Some(part) = &self.part {
            part.check().context("its \"part\"")?;
        }
        let points = self.part.map(|part| part.points()).unwrap_or_default();
        Ok(ComparedRun {
            source,
            name: self.run.name,
            directory: self.run.directory,
            samples,
            batches: self.run.batches,
            complete: self.complete,
            waiting: self.account.waiting,
            set_aside: sentences(&self.problems, Severity::SetAside),
            disagreements: disagreements(&self.problems),
            notices: sentences(&self.problems, Severity::Notice),
            problems: told(&self.problems),
            rows: ComparedRows::new(total, with_measured, neurons, layers).into(),
            points: points.into(),
        })
    }
}

/// Refuses what no run can have: the same row twice, a negative figure, a ratio beyond 0 to 1.
fn check(what: &str, rows: &[ComparedRow]) -> anyhow::Result<()> {
    let mut names = HashSet::new();
    for row in rows {
        let name = &row.name;
        ensure!(names.insert(name), "{what} {name:?} is in it twice");
        for figure in FIGURES {
            match row.value(figure) {
                Some(value) if figure.unit == FigureUnit::Ratio && !(0.0..=1.0).contains(&value) => {
                    bail!("{what} {name:?} has a {} of {value}", figure.label)
                }
                Some(value) if value < 0.0 => bail!("{what} {name:?} has {value} {}", figure.label),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{BatchCount, LayerCount};
    use crate::figures::{Format, Report, Summary};
    use crate::run::prices::LayerDefaults;
    use crate::run::{Addition, Run, Settings};
    use crate::snapshot::LayerShape;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::time::SystemTime;

    fn parse(bytes: &[u8]) -> anyhow::Result<ComparedRun> {
        super::parse(bytes, String::new())
    }

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
                .map(|layer| LayerCount { updates: layer.2, dense: layer.3, ..LayerCount::default() })
                .collect(),
        };
        let name = "batch".to_owned();
        run.add(Addition::new(0.into(), name, now, 0, count), now);
        Summary::new(&run, now)
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
            let text = Report::Run(&summary).render(Format::JSON, false).expect("JSON");
            prop_assert_eq!(parse(text.as_bytes()).expect("a summary"), ComparedRun::from_summary("", &summary));
        }

        #[test]
        fn no_bytes_are_too_strange(cut in 0.0..1.0, flipped in any::<proptest::sample::Index>(), byte: u8) {
            let mut bytes = Report::Run(&two_layers()).render(Format::JSON, false).expect("JSON").into_bytes();
            let at = flipped.index(bytes.len());
            bytes[at] = byte;
            let _ = parse(&bytes);
            let _ = parse(&bytes[..(bytes.len() as f64 * cut) as usize]);
        }
    }

    #[test]
    fn a_total_without_a_price_has_no_operations() {
        let summary = summary(2, &[("b".into(), "Other".into(), 5, 10)]);
        let rows = ComparedRun::from_summary("", &summary).rows;
        let effective = Figure::named("effective_ops").expect("a figure");
        assert_eq!((rows.total.value(effective), rows.unpriced_layers()), (None, 1));
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

    /// As an earlier version wrote them.
    #[test]
    fn figures_that_a_file_lacks_follow_from_its_sums() {
        let mut value = serde_json::to_value(two_layers()).expect("JSON");
        let expected = parse(value.to_string().as_bytes()).expect("a summary");
        for pointer in ["/total", "/layers/0", "/neurons/Leaky"] {
            let row = value.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object");
            assert!(row.remove("saved_ops_per_sample").is_some());
        }
        assert_eq!(parse(value.to_string().as_bytes()).expect("a summary"), expected);
        let saved = Figure::named("saved_ops_per_sample").expect("a figure");
        assert_eq!(expected.rows.layer("a").and_then(|row| row.value(saved)), Some(6.0));
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
        let twice = whole.replace("\"sparsity\":", "\"dense_ops\":");
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
            (with("/total/effective_ops_per_sample", json!(-1.0)), "has -1 effective ops/sample"),
            (with("/layers/0/sparsity", json!(25)), "has a sparsity of 25"),
            (twice, "duplicate field `dense_ops`"),
            (with("/neurons", json!([])), "an object of neuron classes"),
        ] {
            let error = format!("{:#}", parse(wrong.as_bytes()).expect_err(says));
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
