//! The operations of one membrane update of a layer: NeuroBench's, the user's, or those that the recorder has written
//! into the manifest.

use super::energy::EnergyPerOp;
use crate::snapshot::{LayerPrice, MAX_COST};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// NeuroBench 2.3.0's costs by neuron and reset mechanism (`neuron_ops_reset_operations` in its
/// `neuron_operations.py`).
const NEUROBENCH: [(&str, &str, u64); 8] = [
    ("Leaky", "subtract", 4),
    ("Leaky", "zero", 4),
    ("Synaptic", "subtract", 6),
    ("Synaptic", "zero", 8),
    ("Lapicque", "subtract", 11),
    ("Lapicque", "zero", 11),
    ("Alpha", "subtract", 18),
    ("Alpha", "zero", 24),
];

/// Where the cost of an update comes from. Of several, the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PricedBy {
    /// NeuroBench's own table.
    NeuroBench,
    /// The user: `--cost` or the configuration file.
    User,
    /// The user, by `cost=` of the recorder, which the manifest has.
    Recorder,
    /// The recorder, which has measured it.
    Measured,
}

impl PricedBy {
    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeuroBench => "neurobench",
            Self::User => "user",
            Self::Recorder => "recorder",
            Self::Measured => "measured",
        }
    }

    /// Whether it is in the total that is compared with NeuroBench's own. Only what somebody has decided is; a
    /// measurement has a total of its own.
    pub fn is_in_total(self) -> bool {
        self != Self::Measured
    }
}

/// The cost of one membrane update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub ops_per_update: u64,
    pub priced_by: PricedBy,
}

/// A cost that the user adds: `NEURON:RESET=OPS`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostRule {
    /// The neuron's class name.
    pub neuron: String,
    pub reset: String,
    /// Operations of one update.
    pub ops_per_update: u64,
}

impl CostRule {
    /// A cost for a neuron and reset mechanism that NeuroBench does not price.
    ///
    /// # Errors
    /// Where a name is empty, the cost is too high, or NeuroBench prices it: neurotop's figures equal NeuroBench's.
    pub fn new(neuron: &str, reset: &str, ops_per_update: u64) -> Result<Self, String> {
        if neuron.is_empty() || reset.is_empty() {
            return Err("a cost needs a neuron and a reset mechanism, as in RLeaky:subtract=5".into());
        }
        if ops_per_update > MAX_COST {
            return Err(format!("an update costs at most {MAX_COST} operations, not {ops_per_update}"));
        }
        match neurobench_cost(neuron, reset) {
            Some(official) => Err(format!(
                "NeuroBench prices {neuron}:{reset} at {official}; only what it does not price can be given a cost"
            )),
            None => Ok(Self { neuron: neuron.into(), reset: reset.into(), ops_per_update }),
        }
    }
}

impl FromStr for CostRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not of the form NEURON:RESET=OPS, as in RLeaky:subtract=5");
        let (key, ops) = text.rsplit_once('=').ok_or_else(form)?;
        let (neuron, reset) = key.split_once(':').ok_or_else(form)?;
        Self::new(neuron, reset, ops.parse().map_err(|_| form())?)
    }
}

impl fmt::Display for CostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}={}", self.neuron, self.reset, self.ops_per_update)
    }
}

impl fmt::Debug for CostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn neurobench_cost(neuron: &str, reset: &str) -> Option<u64> {
    NEUROBENCH.iter().find(|row| (row.0, row.1) == (neuron, reset)).map(|row| row.2)
}

/// NeuroBench's costs and the user's additions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    added: BTreeMap<(String, String), u64>,
    energy_per_op: Option<EnergyPerOp>,
}

impl Costs {
    /// NeuroBench's costs with the user's. Of two rules for the same neuron and reset mechanism, the later counts.
    pub fn with_rules(rules: impl IntoIterator<Item = CostRule>) -> Self {
        let added = rules.into_iter().map(|rule| ((rule.neuron, rule.reset), rule.ops_per_update)).collect();
        Self { added, energy_per_op: None }
    }

    /// The same with the energy of one operation, where the user gives it.
    pub fn with_energy(self, energy_per_op: Option<EnergyPerOp>) -> Self {
        Self { energy_per_op, ..self }
    }

    /// The energy of one operation, where the user gives it.
    pub fn energy_per_op(&self) -> Option<EnergyPerOp> {
        self.energy_per_op
    }

    /// The user's rules, in the order of their names.
    pub fn rules(&self) -> impl Iterator<Item = CostRule> {
        self.added.iter().map(|((neuron, reset), &ops_per_update)| CostRule {
            neuron: neuron.clone(),
            reset: reset.clone(),
            ops_per_update,
        })
    }

    /// What a neuron and reset mechanism without a price may be meant for, as the user should write it; `None` if they
    /// have a price, or nothing is alike.
    pub fn meant(&self, neuron: &str, reset: &str) -> Option<String> {
        if self.cost(neuron, reset).is_some() || neuron.len().max(reset.len()) > LONGEST_SPELT {
            return None;
        }
        let priced = || {
            let added = self.added.keys().map(|(neuron, reset)| (neuron.as_str(), reset.as_str()));
            NEUROBENCH.iter().map(|row| (row.0, row.1)).chain(added)
        };
        let class = class_of(neuron);
        let neurons = || priced().map(|(known, _)| known);
        let exact = neurons().filter(|&known| known == neuron);
        let alike = neurons().filter(|known| known.eq_ignore_ascii_case(class));
        let slips = neurons().filter(|known| is_spelt_alike(class, known));
        let (meant_neuron, meant_reset) = exact.chain(alike).chain(slips).find_map(|known| {
            let resets = || priced().filter(|row| row.0 == known).map(|row| row.1);
            let exact = resets().find(|&row| row == reset);
            let alike = exact.or_else(|| resets().find(|row| row.eq_ignore_ascii_case(reset)));
            Some((known, alike.or_else(|| resets().find(|&row| Some(row) == word_of_reset(reset)))?))
        })?;
        Some(match (meant_neuron == neuron, meant_reset == reset) {
            (false, true) => meant_neuron.to_owned(),
            (true, false) => format!("reset {meant_reset}"),
            _ => format!("{meant_neuron} with reset {meant_reset}"),
        })
    }

    /// The cost of one update of a layer: that of its neuron and reset mechanism, else the one that its manifest has.
    pub fn of_layer(&self, neuron: Option<&str>, reset: Option<&str>, recorded: &LayerPrice) -> Option<Cost> {
        let known = neuron.zip(reset).and_then(|(neuron, reset)| self.cost(neuron, reset));
        known.or_else(|| {
            let price = recorded.recorded()?;
            let priced_by = if price.measurement.is_some() { PricedBy::Measured } else { PricedBy::Recorder };
            Some(Cost { ops_per_update: price.ops_per_update, priced_by })
        })
    }

    /// The cost of one update of a neuron with a reset mechanism; `None` without a price.
    pub fn cost(&self, neuron: &str, reset: &str) -> Option<Cost> {
        if let Some(ops_per_update) = neurobench_cost(neuron, reset) {
            return Some(Cost { ops_per_update, priced_by: PricedBy::NeuroBench });
        }
        let key = (neuron.to_owned(), reset.to_owned());
        self.added.get(&key).map(|&ops_per_update| Cost { ops_per_update, priced_by: PricedBy::User })
    }
}

/// Common names of reset mechanisms, in lower case, letters only, without `reset`.
const RESETS: [(&str, &str); 14] = [
    ("soft", "subtract"),
    ("sub", "subtract"),
    ("subtract", "subtract"),
    ("subtraction", "subtract"),
    ("subtractive", "subtract"),
    ("bysubtraction", "subtract"),
    ("minus", "subtract"),
    ("hard", "zero"),
    ("zero", "zero"),
    ("zeros", "zero"),
    ("tozero", "zero"),
    ("byzero", "zero"),
    ("bynull", "zero"),
    ("tonull", "zero"),
];

/// Longer names, in bytes, get no suggestion.
const LONGEST_SPELT: usize = 200;

/// NeuroBench's name for a reset mechanism.
fn word_of_reset(text: &str) -> Option<&'static str> {
    let word: String = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let word = word.replace("reset", "");
    RESETS.iter().find(|(said, _)| *said == word).map(|(_, meant)| *meant)
}

/// The class name in `snntorch.Leaky(beta=0.9)` or `<class 'snntorch.Leaky'>`.
fn class_of(text: &str) -> &str {
    let call = text.split('(').next().unwrap_or_default();
    let mut names = call.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty());
    names.next_back().unwrap_or_default()
}

/// Whether a word differs from a name in case alone, or by one slip after the first letter. Another first letter is
/// another class, as in `RLeaky`.
fn is_spelt_alike(word: &str, name: &str) -> bool {
    let (word, name) = (word.replace('_', "").to_lowercase(), name.to_lowercase());
    let has_slip =
        || name.len() > 4 && word.get(..1) == name.get(..1) && strsim::damerau_levenshtein(&word, &name) == 1;
    word == name || (word.len() <= 2 * name.len() && has_slip())
}

/// What the user says of layers that the manifest lacks: `VALUE` for all of them or `LAYER=VALUE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerDefaults {
    all: Option<String>,
    by_layer: BTreeMap<String, String>,
}

impl LayerDefaults {
    /// Parses the values of a repeatable option. Of two for the same layer, the later counts.
    pub fn parse(values: &[String]) -> Self {
        let mut defaults = Self::default();
        for value in values {
            match value.split_once('=') {
                Some((layer, value)) => {
                    defaults.by_layer.insert(layer.to_owned(), value.to_owned());
                }
                None => defaults.all = Some(value.clone()),
            }
        }
        defaults
    }

    /// The values of the option that give these defaults.
    pub fn values(&self) -> Vec<String> {
        let by_layer = self.by_layer.iter().map(|(layer, value)| format!("{layer}={value}"));
        self.all.iter().cloned().chain(by_layer).collect()
    }

    pub fn for_layer(&self, layer: &str) -> Option<&str> {
        self.by_layer.get(layer).or(self.all.as_ref()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Measurement, RecordedPrice};

    #[test]
    fn neurobench_prices_cannot_be_changed_and_others_can_be_added() {
        let rule: CostRule = "RLeaky:subtract=5".parse().expect("a rule");
        assert_eq!(rule.to_string(), "RLeaky:subtract=5");
        let costs = Costs::with_rules([rule]);
        assert_eq!(
            costs.cost("RLeaky", "subtract"),
            Some(Cost { ops_per_update: 5, priced_by: PricedBy::User })
        );
        assert_eq!(costs.cost("RLeaky", "zero"), None);
        assert_eq!(costs.cost("Alpha", "zero").map(|cost| cost.ops_per_update), Some(24));
        assert!("Leaky:zero=5".parse::<CostRule>().unwrap_err().contains("NeuroBench prices"));
        for text in [
            "",
            "RLeaky=5",
            "RLeaky:subtract",
            "RLeaky:subtract=-1",
            ":zero=1",
            "RLeaky:=1",
            "A:b=1000000001",
        ] {
            assert!(text.parse::<CostRule>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_spelt_alike_is_named_and_what_has_a_price_or_is_another_class_is_not() {
        let costs = Costs::with_rules(
            ["RLeaky:subtract=5", "lapicque:zero=3"].map(|rule| rule.parse().expect("a rule")),
        );
        for (neuron, reset, meant) in [
            ("leaky", "zero", Some("Leaky")),
            ("LEAKY", "subtract", Some("Leaky")),
            ("snntorch.Leaky", "zero", Some("Leaky")),
            ("snn.Leaky(beta=0.9)", "zero", Some("Leaky")),
            ("<class 'snntorch._neurons.alpha.Alpha'>", "zero", Some("Alpha")),
            ("Leakey", "zero", Some("Leaky")),
            ("Leaky", "Zero", Some("reset zero")),
            ("Leaky", "soft", Some("reset subtract")),
            ("Leaky", "hard_reset", Some("reset zero")),
            ("Leaky", "reset_to_zero", Some("reset zero")),
            ("synaptic", "soft", Some("Synaptic with reset subtract")),
            ("rleaky", "subtract", Some("RLeaky")),
            ("rleaky", "zero", None),
            ("lapicque", "zero", None),
            ("lapicque", "subtract", Some("Lapicque")),
            ("RLeaky", "zero", None),
            ("SLSTM", "zero", None),
            ("Leaky", "none", None),
            ("Leaky", "zero", None),
            ("NoiseLeaky", "zero", None),
            ("", "", None),
            ("\u{130}", "zero", None),
        ] {
            assert_eq!(costs.meant(neuron, reset).as_deref(), meant, "{neuron}:{reset}");
        }
    }

    #[test]
    fn neurobench_goes_before_the_user_and_both_go_before_the_recorder() {
        let costs = Costs::with_rules(["RLeaky:zero=5".parse().expect("a rule")]);
        let price = |measurement| RecordedPrice { ops_per_update: 7, measurement };
        let given = LayerPrice::Recorded(vec![price(None)]);
        let measured = LayerPrice::Recorded(vec![price(Some(Measurement::default()))]);
        let differing = measured.clone().joined(LayerPrice::Recorded(vec![RecordedPrice {
            ops_per_update: 8,
            measurement: Some(Measurement::default()),
        }]));
        for (neuron, recorded, expected) in [
            ("Leaky", &measured, Some((4, "neurobench"))),
            ("Leaky", &given, Some((4, "neurobench"))),
            ("RLeaky", &measured, Some((5, "user"))),
            ("RLeaky", &given, Some((5, "user"))),
            ("RLeaky", &differing, Some((5, "user"))),
            ("LIFNode", &given, Some((7, "recorder"))),
            ("LIFNode", &measured, Some((7, "measured"))),
            ("LIFNode", &differing, None),
            ("LIFNode", &LayerPrice::Unpriced("why".into()), None),
            ("LIFNode", &LayerPrice::Wrong("why".into()), None),
            ("LIFNode", &LayerPrice::Unknown, None),
        ] {
            let cost = costs.of_layer(Some(neuron), Some("zero"), recorded);
            let found = cost.map(|cost| (cost.ops_per_update, cost.priced_by.name()));
            assert_eq!(found, expected, "{neuron} {recorded:?}");
        }
        assert_eq!(costs.of_layer(None, None, &LayerPrice::Unknown), None);
    }

    #[test]
    fn a_layer_of_its_own_goes_before_all_layers() {
        let defaults = LayerDefaults::parse(&["Leaky".into(), "head.lif=Alpha".into()]);
        assert_eq!((defaults.for_layer("head.lif"), defaults.for_layer("x")), (Some("Alpha"), Some("Leaky")));
        assert_eq!(LayerDefaults::default().for_layer("x"), None);
        assert_eq!(LayerDefaults::parse(&defaults.values()), defaults);
    }
}
