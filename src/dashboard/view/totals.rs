//! The totals: operations per sample, sparsity, membrane updates.

use super::super::changes::{self, FigureRow};
use super::super::meter::meter;
use super::super::symbols::Symbols;
use super::super::view_model::shown_operations;
use super::digits::DigitSize;
use super::{Theme, ViewModel, panel};
use crate::figures::{Agreement, Change, Figure, FigureUnit, Number, ShownIn, sparsity};
use crate::run::sums::Operations;
use crate::run::tally::quotient;
use crate::text::{compact_within, decimal_within, elide, percent, percent_within, plus_minus, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Lines of the totals without and with frames, where no digit is large.
const BARE: u16 = 2;
const PLAIN: u16 = 5;

/// Lines that the totals take of the overview's area, where what is below wants so many and panels below that need
/// `least`: lines that nobody has a use for make the digits large. ASCII has no half blocks.
pub(super) fn height(area: Rect, wanted: u16, least: u16, theme: &Theme) -> u16 {
    let is_ascii = theme.appearance.symbols == Symbols::Ascii;
    let three = DigitSize::Three.rows() + AROUND;
    let is_spare = (three - PLAIN..least).contains(&area.height.saturating_sub(PLAIN + wanted));
    match area.height {
        _ if !theme.framed => BARE,
        HUGE.. if area.width >= HUGE_WIDTH => DigitSize::Five.rows() + AROUND,
        LARGE.. if is_ascii && area.width >= HUGE_WIDTH => DigitSize::Five.rows() + AROUND,
        height if !is_ascii && area.width >= LARGE_WIDTH && (height >= LARGE || is_spare) => three,
        _ => PLAIN,
    }
}

/// Lines around large digits: the frame, the exact figures and the gauge.
const AROUND: u16 = 4;

/// How large the digits are in so many lines.
fn digit_size(lines: u16) -> Option<DigitSize> {
    [DigitSize::Five, DigitSize::Three].into_iter().find(|size| lines >= size.rows() + AROUND)
}

/// From these heights and widths of the overview on, the most important figures have large digits.
const LARGE: u16 = 30;
const LARGE_WIDTH: u16 = 76;
const HUGE: u16 = 42;
const HUGE_WIDTH: u16 = 112;

/// Columns of the figures beside the large ones, and the shares of these in the rest, below and from this width on.
const BESIDE: [(u16, [u16; 2]); 2] = [(30, [3, 2]), (36, [5, 4])];
const ROOMY: u16 = 100;

/// How many batches, or points of a long run, are the last ones.
const LAST: usize = 10;

/// Draws the totals.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    match digit_size(area.height) {
        _ if !theme.framed => draw_lines(frame, area, model, theme),
        Some(size) => draw_large(frame, area, size, model, theme),
        None => draw_framed(frame, area, model, theme),
    }
}

/// Draws effective operations and sparsity with large digits, above them the exact figures, and the others beside them.
fn draw_large(frame: &mut Frame<'_>, area: Rect, size: DigitSize, model: &ViewModel, theme: &Theme) {
    let inner = panel(frame, area, title(model), agreement(model, theme), theme);
    let [figures, gauge] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(inner);
    let (beside, [first, second]) = BESIDE[usize::from(area.width >= ROOMY)];
    let [first, second, beside] =
        Layout::horizontal([Constraint::Fill(first), Constraint::Fill(second), Constraint::Length(beside)])
            .areas(figures);
    let (total, _) = model.summary.shown_total();
    draw_figure(frame, first, (Figure::EFFECTIVE_PER_SAMPLE, theme.strong), size, model, theme);
    draw_figure(frame, second, (Figure::SPARSITY, theme.accent), size, model, theme);
    let is_large = |figure: &&Figure| [Figure::EFFECTIVE_PER_SAMPLE, Figure::SPARSITY].contains(figure);
    let others =
        Figure::applying_in(ShownIn::Totals, [&total.sums]).into_iter().filter(|figure| !is_large(figure));
    for (figure, row) in others.zip(beside.rows()) {
        let change = changes::of_row(figure, total, model, theme);
        let label = format!("{} ", figure.panel_label);
        let room = row.width.saturating_sub(label.width() as u16);
        let mut line = Line::styled(label, theme.dim);
        line.extend(value_line(&choices(figure, model), change, theme.strong, room, theme));
        frame.render_widget(line, row);
    }
    draw_gauge(frame, gauge, model, theme);
}

/// Draws one figure: its name, its exact value and its change in the first line, and large below.
fn draw_figure(
    frame: &mut Frame<'_>,
    area: Rect,
    (figure, style): (&'static Figure, Style),
    size: DigitSize,
    model: &ViewModel,
    theme: &Theme,
) {
    let [head, large] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let (total, _) = model.summary.shown_total();
    let label = format!(" {}", figure.panel_label);
    let room = head.width.saturating_sub(label.width() as u16);
    let mut line = Line::styled(label, theme.dim);
    let change = changes::of_row(figure, total, model, theme);
    line.extend(value_line(&choices(figure, model), change, style, room, theme));
    let room = usize::from(head.width).saturating_sub(line.width());
    line.extend(last_batches(figure, room, model, theme));
    frame.render_widget(line, head);
    let Some(value) = figure.number(&total.sums).map(Number::as_f64) else { return };
    let short = large_choices(figure, value, total.half_width(figure));
    let fits = |lines: &Vec<String>| lines.iter().all(|line| line.width() < usize::from(large.width));
    let drawn = short.iter().filter_map(|text| size.lines(text)).find(fits);
    for (text, row) in drawn.into_iter().flatten().zip(large.rows()) {
        frame.render_widget(Line::styled(format!(" {text}"), style), row);
    }
}

/// A figure in the digits that matter from afar, the most first. A ratio that is not 0 or all does not become it.
fn large_choices(figure: &Figure, value: f64, half_width: Option<f64>) -> Vec<String> {
    if figure.unit == FigureUnit::Ratio {
        let short = format!("{:.1}%", value * 100.0);
        let is_exact = !["0.0%", "100.0%"].contains(&short.as_str());
        return std::iter::once(percent_within(value, half_width)).chain(is_exact.then_some(short)).collect();
    }
    let decimals = if value < 1000.0 { 2 } else { 0 };
    vec![decimal_within(value, decimals, half_width), compact_within(value, half_width)]
}

/// How far the last batches alone are from all; nothing for a short run, or without room.
fn last_batches(figure: &'static Figure, room: usize, model: &ViewModel, theme: &Theme) -> Line<'static> {
    let points = model.run.history().points();
    let count = LAST.min(points.len() / 2);
    if count < 2 {
        return Line::default();
    }
    let last = &points[points.len() - count..];
    let shown = shown_operations(&model.run, model.summary.shown_total().1);
    let mut operations = Operations::default();
    last.iter().for_each(|point| operations += shown(point));
    let Operations { effective, dense } = operations;
    let new = match figure.unit {
        FigureUnit::Ratio => sparsity(effective, dense),
        _ => Some(quotient(effective, last.iter().map(|point| point.sums.samples).sum())),
    };
    let base = figure.number(&model.summary.shown_total().0.sums).map(Number::as_f64);
    let change = Change { figure, base, new };
    let batches = last.iter().map(|point| point.sums.batches).sum::<u64>();
    let number = thousands(batches.into());
    let words = [format!("  last {number} batches "), format!("  last {number} ")];
    let lines =
        words.map(|text| Line::from(vec![Span::styled(text, theme.dim), changes::span(&change, theme)]));
    lines.into_iter().find(|line| line.width() < room).unwrap_or_default()
}

fn draw_framed(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let (total, _) = model.summary.shown_total();
    let inner = panel(frame, area, title(model), agreement(model, theme), theme);
    let [labels, values, gauge] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Length(1)]).areas(inner);
    let figures = Figure::applying_in(ShownIn::Totals, [&total.sums]);
    let columns = Layout::horizontal(shares(&figures, inner.width));
    let (label_cells, value_cells) = (columns.split(labels), columns.split(values));
    for (at, &figure) in figures.iter().enumerate() {
        let is_ratio = figure.unit == FigureUnit::Ratio;
        let style = if is_ratio { theme.accent } else { theme.strong };
        let (label, change) = (figure.panel_label, changes::of_row(figure, total, model, theme));
        frame.render_widget(Line::styled(format!(" {label}"), theme.dim), label_cells[at]);
        let value = value_line(&choices(figure, model), change, style, value_cells[at].width, theme);
        frame.render_widget(value, value_cells[at]);
    }
    draw_gauge(frame, gauge, model, theme);
}

fn title(model: &ViewModel) -> String {
    let prices = if model.summary.shown_total().1 { ", measured prices" } else { "" };
    match model.baseline() {
        Some(baseline) => format!("Total, per sample{prices}, against {}", elide(&baseline.name, 24)),
        None => format!("Total, per sample{prices}"),
    }
}

/// The texts of a figure of the total, the longest first: effective operations with how far they may still move, and no
/// figure with more digits than that leaves.
fn choices(figure: &Figure, model: &ViewModel) -> Vec<String> {
    let total = model.summary.shown_total().0;
    let half_width = total.half_width(figure);
    let Some(value) = figure.number(&total.sums).map(Number::as_f64) else { return vec![figure.text(None)] };
    if figure.unit == FigureUnit::Ratio {
        return vec![percent_within(value, half_width)];
    }
    let is_effective = figure == Figure::EFFECTIVE_PER_SAMPLE;
    let short = compact_within(value, half_width);
    let moving = half_width
        .filter(|_| is_effective)
        .map(|moves| [plus_minus(value, moves), format!("{short} ± {}", compact_within(moves, half_width))]);
    moving.into_iter().flatten().chain([decimal_within(value, 2, half_width), short]).collect()
}

/// Columns of the same width or, where a label would be cut, as wide as the labels need.
fn shares(figures: &[&Figure], width: u16) -> Vec<Constraint> {
    let needs = figures.iter().map(|figure| figure.panel_label.width() as u16 + 1);
    let needs: Vec<u16> = needs.collect();
    let longest = needs.iter().copied().max().unwrap_or(0);
    let is_tight = usize::from(longest) * figures.len() > usize::from(width);
    needs.into_iter().map(|need| Constraint::Fill(if is_tight { need } else { 1 })).collect()
}

/// The longest choice that fits, and the change against the baseline if it fits too; a figure that is cut reads as another
/// one.
fn value_line(
    choices: &[String],
    change: Option<Span<'static>>,
    style: Style,
    width: u16,
    theme: &Theme,
) -> Line<'static> {
    let room = |change: usize| usize::from(width).saturating_sub(1 + change);
    let fitting = |room: usize| choices.iter().find(|choice| choice.width() <= room);
    let beside = change.as_ref().and_then(|change| fitting(room(change.width() + 1)));
    let value = beside.or_else(|| fitting(room(0))).map_or("", String::as_str);
    let mut line = Line::styled(format!(" {value}"), style);
    if let Some(change) = change.filter(|_| beside.is_some()) {
        line.push_span(Span::raw(" "));
        line.push_span(change.patch_style(theme.strong));
    }
    line
}

/// Draws which part of the dense operations is effective.
fn draw_gauge(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let (total, is_measured) = model.summary.shown_total();
    let ratio = total.sums.sparsity().map_or(0.0, |sparsity| 1.0 - sparsity);
    let effective = match total.sums.sparsity() {
        Some(_) => {
            let part = percent_within(ratio, total.half_width(Figure::SPARSITY));
            format!(" {part} of dense is effective")
        }
        None => " no operations".to_owned(),
    };
    let unpriced = match total.unpriced_layers {
        0 => " ".to_owned(),
        1 => "; 1 layer unpriced ".to_owned(),
        layers => format!("; {layers} layers unpriced "),
    };
    let measured = with_measured(model).filter(|_| !is_measured);
    let measured = measured.map(|all| format!("{effective}; {all} with measured prices{unpriced}"));
    let fits = |label: &String| label.width() + 6 <= usize::from(area.width);
    let label = measured.filter(fits).unwrap_or_else(|| effective + &unpriced);
    let [line, text] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(label.width() as u16)]).areas(area);
    let line = Rect { x: line.x + 1, width: line.width.saturating_sub(1), ..line };
    frame.render_widget(meter(ratio, line.width, theme.running, theme.dim), line);
    let style = if total.unpriced_layers > 0 { theme.warn } else { theme.dim };
    frame.render_widget(Line::styled(label, style), text);
}

/// The effective operations per sample with the layers whose price is measured, in short, if there are any.
fn with_measured(model: &ViewModel) -> Option<String> {
    let total = model.summary.total_measured.as_ref()?;
    let half_width = total.half_width(Figure::EFFECTIVE_PER_SAMPLE);
    Some(compact_within(total.sums.effective_per_sample()?, half_width))
}

/// Says whether NeuroBench's own results agree.
fn agreement(model: &ViewModel, theme: &Theme) -> Line<'static> {
    match &model.summary.agreement {
        Agreement::Unknown => stability(model, theme),
        Agreement::Pending => Line::styled(" NeuroBench has reported ", theme.dim),
        Agreement::Agrees => Line::styled(" = NeuroBench's own result ", theme.good),
        Agreement::Differs { .. } => Line::styled(" ≠ NeuroBench's own result ", theme.bad),
    }
}

/// Says how stable the figure is.
fn stability(model: &ViewModel, theme: &Theme) -> Line<'static> {
    let relative = model.summary.shown_total().0.uncertainty.and_then(|uncertainty| uncertainty.relative);
    relative.filter(|&relative| relative > 0.0).map_or(Line::raw(""), |relative| {
        Line::styled(format!(" stable to within {} ", percent(relative)), theme.dim)
    })
}

fn draw_lines(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let (total, is_measured) = model.summary.shown_total();
    let sparsity = choices(Figure::SPARSITY, model).concat();
    let unpriced = match (total.unpriced_layers, with_measured(model)) {
        (0, None) => Span::raw(""),
        (0, Some(_)) if is_measured => Span::styled("measured ", theme.dim),
        (0, Some(all)) => Span::styled(format!("{all} with measured "), theme.dim),
        (layers, _) => Span::styled(format!("{layers} unpriced "), theme.warn),
    };
    let sparse = Span::styled(format!("{sparsity} sparse "), theme.accent);
    let lines =
        [("effective", Figure::EFFECTIVE_PER_SAMPLE, sparse), ("dense", Figure::DENSE_PER_SAMPLE, unpriced)];
    let rows = Layout::vertical([Constraint::Length(1); 2]).split(area);
    for ((label, figure, mark), row) in lines.into_iter().zip(rows.iter()) {
        let change = changes::of_row(figure, total, model, theme);
        draw_line(frame, *row, (label, &choices(figure, model), change), mark, theme);
    }
}

/// Draws a figure with its change at the left and a mark at the right. Where there is no room, the unit goes first, then
/// the mark, digits, the change and the label.
fn draw_line(
    frame: &mut Frame<'_>,
    row: Rect,
    (label, values, change): (&str, &[String], Option<Span<'static>>),
    mark: Span<'_>,
    theme: &Theme,
) {
    let named = |value: &String, change: Option<&Span<'static>>| {
        let label = Span::styled(format!(" {label} "), theme.dim);
        let mut line = Line::from(vec![label, Span::styled(value.clone(), theme.strong)]);
        line.extend(change.into_iter().flat_map(|change| [Span::raw(" "), change.clone()]));
        line
    };
    let compared = values.iter().map(|value| named(value, change.as_ref()));
    let plain = values.iter().map(|value| named(value, None));
    let bare = values.last().map(|value| Line::styled(format!(" {value}"), theme.strong));
    let mut choices = compared.chain(plain).chain(bare);
    let unit = Span::styled(" ops/sample", theme.dim);
    let width = usize::from(row.width);
    let Some(figure) = choices.find(|figure| figure.width() <= width) else { return };
    let figure_width = figure.width();
    let mark_fits = figure_width + 1 + mark.width() <= width;
    let unit_fits = figure_width + unit.width() + if mark_fits { 1 + mark.width() } else { 0 } <= width;
    let figure = if unit_fits { figure + unit } else { figure };
    frame.render_widget(figure, row);
    if mark_fits {
        let mark_width = mark.width() as u16;
        frame.render_widget(mark, Rect { x: row.right() - mark_width, width: mark_width, ..row });
    }
}
