//! The distinct sets of layers of counted batches, in bounded memory.

use super::counted::NO_PLACE;
use crate::snapshot::LayerShape;
use std::collections::HashMap;
use std::sync::Arc;

/// The most memory, in bytes, since batches may have ever new shapes.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct ShapeSets {
    sets: Vec<Arc<[LayerShape]>>,
    places: HashMap<Arc<[LayerShape]>, u32>,
    bytes: usize,
}

impl ShapeSets {
    /// The index of a set, which is added if it is new; [`NO_PLACE`] if there is no room for it.
    pub(super) fn place_of(&mut self, shapes: &Arc<[LayerShape]>) -> u32 {
        if let Some(&place) = self.places.get(shapes) {
            return place;
        }
        let bytes = LayerShape::bytes_of(shapes);
        if self.bytes + bytes > MAX_BYTES {
            return NO_PLACE;
        }
        self.bytes += bytes;
        let place = self.sets.len() as u32;
        self.sets.push(Arc::clone(shapes));
        self.places.insert(Arc::clone(shapes), place);
        place
    }

    pub(super) fn get(&self, place: u32) -> Option<&Arc<[LayerShape]>> {
        self.sets.get(place as usize)
    }

    /// All sets in the order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<[LayerShape]>> {
        self.sets.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ever_new_shapes_take_no_more_than_their_room() {
        let mut sets = ShapeSets::default();
        let set = |width: u64| -> Arc<[LayerShape]> {
            (0..1000).map(|name| LayerShape { name: name.to_string(), neurons: Some(vec![width]) }).collect()
        };
        let places: Vec<u32> = (0..1000).map(|width| sets.place_of(&set(width))).collect();
        assert!(sets.bytes <= MAX_BYTES && places[999] == NO_PLACE);
        assert_eq!((sets.place_of(&set(1)), sets.get(1)), (1, Some(&set(1))), "what has a place keeps it");
    }
}
