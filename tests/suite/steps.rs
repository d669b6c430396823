//! When in time neurons are updated, and how figures are drawn so that they can be read: the views of steps and of one
//! layer, the charts' axes, legends and bands, and the large figures of the overview.

use crate::dashboard::{
    at, baseline, demo, detail, draw_on, empty, many_layers, model, on, themed, with_detail,
};
use crate::support::changes::{Change, apply};
use neurotop::count::{BatchCount, LayerCount};
use neurotop::dashboard::{
    Action, Appearance, ColourDepth, Motion, Scale, Symbols, ThemeName, UiState, View, ViewModel,
};
use neurotop::run::{Addition, Run};
use neurotop::snapshot::{LayerShape, Manifest};
use neurotop::text::thousands;
use ratatui::layout::Position;
use ratatui::style::Modifier;
use std::sync::Arc;
use std::time::Instant;

const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (200, 50)];

/// A run of layers whose updates at each step are given by a function of layer, batch and step.
fn stepped(layers: usize, batches: u64, steps: usize, updates: impl Fn(usize, u64, usize) -> u64) -> Run {
    named(|layer| format!("stage{}.lif{layer}", layer / 4), layers, batches, steps, updates)
}

fn named(
    name: impl Fn(usize) -> String,
    layers: usize,
    batches: u64,
    steps: usize,
    updates: impl Fn(usize, u64, usize) -> u64,
) -> Run {
    let entries: Vec<serde_json::Value> = (0..layers)
        .map(|layer| serde_json::json!({"name": name(layer), "neuron": "Leaky", "reset": "zero", "shape": [100]}))
        .collect();
    let manifest =
        serde_json::json!({"format": "neurotop", "version": 1, "run": "stepped", "layers": entries});
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    let shapes: Arc<[LayerShape]> =
        (0..layers).map(|layer| LayerShape { name: name(layer), neurons: Some(vec![100]) }).collect();
    let mut changes = vec![Change::Manifest(Arc::new(manifest))];
    for number in 0..batches {
        let layer = |layer: usize| {
            let updates_by_step: Vec<u64> = (0..steps).map(|step| updates(layer, number, step)).collect();
            let updates = updates_by_step.iter().sum();
            LayerCount { updates, dense: 1_000 * steps as u64, updates_by_step, ..LayerCount::default() }
        };
        let shapes = Arc::clone(&shapes);
        let count = BatchCount { samples: 10, shapes, layers: (0..layers).map(layer).collect() };
        let name = format!("batch-{number:06}.npz");
        changes.push(Change::Counted(Addition::new(number.into(), name, at(2 * number), 1, count)));
    }
    let mut run = empty();
    apply(&mut run, changes, at(2 * batches));
    run
}

fn wave(layer: usize, batch: u64, step: usize) -> u64 {
    let phase = (step as f64 / 7.0 + layer as f64).sin().abs();
    if step == 0 { 1_000 } else { (phase * 400.0) as u64 + batch % 7 }
}

#[test]
fn layers_by_time_step_at_every_size() {
    let (few, many) = (demo(7), stepped(40, 3, 100, wave));
    for (columns, rows) in SIZES {
        let screen = draw_on(columns, rows, &model(&few, at(13)), &mut on(View::Steps));
        insta::assert_snapshot!(format!("steps-{columns}x{rows}"), screen);
        let mut state = on(View::Steps);
        state.step = Some(41);
        state.layers.selected = 5;
        let screen = draw_on(columns, rows, &model(&many, at(13)), &mut state);
        insta::assert_snapshot!(format!("steps-many-{columns}x{rows}"), screen);
    }
}

#[test]
fn long_names_keep_what_differs() {
    let name = |layer: usize| format!("network.backbone.stages.{}.block.{}.neuron.lif", layer / 4, layer % 4);
    let run = named(name, 12, 2, 10, wave);
    for columns in [40, 60, 80] {
        let screen = draw_on(columns, 40, &model(&run, at(4)), &mut on(View::Steps)).to_string();
        for (stage, block) in [(0, 3), (1, 0), (2, 1)] {
            let name = screen.lines().find(|line| {
                let name: String = line.split('•').next().unwrap_or_default().to_owned();
                name.contains(&format!("{stage}.b")) && name.contains(&format!(".{block}"))
            });
            assert!(name.is_some(), "stage {stage}, block {block}: {screen}");
        }
    }
}

/// The updates of a layer, and of all layers together, in one step, as they are written.
fn in_step(run: &Run, layer: usize, step: usize) -> [String; 2] {
    let layers = run.tally().layers();
    let together = layers.iter().map(|layer| layer.updates_by_step[step]).sum();
    [layers[layer].updates_by_step[step], together].map(thousands)
}

#[test]
fn the_cursor_reads_the_exact_updates_of_a_step_by_keys_and_by_mouse() {
    let run = stepped(9, 3, 12, wave);
    let shown = model(&run, at(6));
    let mut state = on(View::Steps);
    draw_on(120, 40, &shown, &mut state);
    for action in [Action::Side(-1), Action::Side(-1), Action::Go(Motion::Rows(2))] {
        state.update(action, &shown);
    }
    assert_eq!(state.step, Some(10), "it comes from the right");
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    let [own, together] = in_step(&run, 2, 10);
    assert!(text.contains("step 11 stage0.lif2"), "{text}");
    assert!(text.contains(&format!("{own} updates; together {together}")), "{own} {together}: {text}");
    let (axis, rows) = (state.places.steps.expect("steps"), state.places.list.rows);
    let click = Position::new(axis.columns(axis.group(4)).start, rows.y + 7);
    state.update(Action::Click(click), &shown);
    assert_eq!((state.step, state.layers.selected), (Some(4), 7));
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    let [own, together] = in_step(&run, 7, 4);
    assert!(text.contains(&format!("{own} updates; together {together}")), "{text}");
    for _ in 0..30 {
        state.update(Action::Side(1), &shown);
    }
    assert_eq!(state.step, Some(11), "there is no step behind the last one");
    state.update(Action::Whole, &shown);
    assert_eq!((state.step, state.view), (None, View::Steps));
    state.update(Action::Open, &shown);
    assert_eq!(state.view, View::Layer, "Enter opens the layer");
}

#[test]
fn the_sums_at_the_edges_are_those_of_the_layers_that_are_shown() {
    let run = stepped(9, 3, 12, wave);
    let shown = model(&run, at(6));
    let mut state = on(View::Steps);
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    let all: u128 = run.tally().layers().iter().map(|layer| layer.updates().effective).sum();
    assert!(text.contains(&thousands(all)), "{text}");
    for layer in run.tally().layers() {
        assert!(text.contains(&thousands(layer.updates().effective)), "{}: {text}", layer.name);
    }
    for action in [Action::Filter, Action::Type('1'), Action::KeepFilter] {
        state.update(action, &shown);
    }
    state.show(View::Steps);
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    let few = run.tally().layers().iter().filter(|layer| layer.name.contains('1'));
    let few: u128 = few.map(|layer| layer.updates().effective).sum();
    assert!(text.contains(&thousands(few)) && !text.contains(&thousands(all)), "{text}");
    assert!(text.contains("5 of 9 layers"), "{text}");
}

#[test]
fn a_column_of_many_steps_says_that_it_is_a_mean_and_layers_may_have_fewer() {
    let run = stepped(3, 2, 400, wave);
    let text = draw_on(120, 24, &model(&run, at(6)), &mut on(View::Steps)).to_string();
    assert!(text.contains("a column: the mean of up to"), "{text}");
    let text = draw_on(80, 24, &model(&many_layers(3), at(6)), &mut on(View::Steps)).to_string();
    assert!(text.contains("no membrane update yet"), "{text}");
    let mut state = on(View::Steps);
    state.step = Some(usize::MAX);
    draw_on(120, 24, &model(&run, at(6)), &mut state);
    assert_eq!(state.step, Some(399), "another run may have fewer steps");
}

#[test]
fn the_heat_has_colours_where_there_are_enough_and_shades_elsewhere() {
    let run = stepped(5, 2, 20, wave);
    let drawn = |look: Appearance| {
        let mut state = UiState::new(look);
        state.view = View::Steps;
        draw_on(80, 24, &model(&run, at(6)), &mut state)
    };
    let colours = |look: Appearance| {
        let screen = drawn(look);
        let heat = screen.buffer().content().iter().filter(|cell| cell.symbol() == "█");
        heat.map(|cell| cell.fg).collect::<std::collections::HashSet<_>>().len()
    };
    assert!(colours(themed(ThemeName::Dark, ColourDepth::True)) > 8);
    assert!(colours(themed(ThemeName::Light, ColourDepth::Palette)) > 4);
    let sixteen = drawn(Appearance::default()).to_string();
    assert!(sixteen.contains('▒') && sixteen.contains('░'), "{sixteen}");
    assert_eq!(sixteen, drawn(themed(ThemeName::Monochrome, ColourDepth::True)).to_string());
    let ascii = drawn(Appearance { symbols: Symbols::Ascii, ..Appearance::default() }).to_string();
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn the_steps_of_a_layer_have_numbers_a_scale_and_a_cursor() {
    let run = demo(7);
    let shown = with_detail(detail(&run, "lif1"), &model(&run, at(13)));
    let mut state = on(View::Layer);
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    for label in ["80 %", "40 %", "0 %", "1: all, then at most 81.20 %"] {
        assert!(text.contains(label), "{label}: {text}");
    }
    let axis = state.places.steps.expect("steps");
    state.update(Action::Click(Position::new(axis.columns(4).start, axis.area.y + 3)), &shown);
    assert_eq!(state.step, Some(4));
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    let updates = run.tally().layers()[0].updates_by_step[4];
    assert!(text.contains("step 5") && text.contains(&format!("{} of", thousands(updates))), "{text}");
    state.update(Action::Side(1), &shown);
    assert_eq!(state.step, Some(5));
    let small = draw_on(40, 10, &shown, &mut state).to_string();
    assert!(small.contains("step 6 79.23 %"), "a small pane has the values too: {small}");
    for (columns, rows) in SIZES {
        let screen = draw_on(columns, rows, &shown, &mut state);
        insta::assert_snapshot!(format!("layer-cursor-{columns}x{rows}"), screen);
    }
}

#[test]
fn one_channel_of_the_neurons_fills_the_map_and_esc_goes_back() {
    let run = demo(7);
    let shown = with_detail(detail(&run, "lif1"), &model(&run, at(13)));
    let mut state = on(View::Layer);
    let all = draw_on(120, 40, &shown, &mut state).to_string();
    assert_eq!((state.places.channel_count, state.places.channels.len()), (8, 8));
    for action in [Action::Pan(1), Action::Pan(1), Action::Open] {
        state.update(action, &shown);
    }
    let alone = draw_on(120, 40, &shown, &mut state);
    insta::assert_snapshot!("channel-120x40", alone);
    assert!(alone.to_string().contains("channel 3 of 8"), "{alone}");
    assert_eq!(state.places.channels.len(), 1);
    state.update(Action::Back, &shown);
    assert_eq!(state.view, View::Layer, "Esc goes back to all channels first");
    state.update(Action::Whole, &shown);
    assert_eq!(draw_on(120, 40, &shown, &mut state).to_string(), all);
    let fifth = state.places.channels[4].1.as_position();
    state.update(Action::Click(fifth), &shown);
    assert_eq!((state.channel.selected, state.channel.is_alone), (4, false), "a click selects");
    state.update(Action::Click(fifth), &shown);
    assert!(state.channel.is_alone, "another one draws it alone");
    assert!(draw_on(120, 40, &shown, &mut state).to_string().contains("Enter channel"));
    state.update(Action::Go(Motion::Rows(1)), &shown);
    let other = draw_on(120, 40, &shown, &mut state).to_string();
    assert!(!other.contains("Enter channel"), "a key that does nothing is not shown: {other}");
    assert!(!state.channel.is_alone, "another layer has other channels");
    state.update(Action::Back, &shown);
    assert_eq!(state.view, View::Overview);
}

#[test]
fn silent_and_always_active_neurons_of_the_batch_are_counted() {
    let run = demo(7);
    let mut found = detail(&run, "lif1");
    if let Ok(detail) = &mut found.result {
        let times = detail.samples * (detail.steps - 1);
        detail.rates = Some(
            (0..512).map(|neuron| if neuron < 9 { 0 } else { times - 1 + u64::from(neuron < 12) }).collect(),
        );
    }
    let text = draw_on(200, 50, &with_detail(found, &model(&run, at(13))), &mut on(View::Layer)).to_string();
    assert!(text.contains("9 silent  3 always"), "{text}");
}

/// A state of the charts in which these lines are drawn beside the total.
fn drawn_lines(run: &Run, lines: usize) -> (UiState, ViewModel) {
    let (shown, mut state) = (model(run, at(200)), on(View::Charts));
    draw_on(120, 40, &shown, &mut state);
    for _ in 0..lines {
        state.update(Action::Go(Motion::Rows(1)), &shown);
        state.update(Action::Open, &shown);
    }
    (state, shown)
}

#[test]
fn a_seventh_line_is_refused_with_a_word() {
    let (mut state, shown) = drawn_lines(&stepped(9, 4, 5, wave), 5);
    assert_eq!((state.charts.drawn().count(), state.message(Instant::now())), (6, None));
    state.update(Action::Go(Motion::Rows(1)), &shown);
    state.update(Action::Open, &shown);
    assert_eq!(state.charts.drawn().count(), 6);
    let said = state.message(Instant::now()).expect("a word").to_owned();
    assert!(said.contains("hide one of them first"), "{said}");
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    assert!(text.contains("1 total"), "the total is still drawn: {text}");
}

#[test]
fn lines_that_are_far_apart_have_a_logarithmic_scale_and_the_axis_says_so() {
    let far = stepped(3, 6, 5, |layer, batch, _| 10_u64.pow(2 * layer as u32 + 1) + batch);
    let (mut state, shown) = drawn_lines(&far, 1);
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    assert!(text.contains("ops/sample, log scale"), "{text}");
    assert_eq!(state.places.scale, Scale::Logarithmic);
    state.update(Action::Scale, &shown);
    let text = draw_on(120, 40, &shown, &mut state).to_string();
    assert!(!text.contains("log scale"), "the user's choice goes first: {text}");
    let (mut state, shown) = drawn_lines(&demo(12), 2);
    assert!(!draw_on(120, 40, &shown, &mut state).to_string().contains("log scale"));
}

#[test]
fn charts_say_what_they_draw_at_every_size_that_has_frames() {
    let run = demo(7);
    for (columns, rows) in [(80, 24), (120, 40), (200, 50)] {
        for view in [View::Overview, View::Charts] {
            let text = draw_on(columns, rows, &model(&run, at(13)), &mut on(view)).to_string();
            let edges: String = text.lines().filter(|line| line.contains(['╭', '╰'])).collect();
            let legends = edges.matches("━ run").count();
            // On a narrow overview, sparsity has no chart of its own.
            let charts = if (view, columns) == (View::Overview, 80) { 1 } else { 2 };
            let dots = edges.matches("• ").count();
            assert_eq!((legends, dots), (charts, charts), "{view:?} {columns}x{rows}: {text}");
            assert!(text.contains("batch "), "{text}");
        }
    }
}

#[test]
fn the_running_figure_has_a_band_that_narrows() {
    let run = stepped(2, 40, 5, |_, batch, step| if step == 0 { 1_000 } else { 300 + (batch * 7919) % 60 });
    let mut state = on(View::Charts);
    let screen = draw_on(120, 40, &model(&run, at(200)), &mut state);
    let (graph, _) = state.places.plot.expect("a chart");
    let height =
        |x: u16| (graph.top()..graph.bottom()).filter(|&y| screen.buffer()[(x, y)].symbol() == "░").count();
    assert!(height(graph.x + graph.width / 5) > height(graph.right() - 3), "{screen}");
    for action in [Action::Lines, Action::Lines] {
        state.update(action, &model(&run, at(200)));
    }
    let single = draw_on(120, 40, &model(&run, at(200)), &mut state).to_string();
    assert!(!single.contains('░'), "single batches have none: {single}");
}

#[test]
fn axes_have_round_numbers_and_names() {
    let run = stepped(2, 95, 5, |_, batch, step| if step == 0 { 1_000 } else { 300 + (batch * 7919) % 60 });
    let text = draw_on(120, 40, &model(&run, at(200)), &mut on(View::Charts)).to_string();
    let axis = text.lines().find(|line| line.contains("batch 0")).expect("an axis");
    for number in [" 20", " 40", " 60", " 80", " 94"] {
        assert!(axis.contains(number), "{number}: {axis}");
    }
}

#[test]
fn the_most_important_figures_are_large_where_there_is_height() {
    let run = demo(7);
    for (columns, rows, is_large) in [(80, 24, false), (120, 40, true), (200, 50, true)] {
        for base in [None, baseline()] {
            let shown = ViewModel { base, ..model(&run, at(13)) };
            let text = draw_on(columns, rows, &shown, &mut UiState::default()).to_string();
            assert_eq!(text.contains("▀▀▀") || text.contains("██████"), is_large, "{text}");
            assert!(
                text.contains("27,790 ") || text.contains("27.8k ± 270 -0.98 %"),
                "all that is known is there too: {text}"
            );
        }
        let mut state = UiState::new(Appearance { symbols: Symbols::Ascii, ..Appearance::default() });
        let text = draw_on(columns, rows, &model(&run, at(13)), &mut state).to_string();
        assert_eq!(text.contains("@@@@@@"), is_large, "{text}");
    }
    let text = draw_on(120, 40, &model(&demo(12), at(24)), &mut UiState::default()).to_string();
    assert!(text.contains("  last 6 -0.53 %") && text.contains("last 6 +0.46 pp"), "{text}");
}

#[test]
fn shares_are_bars_too_and_the_trend_takes_the_rest() {
    let screen = draw_on(200, 50, &model(&demo(12), at(24)), &mut UiState::default());
    insta::assert_snapshot!("overview-200x50", screen);
    let buffer = screen.buffer();
    let row = (0..50)
        .find(|&y| (0..200).map(|x| buffer[(x, y)].symbol()).collect::<String>().contains("lif1"))
        .expect("a row");
    let blocks: Vec<_> = (0..165)
        .map(|x| &buffer[(x, row)])
        .filter(|cell| ('▁'..='█').any(|block| cell.symbol().starts_with(block)))
        .collect();
    assert!(blocks.len() > 30, "the trend has {} columns", blocks.len());
    assert!(
        blocks.iter().all(|cell| !cell.modifier.contains(Modifier::REVERSED)),
        "the selected row's trend can be read"
    );
    let bars = (0..165).filter(|&x| buffer[(x, row)].symbol() == "━").count();
    assert!(bars > 5, "shares are bars");
}
