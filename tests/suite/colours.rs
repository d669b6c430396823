//! What the colours of the dashboard mean, widget by widget: each text looks as every theme says for its meaning.

use crate::dashboard::{
    account, at, baseline, demo, detail, draw_on, empty, many_layers, many_ranks, model, on, rows, themed,
    with_detail,
};
use crate::support::changes::{Change, apply};
use neurotop::dashboard::{Action, ColourDepth, Motion, Theme, ThemeName, UiState, View, ViewModel};
use neurotop::figures::{ComparedRun, Figure, Summary};
use neurotop::run::{Presence, Run};
use neurotop::snapshot::{End, SnapshotError};
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Style};
use std::sync::Arc;

const THEMES: [ThemeName; 4] =
    [ThemeName::Dark, ThemeName::Light, ThemeName::ColourBlind, ThemeName::Monochrome];

/// The style that a theme has for a meaning.
type Meaning = fn(&Theme) -> Style;

const ACCENT: Meaning = |theme| theme.accent;
const STRONG: Meaning = |theme| theme.strong;
const DIM: Meaning = |theme| theme.dim;
const GOOD: Meaning = |theme| theme.good;
const WARN: Meaning = |theme| theme.warn;
const BAD: Meaning = |theme| theme.bad;
const SELECTED: Meaning = |theme| theme.selected;
const RUNNING: Meaning = |theme| theme.running;

/// The cells of a text at the first place where it is written.
fn cells_of<'a>(screen: &'a TestBackend, text: &str) -> Option<Vec<&'a Cell>> {
    let buffer = screen.buffer();
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    let length = text.chars().count();
    let is_there = |cells: &&[Cell]| cells.iter().map(Cell::symbol).collect::<String>() == text;
    rows.flat_map(|row| row.windows(length)).find(is_there).map(|cells| cells.iter().collect())
}

fn has_style(cell: &Cell, style: Style) -> bool {
    cell.fg == style.fg.unwrap_or(Color::Reset)
        && cell.modifier.contains(style.add_modifier)
        && !cell.modifier.intersects(style.sub_modifier)
}

/// Draws a model in every theme, and holds each text against its meaning there.
fn assert_means(model: &ViewModel, state: impl Fn() -> UiState, meanings: &[(&str, Meaning)]) {
    for theme in THEMES {
        let mut state = state();
        state.appearance = themed(theme, ColourDepth::Palette);
        let styles = Theme::new(state.appearance);
        let screen = draw_on(120, 40, model, &mut state);
        for (text, meaning) in meanings {
            let cells =
                cells_of(&screen, text).unwrap_or_else(|| panic!("{text:?} is not written:\n{screen}"));
            for cell in cells.iter().filter(|cell| cell.symbol() != " ") {
                assert!(has_style(cell, meaning(&styles)), "{text:?} in {theme:?}: {cell:?}\n{screen}");
            }
        }
    }
}

/// A run after one more change.
fn after(mut run: Run, change: Change) -> Run {
    apply(&mut run, [change], at(200));
    run
}

#[test]
fn the_header_says_whether_the_run_needs_attention() {
    let overview = UiState::default;
    assert_means(&model(&demo(7), at(13)), overview, &[("● live", GOOD), ("neurobench", DIM)]);
    assert_means(&model(&demo(7), at(300)), overview, &[("◌ stalled", WARN)]);
    assert_means(&model(&demo(12), at(24)), overview, &[("✓ finished", GOOD), ("digits-snn", STRONG)]);
    assert_means(&model(&empty(), at(0)), overview, &[("○ waiting", DIM)]);
    let refused = Change::Refused(SnapshotError::new("version 2 of the format", "update neurotop"));
    assert_means(&model(&after(empty(), refused), at(0)), overview, &[("✗ refused", BAD)]);
    let gone = Change::Directory(Presence::Missing("unmounted".into()));
    assert_means(&model(&after(demo(7), gone), at(13)), overview, &[("directory gone: unmounted", BAD)]);
    assert_means(&model(&many_ranks(12), at(62)), overview, &[("◌ 2 silent", WARN)]);
    let paused = ViewModel { paused: true, ..model(&demo(7), at(13)) };
    assert_means(&paused, overview, &[("paused", SELECTED)]);
    let run = after(demo(12), account(12, 0, 1));
    assert_means(&model(&run, at(24)), overview, &[("! finished, 1 set aside", WARN)]);
}

#[test]
fn the_names_of_the_views_say_where_the_user_is_and_where_something_is_wrong() {
    let tabs = [("1 Overview", SELECTED), ("6 ", DIM), ("7 ", WARN)];
    assert_means(&model(&many_ranks(12), at(62)), UiState::default, &tabs);
    let problems = || on(View::Layer);
    let mut run = after(demo(7), Change::Refused(SnapshotError::new("no", "mend it")));
    assert_means(&model(&run, at(13)), problems, &[("5 Problems (1)", BAD), ("2 Layer", SELECTED)]);
    run = demo(7);
    assert_means(&model(&run, at(13)), problems, &[("5 Problems", DIM)]);
}

#[test]
fn the_footer_says_what_is_missing() {
    let state = UiState::default;
    assert_means(&model(&demo(12), at(24)), state, &[("complete", GOOD), ("0 set aside", DIM)]);
    assert_means(&model(&demo(7), at(13)), state, &[("no problems", DIM), (" q ", ACCENT), ("quit", DIM)]);
    let wrong = model(&many_layers(3), at(200));
    assert_means(&wrong, state, &[("1 set aside", BAD), ("4 problems: press 5", BAD)]);
    let said = || {
        let mut state = UiState::default();
        state.say("exported", std::time::Instant::now());
        state
    };
    assert_means(&wrong, said, &[("exported", ACCENT)]);
    let closing = || {
        let mut state = UiState::default();
        state.closes_at = Some(std::time::Instant::now() + std::time::Duration::from_secs(100));
        state
    };
    assert_means(&wrong, closing, &[("any key to stay", SELECTED)]);
}

#[test]
fn an_invalid_filter_is_marked_as_wrong() {
    let model = model(&many_layers(30), at(200));
    let typing = |text: &'static str| {
        let model = model.clone();
        move || {
            let mut state = UiState::default();
            state.update(Action::Filter, &model);
            for character in text.chars() {
                state.update(Action::Type(character), &model);
            }
            state
        }
    };
    assert_means(&model, typing("stage1("), &[("not a regular expression", BAD), (" /", ACCENT)]);
    assert_means(&model, typing("stage1"), &[(" 10 of 30 ", DIM)]);
}

#[test]
fn the_totals_agree_with_neurobench_or_do_not() {
    let state = UiState::default;
    let totals = [("= NeuroBench's own result", GOOD), ("dense ops", DIM), ("of dense is effective", DIM)];
    assert_means(&model(&demo(12), at(24)), state, &totals);
    let end = br#"{"neurobench": {"NeuronOperations": {"Effective Neuron Ops": 1.0, "Neuron Dense Ops": 31820.0}}}"#;
    let differs = after(demo(5), Change::End(End::parse(end).expect("an end")));
    assert_means(&model(&differs, at(10)), state, &[("≠ NeuroBench's own result", BAD)]);
    assert_means(&model(&many_layers(3), at(200)), state, &[("1 layer unpriced", WARN), ("━━━", RUNNING)]);
}

/// Against an earlier state of the same run, and the other way round: what is a gain there is a loss here.
#[test]
fn a_gain_is_good_and_a_loss_is_bad_in_every_list() {
    let against = |run: &Run, base: &Run| {
        let base = Some(Arc::new(ComparedRun::from_summary("baseline", &Summary::new(base, at(8)))));
        ViewModel { base, ..model(run, at(24)) }
    };
    let (early, late) = (demo(4), demo(12));
    let change = |model: &ViewModel| {
        let base =
            model.base.as_ref().expect("a baseline").rows.total.value(Figure::SPARSITY).expect("a sparsity");
        model.summary.total.sums.sparsity().expect("a sparsity") - base
    };
    let (gain, loss) = (against(&late, &early), against(&early, &late));
    assert!(change(&gain) > 0.0 && change(&loss) < 0.0);
    for (model, sign, meaning) in [(&gain, "+", GOOD), (&loss, "-", BAD)] {
        // The sparsity of the total, with its sign, in percentage points.
        let text = format!("{sign}{:.2} pp", change(model).abs() * 100.0);
        assert_means(model, UiState::default, &[(&text, meaning)]);
        let screen = draw_on(120, 40, model, &mut UiState::default());
        let signs = screen.buffer().content().iter().filter(|cell| matches!(cell.symbol(), "+" | "-"));
        let colours = |style: Style| signs.clone().filter(|cell| has_style(cell, style)).count();
        let theme = Theme::new(UiState::default().appearance);
        assert!(colours(meaning(&theme)) >= 3, "the total, and more of them in the lists:\n{screen}");
    }
}

#[test]
fn layers_show_names_first_and_what_has_no_price() {
    let meanings = [
        ("layer   ", DIM),
        ("effective", DIM),
        ("Synaptic", DIM),
        // The selected row has the style of the selection on top.
        ("backbone.stage0.block00", SELECTED),
        ("backbone.stage0.block01", STRONG),
    ];
    assert_means(&model(&many_layers(3), at(200)), UiState::default, &meanings);
    // A layer without a price has no figures, and its cost says so.
    let screen = draw_on(120, 40, &model(&many_layers(3), at(200)), &mut UiState::default());
    let theme = Theme::new(UiState::default().appearance);
    let dashes = screen.buffer().content().iter().filter(|cell| cell.symbol() == "–");
    assert_eq!(dashes.filter(|cell| has_style(cell, theme.warn)).count(), 1, "{screen}");
    assert_means(&model(&demo(7), at(13)), UiState::default, &[("trend", DIM), ("▁▁▁██▂▂▅▅██▅▅██", RUNNING)]);
}

#[test]
fn a_silent_rank_and_one_behind_are_shown_in_the_warning_colour() {
    let model = model(&many_ranks(12), at(62));
    let state = || {
        let mut state = on(View::Ranks);
        state.ranks.selected = 4;
        state
    };
    let meanings = [
        ("◌ silent", WARN),
        ("▼ behind", WARN),
        ("● counting", GOOD),
        ("✓ done", GOOD),
        ("40 s", WARN),
        ("         5 s", DIM),
        ("quiet for", DIM),
    ];
    assert_means(&model, state, &meanings);
    assert_means(&model, || on(View::Ranks), &[("11 ◌ silent", SELECTED)]);
    // Where there is no room for a list, a line says the same.
    let compact = || {
        let mut state = UiState::default();
        state.compact = true;
        state
    };
    assert_means(
        &model,
        compact,
        &[("2 silent", WARN), ("1 behind", WARN), ("8 counting", GOOD), ("1 done", GOOD)],
    );
}

#[test]
fn runs_show_which_need_attention() {
    let model = ViewModel {
        rows: rows(),
        shown: 1,
        base: baseline(),
        marked: Some(3),
        left_out: 7,
        ..model(&demo(6), at(12))
    };
    let state = || {
        let mut state = on(View::Runs);
        state.runs.selected = 1;
        state
    };
    let meanings = [
        ("✓ complete", GOOD),
        ("○ waiting", DIM),
        ("◌ stalled 6 min", WARN),
        ("✗ refused", BAD),
        ("7 older ones are not followed", WARN),
        ("baseline-seed0", STRONG),
        ("= ", ACCENT),
        ("threshold-1.5", SELECTED),
    ];
    assert_means(&model, state, &meanings);
    assert_means(&model, || on(View::Runs), &[("● live   ", GOOD)]);
}

#[test]
fn problems_that_cost_batches_are_wrong_and_others_a_warning() {
    let state = || on(View::Problems);
    let on_the_second = || {
        let mut state = on(View::Problems);
        state.problems.list.selected = 1;
        state
    };
    let meanings = [
        ("set aside  batch-000007.npz", BAD),
        ("unpriced", SELECTED),
        ("note  odd", WARN),
        ("the producer warns", WARN),
    ];
    assert_means(&model(&many_layers(3), at(200)), on_the_second, &meanings);
    assert_means(&model(&demo(7), at(13)), state, &[("None: every batch", GOOD)]);
    let end = br#"{"neurobench": {"NeuronOperations": {"Effective Neuron Ops": 1.0, "Neuron Dense Ops": 31820.0}}}"#;
    let differs = after(demo(5), Change::End(End::parse(end).expect("an end")));
    assert_means(&model(&differs, at(10)), state, &[("not equal to NeuroBench's own results", SELECTED)]);
}

#[test]
fn the_help_marks_keys_and_terms() {
    let end = || {
        let mut state = on(View::Help);
        draw_on(120, 40, &model(&demo(1), at(1)), &mut state);
        state.update(Action::Go(Motion::Last), &model(&demo(1), at(1)));
        state
    };
    assert_means(&model(&demo(1), at(1)), || on(View::Help), &[("q Ctrl-C", ACCENT)]);
    let figures = || {
        let mut state = end();
        state.update(Action::Go(Motion::Rows(-10)), &model(&demo(1), at(1)));
        state
    };
    assert_means(&model(&demo(1), at(1)), figures, &[("sparsity", STRONG)]);
    assert_means(&model(&demo(1), at(1)), end, &[("silent", STRONG)]);
}

#[test]
fn each_line_of_the_charts_has_a_colour_of_its_own_in_the_chart_the_list_and_the_values() {
    let model = model(&demo(12), at(24));
    let state = || {
        let mut state = on(View::Charts);
        draw_on(120, 40, &model, &mut state);
        for action in [Action::Go(Motion::Rows(1)), Action::Open, Action::Side(-1), Action::Side(-1)] {
            state.update(action, &model);
        }
        state.chart_lines.selected = 4;
        state
    };
    let meanings: [(&str, Meaning); 4] = [
        ("1 total ", |theme| theme.series[0]),
        ("2 lif1", |theme| theme.series[1]),
        ("  lif2", DIM),
        ("Lines", ACCENT),
    ];
    assert_means(&model, state, &meanings);
    // The numbers of the first and the last batch are dim, that at the cursor is not.
    assert_means(&model, state, &[("     10", ACCENT)]);
}

#[test]
fn small_charts_tell_running_figures_from_single_batches() {
    let meanings: [(&str, Meaning); 2] = [("━ running", RUNNING), ("• batch", |theme| theme.single)];
    assert_means(&model(&many_layers(9), at(200)), UiState::default, &meanings);
}

#[test]
fn the_view_of_a_layer_has_dim_labels_and_strong_values() {
    let run = demo(7);
    let with_detail = with_detail(detail(&run, "lif1"), &model(&run, at(13)));
    let meanings = [
        ("reset ", DIM),
        ("lif1", ACCENT),
        ("8×8×8", STRONG),
        ("Membrane potentials", ACCENT),
        ("█", RUNNING),
    ];
    assert_means(&with_detail, || on(View::Layer), &meanings);
    let mut wrong = detail(&run, "lif1");
    if let Ok(found) = &mut wrong.result
        && let Some(potentials) = &mut found.potentials
    {
        potentials.nan = 7;
    }
    let wrong = crate::dashboard::with_detail(wrong, &model(&run, at(13)));
    assert_means(&wrong, || on(View::Layer), &[("7 NaN", BAD)]);
}

#[test]
fn the_scroll_bar_stands_out_from_its_track() {
    let model = model(&many_layers(60), at(200));
    assert_means(&model, UiState::default, &[("┃", ACCENT), ("1/60", DIM)]);
    assert_means(&model, || on(View::Help), &[("┃", ACCENT)]);
}
