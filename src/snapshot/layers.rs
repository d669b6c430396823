//! The layers of a manifest in its order, with an index by name.

use super::bounded::at_most;
use super::manifest::LayerEntry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{HashMap, HashSet};
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
}

impl Layers {
    pub(super) fn new(entries: Vec<LayerEntry>) -> Self {
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.name.clone(), place));
        Self { places: places.collect(), entries }
    }

    /// The index of a layer.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub fn named(&self, name: &str) -> Option<&LayerEntry> {
        self.place(name).map(|place| &self.entries[place])
    }

    /// The name that is the first to be there again.
    pub(super) fn twice(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        let mut names = self.entries.iter().map(|entry| entry.name.as_str());
        names.find(|name| self.places.len() < self.entries.len() && !seen.insert(*name))
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
