//! Every option that the command line and the configuration file share. A new one is declared here, and used where its
//! field is.

use super::cli::CommandLine;
use super::config::Config;
use super::declaration::{
    Declaration,
    FileScope::{Watch, WholeRuns},
    Purpose,
    ValueKind::{List, Number, Switch, Table},
    declare_options,
};
use super::parsers::{MAX_THREADS, command, location, seconds, up_to};
use super::resolve::{Said, parse, value};
use crate::dashboard::{KeyTable, NotifyWay, ThemeName};
use crate::figures::condition::Condition;
use crate::figures::{Export, Format};
use crate::follow::Shard;
use crate::publish::Target;
use crate::run::energy::EnergyPerOp;
use crate::run::log::Level;
use crate::run::prices::CostRule;
use crate::run::{Priority, StatePlace};
use clap::builder::{
    BoolValueParser, EnumValueParser, NonEmptyStringValueParser, OsStringValueParser, PathBufValueParser,
    TypedValueParser, ValueParser,
};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The subcommands that show a dashboard.
const DASHBOARD: &[&str] = &["watch", "demo"];
/// Those that count runs of the user.
const COUNTING: &[&str] = &["watch", "summary", "compare", "explain"];
/// Those that count them, or read what was counted of them.
const FIGURES: &[&str] = &["watch", "summary", "merge", "compare", "export"];
/// Those that need to know what a layer is.
const LAYERS: &[&str] = &["watch", "summary", "compare", "doctor", "explain"];
const PUBLISHING: &[&str] = &["watch", "summary", "demo"];

declare_options! {
    /// Also write the figures to FILE on exit, as .json, .csv, .md, .tex, .html or .txt
    "export" export: Vec<Export> = OsStringValueParser::new().try_map(|path| Export::try_from(PathBuf::from(path))), {
        kind: List, value_name: "FILE", short: Some('o'), commands: &["watch", "summary", "merge", "compare", "export", "demo"],
        scope: WholeRuns, examples: ["neurotop.json", "neurotop.csv"],
    }

    /// Also show the changes from this run: its directory, or its summary exported as .json
    "baseline" baseline: Option<PathBuf> = location(), {
        value_name: "PATH", commands: &["watch", "summary", "merge", "export"], scope: WholeRuns,
        examples: ["exp1.json", "runs/exp1"],
    }

    /// Exit with code 4 if this holds at the end, as in 'sparsity<0.9', 'layer:lif1.sparsity<50%' or
    /// 'vs-baseline>+2%'
    "fail-if" fail_if: Vec<Condition> = str::parse::<Condition>, {
        kind: List, value_name: "CONDITION", commands: FIGURES, scope: WholeRuns,
        examples: ["sparsity<0.9", "layer:lif1.sparsity<50%"],
    }

    /// Price what NeuroBench does not: the operations of one update
    "cost" cost: Vec<CostRule> = str::parse::<CostRule>, {
        kind: Table, value_name: "NEURON:RESET=OPS", commands: LAYERS,
        examples: ["RLeaky:subtract=5", "RLeaky:zero=6"],
    }

    /// Also show the energy of the effective operations, at ENERGY for one operation, as in 0.9pJ or 900fJ
    "energy-per-op" energy_per_op: Option<EnergyPerOp> = str::parse::<EnergyPerOp>, {
        value_name: "ENERGY", commands: &["watch", "summary", "merge", "compare", "export", "demo"],
        examples: ["0.9pJ", "450fJ"],
    }

    /// The neuron class of layers that the manifest does not name: of all of them, or of one LAYER
    "neuron" neuron: Vec<String> = NonEmptyStringValueParser::new(), {
        kind: List, value_name: "[LAYER=]NEURON", commands: LAYERS, examples: ["Leaky", "head.lif=Alpha"],
    }

    /// The reset mechanism of layers that the manifest does not name: of all of them, or of one LAYER
    "reset" reset: Vec<String> = NonEmptyStringValueParser::new(), {
        kind: List, value_name: "[LAYER=]RESET", commands: LAYERS, examples: ["zero", "head.lif=subtract"],
    }

    /// Call a run stalled if nothing comes for SECONDS
    "stall-after" stall_after: Duration = seconds, {
        kind: Number, value_name: "SECONDS", commands: FIGURES, default: Some("30"), examples: ["7", "120"],
    }

    /// Set an unreadable file aside if it has not changed for SECONDS
    "settle" settle: Duration = seconds, {
        kind: Number, value_name: "SECONDS", commands: COUNTING, default: Some("2"), examples: ["0.5", "10"],
    }

    /// Append what happens to each batch to FILE
    "log" log: Option<PathBuf> = PathBufValueParser::new(), {
        value_name: "FILE", commands: COUNTING, examples: ["neurotop.log", "logs/neurotop.log"],
    }

    /// How much goes into the log
    "log-level" log_level: Level = EnumValueParser::<Level>::new(), {
        value_name: "LEVEL", commands: COUNTING, default: Some("info"), examples: ["debug", "warn"],
    }

    /// Count with N threads
    "threads" threads: Option<NonZeroUsize> = up_to::<MAX_THREADS>, {
        kind: Number, value_name: "N", commands: COUNTING, default_in_words: "one for each core",
        examples: ["4", "2"],
    }

    /// Count at this priority. Low leaves the processors to the benchmark, also while a backlog is counted, which
    /// then takes longer; normal does not
    "priority" priority: Priority = EnumValueParser::<Priority>::new(), {
        value_name: "PRIORITY", commands: DASHBOARD, default: Some("low"), examples: ["normal", "low"],
    }

    /// Follow symbolic links in runs, wherever they lead. Do this only if you trust who made them
    "follow-links" follow_links: bool = BoolValueParser::new(), {
        kind: Switch, commands: LAYERS, default: Some("false"),
        opposite: "Follow no links, whatever the configuration says",
    }

    /// Keep the progress in FILE (for a directory of runs, in FILE-RUN for each), to resume from there; none keeps
    /// no progress
    "state" state: Said<StatePlace> = PathBufValueParser::new().map(StatePlace::from), {
        value_name: "FILE", commands: &["watch", "doctor"], default: Some("default"),
        default_in_words: "in the user's directory for state", examples: ["none", "exp1.state"],
    }

    /// Delete batches once they are counted and the progress is safely on disk
    "prune" prune: Said<bool> = BoolValueParser::new(), {
        kind: Switch, commands: &["watch"], default: Some("false"),
        opposite: "Delete nothing, whatever the configuration says",
    }

    /// Also write the figures into DIR, for TensorBoard, while batches are counted
    "tensorboard" tensorboard: Option<PathBuf> = PathBufValueParser::new(), {
        value_name: "DIR", commands: PUBLISHING, scope: Watch, examples: ["tb", "logs/tb"],
    }

    /// Also write the figures to FILE as OpenMetrics text, or serve them at ADDR (PORT and :PORT are on loopback),
    /// while they are counted
    "openmetrics" openmetrics: Option<Target> = OsStringValueParser::new().try_map(Target::try_from), {
        value_name: "FILE|ADDR", commands: PUBLISHING, scope: Watch, examples: ["127.0.0.1:9464", "exp1.prom"],
    }

    /// Scan every SECONDS instead of relying on file events, for network drives
    "poll" poll: Option<Duration> = seconds, {
        kind: Number, value_name: "SECONDS", commands: &["watch"], examples: ["5", "0.25"],
        default_in_words: "file events; 1 on a network drive, 5 for a URL",
    }

    /// Call the user when a run is over or stalls, when a problem costs figures, and when a --fail-if begins to hold: by
    /// the terminal's bell, by its notification (osc9), or by a command, which gets NEUROTOP_EVENT, NEUROTOP_TEXT,
    /// NEUROTOP_RUN and NEUROTOP_DIRECTORY
    "notify" notify: Vec<NotifyWay> = str::parse::<NotifyWay>, {
        kind: List, value_name: "bell|osc9|COMMAND", commands: DASHBOARD, scope: Watch, examples: ["bell", "osc9"],
    }

    /// Run COMMAND once a run is over, with its figures as JSON in the file NEUROTOP_SUMMARY. It also gets NEUROTOP_RUN,
    /// NEUROTOP_DIRECTORY, NEUROTOP_COMPLETE (yes or no) and NEUROTOP_PROBLEMS (their number)
    "on-finish" on_finish: Option<String> = command, {
        value_name: "COMMAND", commands: DASHBOARD, scope: Watch, examples: ["./after.sh", "cp $NEUROTOP_SUMMARY ."],
    }

    /// Leave when the run is over
    "exit-when-finished" exit_when_finished: bool = BoolValueParser::new(), {
        kind: Switch, commands: DASHBOARD, default: Some("false"),
        opposite: "Stay when the run is over, whatever the configuration says",
    }

    /// Count only one shard, every N-th batch from the K-th on, as a part for neurotop merge; as JSON
    "shard" shard: Option<Shard> = str::parse::<Shard>, {
        value_name: "K/N", commands: &["summary"], examples: ["1/4", "3/16"],
    }

    /// The format on standard output
    "format" format: Format = EnumValueParser::<Format>::new(), {
        value_name: "FORMAT", commands: &["summary", "merge", "compare", "export"], scope: WholeRuns, default: Some("text"),
        examples: ["json", "csv"],
    }

    /// Seconds between two batches of the demo
    "pace" pace: Duration = seconds, {
        kind: Number, value_name: "SECONDS", commands: &["demo"], default: Some("1"), examples: ["0.2", "3"],
    }

    /// The theme of the dashboard. NO_COLOR and a terminal without colours mean monochrome, unless the command line
    /// names a theme
    "theme" theme: Said<ThemeName> = EnumValueParser::<ThemeName>::new(), {
        value_name: "NAME", commands: DASHBOARD, default: Some("dark"), examples: ["light", "colour-blind"],
    }

    /// Show ASCII only
    "ascii" ascii: Option<bool> = BoolValueParser::new(), {
        kind: Switch, commands: &["watch", "summary", "merge", "compare", "export", "demo", "doctor", "explain"],
        default_in_words: "where the locale is not UTF-8, and on the console of Linux",
        opposite: "Show Unicode, whatever the configuration and the locale say",
    }

    /// Use the mouse; the terminal then cannot select text with it
    "mouse" mouse: bool = BoolValueParser::new(), {
        kind: Switch, commands: DASHBOARD, default: Some("true"),
        opposite: "Leave the mouse to the terminal, for selecting text",
    }

    /// Start without frames and charts, for small panes
    "compact" compact: bool = BoolValueParser::new(), {
        kind: Switch, commands: DASHBOARD, default: Some("false"),
        opposite: "Start with frames and charts, whatever the configuration says",
    }
}
