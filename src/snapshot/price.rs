//! What a manifest says of the price of a layer: the operations of one membrane update, as the recorder measured them
//! or was given them, or why there is no price.
//!
//! Whatever stands in the place of a price, the manifest stays usable: a wrong price is no price, and says why.

use super::bounded::{quoted, shortened};
use super::loose::LooseValue;
use serde::{Deserialize, Serialize};

/// The highest price of an update, so that no sum of operations can overflow.
pub const MAX_COST: u64 = 1_000_000_000;

/// The most different prices of one layer that a file may hold.
pub(super) const MAX_PRICES: usize = 64;

/// The most characters of versions, and of the mode.
const MAX_VERSIONS: usize = 200;

/// What says that a price is measured.
const MEASURED: &str = "measured";

/// What is known of the price of a layer, apart from NeuroBench's and the user's prices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LayerPrice {
    /// Nothing is said of it.
    #[default]
    Unknown,
    /// There is none, for this reason.
    Unpriced(String),
    /// One, or several that differ: those of several ranks or shards. They are sorted.
    Recorded(Vec<RecordedPrice>),
    /// What stands in its place is no price, for this reason.
    Wrong(String),
}

/// The price of an update, as the recorder wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedPrice {
    pub ops_per_update: u64,
    /// How it was measured; `None` if the user gave it to the recorder.
    pub measurement: Option<Measurement>,
}

/// How a price was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measurement {
    /// The operations of one update, in order, with a space between them; `°` marks those on parameters. Empty if the
    /// manifest does not list them.
    pub operations: String,
    /// The framework and torch, with versions.
    pub versions: Option<String>,
    /// `train` or `eval`.
    pub mode: Option<String>,
}

impl Measurement {
    /// The operations, in order.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.operations.split_whitespace()
    }

    /// The mode and the versions: `eval mode, norse 1.1.0, torch 2.15.0`; empty if neither is known.
    pub fn circumstances(&self) -> String {
        let mode = self.mode.as_ref().map(|mode| format!("{mode} mode"));
        mode.into_iter().chain(self.versions.clone()).collect::<Vec<_>>().join(", ")
    }
}

impl RecordedPrice {
    /// What distinguishes two prices. The same number measured twice is one price.
    fn key(&self) -> (u64, bool) {
        (self.ops_per_update, self.measurement.is_some())
    }

    fn text(&self) -> String {
        let how = match &self.measurement {
            None => "given to the recorder".to_owned(),
            Some(measurement) => match measurement.circumstances() {
                circumstances if circumstances.is_empty() => MEASURED.to_owned(),
                circumstances => format!("{MEASURED}: {circumstances}"),
            },
        };
        format!("{} ({how})", self.ops_per_update)
    }
}

impl LayerPrice {
    /// The price, if there is exactly one.
    pub fn recorded(&self) -> Option<&RecordedPrice> {
        match self {
            Self::Recorded(prices) if prices.len() == 1 => prices.first(),
            _ => None,
        }
    }

    /// Why there is no price, if the manifest says so.
    pub fn why_unpriced(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Unpriced(why) | Self::Wrong(why) => Some(why.clone()),
            Self::Recorded(prices) if prices.len() == 1 => None,
            Self::Recorded(prices) => {
                let prices: Vec<String> = prices.iter().map(RecordedPrice::text).collect();
                Some(format!("its recorded prices differ: {}", prices.join(" and ")))
            }
        }
    }

    /// What two manifests of the same run say together. Neither their order nor their grouping matters: prices that differ
    /// stay beside each other, and none of them is chosen.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Wrong(one), Self::Wrong(two)) => Self::Wrong(one.min(two)),
            (Self::Wrong(why), _) | (_, Self::Wrong(why)) => Self::Wrong(why),
            (Self::Recorded(one), Self::Recorded(two)) => Self::Recorded(union(one, two)),
            (Self::Recorded(prices), _) | (_, Self::Recorded(prices)) => Self::Recorded(prices),
            (Self::Unpriced(one), Self::Unpriced(two)) => Self::Unpriced(one.min(two)),
            (Self::Unpriced(why), _) | (_, Self::Unpriced(why)) => Self::Unpriced(why),
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

/// The prices of both, each once, up to so many.
fn union(mut one: Vec<RecordedPrice>, two: Vec<RecordedPrice>) -> Vec<RecordedPrice> {
    one.extend(two);
    one.sort();
    // Of the same number, the first is kept, whichever came first.
    one.sort_by_key(RecordedPrice::key);
    one.dedup_by_key(|price| price.key());
    one.truncate(MAX_PRICES);
    one
}

/// The fields of one price, as they are in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PriceFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ops_per_update: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) priced_by: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operations: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) versions: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unpriced: Option<LooseValue>,
}

impl PriceFields {
    /// The price in these fields. A part of a run may have several that differ, or none and what was wrong with it.
    pub(super) fn read(self, differing: Vec<Self>, wrong: Option<LooseValue>) -> LayerPrice {
        if let Some(LooseValue::Text(why)) = wrong {
            return LayerPrice::Wrong(why);
        }
        let all = differing.into_iter().chain([self]);
        let all = all.map(|fields| read(&fields).unwrap_or_else(LayerPrice::Wrong));
        all.fold(LayerPrice::Unknown, LayerPrice::joined)
    }

    /// How a price is written: the fields of it, those of several that differ, and what is wrong with it.
    pub(super) fn written(price: &LayerPrice) -> (Self, Vec<Self>, Option<LooseValue>) {
        let text = |text: &String| Some(LooseValue::Text(text.clone()));
        match price {
            LayerPrice::Unknown => Default::default(),
            LayerPrice::Unpriced(why) => (Self { unpriced: text(why), ..Self::default() }, Vec::new(), None),
            LayerPrice::Wrong(why) => (Self::default(), Vec::new(), text(why)),
            LayerPrice::Recorded(prices) => match &prices[..] {
                [price] => (Self::from(price), Vec::new(), None),
                several => (Self::default(), several.iter().map(Self::from).collect(), None),
            },
        }
    }
}

/// The price in these fields.
///
/// # Errors
/// What is wrong with it.
fn read(fields: &PriceFields) -> Result<LayerPrice, String> {
    let why = text("unpriced", fields.unpriced.as_ref())?;
    let ops_per_update = match &fields.ops_per_update {
        None => None,
        Some(LooseValue::Whole(ops)) if *ops <= MAX_COST => Some(*ops),
        Some(LooseValue::Whole(ops)) => {
            return Err(format!(
                "its ops_per_update is {ops}, and an update costs at most {MAX_COST} operations"
            ));
        }
        Some(other) => {
            return Err(format!("its ops_per_update is {}, not a whole number of operations", other.kind()));
        }
    };
    let is_measured = match text("priced_by", fields.priced_by.as_ref())? {
        None => false,
        Some(MEASURED) => true,
        Some(other) => return Err(format!("its priced_by is {}, not \"{MEASURED}\"", quoted(other))),
    };
    match (ops_per_update, why) {
        (Some(_), Some(_)) => Err("it has ops_per_update, and unpriced says that it has no price".to_owned()),
        (None, _) if is_measured => Err("its price is measured, and ops_per_update is missing".to_owned()),
        (None, Some(why)) if !why.is_empty() => Ok(LayerPrice::Unpriced(why.to_owned())),
        (None, _) => Ok(LayerPrice::Unknown),
        (Some(ops_per_update), None) => {
            let measurement = if is_measured { Some(measurement(ops_per_update, fields)?) } else { None };
            Ok(LayerPrice::Recorded(vec![RecordedPrice { ops_per_update, measurement }]))
        }
    }
}

fn measurement(ops_per_update: u64, fields: &PriceFields) -> Result<Measurement, String> {
    if ops_per_update == 0 {
        return Err("its measured price is 0, and an update takes at least one operation".to_owned());
    }
    let operations = match &fields.operations {
        None => String::new(),
        Some(LooseValue::Words { words, count }) if *count == ops_per_update => words.clone(),
        Some(LooseValue::Words { count, .. }) => {
            return Err(format!("its ops_per_update is {ops_per_update}, and its operations are {count}"));
        }
        Some(_) => return Err("its operations are not a list of names".to_owned()),
    };
    let short = |name, value| {
        text(name, value).map(|text| text.map(|text| shortened(text, MAX_VERSIONS).into_owned()))
    };
    Ok(Measurement {
        operations,
        versions: short("versions", fields.versions.as_ref())?,
        mode: short("mode", fields.mode.as_ref())?,
    })
}

/// A field that must be text.
fn text<'a>(name: &str, value: Option<&'a LooseValue>) -> Result<Option<&'a str>, String> {
    match value {
        None => Ok(None),
        Some(LooseValue::Text(text)) => Ok(Some(text)),
        Some(other) => Err(format!("its {name} is {}, not a string", other.kind())),
    }
}

impl From<&RecordedPrice> for PriceFields {
    fn from(price: &RecordedPrice) -> Self {
        let text = |text: &str| LooseValue::Text(text.to_owned());
        let measured = price.measurement.as_ref();
        let listed = measured.filter(|measurement| !measurement.operations.is_empty());
        Self {
            ops_per_update: Some(LooseValue::Whole(price.ops_per_update)),
            priced_by: measured.map(|_| text(MEASURED)),
            operations: listed.map(|measurement| LooseValue::Words {
                words: measurement.operations.clone(),
                count: price.ops_per_update,
            }),
            versions: measured.and_then(|measurement| measurement.versions.as_deref()).map(text),
            mode: measured.and_then(|measurement| measurement.mode.as_deref()).map(text),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::LayerEntry;
    use proptest::prelude::*;

    fn parse(text: &str) -> LayerPrice {
        let fields = text.strip_prefix('{').expect("an object");
        let comma = if fields.starts_with('}') { "" } else { "," };
        let layer = format!("{{\"name\": \"a\", \"neuron\": \"b\", \"reset\": \"c\"{comma}{fields}");
        serde_json::from_str::<LayerEntry>(&layer).expect("a layer").price
    }

    fn measured(ops_per_update: u64, mode: &str) -> RecordedPrice {
        let operations = vec!["mul"; ops_per_update as usize].join(" ");
        let measurement = Measurement { operations, versions: None, mode: Some(mode.to_owned()) };
        RecordedPrice { ops_per_update, measurement: Some(measurement) }
    }

    #[test]
    fn a_price_is_what_the_recorder_wrote() {
        let price = parse(
            r#"{"ops_per_update": 3, "priced_by": "measured", "operations": ["mul", "add", "exp°"],
                "versions": "norse 1.1.0, torch 2.15.0", "mode": "eval"}"#,
        );
        let recorded = price.recorded().expect("a price");
        let measurement = recorded.measurement.as_ref().expect("a measurement");
        assert_eq!(recorded.ops_per_update, 3);
        assert_eq!(measurement.operations().collect::<Vec<_>>(), ["mul", "add", "exp°"]);
        assert_eq!(measurement.circumstances(), "eval mode, norse 1.1.0, torch 2.15.0");
        let given = RecordedPrice { ops_per_update: 4, measurement: None };
        assert_eq!(parse(r#"{"ops_per_update": 4}"#), LayerPrice::Recorded(vec![given]));
        assert_eq!(parse("{}"), LayerPrice::Unknown);
        let why = parse(r#"{"unpriced": "its state passes through a matrix product"}"#).why_unpriced();
        assert_eq!(why.as_deref(), Some("its state passes through a matrix product"));
    }

    #[test]
    fn what_is_no_price_says_why() {
        let many = format!(
            r#"{{"ops_per_update": 1, "priced_by": "measured", "operations": [{}"a"]}}"#,
            "\"a\",".repeat(50_000)
        );
        let long = format!(
            r#"{{"ops_per_update": 1, "priced_by": "measured", "operations": ["{}"]}}"#,
            "a".repeat(50_000)
        );
        for (text, says) in [
            (r#"{"ops_per_update": -1}"#, "its ops_per_update is a negative number"),
            (r#"{"ops_per_update": 6.0}"#, "a number that is no integer"),
            (r#"{"ops_per_update": 1e300}"#, "a number that is no integer"),
            (r#"{"ops_per_update": 99999999999999999999999}"#, "a number that is no integer"),
            (r#"{"ops_per_update": 1000000001}"#, "at most 1000000000 operations"),
            (r#"{"ops_per_update": "6"}"#, "is a string, not a whole number"),
            (r#"{"ops_per_update": [6]}"#, "is a list, not a whole number"),
            (r#"{"ops_per_update": {"a": [1]}}"#, "is an object"),
            (r#"{"ops_per_update": true}"#, "is a truth value"),
            (r#"{"ops_per_update": 6, "priced_by": "me"}"#, "its priced_by is \"me\""),
            (r#"{"ops_per_update": 6, "priced_by": 6}"#, "its priced_by is a number, not a string"),
            (r#"{"priced_by": "measured"}"#, "ops_per_update is missing"),
            (r#"{"ops_per_update": 0, "priced_by": "measured"}"#, "its measured price is 0"),
            (
                r#"{"ops_per_update": 2, "priced_by": "measured", "operations": ["a"]}"#,
                "its operations are 1",
            ),
            (r#"{"ops_per_update": 1, "priced_by": "measured", "operations": "a"}"#, "not a list of names"),
            (r#"{"ops_per_update": 1, "priced_by": "measured", "operations": [1]}"#, "not a list of names"),
            (
                r#"{"ops_per_update": 1, "priced_by": "measured", "operations": ["a b"]}"#,
                "not a list of names",
            ),
            (r#"{"ops_per_update": 1, "priced_by": "measured", "mode": 1}"#, "its mode is a number"),
            (r#"{"ops_per_update": 1, "unpriced": "why"}"#, "unpriced says that it has no price"),
            (r#"{"unpriced": ["why"]}"#, "its unpriced is a list"),
            (&many, "its operations are 50001"),
            (&long, "not a list of names"),
        ] {
            let price = parse(text);
            assert!(matches!(&price, LayerPrice::Wrong(why) if why.contains(says)), "{says}: {price:?}");
            assert_eq!(price.recorded(), None);
        }
    }

    #[test]
    fn prices_that_differ_are_none_and_both_are_named() {
        let one = LayerPrice::Recorded(vec![measured(6, "train")]);
        let two = LayerPrice::Recorded(vec![measured(7, "eval")]);
        let both = two.joined(one);
        assert_eq!(both.recorded(), None);
        let why = both.why_unpriced().expect("a reason");
        assert_eq!(why, "its recorded prices differ: 6 (measured: train mode) and 7 (measured: eval mode)");
    }

    fn any_price() -> impl Strategy<Value = LayerPrice> {
        let recorded = (1..4_u64, prop_oneof![Just("train"), Just("eval")], any::<bool>()).prop_map(
            |(ops_per_update, mode, is_given)| match is_given {
                true => RecordedPrice { ops_per_update, measurement: None },
                false => measured(ops_per_update, mode),
            },
        );
        prop_oneof![
            Just(LayerPrice::Unknown),
            "[ab]".prop_map(LayerPrice::Unpriced),
            "[ab]".prop_map(LayerPrice::Wrong),
            recorded.prop_map(|price| LayerPrice::Recorded(vec![price])),
        ]
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_matters(prices in prop::collection::vec(any_price(), 1..6), turn: u64, cut in 0..6_usize) {
            let all = |prices: &[LayerPrice]| prices.iter().cloned().fold(LayerPrice::Unknown, LayerPrice::joined);
            let whole = all(&prices);
            let mut turned = prices.clone();
            turned.rotate_left(turn as usize % prices.len());
            turned.reverse();
            prop_assert_eq!(&all(&turned), &whole);
            let (one, two) = prices.split_at(cut.min(prices.len()));
            prop_assert_eq!(&all(two).joined(all(one)), &whole);
            // What is written is read again.
            let entry = LayerEntry { name: "a".into(), neuron: "b".into(), reset: "c".into(), shape: None, price: whole };
            let json = serde_json::to_string(&entry).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<LayerEntry>(&json).expect("a layer"), entry);
        }

        #[test]
        fn no_value_is_too_strange(value in "[-0-9a-z\\[\\]{}\":,. ]{0,30}") {
            for field in ["ops_per_update", "priced_by", "operations", "versions", "mode", "unpriced", "wrong_price"] {
                let _ = serde_json::from_str::<LayerEntry>(&format!(
                    "{{\"name\": \"a\", \"neuron\": \"b\", \"reset\": \"c\", \"{field}\": {value}}}"
                ));
            }
        }
    }
}
