//! The updates of each layer, in little memory. A series has them for each of its points, and there may be thousands of
//! layers.

use super::sums::Updates;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The updates of each layer, by its index in the tally. They take 64 bits a number as long as all of them fit, and are
/// written to files as numbers of 128 bits in either case.
#[derive(Debug, Clone)]
pub struct LayerUpdates(NumberWidth);

#[derive(Debug, Clone)]
enum NumberWidth {
    Narrow(Vec<(u64, u64)>),
    Wide(Vec<Updates>),
}

impl Default for LayerUpdates {
    fn default() -> Self {
        Self(NumberWidth::Narrow(Vec::new()))
    }
}

impl LayerUpdates {
    pub fn len(&self) -> usize {
        match &self.0 {
            NumberWidth::Narrow(layers) => layers.len(),
            NumberWidth::Wide(layers) => layers.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, layer: usize) -> Option<Updates> {
        match &self.0 {
            NumberWidth::Narrow(layers) => layers
                .get(layer)
                .map(|&(effective, dense)| Updates { effective: effective.into(), dense: dense.into() }),
            NumberWidth::Wide(layers) => layers.get(layer).copied(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Updates> {
        (0..self.len()).filter_map(|layer| self.get(layer))
    }

    /// Makes room for so many layers, and for no more.
    pub fn grow_to(&mut self, layers: usize) {
        fn grow<T: Clone + Default>(own: &mut Vec<T>, layers: usize) {
            if layers > own.len() {
                own.reserve_exact(layers - own.len());
                own.resize(layers, T::default());
            }
        }
        match &mut self.0 {
            NumberWidth::Narrow(own) => grow(own, layers),
            NumberWidth::Wide(own) => grow(own, layers),
        }
    }

    /// Adds to the updates of a layer, which may be new.
    pub fn add(&mut self, layer: usize, updates: Updates) {
        let mut sum = self.get(layer).unwrap_or_default();
        sum += updates;
        self.set(layer, sum);
    }

    /// Takes out of the updates of a layer what was added before.
    pub fn remove(&mut self, layer: usize, updates: Updates) {
        let mut sum = self.get(layer).unwrap_or_default();
        sum -= updates;
        self.set(layer, sum);
    }

    fn set(&mut self, layer: usize, updates: Updates) {
        self.grow_to(layer + 1);
        if let (NumberWidth::Narrow(_), None) = (&self.0, narrow(updates)) {
            self.0 = NumberWidth::Wide(self.iter().collect());
        }
        match (&mut self.0, narrow(updates)) {
            (NumberWidth::Narrow(layers), Some(updates)) => layers[layer] = updates,
            (NumberWidth::Wide(layers), _) => layers[layer] = updates,
            // It was made wide above.
            (NumberWidth::Narrow(_), None) => {}
        }
    }
}

fn narrow(updates: Updates) -> Option<(u64, u64)> {
    Some((updates.effective.try_into().ok()?, updates.dense.try_into().ok()?))
}

impl PartialEq for LayerUpdates {
    /// Narrow and wide ones are equal where their numbers are.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for LayerUpdates {}

impl FromIterator<Updates> for LayerUpdates {
    fn from_iter<T: IntoIterator<Item = Updates>>(layers: T) -> Self {
        let wide: Vec<Updates> = layers.into_iter().collect();
        match wide.iter().copied().map(narrow).collect() {
            Some(narrow) => Self(NumberWidth::Narrow(narrow)),
            None => Self(NumberWidth::Wide(wide)),
        }
    }
}

impl Serialize for LayerUpdates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut layers = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|updates| layers.serialize_element(&updates))?;
        layers.end()
    }
}

impl<'de> Deserialize<'de> for LayerUpdates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Updates>::deserialize(deserializer)?.into_iter().collect())
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
        fn they_equal_a_list_of_wide_numbers(
            added in prop::collection::vec((0..6_usize, any_number(), any_number()), 0..40),
            taken in 0..40_usize,
        ) {
            let (mut layers, mut plain) = (LayerUpdates::default(), Vec::new());
            for &(layer, effective, dense) in &added {
                layers.add(layer, Updates { effective, dense });
                if plain.len() <= layer {
                    plain.resize(layer + 1, (0_u128, 0_u128));
                }
                plain[layer] = (plain[layer].0 + effective, plain[layer].1 + dense);
            }
            for &(layer, effective, dense) in added.iter().take(taken) {
                layers.remove(layer, Updates { effective, dense });
                plain[layer] = (plain[layer].0 - effective, plain[layer].1 - dense);
            }
            prop_assert!(layers.iter().map(|own| (own.effective, own.dense)).eq(plain.iter().copied()));
            let bytes = postcard::to_stdvec(&layers).expect("written");
            prop_assert_eq!(&bytes, &postcard::to_stdvec(&plain).expect("written"), "the form in state files");
            let read: LayerUpdates = postcard::from_bytes(&bytes).expect("read");
            prop_assert_eq!(&read, &layers);
        }
    }
}
