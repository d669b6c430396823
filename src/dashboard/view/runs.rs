//! The list of runs.

use super::super::chart_state::Subject;
use super::super::columns::{RUNS, run_marks};
use super::list::ListView;
use super::{Theme, UiState, ViewModel, filter};
use crate::text::thousands;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let order = state.shown_runs(model);
    let note = match model.left_out {
        0 => Line::styled(format!(" {} ", RUNS.order_name(state.runs.sort)), theme.dim),
        runs => {
            Line::styled(format!(" {} older ones are not followed ", thousands(runs as u128)), theme.warn)
        }
    };
    let room = usize::from(area.width).saturating_sub(note.width() + 6);
    let title = filter::title("Runs", &state.runs.filter, Some((order.len(), model.rows.len())), room);
    let charts = &state.charts;
    let label = |at: usize| {
        let number = model.rows[order[at]].number;
        run_marks(number, charts.place(&Subject::Run(number)), model, theme)
    };
    let row = |at: usize| &model.rows[order[at]];
    let common = model.shared_ends(|row| &row.name);
    let list = ListView::new(title, note, &RUNS, order.len(), &row);
    let list = ListView { label: Some(&label), common, ..list };
    state.places.list = list.draw(frame, area, &mut state.runs, model, theme);
}
