//! Adds the counts of batches, each once, and gives their sums by layer. Knows no threads and no prices.

use super::sums::{MAX_SUM, Sums, Updates};
use crate::count::{Activity, BatchCount, LayerCount, MAX_ACTIVE_NEURONS};
use crate::snapshot::{BatchId, LayerShape};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most sums by time step, over all layers: 16 MiB of them. Batches may each have other layers.
const MAX_STEP_SUMS: usize = 1 << 20;

/// The sets of layers whose places in the tally are remembered.
const MAX_LAYER_SETS: usize = 64;

/// The sums of one layer over all batches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSums {
    /// The layer's qualified name.
    pub name: String,
    /// The lowest number of a batch that has it.
    pub first_batch: u64,
    /// One sample's neurons in the batch with the highest number, and of several ranks the highest; `None` where all
    /// arrays were empty.
    #[serde(rename = "shape")]
    pub neurons: Option<Vec<u64>>,
    /// The number of the batch that `neurons` is from; 0 where there is none.
    pub shape_batch: u64,
    /// The rank of that batch, where it has one.
    pub shape_rank: Option<u32>,
    /// Two numbers and no [`Updates`], since they stand among the other fields in JSON.
    #[serde(rename = "updates")]
    pub(super) effective: u128,
    #[serde(rename = "dense_updates")]
    pub(super) dense: u128,
    /// The updates of each time step, over the batches that have it. [`LayerCount::updates_by_step`] says which steps
    /// are left out.
    pub updates_by_step: Vec<u128>,
    /// Which neurons are updated after the first step. Parts of earlier versions do not say it.
    #[serde(default = "unknown_activity")]
    pub activity: Activity,
}

fn unknown_activity() -> Activity {
    Activity::Unknown
}

impl LayerSums {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), first_batch: u64::MAX, ..Self::default() }
    }

    pub fn updates(&self) -> Updates {
        Updates { effective: self.effective, dense: self.dense }
    }

    /// Takes what a batch says of the layer's place and shape. The order of the batches does not matter.
    fn note(&mut self, id: BatchId, neurons: Option<&Vec<u64>>) {
        self.first_batch = self.first_batch.min(id.number);
        if let Some(neurons) = neurons
            && (self.neurons.is_none() || self.shape_id() <= id)
        {
            (self.shape_batch, self.shape_rank) = (id.number, id.rank);
            if self.neurons.as_ref() != Some(neurons) {
                self.neurons = Some(neurons.clone());
            }
        }
    }

    /// The batch that the shape is from.
    fn shape_id(&self) -> BatchId {
        BatchId { number: self.shape_batch, rank: self.shape_rank }
    }

    /// Adds the sums of other batches; there is room for their steps.
    fn merge(&mut self, other: &Self) {
        self.first_batch = self.first_batch.min(other.first_batch);
        if other.neurons.is_some() {
            self.note(other.shape_id(), other.neurons.as_ref());
        }
        self.effective += other.effective;
        self.dense += other.dense;
        for (sum, &updates) in self.updates_by_step.iter_mut().zip(&other.updates_by_step) {
            *sum += updates;
        }
        self.activity.join(&other.activity);
    }

    fn add(&mut self, count: &LayerCount) {
        self.effective += u128::from(count.updates);
        self.dense += u128::from(count.dense);
        for (sum, &updates) in self.updates_by_step.iter_mut().zip(&count.updates_by_step) {
            *sum += u128::from(updates);
        }
        self.activity.join(&count.activity);
    }

    /// What a batch adds to the activity cannot be taken out of it.
    fn remove(&mut self, count: &LayerCount) {
        self.effective -= u128::from(count.updates);
        self.dense -= u128::from(count.dense);
        for (sum, &updates) in self.updates_by_step.iter_mut().zip(&count.updates_by_step) {
            *sum -= u128::from(updates);
        }
        if count.has_later_steps() {
            self.activity = Activity::Unknown;
        }
    }

    /// Takes its place and shape from another.
    fn correct(&mut self, said: &Self) {
        self.first_batch = said.first_batch;
        (self.shape_batch, self.shape_rank) = (said.shape_batch, said.shape_rank);
        self.neurons.clone_from(&said.neurons);
    }

    /// Whether a file may hold these sums: none can overflow.
    pub fn is_sound(&self) -> bool {
        self.updates().is_sound() && self.updates_by_step.iter().all(|&updates| updates <= MAX_SUM)
    }
}

/// What these batches say of the places and shapes of the layers with some names; `None` where the layers of a batch are
/// not known.
pub fn layers_in<'a>(
    names: impl Iterator<Item = &'a str>,
    batches: impl Iterator<Item = (BatchId, Option<&'a Arc<[LayerShape]>>)>,
) -> Option<Vec<LayerSums>> {
    let mut layers: HashMap<&str, LayerSums> = names.map(|name| (name, LayerSums::new(name))).collect();
    for (id, shapes) in batches {
        for shape in shapes?.iter() {
            if let Some(layer) = layers.get_mut(shape.name.as_str()) {
                layer.note(id, shape.neurons.as_ref());
            }
        }
    }
    Some(layers.into_values().collect())
}

/// How many batches have a layer with each number of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLengths(BTreeMap<usize, u64>);

impl StepLengths {
    /// The most lengths that are told apart. Beyond it the shortest counts as the next longer one, so that no step is
    /// dropped that a batch has.
    const MOST: usize = 32;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(&steps, &batches)| self.add(steps, batches));
    }

    fn add(&mut self, steps: usize, batches: u64) {
        let known = self.0.entry(steps).or_default();
        *known = known.saturating_add(batches);
        if self.0.len() > Self::MOST
            && let Some((_, shortest)) = self.0.pop_first()
            && let Some(mut next) = self.0.first_entry()
        {
            *next.get_mut() = next.get().saturating_add(shortest);
        }
    }

    /// Takes a batch out; returns the length of the longest batch that is left.
    fn remove(&mut self, steps: usize) -> usize {
        if let Some((&as_counted, batches)) = self.0.range_mut(steps..).next() {
            *batches -= 1;
            if *batches == 0 {
                self.0.remove(&as_counted);
            }
        }
        self.0.last_key_value().map_or(0, |(&longest, _)| longest)
    }
}

/// Where the layers of some sets are in the tally.
type LayerPlaces = HashMap<Arc<[LayerShape]>, Arc<[usize]>>;

/// The sums over all batches. A clone shares all that does not change afterwards.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    layers: Vec<Arc<LayerSums>>,
    /// By layer, how many batches have it with each number of steps. When the last of the longest is taken out, their
    /// steps go, too.
    lengths: Vec<Arc<StepLengths>>,
    index: Arc<HashMap<String, usize>>,
    places: Arc<LayerPlaces>,
    total: Sums,
    step_sums: usize,
    order: u64,
    /// How many neurons the activity of all layers has.
    active_neurons: u64,
}

impl Tally {
    /// The tally of so many batches and samples that has these layers, and of each how many batches have it with each
    /// number of steps, where that is known. `None` where a layer is given twice.
    pub fn from_layers(
        layers: Vec<Arc<LayerSums>>,
        lengths: Vec<Arc<StepLengths>>,
        batches: u64,
        samples: u128,
    ) -> Option<Self> {
        let index: HashMap<String, usize> =
            layers.iter().enumerate().map(|(at, layer)| (layer.name.clone(), at)).collect();
        if index.len() < layers.len() {
            return None;
        }
        let known = lengths.into_iter().map(Some).chain(std::iter::repeat(None));
        let lengths = layers.iter().zip(known).map(|(layer, known)| {
            // So many batches that their steps stay for good.
            let unknown =
                || StepLengths(BTreeMap::from([(layer.updates_by_step.len(), u64::MAX / 2)])).into();
            known.filter(|known| !known.is_empty()).unwrap_or_else(unknown)
        });
        let mut tally = Self {
            lengths: lengths.collect(),
            index: index.into(),
            places: Arc::default(),
            total: Sums { batches, samples, updates: layers.iter().map(|layer| layer.updates()).sum() },
            step_sums: layers.iter().map(|layer| layer.updates_by_step.len()).sum(),
            order: 1,
            active_neurons: layers.iter().map(|layer| layer.activity.neurons()).fold(0, u64::saturating_add),
            layers,
        };
        tally.drop_steps();
        tally.drop_activity();
        Some(tally)
    }

    /// Adds the sums of other batches.
    pub fn merge(&mut self, other: &Self) {
        for (other, lengths) in other.layers.iter().zip(&other.lengths) {
            let layer = self.layer(&other.name);
            self.make_room(layer, other.updates_by_step.len());
            let before = self.layers[layer].activity.neurons();
            self.sums(layer).merge(other);
            self.active_neurons = self.active_neurons - before + self.layers[layer].activity.neurons();
            Arc::make_mut(&mut self.lengths[layer]).merge(lengths);
        }
        self.drop_steps();
        self.drop_activity();
        self.total += other.total;
        self.order += 1;
    }

    /// Adds a batch; returns the indices of its layers in [`Tally::layers`], in the batch's order.
    ///
    /// The batch must not have been added before: take it out first with [`Tally::remove`].
    pub fn add(&mut self, id: BatchId, batch: &BatchCount) -> Arc<[usize]> {
        let layers = self.indices(&batch.shapes);
        for ((&layer, count), shape) in layers.iter().zip(&batch.layers).zip(batch.shapes.iter()) {
            self.make_room(layer, count.updates_by_step.len());
            let sums = Arc::make_mut(&mut self.layers[layer]);
            self.order += u64::from(id.number < sums.first_batch);
            sums.note(id, shape.neurons.as_ref());
            let before = sums.activity.neurons();
            sums.add(count);
            self.active_neurons = self.active_neurons - before + sums.activity.neurons();
            Arc::make_mut(&mut self.lengths[layer]).add(count.updates_by_step.len(), 1);
        }
        self.drop_steps();
        self.drop_activity();
        self.total += batch.into();
        layers
    }

    /// Takes out a batch that was added with this count; returns the indices of its layers.
    pub fn remove(&mut self, batch: &BatchCount) -> Arc<[usize]> {
        let layers = self.indices(&batch.shapes);
        for (&layer, count) in layers.iter().zip(&batch.layers) {
            let sums = Arc::make_mut(&mut self.layers[layer]);
            let lengths = Arc::make_mut(&mut self.lengths[layer]);
            let before = sums.activity.neurons();
            sums.remove(count);
            self.active_neurons = self.active_neurons - before + sums.activity.neurons();
            let steps = sums.updates_by_step.len();
            sums.updates_by_step.truncate(lengths.remove(count.updates_by_step.len()));
            self.step_sums -= steps - sums.updates_by_step.len();
            if lengths.is_empty() {
                *sums = LayerSums::new(&sums.name);
                self.order += 1;
            }
        }
        self.total -= batch.into();
        layers
    }

    /// Looks at the activity in a batch that was counted again with the same numbers: it may be of other neurons.
    pub fn doubt_activity(&mut self, batch: &BatchCount) {
        for (shape, count) in batch.shapes.iter().zip(&batch.layers) {
            if let Some(&at) = self.index.get(&shape.name) {
                let mut activity = self.layers[at].activity.clone();
                activity.doubt(&count.activity);
                if activity != self.layers[at].activity {
                    self.active_neurons -= self.layers[at].activity.neurons();
                    self.sums(at).activity = activity;
                }
            }
        }
    }

    /// Takes what all batches say of some layers, after a batch that had these layers was taken out.
    pub fn correct(&mut self, layers: &[LayerSums]) {
        for said in layers {
            if let Some(&at) = self.index.get(&said.name) {
                self.sums(at).correct(said);
            }
        }
        self.order += 1;
    }

    /// By layer, how many batches have it with each number of steps.
    pub fn step_lengths(&self) -> &[Arc<StepLengths>] {
        &self.lengths
    }

    /// Whether all batches that had the layer were taken out.
    pub fn is_gone(&self, layer: usize) -> bool {
        self.lengths[layer].is_empty()
    }

    /// The layers, in the order in which they were first seen.
    pub fn layers(&self) -> &[Arc<LayerSums>] {
        &self.layers
    }

    /// Changes whenever a layer is new, or was first in another batch than before.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// Where the layer of this name is in [`Tally::layers`].
    pub fn index_of(&self, layer: &str) -> Option<usize> {
        self.index.get(layer).copied()
    }

    /// The sums over all batches, with the updates of all layers together.
    pub fn total(&self) -> Sums {
        self.total
    }

    pub fn samples(&self) -> u128 {
        self.total.samples
    }

    pub fn batches(&self) -> u64 {
        self.total.batches
    }

    fn indices(&mut self, shapes: &Arc<[LayerShape]>) -> Arc<[usize]> {
        if let Some(indices) = self.places.get(shapes) {
            return Arc::clone(indices);
        }
        // Every batch may have other ones.
        if self.places.len() >= MAX_LAYER_SETS {
            self.places = Arc::default();
        }
        let indices: Arc<[usize]> = shapes.iter().map(|shape| self.layer(&shape.name)).collect();
        Arc::make_mut(&mut self.places).insert(Arc::clone(shapes), Arc::clone(&indices));
        indices
    }

    /// Makes room for so many steps of a layer.
    fn make_room(&mut self, layer: usize, steps: usize) {
        let more = steps.saturating_sub(self.layers[layer].updates_by_step.len());
        if more > 0 {
            self.step_sums += more;
            self.sums(layer).updates_by_step.resize(steps, 0);
        }
    }

    /// Drops sums by step where there are too many: those of the latest steps, and of one step those of the last
    /// layers by name. What is dropped once would be dropped again. So the sums that stay are whole, and do not depend
    /// on the order of the batches.
    fn drop_steps(&mut self) {
        if self.step_sums <= MAX_STEP_SUMS {
            return;
        }
        let steps = |layer: &Arc<LayerSums>| layer.updates_by_step.len();
        let mut lengths: Vec<usize> = self.layers.iter().map(steps).collect();
        lengths.sort_unstable();
        let (mut room, mut left, mut most) = (MAX_STEP_SUMS, lengths.len(), 0);
        for length in lengths {
            most = room / left;
            if length > most {
                break;
            }
            room -= length;
            left -= 1;
        }
        let mut more = room - most * left;
        let mut longer: Vec<&mut Arc<LayerSums>> =
            self.layers.iter_mut().filter(|layer| steps(layer) > most).collect();
        longer.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for layer in longer {
            let layer = Arc::make_mut(layer);
            layer.updates_by_step.truncate(most + usize::from(more > 0));
            layer.updates_by_step.shrink_to_fit();
            more = more.saturating_sub(1);
        }
        self.step_sums = self.layers.iter().map(steps).sum();
    }

    /// Drops the activity of all layers where they have too many neurons together: batches may each have other layers.
    fn drop_activity(&mut self) {
        if self.active_neurons > MAX_ACTIVE_NEURONS {
            for layer in &mut self.layers {
                if layer.activity != Activity::Untold {
                    Arc::make_mut(layer).activity = Activity::Unknown;
                }
            }
            self.active_neurons = 0;
        }
    }

    /// The sums of a layer, to be changed. They are copied first where a clone of the tally shares them.
    fn sums(&mut self, layer: usize) -> &mut LayerSums {
        Arc::make_mut(&mut self.layers[layer])
    }

    fn layer(&mut self, name: &str) -> usize {
        if let Some(&index) = self.index.get(name) {
            return index;
        }
        let index = self.layers.len();
        Arc::make_mut(&mut self.index).insert(name.to_owned(), index);
        self.layers.push(LayerSums::new(name).into());
        self.lengths.push(Arc::default());
        self.order += 1;
        index
    }
}

/// The quotient of two integers as the nearest 64-bit float, as Python's `/` gives it.
///
/// NeuroBench divides Python integers; converting both to floats first would round twice where they
/// have more than 53 bits. Without a denominator the quotient is 0, as NeuroBench reports for no samples.
pub fn quotient(numerator: u128, denominator: u128) -> f64 {
    const EXACT: u128 = 1 << 53;
    if denominator == 0 || numerator == 0 {
        return 0.0;
    }
    if numerator <= EXACT && denominator <= EXACT {
        return numerator as f64 / denominator as f64;
    }
    // Scale the numerator as far as it goes: the integer quotient then has more bits than a float,
    // and its lowest bit stands for all the rest that was cut off.
    let shift = numerator.leading_zeros();
    let scaled = numerator << shift;
    let sticky = u128::from(!scaled.is_multiple_of(denominator));
    ((scaled / denominator) | sticky) as f64 * 2_f64.powi(-shift.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn layers_may_differ_from_batch_to_batch_and_batches_can_be_taken_out() {
        let mut tally = Tally::default();
        let first = BatchCount::for_tests(2, &[("a", 1, 4), ("b", 2, 4)]);
        tally.add(0.into(), &first);
        tally.add(1.into(), &BatchCount::for_tests(3, &[("b", 5, 6), ("c", 7, 8)]));
        assert_eq!((tally.samples(), tally.batches()), (5, 2));
        assert_eq!(tally.layers()[1].effective, 7);
        assert_eq!(*tally.remove(&first), [0, 1]);
        assert_eq!((tally.samples(), tally.batches()), (3, 1));
        assert_eq!((tally.layers()[0].effective, tally.layers()[1].dense), (0, 6));
        let mut silent = Tally::default();
        silent.add(0.into(), &BatchCount::for_tests(1, &[("a", 0, 4)]));
        silent.remove(&BatchCount::for_tests(1, &[("a", 0, 4)]));
        assert!(silent.layers()[0].updates_by_step.is_empty(), "not even a step without updates is left");
    }

    #[test]
    fn sums_beyond_64_bits_stay_right() {
        let mut tally = Tally::default();
        for number in 0..12 {
            tally.add(number.into(), &BatchCount::for_tests(1, &[("a", u64::MAX, u64::MAX)]));
        }
        tally.remove(&BatchCount::for_tests(1, &[("a", u64::MAX, u64::MAX)]));
        assert_eq!(tally.layers()[0].effective, 11 * u128::from(u64::MAX));
    }

    #[test]
    fn sums_by_step_are_bounded_whatever_layers_come() {
        let mut tally = Tally::default();
        let count = LayerCount {
            updates: 4096,
            dense: 4096,
            updates_by_step: vec![1; 4096],
            ..LayerCount::default()
        };
        let made = |number: u64| BatchCount {
            layers: vec![count.clone()],
            ..BatchCount::for_tests(1, &[(&number.to_string(), 0, 0)])
        };
        for number in 0..300 {
            tally.add(number.into(), &made(number));
        }
        let steps: usize = tally.layers().iter().map(|layer| layer.updates_by_step.len()).sum();
        assert_eq!(steps, MAX_STEP_SUMS);
        assert!(tally.layers().iter().all(|layer| layer.effective == 4096));
        (0..300).for_each(|number| drop(tally.remove(&made(number))));
        assert!(tally.layers().iter().all(|layer| layer.updates_by_step.iter().all(|&sum| sum == 0)));
    }

    /// Which sums by step are dropped does not depend on the order of the batches, nor on which of them were
    /// counted together.
    #[test]
    fn the_sums_by_step_that_stay_are_the_same_in_any_order_and_split() {
        let steps = [4096, 4096, 3000, 5, 4000];
        let made = |number: u64| {
            let updates_by_step = vec![1 + number % 3; steps[number as usize % 5]];
            let count =
                LayerCount { updates: 1 << 20, dense: 1 << 30, updates_by_step, ..LayerCount::default() };
            // Layers come again, with more steps or fewer.
            let name = (number * 7 % 400).to_string();
            BatchCount { layers: vec![count], ..BatchCount::for_tests(1, &[(&name, 0, 0)]) }
        };
        let added = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut tally = Tally::default();
            numbers.for_each(|number| drop(tally.add(number.into(), &made(number))));
            tally
        };
        let sums = |tally: &Tally| {
            let layers = tally.layers().iter().map(|layer| (layer.name.clone(), layer.clone()));
            layers.collect::<BTreeMap<_, _>>()
        };
        let whole = added(&mut (0..900));
        assert_eq!(whole.step_sums, MAX_STEP_SUMS);
        assert!(sums(&added(&mut (0..900).rev())) == sums(&whole));
        for parts in [2, 7] {
            let mut joined = Tally::default();
            for part in (0..parts).rev() {
                let part = added(&mut (0..900).filter(|number| number % parts == part));
                joined.merge(&part);
            }
            assert!(sums(&joined) == sums(&whole), "{parts} parts");
            assert_eq!((joined.samples(), joined.batches()), (whole.samples(), whole.batches()));
        }
    }

    #[test]
    fn quotients_round_once() {
        assert_eq!(quotient(0, 0), 0.0);
        assert_eq!(quotient(5_317_064, 192), 27693.041666666668);
        // Python: (2**53 + 1) / 1 == 9007199254740992.0 and (2**54 + 3) / 2 == 9007199254740994.0
        assert_eq!(quotient((1 << 53) + 1, 1), 9007199254740992.0);
        assert_eq!(quotient((1 << 54) + 3, 2), 9007199254740994.0);
        // Python: (10**30 + 7) / (3 * 10**18 + 1) == 333333333333.3333
        assert_eq!(quotient(10_u128.pow(30) + 7, 3 * 10_u128.pow(18) + 1), 333333333333.3333);
    }

    #[test]
    fn of_the_same_number_in_several_ranks_the_highest_says_the_shape() {
        let with_shape = |width: u64| BatchCount {
            shapes: [LayerShape { name: "a".into(), neurons: Some(vec![width]) }].into(),
            ..BatchCount::for_tests(1, &[("a", 1, 4)])
        };
        let batches = [(3, None, 9), (3, Some(0), 8), (3, Some(1), 5), (2, Some(7), 6)];
        let added = |batches: &mut dyn Iterator<Item = &(u64, Option<u32>, u64)>| {
            let mut tally = Tally::default();
            for &(number, rank, width) in batches {
                tally.add(BatchId { number, rank }, &with_shape(width));
            }
            tally
        };
        let (forwards, backwards) = (added(&mut batches.iter()), added(&mut batches.iter().rev()));
        assert_eq!(forwards.layers()[0].neurons, Some(vec![5]));
        assert_eq!(forwards.layers(), backwards.layers());
        let mut joined = Tally::default();
        for at in [2, 0, 3, 1] {
            let part = added(&mut batches[at..=at].iter());
            joined.merge(&part);
        }
        assert_eq!(joined.layers(), forwards.layers());
    }

    /// A layer of two neurons, of which one is updated, in so many batches.
    fn active(name: &str, neurons: u64) -> BatchCount {
        let json = format!(r#"{{"known": {{"neurons": {neurons}, "ever": "80", "always": "00"}}}}"#);
        let activity = serde_json::from_str(&json).expect("an activity");
        let count = LayerCount { updates: 3, dense: 4, updates_by_step: vec![2, 1], activity };
        BatchCount { layers: vec![count], ..BatchCount::for_tests(1, &[(name, 0, 0)]) }
    }

    #[test]
    fn which_neurons_are_active_is_unknown_once_a_batch_is_taken_out() {
        let silent = |tally: &Tally| tally.layers()[0].activity.counts().map(|counts| counts.silent);
        let mut tally = Tally::default();
        tally.add(0.into(), &active("a", 2));
        tally.add(1.into(), &active("a", 2));
        assert_eq!((silent(&tally), tally.active_neurons), (Some(1), 2));
        // A batch of one step says nothing, and takes nothing away.
        let one_step = BatchCount {
            layers: vec![LayerCount {
                updates: 2,
                dense: 2,
                updates_by_step: vec![2],
                ..LayerCount::default()
            }],
            ..BatchCount::for_tests(1, &[("a", 0, 0)])
        };
        tally.add(2.into(), &one_step);
        tally.remove(&one_step);
        assert_eq!(silent(&tally), Some(1));
        tally.remove(&active("a", 2));
        tally.add(1.into(), &active("a", 2));
        assert_eq!((silent(&tally), tally.active_neurons), (None, 0));
        let mut other = Tally::default();
        other.add(3.into(), &active("a", 2));
        other.merge(&tally);
        assert_eq!((silent(&other), other.active_neurons), (None, 0), "a part that does not know");
        // Once no batch has the layer, it begins anew.
        tally.remove(&active("a", 2));
        tally.remove(&active("a", 2));
        tally.add(4.into(), &active("a", 2));
        assert_eq!(silent(&tally), Some(1));
        let mut changes = Tally::default();
        changes.add(0.into(), &active("a", 2));
        changes.add(1.into(), &active("a", 3));
        assert_eq!(silent(&changes), None, "another number of neurons");
    }

    /// Layers of few names, with any steps.
    fn any_layers() -> impl Strategy<Value = BTreeMap<u8, Vec<u64>>> {
        prop::collection::btree_map(
            0_u8..4,
            prop::collection::vec(any::<u32>().prop_map(u64::from), 0..6),
            0..4,
        )
    }

    fn with_steps(layers: &BTreeMap<u8, Vec<u64>>) -> BatchCount {
        let names: Vec<String> = layers.keys().map(u8::to_string).collect();
        let names: Vec<(&str, u64, u64)> = names.iter().map(|name| (name.as_str(), 0, 0)).collect();
        let count = |steps: &Vec<u64>| LayerCount {
            updates: steps.iter().sum(),
            dense: 1 << 40,
            updates_by_step: steps.clone(),
            ..LayerCount::default()
        };
        BatchCount { layers: layers.values().map(count).collect(), ..BatchCount::for_tests(1, &names) }
    }

    proptest! {
        #[test]
        fn what_is_taken_out_leaves_the_sums_of_the_others(
            batches in prop::collection::vec((any_layers(), any::<bool>()), 0..20),
        ) {
            let mut tally = Tally::default();
            for (number, (layers, _)) in batches.iter().enumerate() {
                tally.add((number as u64).into(), &with_steps(layers));
            }
            for (layers, _) in batches.iter().filter(|(_, stays)| !stays) {
                tally.remove(&with_steps(layers));
            }
            let mut expected: BTreeMap<String, Vec<u128>> = BTreeMap::new();
            for (layers, stays) in &batches {
                for (name, steps) in layers {
                    let sums = expected.entry(name.to_string()).or_default();
                    if *stays {
                        sums.resize(sums.len().max(steps.len()), 0);
                    }
                    for (sum, &step) in sums.iter_mut().zip(steps).filter(|_| *stays) {
                        *sum += u128::from(step);
                    }
                }
            }
            let found = tally.layers().iter().map(|layer| (layer.name.clone(), layer.updates_by_step.clone()));
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
            for layer in tally.layers() {
                prop_assert_eq!(layer.effective, layer.updates_by_step.iter().sum::<u128>());
            }
        }

        /// The nearest float is the one whose distance, compared exactly in integers, is least.
        #[test]
        fn no_neighbour_is_nearer(numerator in (1_u128 << 60)..(1 << 90), denominator in 1_u128..(1 << 30)) {
            let found = quotient(numerator, denominator);
            // Floats of this size (2^30 to 2^90) times 2^60 are integers only while below 2^113 or so.
            let distance = |value: f64| {
                let (mantissa, exponent) = (value.to_bits() & ((1 << 52) - 1) | (1 << 52), (value.to_bits() >> 52) as i32 - 1075);
                // |numerator - value * denominator|, scaled by 2^-min(exponent, 0).
                let scale = (-exponent).max(0) as u32;
                if scale > 30 { return None; }
                let product = (u128::from(mantissa) * denominator) << exponent.max(0);
                Some((numerator << scale).abs_diff(product))
            };
            if let (Some(at), Some(above), Some(below)) =
                (distance(found), distance(found.next_up()), distance(found.next_down()))
            {
                prop_assert!(at <= above && at <= below);
            }
        }
    }
}
