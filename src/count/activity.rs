//! Which neurons of a layer are updated at all after the first time step, and which at every step.
//!
//! A neuron is *silent* if it is updated in no sample after the first step, and *always active* if it is updated at every
//! step after the first of every sample. Both follow from two sets of neurons: those that were ever updated, and those that
//! always were. The sets of several batches are joined by OR and AND, in any order. Nothing can be taken out of such a
//! union again. A batch without a step after the first says nothing.

use super::kernel::set_bits;
use super::marks::ActivityMarks;
use crate::snapshot::BatchLayer;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// The most neurons of all layers together whose activity is known. They take a quarter of a byte each.
pub const MAX_ACTIVE_NEURONS: u64 = 64 << 20;

/// Short layers are looked at several samples at a time, so that the loops are worth their start.
const LONG: u64 = 2048;

/// What is known of the activity of a layer's neurons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// There was no step after the first.
    #[default]
    Untold,
    Known(Arc<ActiveNeurons>),
    /// It cannot be known, or not any more: a batch was taken out, the number of neurons changes, there are too many, or
    /// an array is in Fortran order.
    Unknown,
}

/// How many neurons a layer has, and how many of them are silent and always active.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NeuronCounts {
    pub neurons: u128,
    pub silent: u128,
    pub always_active: u128,
}

impl NeuronCounts {
    /// Those of two layers.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            neurons: self.neurons + more.neurons,
            silent: self.silent + more.silent,
            always_active: self.always_active + more.always_active,
        }
    }
}

/// The neurons that were ever updated after the first step, and those that always were: one bit each, in C order, the
/// highest bit of a byte first. Bits behind the last neuron are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "KeptActivity")]
pub struct ActiveNeurons {
    neurons: u64,
    #[serde(serialize_with = "write_set")]
    ever: Vec<u8>,
    #[serde(serialize_with = "write_set")]
    always: Vec<u8>,
    /// How many bits are set in each.
    #[serde(skip)]
    counts: [u64; 2],
}

impl ActiveNeurons {
    /// `None` unless both sets are of so many neurons, and every neuron that was always updated was updated at all.
    fn new(neurons: u64, ever: Vec<u8>, always: Vec<u8>) -> Option<Self> {
        let bytes = usize::try_from(neurons.div_ceil(8)).ok()?;
        let is_sound = [ever.len(), always.len()] == [bytes; 2]
            && neurons <= MAX_ACTIVE_NEURONS
            && always.iter().zip(&ever).all(|(always, ever)| always & !ever == 0)
            && ever.last().is_none_or(|&last| last & !last_byte_mask(neurons) == 0);
        let mut new = Self { neurons, ever, always, counts: [0; 2] };
        new.count();
        is_sound.then_some(new)
    }

    fn count(&mut self) {
        self.counts = [&self.ever, &self.always].map(|set| set_bits(set, 0..self.neurons));
    }

    /// Whether joining another would change nothing.
    fn has_all_of(&self, other: &Self) -> bool {
        let mut bytes = self.ever.iter().zip(&other.ever).zip(self.always.iter().zip(&other.always));
        bytes.all(|((ever, more), (always, other))| more & !ever == 0 && always & !other == 0)
    }

    fn join(&mut self, other: &Self) {
        self.ever.iter_mut().zip(&other.ever).for_each(|(ever, more)| *ever |= more);
        self.always.iter_mut().zip(&other.always).for_each(|(always, other)| *always &= other);
        self.count();
    }

    fn numbers(&self) -> NeuronCounts {
        let [ever, always] = self.counts;
        NeuronCounts {
            neurons: self.neurons.into(),
            silent: (self.neurons - ever).into(),
            always_active: always.into(),
        }
    }
}

/// The bits of the last byte that belong to neurons.
fn last_byte_mask(neurons: u64) -> u8 {
    match neurons % 8 {
        0 => u8::MAX,
        more => !(u8::MAX >> more),
    }
}

impl Activity {
    /// Adds what other batches say. Neither the order nor the grouping of batches matters.
    pub fn join(&mut self, other: &Self) {
        match (&mut *self, other) {
            (_, Self::Untold) | (Self::Unknown, _) => {}
            (Self::Untold, other) => *self = other.clone(),
            (Self::Known(ours), Self::Known(theirs)) if ours.neurons == theirs.neurons => {
                if !ours.has_all_of(theirs) {
                    Arc::make_mut(ours).join(theirs);
                }
            }
            (Self::Known(_), Self::Known(_) | Self::Unknown) => *self = Self::Unknown,
        }
    }

    /// Forgets everything if joining another would change it: it was joined already, and is another now.
    pub fn doubt(&mut self, other: &Self) {
        let is_in = match (&*self, other) {
            (_, Self::Untold) | (Self::Unknown, _) => true,
            (Self::Known(ours), Self::Known(theirs)) => {
                ours.neurons == theirs.neurons && ours.has_all_of(theirs)
            }
            (Self::Untold | Self::Known(_), _) => false,
        };
        if !is_in {
            *self = Self::Unknown;
        }
    }

    /// `None` where it is not known.
    pub fn counts(&self) -> Option<NeuronCounts> {
        match self {
            Self::Known(known) => Some(known.numbers()),
            Self::Untold | Self::Unknown => None,
        }
    }

    /// How many neurons there are sets of.
    pub fn neurons(&self) -> u64 {
        match self {
            Self::Known(known) => known.neurons,
            Self::Untold | Self::Unknown => 0,
        }
    }
}

/// Takes the activity of one layer of a batch, or of a part of it.
pub(super) struct ActivityCounter {
    neurons: u64,
    /// Elements that have a bit each: those of so many samples that they end with a byte.
    period: u64,
    /// `None` until there is a later step, and where the activity cannot be known.
    seen: Option<ActivityMarks>,
    is_unknown: bool,
}

impl ActivityCounter {
    /// `is_tracked` is false where the batch has too many neurons.
    pub(super) fn new(layer: &BatchLayer, is_tracked: bool) -> Self {
        let neurons = neurons(layer);
        let later = layer.elements - layer.step_elements();
        let period = if later > 0 { period(neurons, later).filter(|_| is_tracked) } else { Some(0) };
        Self { neurons, period: period.unwrap_or(0), seen: None, is_unknown: period.is_none() }
    }

    /// Where the kernel notes what changes from the element `later` of the later steps on; `None` if it is not to.
    pub(super) fn seen_at(&mut self, later: u64) -> Option<&mut ActivityMarks> {
        if self.is_unknown || self.period == 0 {
            return None;
        }
        let seen = self.seen.get_or_insert_with(|| ActivityMarks::new(self.period as usize));
        seen.go_to((later % self.period) as usize);
        Some(seen)
    }

    /// Forgets everything, since the neurons of some elements cannot be told.
    pub(super) fn give_up(&mut self) {
        self.seen = None;
        self.is_unknown |= self.period > 0;
    }

    /// Adds another range of the same layer.
    pub(super) fn add(&mut self, other: Self) {
        if other.is_unknown {
            self.give_up();
        }
        match (&mut self.seen, other.seen) {
            (Some(ours), Some(theirs)) => ours.join(&theirs),
            (none @ None, theirs) if !self.is_unknown => *none = theirs,
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Activity {
        let Some(seen) = self.seen.filter(|_| !self.is_unknown) else {
            return if self.is_unknown { Activity::Unknown } else { Activity::Untold };
        };
        let (mut ever, mut always) = seen.folded(self.neurons as usize);
        for set in [&mut ever, &mut always] {
            if let Some(last) = set.last_mut() {
                *last &= last_byte_mask(self.neurons);
            }
        }
        let known = ActiveNeurons::new(self.neurons, ever, always);
        known.map_or(Activity::Unknown, |known| Activity::Known(known.into()))
    }
}

/// The neurons of a layer.
fn neurons(layer: &BatchLayer) -> u64 {
    layer.step_elements().checked_div(layer.shape[1]).unwrap_or(0)
}

/// Whether all layers of a batch together have few enough neurons for their activity.
pub(super) fn are_few_neurons(layers: &[BatchLayer]) -> bool {
    layers.iter().map(neurons).try_fold(0_u64, u64::checked_add).is_some_and(|all| all <= MAX_ACTIVE_NEURONS)
}

/// The period of a layer with so many neurons and elements in its later steps: a power of two times the neurons.
fn period(neurons: u64, later: u64) -> Option<u64> {
    let mut period = Some(neurons).filter(|&neurons| neurons <= MAX_ACTIVE_NEURONS)?;
    while !period.is_multiple_of(8) || (period < LONG && period.saturating_mul(8) <= later) {
        period *= 2;
    }
    (period <= MAX_ACTIVE_NEURONS).then_some(period)
}

/// [`ActiveNeurons`] as they are in a file, not checked yet.
#[derive(Deserialize)]
struct KeptActivity {
    neurons: u64,
    #[serde(deserialize_with = "read_set")]
    ever: Vec<u8>,
    #[serde(deserialize_with = "read_set")]
    always: Vec<u8>,
}

impl TryFrom<KeptActivity> for ActiveNeurons {
    type Error = &'static str;

    fn try_from(KeptActivity { neurons, ever, always }: KeptActivity) -> Result<Self, Self::Error> {
        Self::new(neurons, ever, always).ok_or("the sets of active neurons do not belong together")
    }
}

/// Writes a set as bytes, and in JSON as their hexadecimal digits.
fn write_set<S: Serializer>(set: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return serializer.serialize_bytes(set);
    }
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let digits: String = set.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    serializer.serialize_str(&digits)
}

fn read_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    if !deserializer.is_human_readable() {
        return Vec::deserialize(deserializer);
    }
    let digits = String::deserialize(deserializer)?;
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|nibble| nibble as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect();
    let is_whole = |_: &Vec<u8>| rest.is_empty();
    bytes.filter(is_whole).ok_or_else(|| D::Error::custom("a set of neurons is no hexadecimal number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of so many neurons; of each whether it was ever and always updated.
    fn known(neurons: &[(bool, bool)]) -> Activity {
        let set = |bits: &dyn Fn(&(bool, bool)) -> bool| -> Vec<u8> {
            let byte = |byte: &[(bool, bool)]| {
                byte.iter().enumerate().fold(0, |all, (at, neuron)| all | u8::from(bits(neuron)) << (7 - at))
            };
            neurons.chunks(8).map(byte).collect()
        };
        let (ever, always) = (set(&|neuron| neuron.0 || neuron.1), set(&|neuron| neuron.1));
        Activity::Known(ActiveNeurons::new(neurons.len() as u64, ever, always).expect("sound").into())
    }

    fn any_activity() -> impl Strategy<Value = Activity> {
        prop_oneof![
            1 => Just(Activity::Untold),
            1 => Just(Activity::Unknown),
            6 => prop::collection::vec(any::<(bool, bool)>(), 11).prop_map(|neurons| known(&neurons)),
            1 => prop::collection::vec(any::<(bool, bool)>(), 3).prop_map(|neurons| known(&neurons)),
        ]
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_matters(parts in prop::collection::vec(any_activity(), 0..6), cut in 0_usize..6) {
            let joined = |parts: &mut dyn Iterator<Item = &Activity>| {
                let mut all = Activity::default();
                parts.for_each(|part| all.join(part));
                all
            };
            let whole = joined(&mut parts.iter());
            prop_assert_eq!(&joined(&mut parts.iter().rev()), &whole);
            let (first, second) = parts.split_at(cut.min(parts.len()));
            let mut groups = joined(&mut second.iter());
            groups.join(&joined(&mut first.iter()));
            prop_assert_eq!(&groups, &whole);
            // What is in it already raises no doubt.
            for part in &parts {
                let mut again = whole.clone();
                again.doubt(part);
                prop_assert_eq!(&again, &whole);
            }
        }

        #[test]
        fn it_is_read_as_it_was_written(activity in any_activity()) {
            let json = serde_json::to_string(&activity).expect("JSON");
            prop_assert_eq!(&serde_json::from_str::<Activity>(&json).expect("read"), &activity);
            let bytes = postcard::to_stdvec(&activity).expect("bytes");
            prop_assert_eq!(&postcard::from_bytes::<Activity>(&bytes).expect("read"), &activity);
        }
    }

    #[test]
    fn other_neurons_in_a_batch_with_the_same_numbers_raise_doubt() {
        let (one, other) = (known(&[(true, false), (false, false)]), known(&[(false, false), (true, false)]));
        let mut activity = one;
        activity.doubt(&other);
        assert_eq!(activity, Activity::Unknown);
    }

    #[test]
    fn sets_that_do_not_belong_together_are_refused() {
        let read = |json: &str| serde_json::from_str::<Activity>(json);
        let known = |neurons: u64, ever: &str, always: &str| {
            read(&format!(r#"{{"known": {{"neurons": {neurons}, "ever": "{ever}", "always": "{always}"}}}}"#))
        };
        assert_eq!(known(3, "c0", "40").expect("sound").counts().map(|counts| counts.silent), Some(1));
        for (neurons, ever, always, why) in [
            (3, "f0", "40", "a neuron behind the last"),
            (3, "80", "40", "always, and not at all"),
            (9, "c0", "40", "too few bytes"),
            (3, "c000", "4000", "too many bytes"),
            (3, "c", "40", "half a byte"),
            (3, "c-", "40", "no digit"),
            (u64::MAX, "", "", "very many neurons"),
        ] {
            assert!(known(neurons, ever, always).is_err(), "{why}");
        }
        assert!(read(r#""certain""#).is_err());
    }
}
