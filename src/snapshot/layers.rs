//! The layers of a manifest in its order, with an index by name.

use super::bounded::at_most;
use super::manifest::LayerEntry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::ops::Deref;

/// The most layers of a manifest, since a batch may have no more members.
pub(super) const MAX_LAYERS: usize = super::zip::MAX_MEMBERS;

/// The layers of a manifest. They cannot be changed, so that the index for looking up the layers of every batch is
/// built once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    entries: Vec<LayerEntry>,
    /// The index of the entry with each name.
    places: HashMap<String, usize>,
    /// The first entry with the name of another.
    twice: Option<usize>,
}

impl Layers {
    pub(super) fn new(entries: Vec<LayerEntry>) -> Self {
        let (mut places, mut twice) = (HashMap::with_capacity(entries.len()), None);
        for (place, entry) in entries.iter().enumerate() {
            if places.insert(entry.name.clone(), place).is_some() {
                twice.get_or_insert(place);
            }
        }
        Self { entries, places, twice }
    }

    /// The index of a layer.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub fn named(&self, name: &str) -> Option<&LayerEntry> {
        self.place(name).map(|place| &self.entries[place])
    }

    /// The first duplicate name.
    pub(super) fn twice(&self) -> Option<&str> {
        self.twice.map(|place| self.entries[place].name.as_str())
    }
}

impl Deref for Layers {
    type Target = [LayerEntry];

    fn deref(&self) -> &[LayerEntry] {
        &self.entries
    }
}

impl Serialize for Layers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        at_most(deserializer, MAX_LAYERS, "layers").map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::LayerPrice;

    #[test]
    fn layers_are_found_by_their_names() {
        let entry = |name: &str| LayerEntry {
            name: name.to_owned(),
            neuron: "Leaky".to_owned(),
            reset: "zero".to_owned(),
            shape: None,
            price: LayerPrice::Unknown,
        };
        let layers = Layers::new(["c", "a", "b", "b", "a"].map(entry).to_vec());
        assert_eq!((layers.place("c"), layers.place("d"), layers.len()), (Some(0), None, 5));
        assert_eq!(layers.twice(), Some("b"), "that which is the first to be there again");
        let layers = Layers::new(["c", "a", "b"].map(entry).to_vec());
        assert_eq!((layers.twice(), layers.named("b").map(|layer| layer.name.as_str())), (None, Some("b")));
    }
}
