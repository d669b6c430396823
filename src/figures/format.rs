//! The table of formats. A format is one file, which says how each report is written in it, and one row here; the values
//! of `--format` and the suffixes that `--export` takes follow from it.

use super::csv::as_csv;
use super::html::as_html;
use super::json::as_json;
use super::provenance::Provenance;
use super::table_style::TableStyle;
use super::tables::as_tables;
use super::tex::as_tex;
use super::{Comparison, Summary};
use crate::run::RunPart;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::fmt;

/// What can be printed and exported.
#[derive(Debug, Clone, Copy)]
pub enum Report<'a> {
    Run(&'a Summary),
    /// Several runs in one document. One alone is reported as itself.
    Runs(&'a [Summary]),
    Comparison(&'a Comparison),
    /// The part of a shard, whose figures are those of no run.
    Part(&'a RunPart),
}

/// Why most formats cannot hold [`Report::Part`].
pub(super) const NO_TABLES: &str = "a shard has no tables; merge the shards first";

type WriteFn = fn(Report<'_>, Option<&Provenance>) -> anyhow::Result<String>;

/// The format of a report.
#[derive(Clone, Copy)]
pub struct Format {
    /// Its name, as `--format` takes it.
    name: &'static str,
    alias: Option<&'static str>,
    /// The suffix of its files.
    suffix: &'static str,
    help: &'static str,
    /// Where it says how the report came about.
    says_provenance: SaysProvenance,
    write: WriteFn,
}

/// Where a format says when, from which runs and with which options a report was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SaysProvenance {
    /// In files: what is printed is the same whenever it is, and goes to a reader who has just given the command.
    InFiles,
    /// In files, and where it is printed, since that makes a document too.
    Everywhere,
}

/// A format whose files have its name as their suffix.
const fn format(name: &'static str, help: &'static str, write: WriteFn) -> Format {
    Format { name, alias: None, suffix: name, help, says_provenance: SaysProvenance::InFiles, write }
}

/// All formats, in the order of the help.
const FORMATS: &[Format] = &[
    Format {
        suffix: "txt",
        ..format("text", "Tables for a terminal", |report, provenance| {
            as_tables(report, TableStyle::Text, provenance)
        })
    },
    format("json", "All figures, with every digit", as_json),
    format("csv", "A row for each layer, neuron class and the total", as_csv),
    Format {
        alias: Some("markdown"),
        ..format("md", "Markdown tables", |report, provenance| {
            as_tables(report, TableStyle::Markdown, provenance)
        })
    },
    Format {
        alias: Some("latex"),
        says_provenance: SaysProvenance::Everywhere,
        ..format("tex", "LaTeX tables for a paper (booktabs)", as_tex)
    },
    Format {
        says_provenance: SaysProvenance::Everywhere,
        ..format("html", "One HTML file with tables and charts", as_html)
    },
];

impl Format {
    pub const TEXT: Self = FORMATS[0];
    pub const JSON: Self = FORMATS[1];

    /// The format of files with this suffix, in capital or small letters.
    pub(super) fn with_suffix(suffix: &str) -> Option<Self> {
        FORMATS.iter().copied().find(|format| format.suffix.eq_ignore_ascii_case(suffix))
    }

    /// Whether a summary in this format shows the membrane potentials, which have to be read for it.
    pub fn has_potentials(self) -> bool {
        ["json", "html"].contains(&self.name)
    }

    /// The suffixes of all formats, text last: `.json, .csv, .md, .tex, .html or .txt`.
    pub(super) fn suffixes() -> String {
        let formats = FORMATS.iter().skip(1).chain(&FORMATS[..1]);
        let suffixes: Vec<String> = formats.map(|format| format!(".{}", format.suffix)).collect();
        let (last, others) = suffixes.split_last().map_or(("", &[][..]), |(last, others)| (last, others));
        format!("{} or {last}", others.join(", "))
    }
}

/// Two formats are the same if their names are.
impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name).aliases(self.alias).help(self.help))
    }
}

impl Report<'_> {
    /// The report in a format, as it is printed. Only text has colours, which only a terminal shows.
    ///
    /// # Errors
    /// Where the format cannot hold this report.
    pub fn render(self, format: Format, in_colour: bool) -> anyhow::Result<String> {
        let says = format.says_provenance == SaysProvenance::Everywhere;
        let provenance = if says { Provenance::now() } else { None };
        if in_colour && format == Format::TEXT {
            return as_tables(self.as_one(), TableStyle::Coloured, None);
        }
        (format.write)(self.as_one(), provenance.as_ref())
    }

    /// The report in a format, as it is in a file: with how it came about, where that is known.
    ///
    /// # Errors
    /// Where the format cannot hold this report.
    pub fn render_file(self, format: Format, provenance: Option<&Provenance>) -> anyhow::Result<String> {
        (format.write)(self.as_one(), provenance)
    }

    /// One run alone is reported as itself.
    fn as_one(self) -> Self {
        match self {
            Self::Runs([summary]) => Report::Run(summary),
            report => report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{BatchCount, LayerCount};
    use crate::figures::ComparedRun;
    use crate::run::prices::{Costs, LayerDefaults};
    use crate::run::{Addition, Run, Settings};
    use crate::snapshot::LayerShape;
    use std::time::{Duration, SystemTime};

    /// Two samples with 18 effective operations of 24 each.
    fn summary(energy: Option<&str>) -> Summary {
        let mut run = Run::new(Settings {
            name: "r".into(),
            costs: Costs::default().with_energy(energy.map(|energy| energy.parse().expect("an energy"))),
            neurons: LayerDefaults::parse(&["Leaky".to_owned()]),
            resets: LayerDefaults::parse(&["zero".to_owned()]),
            stall_after: Duration::from_secs(30),
            live: false,
        });
        let now = SystemTime::now();
        let shapes = [LayerShape { name: "a".into(), neurons: Some(vec![1]) }];
        let layer = LayerCount { updates: 9, dense: 12, ..LayerCount::default() };
        let count = BatchCount { samples: 2, shapes: shapes.to_vec().into(), layers: vec![layer] };
        run.add(Addition::new(0.into(), "batch".to_owned(), now, 0, count), now);
        Summary::new(&run, now)
    }

    /// Every report with and without an energy in every format.
    #[test]
    fn the_energy_is_in_every_format_where_it_is_asked_for() {
        for format in FORMATS {
            for (energy, is_asked) in [(Some("900fJ"), true), (None, false)] {
                let summary = summary(energy);
                let run = ComparedRun::from_summary("r", &summary);
                let comparison = Comparison::new(&run, std::slice::from_ref(&run));
                let several = [summary.clone(), summary.clone()];
                for report in [Report::Run(&summary), Report::Runs(&several), Report::Comparison(&comparison)]
                {
                    let text = report.render(*format, false).expect("a report");
                    assert_eq!(text.contains("energy"), is_asked, "{text}");
                    assert_eq!(text.contains("16.2"), is_asked, "18 operations of 0.9 pJ: {text}");
                    assert!(text.contains("saved"), "{text}");
                }
            }
        }
        let json: serde_json::Value = serde_json::to_value(summary(Some("0.9pJ"))).expect("JSON");
        for row in [&json["total"], &json["layers"][0], &json["neurons"]["Leaky"]] {
            assert_eq!(
                (&row["energy_per_sample"], &row["saved_ops_per_sample"]),
                (&16.2.into(), &6.0.into())
            );
        }
    }

    #[test]
    fn later_figures_stand_behind_the_older_columns() {
        let csv = Report::Run(&summary(Some("1pJ"))).render(FORMATS[2], false).expect("CSV");
        let header = csv.lines().next().expect("a header");
        assert!(
            header.ends_with(
                ",sparsity,samples,complete,saved_ops_per_sample,energy_per_sample,neurons,silent_neurons,\
                 always_active_neurons,priced_by"
            ),
            "{header}"
        );
        // Nothing says which neurons of this layer are updated.
        assert!(csv.lines().nth(1).expect("a layer").ends_with(",0.25,2,false,6,18,,,,neurobench"), "{csv}");
    }

    #[test]
    fn formats_are_found_by_name_alias_and_suffix() {
        for format in FORMATS {
            assert_eq!(<Format as ValueEnum>::from_str(format.name, false), Ok(*format));
            assert_eq!(Format::with_suffix(&format.suffix.to_ascii_uppercase()), Some(*format));
        }
        assert_eq!(<Format as ValueEnum>::from_str("markdown", false).map(|format| format.name), Ok("md"));
        assert_eq!(Format::with_suffix("xlsx"), None);
        assert_eq!((Format::TEXT.name, Format::JSON.name), ("text", "json"));
        assert_eq!(Format::suffixes(), ".json, .csv, .md, .tex, .html or .txt");
    }
}
