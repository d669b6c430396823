//! Updates and dense updates by layer, in little room: a series has them for each of its points, and there may be
//! thousands of layers.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Updates and dense updates of each layer, by index in the tally: in 64 bits each as long as all of them fit. They are
/// kept in a file as numbers of 128 bits, whatever room they take here.
#[derive(Debug, Clone)]
pub struct Pairs(Room);

#[derive(Debug, Clone)]
enum Room {
    Narrow(Vec<(u64, u64)>),
    Wide(Vec<(u128, u128)>),
}

impl Default for Pairs {
    /// Of no layer.
    fn default() -> Self {
        Self(Room::Narrow(Vec::new()))
    }
}

impl Pairs {
    /// How many layers there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Room::Narrow(pairs) => pairs.len(),
            Room::Wide(pairs) => pairs.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of one layer.
    pub fn get(&self, layer: usize) -> Option<(u128, u128)> {
        match &self.0 {
            Room::Narrow(pairs) => pairs.get(layer).map(|&(updates, dense)| (updates.into(), dense.into())),
            Room::Wide(pairs) => pairs.get(layer).copied(),
        }
    }

    /// Those of all layers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u128, u128)> {
        (0..self.len()).filter_map(|layer| self.get(layer))
    }

    /// Makes room for so many layers, of which nothing is known yet, and for no more.
    pub fn grow_to(&mut self, layers: usize) {
        let more = layers.saturating_sub(self.len());
        match &mut self.0 {
            Room::Narrow(pairs) if more > 0 => {
                pairs.reserve_exact(more);
                pairs.resize(layers, (0, 0));
            }
            Room::Wide(pairs) if more > 0 => {
                pairs.reserve_exact(more);
                pairs.resize(layers, (0, 0));
            }
            Room::Narrow(_) | Room::Wide(_) => {}
        }
    }

    /// Adds to those of a layer, which there need not be yet.
    pub fn add(&mut self, layer: usize, (updates, dense): (u128, u128)) {
        let (before, dense_before) = self.get(layer).unwrap_or_default();
        self.set(layer, (before + updates, dense_before + dense));
    }

    /// Takes out of those of a layer what was added before.
    pub fn remove(&mut self, layer: usize, (updates, dense): (u128, u128)) {
        let (before, dense_before) = self.get(layer).unwrap_or_default();
        self.set(layer, (before - updates, dense_before - dense));
    }

    fn set(&mut self, layer: usize, pair: (u128, u128)) {
        self.grow_to(layer + 1);
        if let (Room::Narrow(_), None) = (&self.0, narrow(pair)) {
            self.0 = Room::Wide(self.iter().collect());
        }
        match (&mut self.0, narrow(pair)) {
            (Room::Narrow(pairs), Some(pair)) => pairs[layer] = pair,
            (Room::Wide(pairs), _) => pairs[layer] = pair,
            // It was made wide above.
            (Room::Narrow(_), None) => {}
        }
    }
}

fn narrow((updates, dense): (u128, u128)) -> Option<(u64, u64)> {
    Some((updates.try_into().ok()?, dense.try_into().ok()?))
}

impl PartialEq for Pairs {
    /// Whatever room they take.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Pairs {}

impl FromIterator<(u128, u128)> for Pairs {
    fn from_iter<T: IntoIterator<Item = (u128, u128)>>(pairs: T) -> Self {
        let wide: Vec<(u128, u128)> = pairs.into_iter().collect();
        match wide.iter().copied().map(narrow).collect() {
            Some(narrow) => Self(Room::Narrow(narrow)),
            None => Self(Room::Wide(wide)),
        }
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|pair| pairs.serialize_element(&pair))?;
        pairs.end()
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<(u128, u128)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_number() -> impl Strategy<Value = u128> {
        prop_oneof![0..100_u128, Just(u128::from(u64::MAX)), 0..(1_u128 << 80)]
    }

    proptest! {
        #[test]
        fn they_are_what_a_list_of_wide_numbers_would_be(
            added in prop::collection::vec((0..6_usize, any_number(), any_number()), 0..40),
            taken in 0..40_usize,
        ) {
            let (mut pairs, mut plain) = (Pairs::default(), Vec::new());
            for &(layer, updates, dense) in &added {
                pairs.add(layer, (updates, dense));
                if plain.len() <= layer {
                    plain.resize(layer + 1, (0_u128, 0_u128));
                }
                plain[layer] = (plain[layer].0 + updates, plain[layer].1 + dense);
            }
            for &(layer, updates, dense) in added.iter().take(taken) {
                pairs.remove(layer, (updates, dense));
                plain[layer] = (plain[layer].0 - updates, plain[layer].1 - dense);
            }
            prop_assert!(pairs.iter().eq(plain.iter().copied()));
            let bytes = postcard::to_stdvec(&pairs).expect("written");
            prop_assert_eq!(&bytes, &postcard::to_stdvec(&plain).expect("written"), "as before they were narrow");
            let read: Pairs = postcard::from_bytes(&bytes).expect("read");
            prop_assert_eq!(&read, &pairs);
        }
    }
}
