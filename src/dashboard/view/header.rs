//! The header: the run, its state and its progress.

use super::super::meter::meter;
use super::{Theme, UiState, ViewModel, tabs};
use crate::figures::longest_silence;
use crate::figures::run_times::{catching_up, parts, stalled, state};
use crate::run::{Backlog, Status};
use crate::run::{Presence, Watching};
use crate::text::{bytes, compact, decimal, elide, printable, span, thousands};
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

/// Columns of the progress meter without frames.
const METER: u16 = 30;

/// From this width on, the name of the program is in the header.
const BRANDED: u16 = 100;

/// From this width on, there is room for the speed of counting.
const ROOMY: u16 = 80;

/// Parts of the producer that are looked at.
const MOST_PARTS: usize = 16;

/// The least columns of a name that has its directory beside it.
const LEAST_NAME: usize = 6;

/// From this width on, the header has the names of the views, even without frames.
const TABBED: u16 = 60;

pub(super) fn height(area: Rect, theme: &Theme) -> u16 {
    match area.height {
        0..4 => 1,
        _ if theme.framed => 3,
        _ => 2,
    }
}

/// Draws the header; where there is no room, its last lines are missing.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let first = Rect { height: area.height.min(1), ..area };
    let below = |lines: u16| Rect { y: area.y + lines, height: 1, ..area }.intersection(area);
    draw_first(frame, first, model, theme, state);
    if theme.framed {
        draw_producer(frame, below(1), model, theme);
        draw_progress(frame, below(2), model, theme);
    } else {
        draw_progress(frame, below(1), model, theme);
    }
}

/// Draws the name of the run, the names of the views where there is room, and the state of the run.
fn draw_first(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let brand = if theme.framed && area.width >= BRANDED { " neurotop " } else { "" };
    let room_beside =
        |badge: &Line<'_>| usize::from(area.width).saturating_sub(badge.width() + brand.len() + 1);
    // The views matter more than the state in full.
    let [long, short] = [area.width, ROOMY - 1].map(|width| badge(model, theme, width));
    let are_tabs_shown = theme.framed || area.width >= TABBED;
    let here = state.view;
    let (all, few) =
        (tabs::labels(model, theme, state, |_| true), tabs::labels(model, theme, state, |view| view == here));
    let chosen = [all, few]
        .into_iter()
        .flat_map(|labels| [(labels.clone(), &long), (labels, &short)])
        .filter(|_| are_tabs_shown)
        .find_map(|(labels, badge)| {
            let room = room_beside(badge);
            // A long name makes room for the names of the views, down to a third of its room.
            let least = title(model, theme, (room / 3).max(4)).width().max(4);
            let rest = room.checked_sub(tabs::width(&labels) + 2).filter(|&rest| rest >= least)?;
            Some((labels, badge, title(model, theme, rest).width().max(4)))
        });
    let (labels, badge, name) =
        chosen.unwrap_or_else(|| (Vec::new(), &long, room_beside(&long).saturating_sub(1)));
    let mut spans = vec![Span::styled(brand, theme.accent), Span::raw(" ")];
    spans.extend(title(model, theme, name).spans);
    frame.render_widget(Line::from(spans), area);
    frame.render_widget(Paragraph::new(badge.clone()).alignment(Alignment::Right), area);
    let behind = Rect { x: area.x + (brand.len() + name + 3) as u16, ..area };
    tabs::draw(frame, behind, labels, model, theme, state);
}

/// The name of the run and, where that does not tell which it is, its directory, in at most `room` columns. Where there
/// is no room for both, the directory is what tells more.
fn title(model: &ViewModel, theme: &Theme, room: usize) -> Line<'static> {
    let name = model.run_name(&model.summary.run.name);
    let Some(directory) = model.directory() else {
        return Line::from(Span::styled(elide(name, room), theme.strong));
    };
    let own = elide(&directory, room.saturating_sub(LEAST_NAME).max(room / 2));
    let rest = room.saturating_sub(own.width() + 3);
    if rest < LEAST_NAME {
        return Line::from(Span::styled(elide(&directory, room), theme.strong));
    }
    Line::from(vec![
        Span::styled(elide(name, rest), theme.strong),
        Span::styled(format!(" ({own})"), theme.dim),
    ])
}

fn badge(model: &ViewModel, theme: &Theme, width: u16) -> Line<'static> {
    let (mark, text, style) = match (&model.run.refused(), model.run.status(model.now)) {
        (Some(_), _) => ("✗", "refused".to_owned(), theme.bad),
        (None, Status::Waiting) => ("○", "waiting".to_owned(), theme.dim),
        (None, Status::Live) => ("●", "live".to_owned(), theme.good),
        (None, status @ Status::Stalled(_)) if width >= ROOMY => ("◌", state(status), theme.warn),
        (None, Status::Stalled(quiet)) => ("◌", stalled(quiet), theme.warn),
        (None, Status::Stopped) => ("✗", "stopped".to_owned(), theme.bad),
        // Finished, but not complete.
        (None, Status::Finished) if model.summary.account.set_aside > 0 => {
            let set_aside = thousands(model.summary.account.set_aside.into());
            let rest = if theme.framed { format!(", {set_aside} set aside") } else { String::new() };
            ("!", format!("finished{rest}"), theme.warn)
        }
        (None, Status::Finished) => ("✓", "finished".to_owned(), theme.good),
    };
    let mut spans = vec![Span::styled(format!("{mark} {text} "), style)];
    if let (Status::Live, Some(silence)) =
        (model.run.status(model.now), longest_silence(&model.summary.ranks))
    {
        let warning = Span::styled(format!("◌ {silence} "), theme.warn);
        // Without frames there is room for one of both, and the other ranks being live goes without saying.
        if theme.framed { spans.insert(0, warning) } else { spans = vec![warning] }
    }
    if model.paused {
        spans.insert(0, Span::styled(" paused ", theme.selected));
        spans.insert(1, Span::raw(" "));
    }
    Line::from(spans)
}

fn draw_producer(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let watching = match (&model.run.presence(), &model.run.watching()) {
        (Some(Presence::Missing(why)), _) if model.summary.run.batches > 0 => {
            Span::styled(format!("directory gone: {} ", printable(why)), theme.bad)
        }
        (_, Some(Watching::Polling { every, why })) => {
            Span::styled(format!("scans every {:.0?} ({}) ", every, printable(why)), theme.dim)
        }
        _ => Span::raw(""),
    };
    let producer = model.summary.run.producer.as_deref().unwrap_or("");
    let room = usize::from(area.width).saturating_sub(watching.width() + 2);
    // The producer leaves two thirds to the times, and all to what is wrong with them where that needs it.
    let least = whole_parts(producer, (room / 3).min(printable(producer).width()));
    let doubt = model.summary.run.times.clock.as_deref().map_or(0, |doubt| doubt.width() + 2);
    let (producer, least) = if least.width() + doubt < room { (producer, least.width()) } else { ("", 0) };
    let times = times(model, theme, room.saturating_sub(least + 1));
    let room = room.saturating_sub(times.width() + 1);
    let mut right = times.spans;
    right.push(watching);
    frame.render_widget(Line::styled(format!(" {}", whole_parts(producer, room)), theme.dim), area);
    frame.render_widget(Paragraph::new(Line::from(right)).alignment(Alignment::Right), area);
}

/// The first parts of a list with commas that fit into `room` columns.
fn whole_parts(list: &str, room: usize) -> String {
    let fits = |text: &str| printable(text).width() <= room;
    if fits(list) {
        return elide(list, room);
    }
    let cuts = list.match_indices(", ").take(MOST_PARTS);
    let shorter =
        cuts.map(|(at, _)| format!("{}, …", &list[..at])).take_while(|shorter| fits(shorter)).last();
    elide(shorter.as_deref().unwrap_or(list), room)
}

/// How long the run takes and how fast it goes, as far as it fits; before that, what is wrong with these times.
fn times(model: &ViewModel, theme: &Theme, room: usize) -> Line<'static> {
    let times = &model.summary.run.times;
    let doubt = times.clock.as_deref().map(|doubt| elide(doubt, room.saturating_sub(1)));
    let mut parts = parts(&times.timing, model.run.status(model.now));
    let width = |parts: &[String]| {
        let doubt = doubt.as_deref().map(|doubt| doubt.width() + 2);
        parts.iter().map(|part| part.width() + 2).chain(doubt).sum::<usize>()
    };
    while width(&parts) > room && parts.pop().is_some() {}
    let parts = parts.join("  ");
    let doubt = doubt.map(|doubt| Span::styled(format!("{doubt} "), theme.warn));
    let gap = if doubt.is_some() { " " } else { "" };
    let parts = (!parts.is_empty()).then(|| Span::styled(format!("{gap}{parts} "), theme.dim));
    Line::from_iter(doubt.into_iter().chain(parts))
}

fn draw_progress(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let ratio = model.run.progress();
    let mut right = Vec::new();
    if let Some(ratio) = ratio {
        right.push(format!("{:.0} %", (ratio * 100.0).floor()));
    }
    let timing = &model.summary.run.times.timing;
    match (timing.catching_up, model.run.backlog(model.now), timing.left) {
        (Some(behind), _, _) => right.push(catching_up(behind)),
        (None, Some(backlog), _) => right.push(reading(backlog, area.width)),
        (None, None, Some(left)) => right.push(format!("ETA {}", span(left))),
        (None, None, None) if model.run.account().waiting_bytes > 0 => {
            right.push(format!("{} waiting", bytes(model.run.account().waiting_bytes)))
        }
        (None, None, None) => {}
    }
    let right = format!(" {} ", right.join("  "));
    let counts = counts(model, usize::from(area.width).saturating_sub(right.width()));
    let room = usize::from(area.width).saturating_sub(counts.width() + right.width());
    frame.render_widget(Line::raw(counts.clone()), area);
    if counts.width() + right.width() <= usize::from(area.width) {
        frame.render_widget(Paragraph::new(right.clone()).alignment(Alignment::Right), area);
    }
    if let (Some(ratio), true) = (ratio, room >= 6) {
        let left = area.x + counts.width() as u16;
        let width = (room as u16).min(if theme.framed { u16::MAX } else { METER });
        let place = Rect { x: left, width, ..area };
        frame.render_widget(meter(ratio, width, theme.accent, theme.dim), place);
    }
}

/// How far counting is behind the writer, and how long it takes to catch up.
fn reading(backlog: Backlog, width: u16) -> String {
    let (behind, left) = (bytes(backlog.bytes), span(backlog.left));
    if width < ROOMY {
        return format!("{behind} behind: {left}");
    }
    format!("{behind} behind at {}/s: {left}", bytes(backlog.per_second as u64))
}

/// Batches and samples, as far as they fit into `room` columns.
fn counts(model: &ViewModel, room: usize) -> String {
    let run = &model.summary.run;
    let of = |expected: Option<u64>, text: fn(f64) -> String| {
        expected.map_or(String::new(), |count| format!("/{}", text(count as f64)))
    };
    let whole = |count: f64| decimal(count, 0);
    let batches = format!(" {}{} batches ", thousands(run.batches.into()), of(run.expected_batches, whole));
    let samples = |text: fn(f64) -> String| {
        format!(" {}{} samples ", text(run.samples as f64), of(run.expected_samples, text))
    };
    let choices = [format!("{batches}{}", samples(whole)), format!("{batches}{}", samples(compact)), batches];
    choices.into_iter().find(|choice| choice.width() <= room).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_is_cut_between_its_parts() {
        let producer = "neurobench 2.3.0, snntorch 1.0.0, torch 2.15.0";
        for (room, expected) in [
            (46, producer),
            (45, "neurobench 2.3.0, snntorch 1.0.0, …"),
            (30, "neurobench 2.3.0, …"),
            (19, "neurobench 2.3.0, …"),
            (9, "neur…15.0"),
        ] {
            assert_eq!(whole_parts(producer, room), expected);
        }
    }
}
