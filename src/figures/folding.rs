//! Which layers a table for people shows where there are very many: those with the most effective operations.

use super::LayerFigures;
use crate::text::{percent, thousands};

/// The most layers in a table for people, and so the most rows of any table that folds. JSON and CSV have all.
pub(super) const MOST_LAYERS: usize = 60;

/// The layers in their order; where there are more than `most`, those with the largest share come first.
pub(super) fn by_share(layers: &[LayerFigures], most: usize) -> Vec<&LayerFigures> {
    let mut ordered: Vec<&LayerFigures> = layers.iter().collect();
    if ordered.len() > most {
        ordered.sort_by_key(|layer| std::cmp::Reverse(layer.sums.effective()));
    }
    ordered
}

/// What the layers beyond the first `most` come to, of `whole` effective operations; `None` if there are none.
pub(super) fn rest(ordered: &[&LayerFigures], most: usize, whole: u128) -> Option<String> {
    let rest = ordered.get(most..).filter(|rest| !rest.is_empty())?;
    let effective: u128 = rest.iter().filter_map(|layer| layer.sums.effective()).sum();
    let share = match whole {
        0 => String::new(),
        _ => format!(", with {} of the effective operations", percent(effective as f64 / whole as f64)),
    };
    let layers = if rest.len() == 1 { "layer" } else { "layers" };
    Some(format!("and {} {layers} more{share}", thousands(rest.len() as u128)))
}
