//! What one membrane update of a neuron costs, in operations.

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

/// The highest cost that can be given, so that no sum of operations overflows.
const MAX_COST: u64 = 1_000_000_000;

/// Who says what an update costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PricedBy {
    /// NeuroBench's own table.
    NeuroBench,
    /// The user: `--cost` or the configuration file.
    User,
}

/// The cost of one membrane update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Operations of one update.
    pub ops_per_update: u64,
    /// Where the figure comes from.
    pub priced_by: PricedBy,
}

/// A cost that the user adds: `NEURON:RESET=OPS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRule {
    /// The neuron's class name.
    pub neuron: String,
    /// The reset mechanism.
    pub reset: String,
    /// Operations of one update.
    pub ops_per_update: u64,
}

impl CostRule {
    /// A cost for a neuron and reset mechanism that NeuroBench does not price.
    ///
    /// # Errors
    /// Where a name is empty, the cost is beyond any neuron's, or NeuroBench does price it: its figures
    /// are what neurotop equals.
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

fn neurobench_cost(neuron: &str, reset: &str) -> Option<u64> {
    NEUROBENCH.iter().find(|row| (row.0, row.1) == (neuron, reset)).map(|row| row.2)
}

/// NeuroBench's costs and the user's additions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    added: BTreeMap<(String, String), u64>,
}

impl Costs {
    /// NeuroBench's costs with the user's; of two rules for the same neuron and reset the later counts.
    pub fn with_rules(rules: impl IntoIterator<Item = CostRule>) -> Self {
        let added = rules.into_iter().map(|rule| ((rule.neuron, rule.reset), rule.ops_per_update)).collect();
        Self { added }
    }

    /// The user's rules, in the order of their names.
    pub fn rules(&self) -> impl Iterator<Item = CostRule> {
        self.added.iter().map(|((neuron, reset), &ops_per_update)| CostRule {
            neuron: neuron.clone(),
            reset: reset.clone(),
            ops_per_update,
        })
    }

    /// The cost of one update of this neuron with this reset mechanism; `None` where nobody priced it.
    pub fn of(&self, neuron: &str, reset: &str) -> Option<Cost> {
        if let Some(ops_per_update) = neurobench_cost(neuron, reset) {
            return Some(Cost { ops_per_update, priced_by: PricedBy::NeuroBench });
        }
        let key = (neuron.to_owned(), reset.to_owned());
        self.added.get(&key).map(|&ops_per_update| Cost { ops_per_update, priced_by: PricedBy::User })
    }
}

/// What the user says of layers that the manifest lacks: `VALUE` for all of them or `LAYER=VALUE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerDefaults {
    all: Option<String>,
    by_layer: BTreeMap<String, String>,
}

impl LayerDefaults {
    /// From the values of a repeatable option; of two for the same layer the later counts.
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

    /// The values of the option that say this, each once.
    pub fn values(&self) -> Vec<String> {
        let by_layer = self.by_layer.iter().map(|(layer, value)| format!("{layer}={value}"));
        self.all.iter().cloned().chain(by_layer).collect()
    }

    /// The value for a layer, where one was given.
    pub fn of(&self, layer: &str) -> Option<&str> {
        self.by_layer.get(layer).or(self.all.as_ref()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neurobench_prices_cannot_be_changed_and_others_can_be_added() {
        let rule: CostRule = "RLeaky:subtract=5".parse().expect("a rule");
        assert_eq!(rule.to_string(), "RLeaky:subtract=5");
        let costs = Costs::with_rules([rule]);
        assert_eq!(
            costs.of("RLeaky", "subtract"),
            Some(Cost { ops_per_update: 5, priced_by: PricedBy::User })
        );
        assert_eq!(costs.of("RLeaky", "zero"), None);
        assert_eq!(costs.of("Alpha", "zero").map(|cost| cost.ops_per_update), Some(24));
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
    fn a_layer_of_its_own_goes_before_all_layers() {
        let defaults = LayerDefaults::parse(&["Leaky".into(), "head.lif=Alpha".into()]);
        assert_eq!((defaults.of("head.lif"), defaults.of("x")), (Some("Alpha"), Some("Leaky")));
        assert_eq!(LayerDefaults::default().of("x"), None);
        assert_eq!(LayerDefaults::parse(&defaults.values()), defaults);
    }
}
