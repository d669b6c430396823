//! A condition on the figures that makes a script's check fail: `sparsity<0.9`.

use crate::report::{Summary, Sums};
use crate::tally::quotient;
use std::fmt;
use std::str::FromStr;

/// The operators, the longer ones first so that `<=` is not taken for `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// The figures that can be asked for.
const FIELDS: [(&str, Field); 8] = [
    ("sparsity", Field::Sparsity),
    ("effective_ops_per_sample", Field::EffectivePerSample),
    ("dense_ops_per_sample", Field::DensePerSample),
    ("effective_ops", Field::Effective),
    ("dense_ops", Field::Dense),
    ("updates", Field::Updates),
    ("dense_updates", Field::DenseUpdates),
    ("membrane_updates", Field::MembraneUpdates),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    Unequal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Sparsity,
    EffectivePerSample,
    DensePerSample,
    Effective,
    Dense,
    Updates,
    DenseUpdates,
    MembraneUpdates,
}

/// What a figure is of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Total,
    Layer(String),
    Neuron(String),
}

/// A condition under which the figures are not what they should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    scope: Scope,
    field: Field,
    operator: Operator,
    bound: f64,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (figure, operator, bound) = split(text).ok_or_else(|| {
            format!("{text:?} is not of the form FIGURE<BOUND, as in sparsity<0.9 or layer:lif1.sparsity<50%")
        })?;
        let (scope, field) = scope_and_field(figure)?;
        let bound = number(bound).ok_or_else(|| format!("{bound:?} in {text:?} is not a number"))?;
        Ok(Self { text: text.to_owned(), scope, field, operator, bound })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits at the last operator, since a layer's name may hold anything.
fn split(text: &str) -> Option<(&str, Operator, &str)> {
    let end = text.rfind(['<', '>', '='])? + 1;
    let (sign, operator) = OPERATORS.into_iter().find(|(sign, _)| text[..end].ends_with(sign))?;
    Some((text[..end - sign.len()].trim(), operator, text[end..].trim()))
}

fn scope_and_field(figure: &str) -> Result<(Scope, Field), String> {
    let named = |rest: &str, scope: fn(String) -> Scope| {
        let (name, field) =
            rest.rsplit_once('.').ok_or_else(|| format!("{figure:?} lacks a figure behind a dot"))?;
        Ok((scope(name.to_owned()), field_of(field)?))
    };
    if let Some(rest) = figure.strip_prefix("layer:") {
        named(rest, Scope::Layer)
    } else if let Some(rest) = figure.strip_prefix("neuron:") {
        named(rest, Scope::Neuron)
    } else {
        Ok((Scope::Total, field_of(figure)?))
    }
}

fn field_of(name: &str) -> Result<Field, String> {
    let known = FIELDS.iter().find(|(field, _)| *field == name).map(|(_, field)| *field);
    known.ok_or_else(|| {
        let names: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
        format!("there is no figure {name:?}; there are {}", names.join(", "))
    })
}

/// A finite number, or a percentage.
fn number(text: &str) -> Option<f64> {
    let (digits, divisor) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits.trim(), 100.0));
    digits.parse().ok().map(|number: f64| number / divisor).filter(|number| number.is_finite())
}

impl Condition {
    /// Why the check fails, if the condition holds; `None` if it does not.
    ///
    /// A figure that has no value fails the check too, so that a typing error never passes it.
    pub fn failure(&self, summary: &Summary) -> Option<String> {
        match self.value(summary) {
            Ok(value) if self.holds(value) => Some(format!("{self}: it is {value}")),
            Ok(_) => None,
            Err(why) => Some(format!("{self}: {why}")),
        }
    }

    fn holds(&self, value: f64) -> bool {
        match self.operator {
            Operator::Less => value < self.bound,
            Operator::AtMost => value <= self.bound,
            Operator::Greater => value > self.bound,
            Operator::AtLeast => value >= self.bound,
            Operator::Equal => value == self.bound,
            Operator::Unequal => value != self.bound,
        }
    }

    fn value(&self, summary: &Summary) -> Result<f64, String> {
        let sums = self.sums(summary)?;
        let value = match self.field {
            Field::Sparsity => sums.sparsity,
            Field::EffectivePerSample => sums.effective_ops_per_sample,
            Field::DensePerSample => sums.dense_ops_per_sample,
            Field::Effective => sums.effective_ops.map(|ops| ops as f64),
            Field::Dense => sums.dense_ops.map(|ops| ops as f64),
            Field::Updates => Some(sums.updates as f64),
            Field::DenseUpdates => Some(sums.dense_updates as f64),
            Field::MembraneUpdates => Some(quotient(sums.updates, summary.run.samples)),
        };
        value.ok_or_else(|| "it has no value (nothing priced, or nothing counted)".to_owned())
    }

    fn sums(&self, summary: &Summary) -> Result<Sums, String> {
        match &self.scope {
            Scope::Total => Ok(summary.total.sums()),
            Scope::Layer(name) => {
                let layer = summary.layers.iter().find(|layer| layer.name == *name);
                layer.map(|layer| layer.sums()).ok_or_else(|| format!("there is no layer {name:?}"))
            }
            Scope::Neuron(name) => {
                let class = summary.neurons.iter().find(|class| class.neuron == *name);
                class.map(|class| class.sums()).ok_or_else(|| format!("there is no neuron {name:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_are_parsed() {
        let parse = |text: &str| text.parse::<Condition>().unwrap_or_else(|error| panic!("{text}: {error}"));
        let condition = parse("sparsity<0.9");
        assert_eq!(
            (condition.scope, condition.operator, condition.bound),
            (Scope::Total, Operator::Less, 0.9)
        );
        let condition = parse("layer:a<b.c.sparsity >= 50 %");
        assert_eq!(condition.scope, Scope::Layer("a<b.c".into()));
        assert_eq!((condition.operator, condition.bound), (Operator::AtLeast, 0.5));
        let condition = parse("neuron:Leaky.effective_ops_per_sample>3e6");
        assert_eq!((condition.scope, condition.bound), (Scope::Neuron("Leaky".into()), 3e6));
        assert_eq!(parse("updates==4").operator, Operator::Equal);
        assert_eq!(parse("updates!=4").operator, Operator::Unequal);
        assert_eq!(parse("updates<=4").operator, Operator::AtMost);
        for wrong in [
            "",
            "<",
            "sparsity",
            "sparsity<",
            "sparsity<x",
            "sparsity=1",
            "colour<1",
            "layer:a<1",
            "sparsity<NaN",
        ] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,30}[<>=!]{0,3}\\PC{0,10}") {
            let _ = text.parse::<Condition>();
        }
    }
}
