//! What the dashboard looks like: every page at several sizes, as pure functions of the state.

mod support;

use neurotop::cost::{Costs, LayerDefaults};
use neurotop::count::{BatchCount, LayerCount, Scratch, count_batch};
use neurotop::dashboard::{Action, Column, Moment, Page, Sort, State, Theme, draw};
use neurotop::follow::Account;
use neurotop::pipeline::{Presence, Problem, Severity, Update, Watching};
use neurotop::run::{Run, Settings};
use neurotop::snapshot::{Batch, End, LayerShape, Manifest, SnapshotError};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// When the first batch was written.
const START: SystemTime = SystemTime::UNIX_EPOCH;

fn at(seconds: u64) -> SystemTime {
    START + Duration::from_secs(seconds)
}

fn empty() -> Run {
    Run::new(Settings {
        name: "exp1".into(),
        costs: Costs::default(),
        neurons: LayerDefaults::default(),
        resets: LayerDefaults::default(),
        stall_after: Duration::from_secs(30),
        live: false,
    })
}

fn account(counted: u64, waiting: u64, set_aside: u64) -> Update {
    let seen = counted + waiting + set_aside;
    Update::Account(Account { seen, counted, waiting, set_aside, waiting_bytes: waiting * 3_500_000 })
}

fn counted(number: u64, count: BatchCount) -> Update {
    let name = format!("batch-{number:06}.npz");
    Update::Counted { number, name, modified: at(2 * number), bytes: 1, replaces: false, count }
}

/// The demo's run after some of its batches, one every two seconds.
fn demo(batches: usize) -> Run {
    let directory = support::demo_run();
    let manifest = Manifest::parse(&std::fs::read(directory.join("manifest.json")).expect("a file"))
        .expect("a manifest");
    let mut updates = vec![Update::Directory(Presence::Present), Update::Watching(Watching::Events)];
    let paths = support::batches(&directory);
    for (number, path) in paths.iter().take(batches).enumerate() {
        let batch = Batch::open(path, Some(&manifest)).expect("a batch");
        updates.push(counted(number as u64, count_batch(&batch, &mut Scratch::default()).expect("a count")));
    }
    updates.push(Update::Manifest(Arc::new(manifest)));
    updates.push(account(batches as u64, 0, 0));
    if batches == paths.len() {
        let end = End::parse(&std::fs::read(directory.join("end.json")).expect("a file")).expect("an end");
        updates.push(Update::End(end));
    }
    let mut run = empty();
    run.apply(updates, at(0));
    run
}

/// A run with many layers, some of them without a price, and with long and strange names.
fn many_layers(layers: usize) -> Run {
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
    run.apply(vec![Update::Manifest(Arc::new(manifest))], at(0));
    for number in 0..40 {
        let count = |layer: usize| {
            let dense = 1_000_000_000 * (layer as u64 + 1);
            LayerCount { updates: dense / (2 + (layer as u64 * 7 + number) % 9), dense }
        };
        let count = BatchCount {
            samples: 640,
            shapes: Arc::clone(&shapes),
            layers: (0..layers).map(count).collect(),
        };
        run.apply(vec![counted(number, count)], at(0));
    }
    let problem = |path: &str, reason: &str, severity| {
        Update::Problem(Problem { path: path.into(), reason: reason.into(), severity })
    };
    run.apply(
        vec![
            account(40, 3, 1),
            problem("batch-000007.npz", "lif1.post: the data are corrupt (their CRC-32 does not match); write the batch again", Severity::SetAside),
            problem("odd\u{1b}[2J.npz", "it is not counted, since its name gives no batch number; name it batch-N.npz if it is a batch", Severity::Notice),
        ],
        at(0),
    );
    run
}

fn screen_of(columns: u16, rows: u16, run: &Run, state: &mut State, now: SystemTime) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    let paused = state.frozen.is_some();
    terminal
        .draw(|frame| {
            draw(
                frame,
                &Moment::of(run, now),
                run.history(),
                state,
                &Theme::colours(),
                Instant::now(),
                paused,
            )
        })
        .expect("drawn");
    terminal.backend().clone()
}

fn on(page: Page) -> State {
    let mut state = State::default();
    state.page = page;
    state
}

fn scrolled() -> State {
    let mut state = State::default();
    state.sort = Sort { column: Some(Column::Share), descending: true };
    state.selected = 30;
    state
}

fn assert_screen(name: &str, columns: u16, rows: u16, run: &Run, state: &mut State, now: SystemTime) {
    let screen = screen_of(columns, rows, run, state, now);
    insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), screen);
}

const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (300, 80)];

#[test]
fn a_live_run_at_every_size() {
    let run = demo(7);
    for (columns, rows) in SIZES {
        assert_screen("live", columns, rows, &run, &mut State::default(), at(13));
    }
}

#[test]
fn a_finished_run_agrees_with_neurobench() {
    let run = demo(12);
    for (columns, rows) in SIZES {
        assert_screen("finished", columns, rows, &run, &mut State::default(), at(24));
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
        let mut state = on(Page::Problems);
        assert_screen("problems", columns, rows, &run, &mut state, at(200));
    }
}

#[test]
fn the_help() {
    for (columns, rows) in SIZES {
        let mut state = on(Page::Help);
        assert_screen("help", columns, rows, &demo(1), &mut state, at(1));
    }
}

#[test]
fn what_is_waited_for() {
    let mut run = empty();
    assert_screen("before-anything", 80, 24, &run, &mut State::default(), at(0));
    run.apply(vec![Update::Directory(Presence::Missing("it does not exist yet".into()))], at(0));
    assert_screen("no-directory", 80, 24, &run, &mut State::default(), at(0));
    assert_screen("no-directory", 40, 10, &run, &mut State::default(), at(0));
    run.apply(vec![Update::Refused(SnapshotError::new("version 2 of the format", "update neurotop"))], at(0));
    assert_screen("refused", 80, 24, &run, &mut State::default(), at(0));
}

#[test]
fn a_stalled_and_paused_run_that_is_polled() {
    let mut run = demo(3);
    let why = "NFS sends no events of what other machines write".to_owned();
    run.apply(vec![Update::Watching(Watching::Polling { every: Duration::from_secs(1), why })], at(4));
    let mut state = State::default();
    assert!(state.update(Action::Pause, &run, at(100)).is_none());
    assert_screen("stalled", 80, 24, &run, &mut state, at(100));
    assert_screen("stalled", 40, 10, &run, &mut state, at(100));
}

#[test]
fn an_end_that_differs() {
    let mut run = demo(5);
    let end = br#"{"neurobench": {"NeuronOperations": {"Effective Neuron Ops": 1.0, "Neuron Dense Ops": 31820.0}}}"#;
    run.apply(vec![Update::End(End::parse(end).expect("an end"))], at(10));
    let mut state = State::default();
    assert_screen("differs", 80, 24, &run, &mut state, at(10));
    state.page = Page::Problems;
    assert_screen("differs-problems", 80, 24, &run, &mut state, at(10));
}

#[test]
fn nothing_is_too_small_and_nothing_steers_the_terminal() {
    for run in [empty(), demo(12), many_layers(30)] {
        for page in [Page::Overview, Page::Problems, Page::Help] {
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
    let mut state = State::default();
    for layer in 0..60 {
        let screen = screen_of(160, 24, &run, &mut state, at(5)).to_string();
        let name = format!("stage{}.block{:02}", layer / 20, layer % 20);
        assert!(screen.contains(&name), "{name} is not shown with row {layer} selected:\n{screen}");
        assert_eq!(state.selected, layer);
        state.update(Action::Move(1), &run, at(5));
    }
    screen_of(160, 24, &run, &mut state, at(5));
    assert_eq!(state.selected, 59, "there is nothing below the last row");
    state.update(Action::First, &run, at(5));
    assert_eq!(state.selected, 0);
    state.update(Action::Last, &run, at(5));
    state.update(Action::Page(-1), &run, at(5));
    screen_of(160, 24, &run, &mut state, at(5));
    assert!(state.selected < 59 && state.selected > 0);
}

#[test]
fn what_has_no_figure_sorts_last_either_way() {
    let run = many_layers(9);
    let layers = Moment::of(&run, at(0)).summary.layers;
    for descending in [true, false] {
        let order = Sort { column: Some(Column::Effective), descending }.order(&layers);
        let unpriced = order[6..].iter().all(|&layer| layers[layer].ops_per_update.is_none());
        assert!(unpriced, "{order:?}");
    }
    let order = Sort { column: None, descending: true }.order(&layers);
    assert_eq!(order[0], 8);
}

#[test]
fn colours_say_what_words_say_too() {
    let foregrounds = |run: &Run, theme: Theme| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        let moment = Moment::of(run, at(24));
        terminal
            .draw(|frame| {
                draw(frame, &moment, run.history(), &mut State::default(), &theme, Instant::now(), false)
            })
            .expect("drawn");
        let cells = terminal.backend().buffer().content().to_vec();
        cells
            .into_iter()
            .filter(|cell| cell.symbol() != " ")
            .map(|cell| cell.fg)
            .collect::<std::collections::HashSet<_>>()
    };
    assert!(foregrounds(&demo(12), Theme::colours()).contains(&Color::Green));
    assert!(foregrounds(&many_layers(3), Theme::colours()).contains(&Color::Red));
    for run in [demo(12), many_layers(3)] {
        assert_eq!(foregrounds(&run, Theme::plain()), [Color::Reset].into());
    }
}
