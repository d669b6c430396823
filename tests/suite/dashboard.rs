//! What the dashboard looks like: every page at several sizes, as pure functions of the state.

use crate::support;
use crate::support::changes::{Change, apply};
use neurotop::count::layer_detail::read_layer_detail;
use neurotop::count::{BatchCount, LayerCount, Scratch, count_batch};
use neurotop::dashboard::{
    Action, Appearance, ColourDepth, DetailKey, DetailResult, KeyMode, LAYERS, ListColumns, Motion, RANKS,
    RUNS, Request, RunRow, Sort, Subject, Symbols, ThemeName, UiState, View, ViewModel, draw, row,
};
use neurotop::figures::checks::Checks;
use neurotop::figures::{
    Basis, Change as FigureChange, ComparedRun, FIGURES, Figure, Format, LayerFigures, Report, RowSums,
    ShownIn, Summary, reopen, uncertainty_of_layers,
};
use neurotop::follow::Account;
use neurotop::run::sums::Operations;
use neurotop::run::timing::Timing;
use neurotop::run::{Addition, Presence, Problem, Runs, Severity, Watching};
use neurotop::run::{Run, Status};
use neurotop::snapshot::{Batch, BatchId, End, LayerShape, Manifest, SnapshotError};
use neurotop::text::{compact, decimal_within, told_apart};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

/// When the first batch was written.
const START: SystemTime = SystemTime::UNIX_EPOCH;
const DAY: u64 = 86_400;

pub(crate) fn at(seconds: u64) -> SystemTime {
    // The epoch itself is the time of a file whose time is unknown.
    START + Duration::from_secs(DAY + seconds)
}

pub(crate) fn empty() -> Run {
    Run::new(support::settings("exp1", false))
}

pub(crate) fn account(counted: u64, waiting: u64, set_aside: u64) -> Change {
    let seen = counted + waiting + set_aside;
    Change::Account(Account {
        seen,
        counted,
        waiting,
        set_aside,
        waiting_bytes: waiting * 3_500_000,
        ..Account::default()
    })
}

fn counted(number: u64, count: BatchCount) -> Change {
    let name = format!("batch-{number:06}.npz");
    Change::Counted(Addition::new(number.into(), name, at(2 * number), 1, count))
}

/// The demo's run after some of its batches, one every two seconds.
pub(crate) fn demo(batches: usize) -> Run {
    demo_of(0..batches)
}

/// The demo's run of which only these batches are there.
pub(crate) fn demo_of(batches: Range<usize>) -> Run {
    let directory = support::demo_run();
    let manifest = Manifest::parse(&std::fs::read(directory.join("manifest.json")).expect("a file"))
        .expect("a manifest");
    let mut updates = vec![Change::Directory(Presence::Present), Change::Watching(Watching::Events)];
    let paths = support::batches(&directory);
    for (number, path) in paths.iter().enumerate().take(batches.end).skip(batches.start) {
        let batch = Batch::open(path, Some(&manifest)).expect("a batch");
        updates.push(counted(number as u64, count_batch(&batch, &mut Scratch::default()).expect("a count")));
    }
    updates.push(Change::Manifest(Arc::new(manifest)));
    updates.push(account(batches.len() as u64, 0, 0));
    if batches.end == paths.len() {
        let end = End::parse(&std::fs::read(directory.join("end.json")).expect("a file")).expect("an end");
        updates.push(Change::End(end));
    }
    let mut run = empty();
    apply(&mut run, updates, at(2 * batches.end as u64));
    run
}

/// A golden run, counted.
pub(crate) fn golden_run(name: &str) -> Run {
    let directory = support::golden(name);
    let manifest = std::fs::read(directory.join("manifest.json")).expect("a file");
    let manifest = Manifest::parse(&manifest).expect("a manifest");
    let paths = support::batches(&directory);
    let batches: Vec<Change> = (0..)
        .zip(&paths)
        .map(|(number, path)| {
            let batch = Batch::open(path, Some(&manifest)).expect("a batch");
            counted(number, count_batch(&batch, &mut Scratch::default()).expect("a count"))
        })
        .collect();
    let mut run = empty();
    apply(&mut run, [Change::Manifest(Arc::new(manifest))], at(0));
    apply(&mut run, batches, at(2));
    apply(&mut run, [account(paths.len() as u64, 0, 0)], at(2));
    run
}

/// A run with many layers, some of them without a price, and with long and strange names.
pub(crate) fn many_layers(layers: usize) -> Run {
    let name =
        |layer: usize| format!("backbone.stage{}.block{:02}.convolution.lif\u{202e}", layer / 20, layer % 20);
    let shapes: Arc<[LayerShape]> =
        (0..layers).map(|layer| LayerShape { name: name(layer), neurons: Some(vec![4]) }).collect();
    let entries: Vec<serde_json::Value> = (0..layers)
        .map(|layer| {
            let neuron = ["Leaky", "Synaptic", "RLeaky"][layer % 3];
            serde_json::json!({"name": name(layer), "neuron": neuron, "reset": "subtract", "shape": [4]})
        })
        .collect();
    let manifest = serde_json::json!({
        "format": "neurotop", "version": 1, "run": "resnet-1202-with-a-name-that-is-rather-long-for-a-header",
        "producer": "the tests", "expected_samples": 5_000_000_000_u64, "layers": entries,
        "warnings": ["layer head.lif is called twice a step"],
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    let mut run = empty();
    apply(&mut run, [Change::Manifest(Arc::new(manifest))], at(0));
    for number in 0..40 {
        let count = |layer: usize| {
            let dense = 1_000_000_000 * (layer as u64 + 1);
            LayerCount {
                updates: dense / (2 + (layer as u64 * 7 + number) % 9),
                dense,
                ..LayerCount::default()
            }
        };
        let count = BatchCount {
            samples: 640,
            shapes: Arc::clone(&shapes),
            layers: (0..layers).map(count).collect(),
        };
        apply(&mut run, [counted(number, count)], at(2 * number));
    }
    let problem = |path: &str, reason: &str, severity| {
        Change::Problem(Problem { path: path.into(), reason: reason.into(), severity })
    };
    apply(
        &mut run,
        [
            account(40, 3, 1),
            problem(
                "batch-000007.npz",
                "lif1.post: the data are corrupt (their CRC-32 does not match); write the batch again",
                Severity::SetAside,
            ),
            problem(
                "odd\u{1b}[2J.npz",
                "it is not counted, since its name gives no batch number; name it batch-N.npz if it is a batch",
                Severity::Notice,
            ),
        ],
        at(0),
    );
    run
}

/// One run alone, as it is shown.
pub(crate) fn model(run: &Run, now: SystemTime) -> ViewModel {
    ViewModel::for_run(Arc::new(run.clone()), now)
}

pub(crate) fn draw_on(columns: u16, rows: u16, model: &ViewModel, state: &mut UiState) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(frame, model, state, Instant::now())).expect("drawn");
    terminal.backend().clone()
}

fn screen_of(columns: u16, rows: u16, run: &Run, state: &mut UiState, now: SystemTime) -> TestBackend {
    draw_on(columns, rows, &model(run, now), state)
}

/// What an action asks for, and what it makes of the state.
fn act(state: &mut UiState, action: Action, run: &Run) -> Option<Request> {
    state.update(action, &model(run, at(0)))
}

pub(crate) fn on(view: View) -> UiState {
    let mut state = UiState::default();
    state.view = view;
    state
}

/// The order in which a column sorts first.
fn by<T>(columns: &ListColumns<T>, heading: &str) -> Sort {
    columns
        .columns
        .iter()
        .position(|column| column.heading == heading)
        .and_then(|column| columns.orders().into_iter().find(|order| order.column == Some(column)))
        .expect("a column that sorts")
}

fn scrolled() -> UiState {
    let mut state = UiState::default();
    state.layers.sort = by(&LAYERS, "share");
    state.layers.selected = 30;
    state
}

fn assert_screen(name: &str, columns: u16, rows: u16, run: &Run, state: &mut UiState, now: SystemTime) {
    let screen = screen_of(columns, rows, run, state, now);
    insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), screen);
}

const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (300, 80)];

#[test]
fn a_live_run_at_every_size() {
    let run = demo(7);
    for (columns, rows) in SIZES {
        assert_screen("live", columns, rows, &run, &mut UiState::default(), at(13));
    }
}

#[test]
fn a_finished_run_agrees_with_neurobench() {
    let run = demo(12);
    for (columns, rows) in SIZES {
        assert_screen("finished", columns, rows, &run, &mut UiState::default(), at(24));
    }
}

#[test]
fn many_layers_scroll_and_sort() {
    let run = many_layers(60);
    for (columns, rows) in SIZES {
        let mut state = scrolled();
        assert_screen("many-layers", columns, rows, &run, &mut state, at(200));
    }
}

#[test]
fn the_list_of_problems() {
    let run = many_layers(3);
    for (columns, rows) in SIZES {
        let mut state = on(View::Problems);
        assert_screen("problems", columns, rows, &run, &mut state, at(200));
    }
}

#[test]
fn the_help() {
    for (columns, rows) in SIZES {
        let mut state = on(View::Help);
        assert_screen("help", columns, rows, &demo(1), &mut state, at(1));
    }
}

#[test]
fn what_is_waited_for() {
    let mut run = empty();
    assert_screen("before-anything", 80, 24, &run, &mut UiState::default(), at(0));
    apply(&mut run, [Change::Directory(Presence::Missing("it does not exist yet".into()))], at(0));
    assert_screen("no-directory", 80, 24, &run, &mut UiState::default(), at(0));
    assert_screen("no-directory", 40, 10, &run, &mut UiState::default(), at(0));
    let mut waiting = model(&empty(), at(0));
    waiting.whole_path = "/data/runs/exp1".into();
    let screen = draw_on(40, 10, &waiting, &mut UiState::default()).to_string();
    assert!(screen.contains("with neurotop.record") && screen.contains("…"), "all of the line: {screen}");
    let charts = draw_on(120, 40, &waiting, &mut on(View::Charts)).to_string();
    assert!(charts.contains("no batch yet") && !charts.contains("the newest"), "{charts}");
    let totals = draw_on(200, 50, &model(&many_layers(0), at(200)), &mut UiState::default()).to_string();
    assert!(
        totals.contains("no operations") && !totals.contains("0.00 %"),
        "nothing has a sparsity: {totals}"
    );
    apply(
        &mut run,
        [Change::Refused(SnapshotError::new("version 2 of the format", "update neurotop"))],
        at(0),
    );
    assert_screen("refused", 80, 24, &run, &mut UiState::default(), at(0));
}

#[test]
fn a_stalled_and_paused_run_that_is_polled() {
    let mut run = demo(3);
    let why = "NFS sends no events of what other machines write".to_owned();
    apply(&mut run, [Change::Watching(Watching::Polling { every: Duration::from_secs(1), why })], at(4));
    assert_eq!(act(&mut UiState::default(), Action::Ask(Request::Pause), &run), Some(Request::Pause));
    for (columns, rows) in [(80, 24), (40, 10)] {
        let paused = ViewModel { paused: true, ..model(&run, at(100)) };
        let screen = draw_on(columns, rows, &paused, &mut UiState::default());
        insta::assert_snapshot!(format!("stalled-{columns}x{rows}"), screen);
    }
}

#[test]
fn an_end_that_differs() {
    let mut run = demo(5);
    let end = br#"{"neurobench": {"NeuronOperations": {"Effective Neuron Ops": 1.0, "Neuron Dense Ops": 31820.0}}}"#;
    apply(&mut run, [Change::End(End::parse(end).expect("an end"))], at(10));
    let mut state = UiState::default();
    assert_screen("differs", 80, 24, &run, &mut state, at(10));
    state.view = View::Problems;
    assert_screen("differs-problems", 80, 24, &run, &mut state, at(10));
}

#[test]
fn nothing_is_too_small_and_nothing_steers_the_terminal() {
    for run in [empty(), demo(12), many_layers(30), many_ranks(12)] {
        for page in View::ALL {
            for columns in [0, 1, 2, 7, 19, 33, 59, 60, 61, 149, 150] {
                for rows in [0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 17, 18, 19, 23] {
                    let mut state = on(page);
                    let screen = screen_of(columns, rows, &run, &mut state, at(5));
                    let symbols = screen.buffer().content().iter().map(|cell| cell.symbol());
                    for symbol in symbols {
                        assert!(
                            !symbol.contains(['\u{1b}', '\u{202e}', '\u{7}']),
                            "{columns}x{rows}: {symbol:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_row_of_a_long_table_can_be_reached() {
    let run = many_layers(60);
    let mut state = UiState::default();
    for layer in 0..60 {
        let screen = screen_of(160, 24, &run, &mut state, at(5)).to_string();
        let name = format!("stage{}.block{:02}", layer / 20, layer % 20);
        assert!(screen.contains(&name), "{name} is not shown with row {layer} selected:\n{screen}");
        assert_eq!(state.layers.selected, layer);
        act(&mut state, Action::Go(Motion::Rows(1)), &run);
    }
    screen_of(160, 24, &run, &mut state, at(5));
    assert_eq!(state.layers.selected, 59, "there is nothing below the last row");
    act(&mut state, Action::Go(Motion::First), &run);
    assert_eq!(state.layers.selected, 0);
    act(&mut state, Action::Go(Motion::Last), &run);
    act(&mut state, Action::Go(Motion::Pages(-1)), &run);
    screen_of(160, 24, &run, &mut state, at(5));
    assert!(state.layers.selected < 59 && state.layers.selected > 0);
}

#[test]
fn what_has_no_figure_sorts_last_either_way() {
    let run = many_layers(9);
    let layers = model(&run, at(0)).summary.layers;
    for descending in [true, false] {
        let order = LAYERS.order(&layers, Sort { descending, ..by(&LAYERS, "effective") });
        let unpriced = order[6..].iter().all(|&layer| layers[layer].ops_per_update.is_none());
        assert!(unpriced, "{order:?}");
    }
    let order = LAYERS.order(&layers, Sort { column: None, descending: true });
    assert_eq!(order[0], 8);
}

/// The colours of what is written on a screen.
fn foregrounds(run: &Run, look: Appearance) -> HashSet<Color> {
    let screen = screen_of(80, 24, run, &mut UiState::new(look), at(24));
    let written = screen.buffer().content().iter().filter(|cell| cell.symbol() != " ");
    written.map(|cell| cell.fg).collect()
}

pub(crate) fn themed(theme: ThemeName, depth: ColourDepth) -> Appearance {
    Appearance { theme, depth, ..Appearance::default() }
}

#[test]
fn colours_say_what_words_say_too() {
    assert!(foregrounds(&demo(12), Appearance::default()).contains(&Color::Green));
    assert!(foregrounds(&many_layers(3), Appearance::default()).contains(&Color::LightRed));
    for run in [demo(12), many_layers(3)] {
        assert_eq!(
            foregrounds(&run, themed(ThemeName::Monochrome, ColourDepth::True)),
            [Color::Reset].into()
        );
    }
}

#[test]
fn themes_use_the_colours_that_the_terminal_has() {
    let run = many_layers(3);
    let safe = |depth| foregrounds(&run, themed(ThemeName::ColourBlind, depth));
    assert!(safe(ColourDepth::True).contains(&Color::Rgb(213, 94, 0)), "vermillion is what is wrong");
    assert!(safe(ColourDepth::Palette).contains(&Color::Indexed(166)));
    let sixteen = safe(ColourDepth::Sixteen);
    assert!(sixteen.contains(&Color::Yellow) && !sixteen.contains(&Color::Red), "{sixteen:?}");
    assert!(foregrounds(&run, themed(ThemeName::Light, ColourDepth::True)).contains(&Color::Rgb(175, 0, 0)));
}

#[test]
fn a_theme_changes_colours_and_nothing_else() {
    let run = demo(12);
    let mut state = UiState::default();
    let dark = screen_of(80, 24, &run, &mut state, at(24)).to_string();
    for theme in [ThemeName::Light, ThemeName::ColourBlind, ThemeName::Monochrome, ThemeName::Dark] {
        assert!(act(&mut state, Action::Theme, &run).is_none());
        assert_eq!(state.appearance.theme, theme);
        let said = state.message(Instant::now()).expect("a message").to_owned();
        assert!(said.contains(&theme.name()), "{said}");
        let screen = screen_of(80, 24, &run, &mut UiState::new(state.appearance), at(24)).to_string();
        assert_eq!(screen, dark);
    }
}

/// A state in which a filter is being typed.
fn typing(text: &str, run: &Run) -> UiState {
    let mut state = UiState::default();
    act(&mut state, Action::Filter, run);
    for character in text.chars() {
        act(&mut state, Action::Type(character), run);
    }
    state
}

#[test]
fn layers_are_filtered_as_the_filter_is_typed_and_when_it_is_kept() {
    let run = many_layers(60);
    for (columns, rows) in [(40, 10), (80, 24), (120, 40)] {
        let mut state = typing("stage1.block0[1-3]", &run);
        assert_screen("filter-typing", columns, rows, &run, &mut state, at(200));
        act(&mut state, Action::KeepFilter, &run);
        assert_screen("filter-kept", columns, rows, &run, &mut state, at(200));
        let mut state = typing("stage1(", &run);
        assert_screen("filter-invalid", columns, rows, &run, &mut state, at(200));
    }
    let mut state = typing("no such layer", &run);
    act(&mut state, Action::KeepFilter, &run);
    assert_screen("filter-nothing", 80, 24, &run, &mut state, at(200));
    assert_screen("filter-nothing", 40, 10, &run, &mut state, at(200));
    for rows in [1, 2, 5, 7] {
        let screen = screen_of(40, rows, &run, &mut state, at(200)).to_string();
        assert!(screen.contains("/no such") || rows == 1, "a filter is never out of sight:\n{screen}");
    }
}

#[test]
fn keys_edit_the_filter_and_the_selection_stays_within_what_is_shown() {
    let run = many_layers(60);
    let layers = model(&run, at(0)).summary.layers;
    let mut state = UiState::default();
    state.layers.selected = 59;
    act(&mut state, Action::Filter, &run);
    assert_eq!((state.view, state.mode), (View::Overview, KeyMode::Typing));
    for character in "BLOCK07x".chars() {
        act(&mut state, Action::Type(character), &run);
    }
    assert_eq!(state.shown(&layers).len(), 0);
    assert!(state.selected_layer(&layers).is_none());
    act(&mut state, Action::Erase, &run);
    assert_eq!(state.shown(&layers), [7, 27, 47]);
    act(&mut state, Action::KeepFilter, &run);
    assert_eq!(state.mode, KeyMode::Commands);
    act(&mut state, Action::SortReverse, &run);
    act(&mut state, Action::Go(Motion::Last), &run);
    screen_of(80, 24, &run, &mut state, at(5));
    assert_eq!(state.layers.selected, 2);
    assert!(state.selected_layer(&layers).is_some_and(|layer| layer.name == layers[7].name));
    act(&mut state, Action::Back, &run);
    assert_eq!(state.shown(&layers).len(), 60, "Esc on the overview shows all layers again");
    assert!(
        state.selected_layer(&layers).is_some_and(|layer| layer.name == layers[7].name),
        "still selected"
    );
    act(&mut state, Action::Filter, &run);
    act(&mut state, Action::Type('0'), &run);
    act(&mut state, Action::EraseAll, &run);
    assert!(state.layers.filter.is_empty() && state.mode == KeyMode::Typing);
    act(&mut state, Action::Type('0'), &run);
    act(&mut state, Action::ClearFilter, &run);
    assert!(state.layers.filter.is_empty() && state.mode == KeyMode::Commands);
}

/// Types a filter in the view of a state, and keeps it.
fn filter(text: &str, state: &mut UiState, model: &ViewModel) {
    state.update(Action::Filter, model);
    for character in text.chars() {
        state.update(Action::Type(character), model);
    }
    state.update(Action::KeepFilter, model);
}

#[test]
fn each_list_has_a_filter_of_its_own() {
    let several = ViewModel { rows: rows(), shown: 1, ..model(&many_layers(60), at(12)) };
    let mut state = on(View::Runs);
    filter("newer", &mut state, &several);
    assert_eq!(state.view, View::Runs);
    let screen = draw_on(120, 40, &several, &mut state).to_string();
    assert!(screen.contains("Runs (1 of 5) /newer"), "{screen}");
    assert_eq!(state.update(Action::Open, &several), Some(Request::Show(4)));
    let screen = draw_on(120, 40, &several, &mut state).to_string();
    assert!(screen.contains("Layers (60)"), "the layers have none: {screen}");
    state.show(View::Runs);
    state.update(Action::Back, &several);
    assert_eq!((state.view, state.shown_runs(&several).len()), (View::Runs, 5), "Esc shows all again");
    assert_eq!(state.update(Action::Open, &several), Some(Request::Show(4)), "still selected");
    let mut state = on(View::Charts);
    filter("block07", &mut state, &several);
    assert_eq!((state.view, state.subjects(&several).len()), (View::Charts, 4));
    for (view, text, shown, hidden) in [
        (View::Problems, "crc", "data are corrupt", "odd"),
        (View::Help, "STABLE", "stable to within", "freeze or resume"),
    ] {
        let mut state = on(view);
        filter(text, &mut state, &several);
        let screen = draw_on(120, 40, &several, &mut state).to_string();
        assert!(screen.contains(shown) && !screen.contains(hidden), "{screen}");
        assert!(screen.contains(&format!("/{text}")) && screen.contains("Esc show all"), "{screen}");
        state.update(Action::Back, &several);
        assert!(draw_on(120, 60, &several, &mut state).to_string().contains(hidden));
        state.update(Action::SortColumn(1), &several);
        let screen = draw_on(120, 40, &several, &mut state).to_string();
        assert!(screen.contains("nothing to sort in this view"), "{screen}");
    }
    let ranked = model(&many_ranks(3), at(13));
    let mut state = on(View::Ranks);
    filter("rank-1", &mut state, &ranked);
    assert_eq!(state.shown_ranks(&ranked), [1]);
}

#[test]
fn a_filter_shows_the_sum_of_what_it_matches() {
    let run = many_layers(60);
    let layers = model(&run, at(0)).summary.layers;
    let mut state = typing("block0[78]", &run);
    act(&mut state, Action::KeepFilter, &run);
    assert_screen("filter-sum", 200, 50, &run, &mut state, at(200));
    let shown: Vec<&LayerFigures> = state.shown(&layers).into_iter().map(|at| &layers[at]).collect();
    let half_width = uncertainty_of_layers(&run, shown.iter().copied()).map(|moves| moves.half_width);
    let sum = LayerFigures::sum_of("", shown);
    let effective = sum.sums.effective_per_sample().expect("operations");
    let screen = screen_of(200, 50, &run, &mut state, at(200)).to_string();
    let line = screen.lines().find(|line| line.contains("sum of 6")).expect("the sum");
    assert!(line.contains(&decimal_within(effective, 0, half_width)), "{line}");
    assert!(screen_of(40, 10, &run, &mut state, at(200)).to_string().contains("sum of 6"));
}

/// A tree with its first two modules open.
fn tree(run: &Run) -> UiState {
    let mut state = UiState::default();
    act(&mut state, Action::Tree, run);
    act(&mut state, Action::Go(Motion::Rows(1)), run);
    act(&mut state, Action::Open, run);
    act(&mut state, Action::Go(Motion::Rows(3)), run);
    state
}

#[test]
fn layers_are_a_tree_of_modules_that_folds() {
    let run = many_layers(300);
    for (columns, rows) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        assert_screen("tree", columns, rows, &run, &mut tree(&run), at(200));
    }
    let layers = model(&run, at(0)).summary.layers;
    let mut state = tree(&run);
    assert_eq!(state.layer_rows(&layers).len(), 1 + 15 + 20);
    assert_eq!(state.selected_layer(&layers).map(|layer| &layer.name), Some(&layers[22].name));
    act(&mut state, Action::Side(-1), &run);
    let node = state.selected_node(&layers).expect("a module");
    assert_eq!((node.path.as_str(), node.is_open, node.layers.len()), ("backbone.stage1", true, 20));
    act(&mut state, Action::Side(-1), &run);
    assert_eq!(state.layer_rows(&layers).len(), 1 + 15, "it is closed");
    act(&mut state, Action::View(View::Layer), &run);
    act(&mut state, Action::Go(Motion::Rows(1)), &run);
    let screen = screen_of(120, 40, &run, &mut state, at(200)).to_string();
    assert!(screen.contains("22 of 300"), "the next layer, though its module is closed: {screen}");
    act(&mut state, Action::Back, &run);
    assert_eq!(state.selected_layer(&layers).map(|layer| &layer.name), Some(&layers[21].name));
    act(&mut state, Action::Tree, &run);
    assert_eq!(state.layers.selected, 21, "the same layer in the list");
}

/// The sums of a module come from the table of figures, as those of a layer.
#[test]
fn the_sums_of_all_modules_are_the_total() {
    let run = many_layers(60);
    let summary = model(&run, at(0)).summary;
    let mut state = UiState::default();
    act(&mut state, Action::Tree, &run);
    let rows = state.layer_rows(&summary.layers);
    let root = rows[0].figures(&summary.layers);
    assert_eq!(root.sums, summary.total.sums);
    assert_eq!(root.within.as_ref().map(|within| within.unpriced), Some(summary.total.unpriced_layers));
    let parts: u128 = rows[1..].iter().filter_map(|row| row.figures(&summary.layers).sums.effective()).sum();
    assert_eq!(root.sums.effective(), Some(parts));
    state.layers.sort = by(&LAYERS, "effective");
    let sorted = state.layer_rows(&summary.layers);
    let effective: Vec<_> =
        sorted[1..].iter().map(|row| row.figures(&summary.layers).sums.effective()).collect();
    assert!(effective.is_sorted_by(|a, b| a >= b), "{effective:?}");
}

#[test]
fn names_that_are_too_long_keep_what_differs() {
    let run = many_layers(60);
    for columns in 50..80 {
        let screen = screen_of(columns, 40, &run, &mut UiState::default(), at(200)).to_string();
        assert!(screen.contains("block00") && screen.contains("block01"), "{columns}: {screen}");
    }
}

/// Runs of a sweep share most of their names.
#[test]
fn runs_that_share_a_beginning_keep_what_differs() {
    let mut all = rows();
    for (seed, row) in all.iter_mut().enumerate() {
        row.name = format!("dvs-gesture-csnn-seed-{seed}-threshold-1.0");
    }
    let sweep = ViewModel { rows: all, shown: 1, ..model(&demo(6), at(12)) };
    for (columns, height) in [(40, 10), (80, 24)] {
        let mut state = on(View::Runs);
        let screen = draw_on(columns, height, &sweep, &mut state);
        insta::assert_snapshot!(format!("sweep-{columns}x{height}"), screen);
        assert!((0..5).all(|seed| screen.to_string().contains(&format!("…{seed}-"))), "{screen}");
    }
    let mut state = on(View::Charts);
    state.charts.toggle(Subject::Run(3));
    let screen = draw_on(120, 40, &sweep, &mut state).to_string();
    assert!(screen.contains("…0-threshold-1.0"), "{screen}");
}

/// Lines that neither the layers nor the charts have a use for make the figures large.
#[test]
fn no_lines_are_blank_below_the_layers_where_there_is_a_condition() {
    for layers in 4..9 {
        let mut model = model(&many_layers(layers), at(200));
        let condition = "sparsity<1%".parse().expect("a condition");
        let checks = Checks { conditions: vec![condition], baseline: None };
        model.conditions = checks.judge(&mut model.summary);
        let lines = lines_of(&draw_on(80, 24, &model, &mut UiState::default()));
        let blank = lines.iter().filter(|line| line.trim_matches(['│', ' ']).is_empty()).count();
        assert!(blank <= 2, "{layers} layers: {lines:#?}");
        if layers == 6 {
            insta::assert_snapshot!("six-layers-and-a-condition", lines.join("\n"));
        }
    }
}

#[test]
fn a_folded_tree_leaves_its_lines_to_the_charts() {
    let run = many_layers(60);
    let mut state = UiState::default();
    assert!(!screen_of(80, 24, &run, &mut state, at(200)).to_string().contains("By neuron"));
    act(&mut state, Action::Tree, &run);
    assert_screen("folded-tree", 80, 24, &run, &mut state, at(200));
}

#[test]
fn many_layers_have_most_of_a_small_screen() {
    let screen = screen_of(80, 24, &many_layers(300), &mut UiState::default(), at(200)).to_string();
    let rows = screen.lines().filter(|line| line.contains("block")).count();
    assert!(rows >= 10 && screen.contains("1/300"), "{rows} layers: {screen}");
}

#[test]
fn what_loses_something_asks_first() {
    let run = demo(7);
    let mut state = UiState::default();
    assert_eq!(act(&mut state, Action::Ask(Request::Restart), &run), None);
    assert_eq!(state.mode, KeyMode::Confirming);
    for (columns, rows) in [(40, 10), (80, 24)] {
        assert_screen("asked", columns, rows, &run, &mut state, at(13));
    }
    assert_eq!(act(&mut state, Action::Refuse, &run), None);
    assert_eq!((state.mode, state.asked), (KeyMode::Commands, None));
    act(&mut state, Action::Ask(Request::Restart), &run);
    assert_eq!(act(&mut state, Action::Confirm, &run), Some(Request::Restart));
    assert_eq!(state.mode, KeyMode::Commands);
    assert_eq!(act(&mut state, Action::Ask(Request::Quit), &run), Some(Request::Quit), "nothing is lost");
}

#[test]
fn the_footer_has_the_keys_of_now() {
    let run = many_layers(60);
    let last = |state: &mut UiState, model: &ViewModel| {
        lines_of(&draw_on(160, 40, model, state)).pop().expect("a line")
    };
    let plain = model(&run, at(200));
    let paused = ViewModel { paused: true, ..plain.clone() };
    assert!(last(&mut on(View::Overview), &plain).contains("pause"));
    assert!(last(&mut on(View::Overview), &paused).contains("resume"));
    let mut state = UiState::default();
    state.is_tree = true;
    let footer = last(&mut state, &plain);
    assert!(footer.contains("Enter fold") && footer.contains("T list"), "{footer}");
    state.update(Action::Open, &plain);
    assert!(last(&mut state, &plain).contains("Enter unfold"));
    for view in [View::Layer, View::Charts, View::Runs, View::Problems, View::Help] {
        assert!(last(&mut on(view), &plain).contains("Esc back"), "{view:?}");
    }
}

#[test]
fn a_message_goes_after_five_seconds() {
    let (model, begun, mut state) = (model(&demo(7), at(13)), Instant::now(), UiState::default());
    state.say("wrote exp1.json", begun);
    for (milliseconds, is_shown) in [(0, true), (4900, true), (5000, false)] {
        assert_eq!(state.message(begun + Duration::from_millis(milliseconds)).is_some(), is_shown);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        let now = begun + Duration::from_millis(milliseconds);
        terminal.draw(|frame| draw(frame, &model, &mut state, now)).expect("drawn");
        assert_eq!(terminal.backend().to_string().contains("wrote exp1.json"), is_shown);
    }
}

#[test]
fn a_long_message_is_whole_and_is_shown_for_as_long_as_it_takes_to_read() {
    let (model, begun, mut state) = (model(&demo(7), at(13)), Instant::now(), UiState::default());
    let message = "runs/exp1: another neurotop keeps its progress, and deletes batches where that is asked for; \
                   this one does neither";
    state.say(message, begun);
    assert!(state.message(begun + Duration::from_secs(6)).is_some());
    assert!(state.message(begun + Duration::from_secs(9)).is_none());
    for (columns, rows) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &model, &mut state, begun)).expect("drawn");
        let lines = lines_of(terminal.backend());
        let last: Vec<&str> =
            lines.iter().rev().take(5).rev().flat_map(|line| line.split_whitespace()).collect();
        assert!(last.join(" ").ends_with(message), "{lines:#?}");
    }
}

/// After five batches of the demo, the interval leaves 27,940 ± 440 of 27,939.71, 16,610 of lif1's 16,605.25, 12.2 % of
/// the sparsity of 12.21 %, and 6,490 of 6,489.09 membrane updates.
#[test]
fn no_view_has_digits_that_the_interval_makes_meaningless() {
    let mut runs = Runs::new(Path::new("exp1"), support::settings("exp1", false));
    runs.set(0, Path::new("exp1"), demo(5));
    let shown = ViewModel::new(&runs, Checks::default(), at(13));
    assert_eq!(shown.rows[0].sums, shown.summary.total.sums, "its silent neurons, too");
    for (columns, rows) in SIZES {
        for (view, is_tree, typed) in [
            (View::Overview, false, ""),
            (View::Overview, true, ""),
            (View::Overview, false, "lif|syn|out"),
            (View::Layer, false, ""),
            (View::Charts, false, ""),
            (View::Runs, false, ""),
        ] {
            let mut state = on(view);
            state.is_tree = is_tree;
            filter(typed, &mut state, &shown);
            let screen = draw_on(columns, rows, &shown, &mut state).to_string();
            for digits in ["27,939", "16,605", "12.21", "18.92", "87.81", "6,489", "4,151"] {
                assert!(!screen.contains(digits), "{digits}: {screen}");
            }
            let (written, short) =
                if view == View::Layer { ("16,610", "16.6k") } else { ("27,940", "27.9k") };
            assert!(screen.contains(written) || screen.contains(short), "{screen}");
        }
    }
}

#[test]
fn the_waiting_screen_says_where_it_looks_and_what_is_there() {
    let mut run = empty();
    apply(&mut run, [Change::Directory(Presence::Missing("it does not exist yet".into()))], at(0));
    let missing = ViewModel {
        whole_path: "/home/ada/snn/runs/dem".into(),
        instead: Some("did you mean runs/demo? There is a run of that name".into()),
        ..model(&run, at(0))
    };
    for (columns, rows) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        let screen = draw_on(columns, rows, &missing, &mut UiState::default());
        insta::assert_snapshot!(format!("missing-{columns}x{rows}"), screen);
    }
}

#[test]
fn the_directory_is_known_before_the_run_changes() {
    let runs = Runs::new(Path::new("runs/dem"), support::settings("dem", false));
    let path = ViewModel::new(&runs, Checks::default(), at(0)).whole_path;
    assert!(path.is_absolute() && path.ends_with("runs/dem"), "{}", path.display());
}

#[test]
fn the_names_of_the_views_go_before_the_state_in_full() {
    let run = many_ranks(12);
    for (view, name) in [(View::Overview, "1 Overview"), (View::Ranks, "7 Ranks (12)")] {
        let header = lines_of(&screen_of(80, 24, &run, &mut on(view), at(2 * DAY))).remove(0);
        assert!(header.contains(name) && header.contains("stalled"), "{header}");
    }
}

#[test]
fn keys_that_do_nothing_are_not_offered() {
    let last =
        |run: &Run, view| lines_of(&screen_of(120, 40, run, &mut on(view), at(13))).split_off(38).concat();
    let none = last(&demo(7), View::Problems);
    assert!(!none.contains("open") && !none.contains("5 problems") && none.contains("back"), "{none}");
    let unpriced = many_layers(60);
    let some = last(&unpriced, View::Problems);
    assert!(some.contains("problems") && !some.contains("press 5") && some.contains("open"), "{some}");
    assert!(last(&unpriced, View::Overview).contains("press 5"));
    let mut state = typing("no such layer", &unpriced);
    act(&mut state, Action::KeepFilter, &unpriced);
    let hidden = lines_of(&screen_of(120, 40, &unpriced, &mut state, at(13))).split_off(38).concat();
    assert!(!hidden.contains("open") && !hidden.contains("copy"), "{hidden}");
    assert!(hidden.contains("show all") && hidden.contains("filter"), "{hidden}");
}

#[test]
fn what_is_wrong_with_the_times_of_files_goes_before_the_producer() {
    let doubt = "all files are of one second: a short run, or a copy without times";
    let mut shown = model(&demo(7), at(13));
    shown.summary.run.times.clock = Some(doubt.to_owned());
    for columns in [70, 80, 90, 120, 200] {
        let header = lines_of(&draw_on(columns, 24, &shown, &mut UiState::default())).remove(1);
        assert!(header.contains(doubt), "{header}");
        assert_eq!(header.contains("neurobench 2.3.0"), columns >= 90, "{header}");
    }
}

#[test]
fn a_pasted_filter_is_compiled_once() {
    let run = many_layers(60);
    let layers = model(&run, at(0)).summary.layers;
    let mut state = UiState::default();
    state.layers.selected = 27;
    act(&mut state, Action::Filter, &run);
    for character in "(a|b){9}|".chars().cycle().take(198).chain("07".chars()) {
        act(&mut state, Action::Type(character), &run);
        assert!(!state.layers.filter.is_compiled(), "{}", state.layers.filter.text());
    }
    assert_eq!(state.layers.filter.text().len(), 200);
    act(&mut state, Action::Type('x'), &run);
    assert_eq!(state.layers.filter.text().len(), 200, "what is longer is cut");
    screen_of(80, 24, &run, &mut state, at(5));
    assert!(state.layers.filter.is_compiled());
    assert!(
        state.selected_layer(&layers).is_some_and(|layer| layer.name == layers[27].name),
        "still selected"
    );
    act(&mut state, Action::KeepFilter, &run);
    assert!(state.layers.filter.is_compiled(), "it is the same");
}

/// The place of a heading at the last draw, and what is written there.
fn heading_of(column: usize, state: &UiState, screen: &TestBackend) -> Option<(Rect, String)> {
    let area = state.places.list.headings.iter().find(|(other, _)| *other == column)?.1;
    let cells = (area.left()..area.right()).map(|x| screen.buffer()[(x, area.y)].symbol());
    Some((area, cells.collect()))
}

#[test]
fn a_click_on_a_heading_sorts_by_it_and_again_reverses() {
    let run = many_layers(60);
    for ((columns, rows), column) in
        SIZES.into_iter().flat_map(|size| (0..LAYERS.columns.len()).map(move |column| (size, column)))
    {
        let mut state = UiState::default();
        let screen = screen_of(columns, rows, &run, &mut state, at(200));
        let Some((area, _)) = heading_of(column, &state, &screen) else { continue };
        let mut click = |x: u16, y: u16| {
            act(&mut state, Action::Click(Position::new(x, y)), &run);
            let screen = screen_of(columns, rows, &run, &mut state, at(200));
            (state.layers.sort, heading_of(column, &state, &screen))
        };
        let (sort, heading) = click(area.x, area.y);
        let Some(first) = LAYERS.orders().into_iter().find(|order| order.column == Some(column)) else {
            assert_eq!(LAYERS.columns[column].heading, "trend");
            assert_eq!(sort.column, None, "the list cannot be sorted by the trend");
            continue;
        };
        assert_eq!(sort, first);
        let (area, text) = heading.expect("the sorted column is shown");
        assert!(text.contains(['▼', '▲']), "{text:?} at {columns}x{rows}");
        assert_eq!(click(area.right() - 1, area.y).0.descending, !sort.descending, "again reverses");
    }
}

#[test]
fn a_click_on_a_row_selects_it_and_the_row_stays_under_the_mouse() {
    let run = many_layers(60);
    for (columns, rows) in [(40, 10), (80, 24), (120, 40)] {
        let mut state = scrolled();
        screen_of(columns, rows, &run, &mut state, at(200));
        let area = state.places.list.rows;
        for y in area.top()..area.bottom() {
            let before = screen_of(columns, rows, &run, &mut state, at(200)).to_string();
            let place = state.layers.position().expect("more layers than room");
            act(&mut state, Action::Click(Position::new(area.x + 5, y)), &run);
            let screen = screen_of(columns, rows, &run, &mut state, at(200));
            let now = state.layers.position().expect("as many");
            let moved = before.replace(&place, &now);
            assert_eq!(screen.to_string(), moved, "nothing but the selection has changed");
            for row in area.top()..area.bottom() {
                let reversed = screen.buffer()[(area.x, row)].modifier.contains(Modifier::REVERSED);
                assert_eq!(reversed, row == y);
            }
        }
        let selected = state.layers.selected;
        act(&mut state, Action::Click(Position::new(0, 0)), &run);
        assert_eq!(state.layers.selected, selected, "nothing is at the corner");
    }
}

#[test]
fn the_wheel_scrolls_what_is_shown_and_no_further() {
    let run = many_layers(60);
    let mut state = UiState::default();
    screen_of(80, 24, &run, &mut state, at(200));
    let seen = usize::from(state.places.list.rows.height);
    let mut firsts = Vec::new();
    for _ in 0..30 {
        act(&mut state, Action::Scroll(3), &run);
        let screen = screen_of(80, 24, &run, &mut state, at(200));
        firsts.push(state.layers.settle(60, seen));
        let selected = (0..80).any(|x| {
            (state.places.list.rows.top()..state.places.list.rows.bottom())
                .any(|y| screen.buffer()[(x, y)].modifier.contains(Modifier::REVERSED))
        });
        assert!(selected, "the selected row stays in sight");
    }
    assert_eq!((firsts[0], firsts[1], firsts[29]), (3, 6, 60 - seen));
    for _ in 0..30 {
        act(&mut state, Action::Scroll(-3), &run);
    }
    assert_eq!(state.layers.settle(60, seen), 0);
    // Of a list that fits nothing is out of sight.
    let (few, mut state) = (demo(3), UiState::default());
    screen_of(120, 40, &few, &mut state, at(200));
    act(&mut state, Action::Scroll(3), &few);
    assert_eq!(state.layers.selected, 0);
}

#[test]
fn the_help_scrolls_by_the_wheel() {
    let run = demo(1);
    let mut state = on(View::Help);
    screen_of(40, 10, &run, &mut state, at(1));
    act(&mut state, Action::Scroll(3), &run);
    assert_eq!(state.text.first, 3);
    act(&mut state, Action::Scroll(-9), &run);
    assert_eq!(state.text.first, 0);
}

#[test]
fn ascii_is_all_that_is_drawn_where_there_is_nothing_else() {
    let ascii = || UiState::new(Appearance { symbols: Symbols::Ascii, ..Appearance::default() });
    let runs = [empty(), demo(7), demo(12), many_layers(60)];
    for run in &runs {
        for page in View::ALL {
            for (columns, rows) in SIZES {
                let mut state = ascii();
                (state.view, state.layers.sort) = (page, by(&LAYERS, "share"));
                let screen = screen_of(columns, rows, run, &mut state, at(200));
                let odd = screen.buffer().content().iter().find(|cell| !cell.symbol().is_ascii());
                assert!(odd.is_none(), "{odd:?}");
            }
        }
    }
    for (columns, rows) in [(40, 10), (80, 24), (120, 40)] {
        assert_screen("ascii", columns, rows, &runs[1], &mut ascii(), at(13));
    }
    let mut state = ascii();
    state.view = View::Help;
    assert_screen("ascii-help", 80, 24, &runs[1], &mut state, at(13));
    state = ascii();
    state.layers.sort = by(&LAYERS, "share");
    assert_screen("ascii-many-layers", 80, 24, &runs[3], &mut state, at(200));
}

#[test]
fn a_row_is_copied_with_every_digit_and_cannot_steer_a_terminal() {
    let layers = model(&demo(7), at(0)).summary.layers;
    let cells: Vec<String> = row(&layers[0]).split('\t').map(str::to_owned).collect();
    assert_eq!((cells.len(), cells.last().map(String::as_str)), (10, Some("neurobench")));
    assert_eq!(cells[0], layers[0].name);
    assert_eq!(cells[4].parse::<f64>().ok(), layers[0].sums.effective_per_sample(), "every digit");
    assert_eq!(cells[6].parse::<f64>().ok(), layers[0].sums.sparsity(), "every digit");
    let mut strange = model(&many_layers(3), at(0)).summary.layers.remove(2);
    strange.name = "a\tb\n\u{1b}]52;c;eA==\u{7}".into();
    let text = row(&strange);
    assert!(
        text.ends_with("\tRLeaky\tsubtract\t\t\t\t\t\t\t"),
        "a figure that is not known is empty: {text:?}"
    );
    assert_eq!(text.matches('\t').count(), 9);
    assert!(!text.contains(['\n', '\u{1b}', '\u{7}']), "{text:?}");
}

#[test]
fn what_is_copied_is_what_is_selected_in_the_view() {
    let shown = ViewModel { rows: rows(), shown: 1, ..model(&many_layers(3), at(12)) };
    let copied = |view, selected: usize| {
        let mut state = on(view);
        (state.runs.selected, state.problems.list.selected) = (selected, selected);
        state.selected_text(&shown).expect("a text")
    };
    let (name, text) = copied(View::Runs, 0);
    assert_eq!(name, "baseline-seed0");
    let cells: Vec<&str> = text.split('\t').collect();
    assert_eq!(cells[..3], ["baseline-seed0", "192", "27693.041666666668"]);
    assert!(!copied(View::Runs, 3).1.contains('\u{1b}'));
    let (_, text) = copied(View::Problems, 0);
    assert!(text.contains("batch-000007.npz") && text.ends_with("write the batch again"), "{text}");
    assert!(copied(View::Overview, 0).0.starts_with("backbone.stage0"));
}

/// A run whose layers' trends differ, drawn in the charts.
fn charted(run: &Run, actions: &[Action]) -> UiState {
    let mut state = on(View::Charts);
    screen_of(120, 40, run, &mut state, at(200));
    for action in actions {
        act(&mut state, *action, run);
    }
    state
}

/// The total and two layers.
const THREE_LINES: [Action; 4] =
    [Action::Go(Motion::Rows(1)), Action::Open, Action::Go(Motion::Rows(1)), Action::Open];

#[test]
fn charts_of_several_lines_at_every_size() {
    let run = demo(12);
    for (columns, rows) in SIZES {
        assert_screen("charts", columns, rows, &run, &mut charted(&run, &[]), at(24));
        assert_screen("charts-lines", columns, rows, &run, &mut charted(&run, &THREE_LINES), at(24));
    }
}

#[test]
fn charts_are_zoomed_and_read_off_at_a_cursor() {
    let run = many_layers(9);
    let actions =
        [Action::Scale, Action::Lines, Action::Zoom(1), Action::Pan(-1), Action::Side(-1), Action::Side(-1)];
    let actions: Vec<Action> = THREE_LINES.into_iter().chain(actions).collect();
    for (columns, rows) in SIZES {
        assert_screen("charts-zoomed", columns, rows, &run, &mut charted(&run, &actions), at(200));
    }
    let mut state = charted(&run, &actions);
    assert!(state.charts.is_zoomed() && state.charts.cursor.is_some());
    act(&mut state, Action::Whole, &run);
    assert!(!state.charts.is_zoomed() && state.charts.cursor.is_none());
}

#[test]
fn a_layer_without_a_price_has_no_line_and_says_so() {
    let run = many_layers(3);
    let mut state = charted(&run, &[Action::Open, Action::Go(Motion::Rows(3)), Action::Open]);
    let screen = screen_of(120, 40, &run, &mut state, at(200)).to_string();
    assert!(screen.contains("nothing to draw yet"), "{screen}");
}

#[test]
fn a_click_on_a_chart_sets_the_cursor_and_the_wheel_zooms() {
    let run = demo(12);
    let mut state = charted(&run, &[]);
    screen_of(120, 40, &run, &mut state, at(24));
    let (graph, window) = state.places.plot.expect("a chart");
    assert_eq!(window, (1.0, 12.0));
    act(&mut state, Action::Click(Position::new(graph.x, graph.y + 1)), &run);
    assert_eq!(state.charts.cursor, Some(1.0));
    act(&mut state, Action::Click(Position::new(graph.right() - 1, graph.y + 1)), &run);
    assert_eq!(state.charts.cursor, Some(12.0));
    act(&mut state, Action::Scroll(-3), &run);
    assert!(state.charts.is_zoomed());
    act(&mut state, Action::Scroll(3), &run);
    assert!(!state.charts.is_zoomed());
    let rows = state.places.list.rows;
    act(&mut state, Action::Click(Position::new(rows.x, rows.y + 2)), &run);
    assert_eq!(state.charts.drawn().count(), 2, "a click on a line's name draws it");
}

/// The times of a run that writes a batch in 20 s.
fn timing(status: Status, part: f64) -> Timing {
    let done = Duration::from_secs_f64(3600.0 * part);
    let (age, left) = match status {
        Status::Waiting => return Timing::default(),
        Status::Live => (Duration::from_secs(3), Some(Duration::from_secs(3600) - done)),
        Status::Stalled(quiet) => (quiet.unwrap_or_default(), None),
        Status::Stopped => (Duration::from_secs(60), None),
        Status::Finished => (Duration::from_secs(50 * 3600), None),
    };
    Timing {
        age: Some(age),
        elapsed: Some(done),
        batches_per_second: Some(0.05),
        samples_per_second: Some(0.8),
        left,
        ..Timing::default()
    }
}

/// Runs in every state.
pub(crate) fn rows() -> Vec<RunRow> {
    let row = |number: usize, name: &str, status, part: f64| RunRow {
        number,
        name: name.into(),
        directory: None,
        status,
        timing: timing(status, part),
        progress: (part > 0.0).then_some(part),
        run: Arc::new(demo((12.0 * part) as usize)),
        sums: RowSums {
            samples: (192.0 * part) as u128,
            updates: None,
            operations: Some(Operations {
                effective: (5_317_064.0 * part) as u128,
                dense: (6_109_440.0 * part) as u128,
            }),
            energy_per_op: None,
            neurons: None,
        },
        uncertainty: None,
        is_measured: false,
        problems: number as u64 % 2,
        is_settled: false,
        complete: part == 1.0,
        refused: false,
    };
    let mut rows = vec![
        row(3, "baseline-seed0", Status::Finished, 1.0),
        row(1, "threshold-1.5", Status::Live, 0.5),
        row(0, "a-run-with-a-name-that-is-longer-than-any-column-could-ever-be", Status::Waiting, 0.0),
        row(2, "odd\u{1b}[2J", Status::Stalled(Some(Duration::from_secs(400))), 0.25),
    ];
    rows.push(RunRow { refused: true, ..row(4, "newer", Status::Waiting, 0.0) });
    rows
}

/// Three runs of one name, and one that is called otherwise than its directory.
#[test]
fn runs_of_one_name_have_their_directories_in_the_list_and_in_the_header() {
    let mut all = rows();
    for (row, directory) in all.iter_mut().zip(["seed-1", "seed-2", "lr-0.01/seed-1", "lr-0.001/seed-1"]) {
        (row.name, row.directory) = ("digits-snn".to_owned(), Some(directory.to_owned()));
    }
    let several = ViewModel { rows: all, shown: 1, ..model(&demo(6), at(12)) };
    for (columns, height) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        let screen = draw_on(columns, height, &several, &mut on(View::Runs));
        insta::assert_snapshot!(format!("directories-{columns}x{height}"), screen);
    }
}

/// The header of a run in every state that its times can have.
#[test]
fn the_header_says_how_old_a_run_is() {
    let headers = |run: &Run, now: SystemTime| {
        let header = |columns: u16| {
            let screen = screen_of(columns, 24, run, &mut UiState::default(), now).to_string();
            screen.lines().take(3).map(|line| line.trim_matches('"').to_owned() + "\n").collect::<String>()
        };
        [80, 120, 200].map(header).concat()
    };
    let mut dead = demo(7);
    let mut headings = vec![
        ("live", headers(&dead, at(13))),
        ("stalled", headers(&dead, at(2 * DAY))),
        ("finished", headers(&demo(12), at(2 * DAY))),
    ];
    dead.find(3000, [(None, at(12))].into_iter(), at(13));
    headings.push(("catching up", headers(&dead, at(13))));
    let (mut copied, count) = (empty(), BatchCount { samples: 16, shapes: [].into(), layers: Vec::new() });
    for number in 0..4 {
        let batch = Addition::new(number.into(), format!("batch-{number}.npz"), at(0), 1, count.clone());
        copied.add(batch, at(10));
    }
    headings.push(("copied", headers(&copied, at(10))));
    let late = Addition::new(9.into(), "batch-9.npz".into(), at(7300), 1, count);
    copied.add(late, at(10));
    headings.push(("from the future", headers(&copied, at(10))));
    let text: String = headings.into_iter().map(|(name, lines)| format!("{name}\n{lines}\n")).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn the_list_of_runs_at_every_size() {
    let several = ViewModel {
        rows: rows(),
        shown: 1,
        base: baseline(),
        marked: Some(3),
        left_out: 7,
        ..model(&demo(6), at(12))
    };
    for (columns, height) in SIZES {
        let mut state = on(View::Runs);
        state.runs.selected = 1;
        let screen = draw_on(columns, height, &several, &mut state);
        insta::assert_snapshot!(format!("runs-{columns}x{height}"), screen);
    }
}

#[test]
fn runs_are_chosen_marked_and_walked_through() {
    let several = ViewModel { rows: rows(), shown: 1, ..model(&demo(6), at(12)) };
    let mut state = on(View::Runs);
    draw_on(120, 40, &several, &mut state);
    state.update(Action::Go(Motion::Last), &several);
    assert_eq!(state.update(Action::Baseline, &several), Some(Request::Mark(4)));
    assert_eq!(state.update(Action::Open, &several), Some(Request::Show(4)));
    assert_eq!(state.view, View::Overview);
    assert_eq!(state.update(Action::Baseline, &several), Some(Request::Mark(1)), "the one in front");
    assert_eq!(state.update(Action::NextRun(1), &several), Some(Request::Show(0)), "as they are listed");
    assert_eq!(state.update(Action::NextRun(-1), &several), Some(Request::Show(3)));
    let mut state = on(View::Runs);
    draw_on(120, 40, &several, &mut state);
    let area = state.places.list.rows;
    let click = Action::Click(Position::new(area.x + 3, area.y + 2));
    assert_eq!(state.update(click, &several), None, "a click selects");
    assert_eq!(state.update(click, &several), Some(Request::Show(0)), "another one opens");
}

#[test]
fn runs_are_sorted_and_the_selected_one_opens() {
    let several = ViewModel { rows: rows(), shown: 1, ..model(&demo(6), at(12)) };
    let mut state = on(View::Runs);
    draw_on(120, 40, &several, &mut state);
    let done = RUNS.columns.iter().position(|column| column.heading == "done").expect("a column");
    let heading =
        state.places.list.headings.iter().find(|(column, _)| *column == done).expect("it is shown").1;
    state.update(Action::Click(heading.as_position()), &several);
    assert_eq!(state.runs.sort, by(&RUNS, "done"));
    let mut opened = Vec::new();
    for row in 0..5 {
        state.show(View::Runs);
        state.runs.selected = row;
        opened.push(state.update(Action::Open, &several).expect("a run"));
    }
    // From the furthest down; those of which nothing is known come last, as they are listed.
    assert_eq!(opened, [3, 1, 2, 0, 4].map(Request::Show));
    state.show(View::Runs);
    assert_eq!(state.update(Action::NextRun(1), &several), Some(Request::Show(2)), "as they are sorted");
}

#[test]
fn views_are_reached_by_number_by_tab_and_by_click() {
    let run = demo(3);
    let mut state = UiState::default();
    let mut seen = vec![state.view];
    let views: Vec<View> = View::of_run(false).collect();
    for _ in 1..views.len() {
        act(&mut state, Action::NextView(1), &run);
        seen.push(state.view);
    }
    assert_eq!(seen, views);
    act(&mut state, Action::NextView(1), &run);
    assert_eq!(state.view, View::Overview, "in a circle");
    act(&mut state, Action::NextView(-1), &run);
    assert_eq!(state.view, View::Steps);
    screen_of(120, 40, &run, &mut state, at(6));
    assert_eq!(state.places.tabs.len(), views.len());
    for (view, area) in state.places.tabs.clone() {
        act(&mut state, Action::Click(area.as_position()), &run);
        assert_eq!(state.view, view);
    }
    act(&mut state, Action::Back, &run);
    act(&mut state, Action::Open, &run);
    assert_eq!(state.view, View::Layer, "Enter opens the selected layer");
}

#[test]
fn the_compact_mode_leaves_frames_and_charts_out() {
    let run = demo(7);
    let mut state = UiState::default();
    act(&mut state, Action::Compact, &run);
    assert_screen("compact", 80, 24, &run, &mut state, at(13));
    assert_screen("compact", 120, 40, &run, &mut state, at(13));
}

/// The detail of a layer of the demo's run in its newest batch.
pub(crate) fn detail(run: &Run, layer: &str) -> DetailResult {
    let batch = run.newest_batch().expect("a batch").to_owned();
    let key = DetailKey { directory: support::demo_run(), batch, layer: layer.into() };
    let path = key.directory.join(&key.batch);
    let found =
        read_layer_detail(&path, run.manifest(), layer, &mut Scratch::default(), &AtomicBool::new(false));
    DetailResult { key, result: found.map_err(|error| error.to_string()) }
}

pub(crate) fn with_detail(detail: DetailResult, model: &ViewModel) -> ViewModel {
    ViewModel { detail: Some(Arc::new(detail)), ..model.clone() }
}

#[test]
fn one_layer_at_every_size() {
    let run = demo(7);
    for (selected, layer) in [(0, "lif1"), (3, "out")] {
        let model = with_detail(detail(&run, layer), &model(&run, at(13)));
        for (columns, rows) in SIZES {
            let mut state = on(View::Layer);
            state.layers.selected = selected;
            let screen = draw_on(columns, rows, &model, &mut state);
            insta::assert_snapshot!(format!("layer-{layer}-{columns}x{rows}"), screen);
        }
    }
}

#[test]
fn a_layer_without_detail_says_why() {
    let run = demo(7);
    let bare = model(&run, at(13));
    let screen = |detail: Option<&DetailResult>| {
        let model = detail.map_or(bare.clone(), |detail| with_detail(detail.clone(), &bare));
        draw_on(120, 40, &model, &mut on(View::Layer)).to_string()
    };
    assert!(screen(None).contains("reading the newest batch"));
    let of_another = detail(&run, "out");
    assert!(screen(Some(&of_another)).contains("reading the newest batch"), "never another layer's");
    let mut gone = detail(&run, "lif1");
    gone.result = Err("batch-000006.npz is\u{1b}[2J gone".into());
    assert!(screen(Some(&gone)).contains("is\\u{1b}[2J gone"));
    let mut silent = detail(&run, "lif1");
    if let Ok(detail) = &mut silent.result {
        (detail.potentials, detail.rates) = (None, None);
    }
    let screen = screen(Some(&silent));
    assert!(screen.contains("packed bits") && screen.contains("too many neurons"), "{screen}");
}

/// Without neurons an array needs no bytes, however long its other axes are.
#[test]
fn a_layer_without_neurons_and_with_endless_axes_is_drawn() {
    let run = demo(7);
    let bare = model(&run, at(13));
    let screen = |shape: Vec<u64>, rates: Vec<u64>| {
        let mut endless = detail(&run, "lif1");
        if let Ok(detail) = &mut endless.result {
            (detail.samples, detail.steps) = (1 << 40, 1 << 40);
            (detail.shape, detail.rates) = (shape, Some(rates));
        }
        draw_on(120, 40, &with_detail(endless, &bare), &mut on(View::Layer)).to_string()
    };
    let empty = screen(vec![1 << 40, 1 << 40, 0], Vec::new());
    assert!(empty.contains("nothing can change"), "{empty}");
    assert!(!screen(vec![1], vec![7]).contains("nothing can change"));
}

/// A run whose names, warnings and problems are megabytes of marks without a width.
fn endless_texts() -> Run {
    let marks = |first: &str| format!("{first}{}", "\u{301}".repeat(500_000));
    let layer = |name: &str| serde_json::json!({"name": name, "neuron": marks("n"), "reset": marks("r")});
    let manifest = serde_json::json!({
        "format": "neurotop", "version": 1, "run": marks("x"), "producer": marks("p"),
        "layers": [layer(&marks("a")), layer("b")], "warnings": [marks("w"), "word ".repeat(400_000)],
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    let problem = |number: usize| Problem {
        path: format!("batch-{number:05}.npz"),
        reason: if number == 0 { marks("y") } else { "it is wrong; write it again".into() },
        severity: Severity::SetAside,
    };
    let mut updates = vec![Change::Manifest(Arc::new(manifest)), Change::Watching(Watching::Events)];
    updates.extend((0..3000).map(|number| Change::Problem(problem(number))));
    let mut run = empty();
    apply(&mut run, updates, at(0));
    run
}

#[test]
fn texts_of_megabytes_take_no_more_of_the_screen_than_it_has() {
    let run = endless_texts();
    let model = model(&run, at(1));
    for view in View::ALL {
        for compact in [false, true] {
            let mut state = on(view);
            state.compact = compact;
            let screen = draw_on(120, 40, &model, &mut state);
            let longest = screen.buffer().content().iter().map(|cell| cell.symbol().chars().count()).max();
            assert!(longest <= Some(3), "{view:?}: {longest:?} characters in one cell");
        }
    }
}

#[test]
fn the_list_of_problems_says_what_it_leaves_out() {
    let run = endless_texts();
    let model = model(&run, at(1));
    let mut state = on(View::Problems);
    let text = draw_on(120, 40, &model, &mut state).to_string();
    assert!(text.contains("Problems (3004)") && text.contains("and 2,996 more"), "{text}");
    state.problems.list.selected = 1;
    state.update(Action::Open, &model);
    draw_on(120, 40, &model, &mut state);
    state.update(Action::Go(Motion::Last), &model);
    let text = draw_on(120, 40, &model, &mut state).to_string();
    assert!(text.contains("word word word"), "{text}");
    // The list has the kinds, the hundred of one of them by name, and how many more there are.
    state.update(Action::Go(Motion::First), &model);
    draw_on(120, 40, &model, &mut state);
    state.problems.list.selected = 102;
    let text = draw_on(120, 40, &model, &mut state).to_string();
    assert!(text.contains("and 2,899 more, which are not listed"), "{text}");
    assert!(text.contains("batch-00100.npz: it is wrong"), "{text}");
}

#[test]
fn the_map_of_neurons_has_colours_where_there_are_any() {
    let run = demo(7);
    let model = with_detail(detail(&run, "lif1"), &model(&run, at(13)));
    let symbols = |look: Appearance| -> HashSet<String> {
        let mut state = UiState::new(look);
        state.view = View::Layer;
        let screen = draw_on(120, 40, &model, &mut state);
        screen.buffer().content().iter().map(|cell| cell.symbol().to_owned()).collect()
    };
    let (halves, shades) =
        (symbols(themed(ThemeName::Dark, ColourDepth::True)), symbols(Appearance::default()));
    assert!(halves.contains("▀") && !halves.contains("▒"), "half blocks with two colours");
    assert!(!shades.contains("▀") && shades.contains("▒"), "sixteen colours are too few");
    assert!(symbols(themed(ThemeName::Monochrome, ColourDepth::True)).contains("▒"));
    let ascii = symbols(Appearance { symbols: Symbols::Ascii, ..Appearance::default() });
    assert!(ascii.iter().all(|symbol| symbol.is_ascii()), "{ascii:?}");
}

/// The demo's run after its first batches, to compare later ones with.
pub(crate) fn baseline() -> Option<Arc<ComparedRun>> {
    let summary = Summary::new(&demo(4), at(8));
    Some(Arc::new(ComparedRun::from_summary("baseline-seed0", &summary)))
}

#[test]
fn every_figure_is_compared_with_the_baseline() {
    let run = demo(12);
    let compared = ViewModel { base: baseline(), ..model(&run, at(24)) };
    for view in [View::Overview, View::Layer] {
        for (columns, rows) in SIZES {
            let screen = draw_on(columns, rows, &compared, &mut on(view));
            insta::assert_snapshot!(format!("compared-{}-{columns}x{rows}", view.name()), screen);
        }
    }
    let with = draw_on(120, 40, &compared, &mut UiState::default()).to_string();
    assert!(with.contains("against digits-snn"), "{with}");
    let itself = ViewModel { marked: Some(0), ..compared };
    let alone = draw_on(120, 40, &itself, &mut UiState::default()).to_string();
    assert!(!alone.contains("against"), "a run is not compared with itself");
}

/// A run of some of these layers, compared with a run of others.
fn compared_layers(layers: usize, base: usize) -> ViewModel {
    let summary = Summary::new(&many_layers(base), at(200));
    let base = Some(Arc::new(ComparedRun::from_summary("base", &summary)));
    ViewModel { base, ..model(&many_layers(layers), at(200)) }
}

/// A module has the layers that the baseline has in it, too, whether the run still has them or not.
#[test]
fn modules_and_the_sum_of_what_is_filtered_are_compared_with_the_baseline() {
    let line = |model: &ViewModel, state: &mut UiState, name: &str| {
        let lines = lines_of(&draw_on(200, 50, model, state));
        lines.into_iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}"))
    };
    let fewer = compared_layers(40, 60);
    let change = FigureChange {
        figure: Figure::EFFECTIVE_PER_SAMPLE,
        base: fewer.base.as_ref().and_then(|base| base.rows.total.value(Figure::EFFECTIVE_PER_SAMPLE)),
        new: fewer.summary.total.sums.effective_per_sample(),
    };
    let mut state = UiState::default();
    state.update(Action::Tree, &fewer);
    let root = line(&fewer, &mut state, "▾ backbone");
    assert!(root.contains(&change.text()), "as the total, {}: {root}", change.text());
    let same = line(&fewer, &mut state, "▸ stage0");
    assert!(same.matches("±0").count() >= 4 && !same.contains("-0.00"), "{same}");
    state.update(Action::Tree, &fewer);
    for character in "stage".chars() {
        state.update(Action::Type(character), &fewer);
    }
    let sum = line(&fewer, &mut state, "sum of 40");
    assert!(sum.contains(&change.text()), "the baseline has 60 of that name: {sum}");
    let added = compared_layers(60, 40);
    let mut state = UiState::default();
    state.update(Action::Tree, &added);
    let new = line(&added, &mut state, "▸ stage2");
    assert!(new.contains('–') && !new.contains("±0"), "the baseline has none of it: {new}");
}

/// The lines of a screen, without the quotes that a backend is shown with.
fn lines_of(screen: &TestBackend) -> Vec<String> {
    screen.to_string().lines().map(|line| line.trim_matches('"').to_owned()).collect()
}

/// What on these lines is a number that is not among those that may be there.
fn strange_numbers(lines: &[String], allowed: &[String]) -> Vec<String> {
    let words = lines.iter().flat_map(|line| line.split([' ', '│']));
    let numbers = words.map(|word| word.trim_end_matches(',')).filter(|word| word.contains(char::is_numeric));
    numbers.filter(|number| !allowed.iter().any(|known| known == number)).map(str::to_owned).collect()
}

#[test]
fn a_figure_is_short_or_left_out_and_never_cut() {
    let compared = ViewModel { base: baseline(), ..model(&demo(12), at(24)) };
    let (summary, layer) = (&compared.summary, &compared.summary.layers[0]);
    let wide = lines_of(&draw_on(300, 80, &compared, &mut on(View::Layer)));
    // With room for everything each figure is there, and with it its change.
    let mut allowed: Vec<String> =
        wide[4..7].iter().flat_map(|line| line.split([' ', '│'])).map(Into::into).collect();
    let wide = lines_of(&draw_on(300, 80, &compared, &mut UiState::default()));
    allowed.extend(wide[4..7].iter().flat_map(|line| line.split([' ', '│'])).map(str::to_owned));
    let figures =
        [summary.neurobench.neuron_operations.effective, summary.neurobench.neuron_operations.dense];
    let of_layer = [layer.sums.effective_per_sample(), layer.sums.dense_per_sample()];
    let counted = layer.sums.updates.expect("updates");
    let counts = [counted.effective as f64, counted.dense as f64, 512.0];
    let updates = [counted.effective as f64 / 192.0, summary.neurobench.membrane_updates];
    let all = figures.into_iter().chain(of_layer.into_iter().flatten()).chain(counts).chain(updates);
    allowed.extend(all.map(compact));
    for columns in 1..130 {
        let lines = lines_of(&draw_on(columns, 5, &compared, &mut UiState::default()));
        assert_eq!(strange_numbers(&lines[2..4], &allowed), [""; 0], "{columns} columns: {lines:#?}");
        let lines = lines_of(&draw_on(columns, 10, &compared, &mut on(View::Layer)));
        assert_eq!(strange_numbers(&lines[3..5], &allowed), [""; 0], "{columns} columns: {lines:#?}");
    }
    for columns in 60..130 {
        for view in [View::Overview, View::Layer] {
            let lines = lines_of(&draw_on(columns, 24, &compared, &mut on(view)));
            let figures = if view == View::Layer { 4..7 } else { 5..6 };
            assert_eq!(strange_numbers(&lines[figures], &allowed), [""; 0], "{columns} columns: {lines:#?}");
        }
    }
}

#[test]
fn every_figure_of_the_table_has_a_column_and_a_line_in_the_help() {
    let mut run = demo(12);
    for asked in [false, true] {
        run.set_energy(asked.then(|| "0.9pJ".parse().expect("an energy")));
        let shown = ViewModel { rows: rows(), ..model(&run, at(24)) };
        for view in [View::Overview, View::Runs] {
            let screen = draw_on(300, 60, &shown, &mut on(view)).to_string();
            for figure in FIGURES.iter().filter(|figure| figure.shown_in.contains(&ShownIn::Tables)) {
                let is_shown = asked || figure.basis != Basis::Energy;
                assert_eq!(screen.contains(figure.heading), is_shown, "{}: {screen}", figure.name);
            }
        }
        // 27,693.04 operations a sample of 0.9 pJ.
        assert_eq!(
            draw_on(300, 60, &shown, &mut on(View::Overview)).to_string().contains("24,923.74"),
            asked
        );
    }
    let help = lines_of(&screen_of(150, 140, &run, &mut on(View::Help), at(24))).join(" ");
    for figure in FIGURES.iter().filter(|figure| figure.shown_in.contains(&ShownIn::Tables)) {
        assert!(help.contains(figure.help), "{}: {help}", figure.name);
    }
}

#[test]
fn the_totals_have_whole_labels_with_the_energy_too() {
    let mut run = demo(12);
    run.set_energy(Some("0.9pJ".parse().expect("an energy")));
    for columns in 70..130 {
        let screen = draw_on(columns, 24, &model(&run, at(24)), &mut on(View::Overview)).to_string();
        for figure in FIGURES.iter().filter(|figure| figure.shown_in.contains(&ShownIn::Totals)) {
            assert!(screen.contains(figure.panel_label), "{columns} columns, {}: {screen}", figure.name);
        }
    }
}

#[test]
fn all_figures_of_a_layer_have_names_and_changes_or_none_has() {
    let compared = ViewModel { base: baseline(), ..model(&demo(12), at(24)) };
    for columns in 60..200 {
        let lines = lines_of(&draw_on(columns, 24, &compared, &mut on(View::Layer)));
        let last = &lines[6];
        let names =
            [["eff.", "effective/"], ["dense", "dense"], ["upd.", "updates/"], ["sparsity", "sparsity"]];
        let named = names.iter().filter(|names| names.iter().any(|name| last.contains(name))).count();
        assert!(named == 4 || named == 0, "{columns} columns: {last}");
        let changes = last.matches(['+', '-', '±']).count();
        assert!(changes == 4 || changes == 0, "{columns} columns: {last}");
        assert!(named == 4 || changes == 0, "a change goes before a name: {last}");
    }
}

#[test]
fn nothing_is_cut_from_what_is_said_of_problems() {
    for (run, said) in [
        (demo(7), "None: every batch that was seen is counted or waits its turn."),
        (many_layers(3), "set aside batch-000007.npz lif1.post: the data are corrupt"),
    ] {
        for columns in [20, 30, 40, 80] {
            let screen = screen_of(columns, 24, &run, &mut on(View::Problems), at(200));
            let lines = lines_of(&screen)[2..].join(" ");
            let whole = |text: &str| {
                text.chars().filter(|c| !c.is_whitespace() && !['│', '┃'].contains(c)).collect::<String>()
            };
            assert!(whole(&lines).contains(&whole(said)), "{columns} columns: {lines}");
        }
    }
}

#[test]
fn keys_that_do_nothing_are_not_shown() {
    let screen = screen_of(120, 24, &demo(7), &mut on(View::Ranks), at(13)).to_string();
    assert!(!screen.contains("sort") && !screen.contains("reverse"), "{screen}");
    let screen = screen_of(120, 24, &many_ranks(3), &mut on(View::Ranks), at(13)).to_string();
    assert!(screen.contains("sort") && screen.contains("reverse"), "{screen}");
}

#[test]
fn labels_of_an_axis_differ() {
    let mut run = empty();
    let shapes: Arc<[LayerShape]> = [LayerShape { name: "lif".into(), neurons: Some(vec![4]) }].into();
    let manifest = r#"{"format": "neurotop", "version": 1,
        "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero", "shape": [4]}]}"#;
    let manifest = Manifest::parse(manifest.as_bytes()).expect("a manifest");
    let mut updates = vec![Change::Manifest(Arc::new(manifest))];
    for number in 0..12 {
        let layer = LayerCount { updates: 837_500 + number, dense: 1_000_000, ..LayerCount::default() };
        let count = BatchCount { samples: 1, shapes: Arc::clone(&shapes), layers: vec![layer] };
        updates.push(counted(number, count));
    }
    apply(&mut run, updates, at(0));
    let screen = lines_of(&screen_of(80, 24, &run, &mut on(View::Charts), at(24)));
    let axis = screen.iter().filter_map(|line| line.split('│').nth(1));
    let labels: Vec<&str> = axis.map(str::trim).filter(|label| label.contains(['M', '%'])).collect();
    assert!(labels.len() >= 4 && labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
}

#[test]
fn the_axis_of_the_charts_has_the_numbers_of_the_batches() {
    let run = demo(12);
    for (actions, axis, note) in [
        (&[][..], "0 1 2 3 4 5 6 7 8 9 10 11", None),
        (&[Action::Zoom(1)], "6 7 8 9 10 11", Some("batches 6 to 11 of 0 to 11")),
        (&[Action::Zoom(1), Action::Pan(-1)], "5 6 7 8 9", Some("batches 5 to 9 of 0 to 11")),
        (&[Action::Side(-1), Action::Side(-1), Action::Side(-1)], "0 1 2 3 4 5 6 7 8 9 10 11", None),
    ] {
        let mut state = charted(&run, actions);
        let lines = lines_of(&screen_of(80, 24, &run, &mut state, at(24)));
        let is_axis = |line: &&String| {
            let Some(line) = line.trim_matches([' ', '│']).strip_prefix("batch ") else { return false };
            !line.is_empty() && line.chars().all(|character| character.is_numeric() || character == ' ')
        };
        let places: Vec<String> = lines
            .iter()
            .filter(is_axis)
            .map(|line| {
                line.trim_matches([' ', '│']).split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(places, [axis, axis], "{lines:#?}");
        let noted =
            lines.iter().filter_map(|line| Some(&line[line.find("batches ")?..line.find(" ╮")?])).next();
        assert_eq!(noted, note, "{lines:#?}");
    }
    let screen = screen_of(80, 24, &run, &mut charted(&run, &[]), at(24)).to_string();
    assert!(screen.contains("batch 11, 16 samples"), "{screen}");
}

#[test]
fn layers_and_charts_are_readable_without_colours() {
    let run = demo(12);
    let model = ViewModel {
        base: baseline(),
        rows: rows(),
        shown: 1,
        marked: Some(3),
        ..with_detail(detail(&run, "lif1"), &model(&run, at(24)))
    };
    for view in [View::Layer, View::Charts] {
        for theme in [ThemeName::ColourBlind, ThemeName::Monochrome] {
            for (columns, rows) in SIZES {
                let mut state = UiState::new(themed(theme, ColourDepth::Palette));
                state.show(View::Charts);
                state.update(Action::Go(Motion::Rows(1)), &model);
                state.update(Action::Open, &model);
                state.show(view);
                let screen = draw_on(columns, rows, &model, &mut state);
                insta::assert_snapshot!(
                    format!("theme-{}-{}-{columns}x{rows}", theme.name(), view.name()),
                    screen
                );
            }
        }
    }
}

#[test]
fn a_refreshed_model_has_the_figures_of_a_new_one() {
    let settings = || support::settings("exp1", false);
    let (mut run, mut runs) = (empty(), Runs::new(Path::new("exp1"), settings()));
    let mut model = ViewModel::new(&runs, Checks::default(), at(0));
    let shapes = |names: &[&str]| -> Arc<[LayerShape]> {
        names.iter().map(|name| LayerShape { name: (*name).into(), neurons: Some(vec![4]) }).collect()
    };
    let count = |number: u64, names: &[&str]| {
        let count = LayerCount {
            updates: 3 + number,
            dense: 64,
            updates_by_step: vec![3 + number],
            ..LayerCount::default()
        };
        let layers = names.iter().map(|_| count.clone()).collect();
        BatchCount { samples: 2, shapes: shapes(names), layers }
    };
    let batch = |number: u64, names: &[&str]| counted(number, count(number, names));
    let withdrawn = Change::Withdrawn { id: 3.into(), count: count(3, &["a", "b"]) };
    let manifest = serde_json::json!({"format": "neurotop", "version": 1, "layers": [
        {"name": "b", "neuron": "Alpha", "reset": "zero"}, {"name": "a", "neuron": "Leaky", "reset": "zero"}]});
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    let groups = [
        vec![batch(0, &["a"])],
        vec![batch(1, &["a"]), account(2, 3, 0)],
        vec![Change::Manifest(Arc::new(manifest))],
        vec![batch(2, &["a", "b"])],
        vec![batch(3, &["a", "b"]), account(4, 0, 1)],
        vec![withdrawn],
        vec![Change::Restarted("as you asked".into())],
        vec![batch(0, &["c"])],
        vec![Change::End(End::default())],
    ];
    for updates in groups {
        apply(&mut run, updates, at(9));
        runs.set(0, Path::new("exp1"), run.clone());
        model.refresh(&runs, at(9));
        let (shown, row) = (&model.summary, &model.rows[0]);
        assert_eq!(*shown, Summary::without_steps(&runs.shown().run, at(9)));
        let total = &shown.total;
        assert_eq!((row.sums, row.problems), (total.sums, shown.problem_count()));
    }
}

#[test]
fn a_paused_model_keeps_its_figures_and_can_still_be_compared() {
    let mut runs = Runs::new(Path::new("exp1"), support::settings("exp1", false));
    let mut run = demo(4);
    runs.set(1, Path::new("exp1/a"), run.clone());
    runs.set(2, Path::new("exp1/b"), demo(6));
    let mut model = ViewModel::new(&runs, Checks::default(), at(9));
    let before = model.summary.clone();
    model.paused = true;
    let problem = Problem { path: "x".into(), reason: "y".into(), severity: Severity::SetAside };
    apply(&mut run, [account(4, 2, 1), Change::Problem(problem)], at(20));
    runs.set(1, Path::new("exp1/a"), run.clone());
    runs.mark(2);
    model.refresh(&runs, at(99));
    assert_eq!((&model.summary, model.rows[0].problems), (&before, 0));
    assert_eq!((model.marked, model.baseline().is_some()), (Some(2), true));
    model.paused = false;
    model.refresh(&runs, at(99));
    assert_eq!(model.summary, Summary::without_steps(&run, at(99)));
    assert_eq!((model.rows[0].problems, model.summary.account.waiting), (1, 2));
}

#[test]
fn a_backlog_shows_how_long_it_takes() {
    let mut run = many_layers(3);
    let shapes: Arc<[LayerShape]> = run
        .tally()
        .layers()
        .iter()
        .map(|layer| LayerShape { name: layer.name.clone(), neurons: Some(vec![4]) })
        .collect();
    for number in 40..60 {
        let count =
            BatchCount { samples: 640, shapes: Arc::clone(&shapes), layers: vec![LayerCount::default(); 3] };
        let mut update = counted(number, count);
        if let Change::Counted(batch) = &mut update {
            batch.bytes = 300_000_000;
        }
        apply(&mut run, [update], START + Duration::from_millis(1000 + 100 * number));
    }
    apply(&mut run, [account(60, 20_000, 0)], START + Duration::from_millis(6900));
    let model = model(&run, START + Duration::from_millis(7000));
    let header = |columns: u16, rows: u16| {
        let screen = draw_on(columns, rows, &model, &mut UiState::new(Appearance::default()));
        screen.to_string().lines().take(3).map(|line| format!("{line}\n")).collect::<String>()
    };
    let headers: String =
        [(44, 12), (80, 24), (120, 34)].map(|(columns, rows)| header(columns, rows)).concat();
    insta::assert_snapshot!(headers);
}

/// The demo's layers in many ranks: rank 1 behind, rank 3 silent, rank 5 done, the last without a batch.
pub(crate) fn many_ranks(ranks: u32) -> Run {
    let layers = [("lif1", "Leaky"), ("lif2", "Synaptic"), ("head", "Alpha")];
    let entry = |&(name, neuron): &(&str, &str)| serde_json::json!({"name": name, "neuron": neuron, "reset": "zero", "shape": [8, 8]});
    let manifest = serde_json::json!({
        "format": "neurotop", "version": 1, "run": "digits-ranks", "producer": "the tests",
        "world_size": ranks, "expected_batches": 64 * ranks, "layers": layers.iter().map(entry).collect::<Vec<_>>(),
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    let mut run = empty();
    apply(&mut run, [Change::Manifest(Arc::new(manifest))], at(0));
    let shapes: Arc<[LayerShape]> = layers
        .into_iter()
        .map(|(name, _)| name)
        .map(|name| LayerShape { name: name.into(), neurons: None })
        .collect();
    let batches = |rank: u32| match rank {
        1 => 20,
        3 => 12,
        rank if rank + 1 == ranks => 0,
        _ => 32,
    };
    let mut updates = Vec::new();
    let mut all = 0;
    for number in 0..32_u64 {
        for rank in (0..ranks).filter(|&rank| number < batches(rank)) {
            let every = if rank == 1 { 3 } else { 2 };
            let count = |layer: u64| LayerCount {
                updates: 900 + 7 * number + u64::from(rank % 13) + layer,
                dense: 4096,
                ..LayerCount::default()
            };
            let count =
                BatchCount { samples: 4, shapes: Arc::clone(&shapes), layers: (0..3).map(count).collect() };
            let name = format!("rank-{rank}/batch-{number:06}.npz");
            let modified = at(every * number);
            let id = BatchId { number, rank: Some(rank) };
            updates.push(Change::Counted(Addition::new(id, name, modified, 1, count)));
            all += 1;
        }
    }
    for rank in 0..ranks {
        let (counted, waiting, set_aside) =
            (batches(rank), u64::from(rank % 4 == 2), u64::from(rank % 9 == 8));
        let seen = counted + waiting + set_aside;
        let account = Account { seen, counted, waiting, set_aside, ..Account::default() };
        updates.push(Change::Rank { rank, account: Some(account) });
    }
    let end = End::parse(br#"{"batches": 32}"#).expect("an end");
    updates.push(Change::RankEnd { rank: 5, end });
    updates.push(account(all, 0, 0));
    apply(&mut run, updates, at(62));
    run
}

/// The sizes of the others, those that the ranks are looked at in, and the smallest with a second column.
const RANK_SIZES: [(u16, u16); 6] = [(40, 10), (44, 12), (80, 24), (120, 40), (200, 50), (300, 80)];

#[test]
fn ranks_beside_the_layers_at_every_size() {
    let run = many_ranks(12);
    for (columns, rows) in RANK_SIZES {
        assert_screen("ranks-overview", columns, rows, &run, &mut UiState::default(), at(62));
    }
    let mut state = UiState::default();
    state.compact = true;
    assert_screen("ranks-overview-compact", 80, 24, &run, &mut state, at(62));
}

#[test]
fn the_table_of_ranks_at_every_size() {
    let run = many_ranks(12);
    for (columns, rows) in RANK_SIZES {
        assert_screen("ranks", columns, rows, &run, &mut on(View::Ranks), at(62));
    }
    assert_screen("ranks-of-none", 80, 24, &demo(3), &mut on(View::Ranks), at(6));
    let mut state = on(View::Ranks);
    state.compact = true;
    assert_screen("ranks-compact", 80, 24, &run, &mut state, at(62));
    let ascii = Appearance { symbols: Symbols::Ascii, ..Appearance::default() };
    for view in [View::Overview, View::Ranks] {
        let mut state = UiState::new(ascii);
        state.view = view;
        let screen = screen_of(120, 40, &run, &mut state, at(62));
        assert!(screen.buffer().content().iter().all(|cell| cell.symbol().is_ascii()));
        insta::assert_snapshot!(format!("ranks-ascii-{}", view.name()), screen);
    }
}

#[test]
fn a_silent_rank_is_in_the_header_of_every_view_until_the_run_is_over() {
    let mut run = many_ranks(12);
    for view in View::ALL {
        for (columns, rows) in RANK_SIZES {
            let screen = screen_of(columns, rows, &run, &mut on(view), at(62)).to_string();
            let header = screen.lines().next().expect("a line");
            assert!(header.contains("silent"), "{columns}x{rows}:\n{screen}");
        }
    }
    let ranks = model(&run, at(62)).summary.ranks;
    assert_eq!(neurotop::figures::silent_ranks(&ranks).as_deref(), Some("2 ranks silent: 3, 11"));
    assert_eq!(
        neurotop::figures::longest_silence(&ranks).as_deref(),
        Some("2 silent, rank 11 for 1 min 02 s")
    );
    apply(&mut run, [Change::RankEnd { rank: 11, end: End::default() }], at(62));
    let ranks = model(&run, at(62)).summary.ranks;
    assert_eq!(neurotop::figures::longest_silence(&ranks).as_deref(), Some("rank 3 silent for 40 s"));
    apply(&mut run, [Change::End(End::default())], at(62));
    let screen = screen_of(120, 40, &run, &mut UiState::default(), at(500)).to_string();
    let header = screen.lines().next().expect("a line");
    assert!(!header.contains("silent") && screen.contains("✓ done"), "{screen}");
}

#[test]
fn hundreds_of_ranks_sort_scroll_and_are_clicked_on() {
    let run = many_ranks(400);
    let ranks = model(&run, at(62)).summary.ranks;
    let mut state = on(View::Ranks);
    let screen = screen_of(120, 40, &run, &mut state, at(62)).to_string();
    assert!(screen.contains("Ranks (400)") && screen.contains("by state"), "{screen}");
    let order: Vec<u32> =
        RANKS.order(&ranks, state.ranks.sort).into_iter().map(|at| ranks[at].rank).collect();
    assert_eq!((&order[..4], order[399]), (&[399, 3, 1, 0][..], 5), "silent, behind, counting, done");
    act(&mut state, Action::Go(Motion::Last), &run);
    let screen = screen_of(120, 40, &run, &mut state, at(62)).to_string();
    assert!(screen.contains("398 ● counting") && screen.contains("5 ✓ done"), "{screen}");
    act(&mut state, Action::Go(Motion::First), &run);
    screen_of(120, 40, &run, &mut state, at(62));
    act(&mut state, Action::Scroll(30), &run);
    screen_of(120, 40, &run, &mut state, at(62));
    assert_eq!(state.ranks.selected, 30);
    // Every column sorts, both ways, and walks in a circle.
    let orders = RANKS.orders();
    for &sort in &orders {
        let reversed = Sort { descending: !sort.descending, ..sort };
        let order = RANKS.order(&ranks, sort);
        assert_ne!(order, RANKS.order(&ranks, reversed), "{sort:?}");
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), 400);
    }
    for _ in orders {
        act(&mut state, Action::Side(1), &run);
    }
    assert_eq!(state.ranks.sort, by(&RANKS, "state"));
    act(&mut state, Action::SortColumn(-1), &run);
    assert_eq!(state.ranks.sort, by(&RANKS, "rank"));
    act(&mut state, Action::SortReverse, &run);
    let screen = screen_of(120, 40, &run, &mut state, at(62)).to_string();
    assert!(screen.contains("by rank, reversed"), "{screen}");
    let (_, heading) = state.places.list.headings[3];
    act(&mut state, Action::Click(heading.as_position()), &run);
    assert_eq!(state.ranks.sort, by(&RANKS, "behind"));
    let screen = screen_of(120, 40, &run, &mut state, at(62));
    let row = state.places.list.rows;
    act(&mut state, Action::Click(Position::new(row.x, row.y + 2)), &run);
    assert_eq!(state.ranks.selected, 32, "{screen}");
    let mut state = UiState::default();
    act(&mut state, Action::NextView(-1), &run);
    act(&mut state, Action::NextView(-1), &run);
    assert_eq!(state.view, View::Ranks, "before the last view of a run with ranks");
}

/// An export has all that the views show, but the map of the neurons.
#[test]
fn an_exported_run_is_drawn_as_it_was() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("export.json");
    let run = demo(7).in_directory(&support::demo_run());
    let mut summary = Summary::new(&run, at(13));
    summary.read_potentials(&run, Instant::now() + Duration::from_secs(60));
    let json = Report::Run(&summary).render(Format::JSON, false).expect("JSON");
    std::fs::write(&file, json).expect("a file");
    let (_, again) = reopen(&file, Duration::from_secs(30), None).expect("a run").remove(0);
    for view in [View::Overview, View::Charts, View::Steps] {
        let screen = |run: &Run| lines_of(&screen_of(120, 40, run, &mut on(view), at(13)));
        assert_eq!(screen(&again), screen(&run), "{view:?}");
    }
    let live = with_detail(detail(&run, "lif1"), &model(&run, at(13)));
    let [live, again] = [&live, &model(&again, at(13))]
        .map(|model| draw_on(120, 40, model, &mut on(View::Layer)).to_string());
    insta::assert_snapshot!("layer-exported-120x40", again);
    let statistics =
        |screen: &str| screen.split_once(" mean ").expect("a mean").1.lines().next().map(str::to_owned);
    assert_eq!(statistics(&again), statistics(&live));
}

#[test]
fn a_run_without_ranks_is_told_in_whole_words_and_one_sample_is_no_plural() {
    let run = golden_run("float64");
    let model = model(&run, at(4));
    let ranks = draw_on(40, 10, &model, &mut on(View::Ranks)).to_string();
    assert!(ranks.contains("prefix of batches' names."), "{ranks}");
    let charts = draw_on(80, 24, &model, &mut on(View::Charts)).to_string();
    assert!(charts.contains("batch 2, 1 sample,"), "{charts}");
}

#[test]
fn ascii_draws_a_neuron_in_a_whole_cell_however_many_colours_there_are() {
    let run = demo(7);
    let model = with_detail(detail(&run, "lif1"), &model(&run, at(13)));
    let look = Appearance { symbols: Symbols::Ascii, ..themed(ThemeName::Dark, ColourDepth::Palette) };
    let mut state = UiState::new(look);
    state.view = View::Layer;
    let screen = draw_on(120, 40, &model, &mut state);
    let cells = screen.buffer().content();
    assert!(cells.iter().all(|cell| cell.bg == Color::Reset), "half of such a cell would hide the other");
    let colours: HashSet<Color> =
        cells.iter().filter(|cell| cell.symbol() == "@").map(|cell| cell.fg).collect();
    assert!(colours.len() > 4, "{colours:?}");
}

#[test]
fn layers_and_runs_that_look_alike_are_told_apart_on_every_screen_and_in_every_table() {
    let names = ["net.caf\u{e9}", "net.cafe\u{301}", "net.lif", "net.lif ", "net.out"];
    let told = ["net.caf\u{e9}", r"net.cafe\u{301}", "net.lif", r"net.lif\u{20}", "net.out"];
    let shapes = names.map(|name| LayerShape { name: name.to_owned(), neurons: Some(vec![4]) });
    let layers = names.map(|_| LayerCount {
        updates: 11,
        dense: 16,
        updates_by_step: vec![8, 3],
        ..LayerCount::default()
    });
    let mut run = empty();
    let count = BatchCount { samples: 2, shapes: Arc::new(shapes), layers: layers.to_vec() };
    apply(&mut run, [counted(0, count), account(1, 0, 0)], at(2));
    let mut model = model(&run, at(2));
    for view in [View::Overview, View::Charts, View::Steps] {
        let screen = draw_on(200, 50, &model, &mut on(view)).to_string();
        assert!(told.iter().all(|name| screen.contains(name)), "{view:?}: {screen}");
    }
    let mut state = on(View::Layer);
    state.layers.selected = 3;
    for (columns, rows) in [(40, 10), (120, 40)] {
        let screen = draw_on(columns, rows, &model, &mut state).to_string();
        assert!(screen.contains(told[3]), "{screen}");
    }
    let mut tree = UiState::default();
    tree.is_tree = true;
    assert!(draw_on(120, 40, &model, &mut tree).to_string().contains(r"lif\u{20}"));

    let summary = Summary::new(&run, at(2));
    for format in ["text", "md", "html"] {
        let format = <Format as clap::ValueEnum>::from_str(format, false).expect("a format");
        let text = Report::Run(&summary).render(format, false).expect("a document").replace("\\\\", "\\");
        assert!(text.contains(r"lif\u{20}") && text.contains(r"cafe\u{301}"), "{text}");
    }
    let json = Report::Run(&summary).render(Format::JSON, false).expect("JSON");
    assert!(json.contains(r#""net.lif ""#) && json.contains("net.cafe\u{301}"), "{json}");

    let row = |name: &str| RunRow { name: name.to_owned(), ..rows()[0].clone() };
    model.rows = vec![row("exp"), row("exp ")];
    model.run_names = told_apart(["exp", "exp "].into_iter());
    let screen = draw_on(120, 40, &model, &mut on(View::Runs)).to_string();
    assert!(screen.contains(r"exp\u{20}"), "{screen}");
}
