//! Several runs in one chart: marked in the list of runs, each with a colour and a mark of its own.

use crate::dashboard::{at, baseline, demo, demo_of, draw_on, model, on, rows, themed};
use neurotop::dashboard::{
    Action, ColourDepth, Motion, Request, RunRow, Subject, Theme, ThemeName, UiState, View, ViewModel,
};
use ratatui::backend::TestBackend;
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (200, 50)];

/// Runs of different lengths in every state, of which the one in the middle is in front.
fn several() -> ViewModel {
    ViewModel { rows: rows(), shown: 1, ..model(&demo(6), at(12)) }
}

/// The list of runs, in which those at these places are marked one after the other.
fn marked(places: &[usize], model: &ViewModel) -> UiState {
    let mut state = on(View::Runs);
    draw_on(120, 40, model, &mut state);
    for &place in places {
        state.runs.selected = place;
        assert_eq!(state.update(Action::MarkRun, model), None);
    }
    state
}

/// The line of keys at the bottom.
fn keys(screen: &TestBackend) -> String {
    let screen = screen.to_string();
    screen.lines().find(|line| line.contains(" q quit")).expect("keys").to_owned()
}

/// What stands below the charts of a line: its mark, its name and its figures.
fn figures(screen: &TestBackend, name: &str) -> String {
    let screen = screen.to_string();
    let line = screen.lines().find(|line| line.contains(name) && line.contains(" effective "));
    let line = line.unwrap_or_else(|| panic!("no figures of {name:?}:\n{screen}"));
    line[line.rfind(name).expect("the name")..].to_owned()
}

#[test]
fn marked_runs_are_in_the_list_and_in_the_charts_at_every_size() {
    let model = ViewModel { marked: Some(3), base: baseline(), ..several() };
    for (columns, rows) in SIZES {
        let mut state = marked(&[0, 2, 3], &model);
        state.say("", Instant::now() - Duration::from_secs(9));
        let list = draw_on(columns, rows, &model, &mut state);
        insta::assert_snapshot!(format!("list-{columns}x{rows}"), list);
        state.show(View::Charts);
        let charts = draw_on(columns, rows, &model, &mut state);
        insta::assert_snapshot!(format!("charts-{columns}x{rows}"), charts);
    }
}

#[test]
fn a_mark_is_the_runs_whatever_is_in_front_and_however_the_list_is_sorted() {
    let model = several();
    let mut state = marked(&[0, 3], &model);
    let places = |state: &UiState| [3, 2].map(|run| state.charts.place(&Subject::Run(run)));
    assert_eq!(places(&state), [Some(1), Some(2)]);
    state.show(View::Charts);
    let before = figures(&draw_on(200, 50, &model, &mut state), "2 baseline-seed0 ");
    // Another run in front, which is marked, too: its line is the total's.
    state.show(View::Runs);
    state.update(Action::SortColumn(1), &model);
    let front = ViewModel { run: Arc::clone(&model.row(2).expect("a run").run), shown: 2, ..model.clone() };
    state.show(View::Charts);
    let after = draw_on(200, 50, &front, &mut state);
    assert_eq!(places(&state), [Some(1), Some(2)]);
    let values = |line: &str| {
        line.split(" effective ").nth(1).expect("figures").trim_end_matches(['"', ' ']).to_owned()
    };
    assert_eq!(values(&figures(&after, "2 baseline-seed0 ")), values(&before));
    assert!(!after.to_string().contains("1 threshold-1.5"), "it is neither in front nor marked:\n{after}");
    assert_eq!(after.to_string().matches("→ odd").count(), 2, "in the list of lines and below:\n{after}");
}

#[test]
fn a_click_in_front_of_a_run_marks_it() {
    let model = several();
    for (columns, rows) in SIZES {
        let mut state = on(View::Runs);
        draw_on(columns, rows, &model, &mut state);
        let list = state.places.list.rows;
        let mut click = |x, row| state.update(Action::Click(Position::new(list.x + x, list.y + row)), &model);
        assert_eq!([click(0, 2), click(2, 1), click(1, 1), click(0, 0)], [None; 4]);
        assert_eq!(state.charts.marked_runs().collect::<Vec<_>>(), [0, 3], "{columns}x{rows}");
        assert_eq!((state.view, state.runs.selected), (View::Runs, 0), "it is selected, too");
    }
}

#[test]
fn the_keys_of_the_list_of_runs_fit_into_eighty_columns() {
    let mut state = on(View::Runs);
    let keys = keys(&draw_on(80, 24, &several(), &mut state));
    for key in ["Enter show", "b baseline", "Space mark", "< sort", "/ filter"] {
        assert!(keys.contains(key), "{keys}");
    }
}

#[test]
fn a_seventh_line_is_refused_with_a_word_and_no_line_gives_way() {
    let mut model = several();
    let more = model.rows[0].clone();
    model.rows.extend((5..8).map(|number| RunRow { number, name: format!("more-{number}"), ..more.clone() }));
    let mut state = marked(&[0, 1, 2, 3, 4, 5], &model);
    assert_eq!(state.charts.drawn().count(), 6);
    let message = state.message(Instant::now()).expect("a word").to_owned();
    assert!(message.contains("6 lines") && message.contains("unmark"), "{message}");
    assert_eq!(state.charts.place(&Subject::Total), Some(0));
    state.runs.selected = 0;
    state.update(Action::MarkRun, &model);
    state.runs.selected = 5;
    state.update(Action::MarkRun, &model);
    assert_eq!(state.charts.place(&Subject::Run(5)), Some(1), "it has the place that is free");
}

#[test]
fn space_marks_in_the_list_of_runs_and_pauses_elsewhere() {
    let model = several();
    let mut state = UiState::default();
    let space = "space".parse().expect("a key");
    for view in View::ALL {
        let action = state.keys.action_in(view, space);
        let wanted = if view == View::Runs { Action::MarkRun } else { Action::Ask(Request::Pause) };
        assert_eq!(action, Some(wanted), "{view:?}");
    }
    state.show(View::Runs);
    assert!(keys(&draw_on(120, 40, &model, &mut state)).contains("Space mark"));
    state.show(View::Charts);
    assert!(!keys(&draw_on(120, 40, &model, &mut state)).contains("Space"));
}

#[test]
fn runs_that_wait_and_runs_of_other_batches_share_the_axis() {
    let mut model = several();
    model.rows[0].run = Arc::new(demo_of(6..12));
    // The run that is marked second has no batches yet.
    let mut state = marked(&[0, 2], &model);
    state.show(View::Charts);
    let charts = draw_on(200, 50, &model, &mut state);
    assert_eq!(state.axis(&model).stops().len(), 12);
    let waiting = figures(&charts, "3 a-run");
    assert!(waiting.matches('–').count() >= 4, "it has no figures: {waiting}");
    for _ in 0..9 {
        state.update(Action::Side(-1), &model);
    }
    let charts = draw_on(200, 50, &model, &mut state);
    let front = figures(&charts, "1 → threshold-1.5");
    assert!(!front.contains('–'), "it has batch 3: {front}\n{charts}");
    for _ in 0..6 {
        state.update(Action::Side(1), &model);
    }
    let charts = draw_on(200, 50, &model, &mut state);
    assert!(figures(&charts, "1 → threshold-1.5").contains('–'), "it has not come so far:\n{charts}");
    assert!(charts.to_string().contains(" batch 9"), "{charts}");
}

#[test]
fn the_total_of_a_marked_run_in_front_is_drawn_once_and_hidden_once() {
    let model = several();
    let mut state = marked(&[1], &model);
    assert_eq!(state.line_of(&Subject::Total, &model), Some(1));
    state.show(View::Charts);
    state.update(Action::Open, &model);
    assert_eq!(state.charts.drawn().count(), 0);
    assert!(draw_on(120, 40, &model, &mut state).to_string().contains("nothing to draw yet"));
    state.update(Action::Open, &model);
    assert_eq!(state.line_of(&Subject::Total, &model), Some(0));
    // The other marked runs can be hidden here, too.
    let mut state = marked(&[0], &model);
    state.show(View::Charts);
    draw_on(120, 40, &model, &mut state);
    state.update(Action::Go(Motion::Rows(1)), &model);
    state.update(Action::Open, &model);
    assert_eq!(state.charts.marked_runs().count(), 0);
}

#[test]
fn marks_have_the_colours_of_their_lines_and_the_baseline_stands_out() {
    let model = ViewModel { marked: Some(3), ..several() };
    for theme in [ThemeName::Dark, ThemeName::Light, ThemeName::ColourBlind] {
        let mut state = marked(&[0, 3], &model);
        state.appearance = themed(theme, ColourDepth::Palette);
        let styles = Theme::new(state.appearance);
        let colours = [1, 2].map(|place| styles.series[place].fg.expect("a colour"));
        // The selected row has no colours of its own.
        state.runs.selected = 1;
        let list = draw_on(120, 40, &model, &mut state);
        assert_eq!(
            ["2", "3"].map(|mark| colour_of_mark(&list, mark)),
            colours.map(Some),
            "{theme:?}\n{list}"
        );
        state.show(View::Charts);
        let charts = draw_on(120, 40, &model, &mut state);
        let bold = charts.buffer().content().iter().filter(|cell| is_quadrant(cell.symbol()));
        let (count, all) = (bold.clone().count(), bold.clone().all(|cell| cell.fg == colours[0]));
        assert!(count > 20 && all, "{theme:?}: {count}\n{charts}");
        assert!(bold.clone().all(|cell| cell.modifier.contains(Modifier::BOLD)), "{theme:?}\n{charts}");
        let place = |name: &str| charts.to_string().rfind(name).expect("a name");
        assert!(
            place("2 = baseline-seed0") < place("1 → threshold-1.5"),
            "the baseline is the first below the charts:\n{charts}"
        );
    }
}

/// The colour of a mark before the name of a run.
fn colour_of_mark(list: &TestBackend, mark: &str) -> Option<Color> {
    let rows = list.buffer().content().chunks(120);
    rows.skip(3).find_map(|row| row[..5].iter().find(|cell| cell.symbol() == mark)).map(|cell| cell.fg)
}

fn is_quadrant(symbol: &str) -> bool {
    symbol.chars().all(|symbol| matches!(symbol, '▘'..='▟' | '▖' | '▗' | '▀' | '▄' | '▌' | '▐' | '█'))
}
