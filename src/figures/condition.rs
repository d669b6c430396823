//! The conditions of `--fail-if`, such as `sparsity<0.9` and `vs-baseline>+2%`.

use super::compared_run::total_sums;
use super::figure::{Basis, FIGURES, Figure, FigureUnit, Number};
use super::row::RowSums;
use super::summary::{layer_rows, sums_of_rows};
use super::{Change, ComparedRun, Failure, Summary, TotalFigures};
use crate::run::Run;
use crate::run::tally::quotient;
use crate::text::{decimal, nearest, percent as percent_text, thousands, unknown};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The word for the change from the baseline.
const BASELINE: &str = "vs-baseline";

/// The word for the total with the layers whose price is measured.
const TOTAL_MEASURED: &str = "total_measured.";

/// The orderings of value and bound for which an operator holds; `None` is the ordering of NaN.
type HoldsFor = &'static [Option<Ordering>];

const LESS: Option<Ordering> = Some(Ordering::Less);
const EQUAL: Option<Ordering> = Some(Ordering::Equal);
const GREATER: Option<Ordering> = Some(Ordering::Greater);

/// The operators with their opposites, the longer ones first so that `<=` is not taken for `<`.
const OPERATORS: [(&str, HoldsFor, &str); 6] = [
    ("<=", &[LESS, EQUAL], ">"),
    (">=", &[GREATER, EQUAL], "<"),
    ("==", &[EQUAL], "!="),
    ("!=", &[LESS, GREATER, None], "=="),
    ("<", &[LESS], ">="),
    (">", &[GREATER], "<="),
];

/// Which row the figure is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Total,
    TotalMeasured,
    Layer(String),
    Neuron(String),
}

/// The value that is compared with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Value(&'static Figure),
    /// The relative change of a figure from the baseline.
    Change(&'static Figure),
}

/// A condition under which the command fails.
///
/// It is written `SUBJECT OPERATOR BOUND`. The subject is a figure of the total, or `vs-baseline.FIGURE` for its relative
/// change from the baseline; `vs-baseline` alone means `vs-baseline.effective_ops_per_sample`. A leading `layer:NAME.` or
/// `neuron:CLASS.` selects a layer or a neuron class instead of the total, and `total_measured.` the total with the layers
/// whose price is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    scope: Scope,
    measure: Measure,
    holds_for: HoldsFor,
    bound: f64,
    /// The bound for whole numbers, to the last digit; `None` beyond 128 bits.
    exact: Option<Exact>,
}

/// A decimal number, exact enough to compare whole numbers with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exact {
    /// The largest whole number that is not above it.
    floor: i128,
    /// Whether the number is above `floor`.
    is_more: bool,
}

impl Exact {
    /// `None` beyond 128 bits, or if the text is not a decimal number.
    fn parse(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (is_negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, digits.strip_prefix('+').unwrap_or(digits)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        // The place of the point among all digits.
        let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
        let before = usize::try_from(point.max(0)).ok().filter(|&before| before < 1000)?;
        let (whole, rest) = all.split_at_checked(before).unwrap_or((&all, ""));
        let zeros = "0".repeat(before.saturating_sub(whole.len()));
        let rest_is_more = rest.bytes().any(|digit| digit != b'0');
        let magnitude: i128 = format!("0{whole}{zeros}").parse().ok()?;
        Some(match is_negative {
            true if rest_is_more => Self { floor: -magnitude - 1, is_more: true },
            true => Self { floor: -magnitude, is_more: false },
            false => Self { floor: magnitude, is_more: rest_is_more },
        })
    }

    /// How a whole number compares with it.
    fn compare(self, value: u128) -> Ordering {
        let Ok(value) = i128::try_from(value) else { return Ordering::Greater };
        value.cmp(&self.floor).then(if self.is_more { Ordering::Less } else { Ordering::Equal })
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (subject, holds_for, bound) = split(text).ok_or_else(|| {
            format!("{text:?} is not of the form FIGURE<BOUND, as in sparsity<0.9 or layer:lif1.sparsity<50%")
        })?;
        let (scope, measure) = scope_and_measure(subject)?;
        let exact = Exact::parse(bound);
        // No negative zero: it would be written with two signs.
        let bound = parse_bound(measure, bound)? + 0.0;
        Ok(Self { text: text.to_owned(), scope, measure, holds_for, bound, exact })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits at the last operator, since the name of a layer may hold any character.
fn split(text: &str) -> Option<(&str, HoldsFor, &str)> {
    let end = text.rfind(['<', '>', '='])? + 1;
    let (sign, holds_for, _) = OPERATORS.into_iter().find(|(sign, ..)| text[..end].ends_with(sign))?;
    Some((text[..end - sign.len()].trim(), holds_for, text[end..].trim()))
}

fn scope_and_measure(subject: &str) -> Result<(Scope, Measure), String> {
    let named = |rest: &str, scope: fn(String) -> Scope| {
        let lacking = || format!("{subject:?} lacks a figure behind a dot, as in {subject}.sparsity");
        let (name, measure) = name_and_measure(rest)?.ok_or_else(lacking)?;
        Ok((scope(name.to_owned()), measure))
    };
    if let Some(rest) = subject.strip_prefix("layer:") {
        named(rest, Scope::Layer)
    } else if let Some(rest) = subject.strip_prefix("neuron:") {
        named(rest, Scope::Neuron)
    } else if let Some(rest) = subject.strip_prefix(TOTAL_MEASURED) {
        Ok((Scope::TotalMeasured, measure(rest)?))
    } else {
        Ok((Scope::Total, measure(subject)?))
    }
}

/// Reads from the end, since the name of a layer has dots of its own; `None` without a dot.
fn name_and_measure(text: &str) -> Result<Option<(&str, Measure)>, String> {
    let Some((name, last)) = text.rsplit_once('.') else { return Ok(None) };
    match name.strip_suffix(BASELINE).and_then(|name| name.strip_suffix('.')) {
        Some(name) => Ok(Some((name, Measure::Change(figure_named(last)?)))),
        None => Ok(Some((name, measure(last)?))),
    }
}

fn measure(text: &str) -> Result<Measure, String> {
    match text.strip_prefix(BASELINE) {
        Some("") => Ok(Measure::Change(Figure::EFFECTIVE_PER_SAMPLE)),
        Some(rest) if rest.starts_with('.') => Ok(Measure::Change(figure_named(&rest[1..])?)),
        _ => Ok(Measure::Value(figure_named(text)?)),
    }
}

fn figure_named(name: &str) -> Result<&'static Figure, String> {
    Figure::named(name).ok_or_else(|| {
        let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).chain([BASELINE]).collect();
        unknown("figure", name, &names)
    })
}

fn parse_bound(measure: Measure, text: &str) -> Result<f64, String> {
    let percentage = text.strip_suffix('%').map(str::trim);
    match (measure, percentage) {
        (Measure::Change(_), Some(digits)) => percent(digits),
        (Measure::Change(_), None) => {
            number(text)?;
            Err(format!("every change from the baseline is relative: did you mean {text}%?"))
        }
        (Measure::Value(Figure { unit: FigureUnit::Ratio, .. }), Some(digits)) => {
            in_unit(percent(digits)?, text)
        }
        (Measure::Value(Figure { unit: FigureUnit::Ratio, .. }), None) => in_unit(number(text)?, text),
        (Measure::Value(figure), Some(_)) => Err(format!(
            "{} is no percentage; only sparsity and {BASELINE} are compared with one",
            figure.name
        )),
        (Measure::Value(_), None) => number(text),
    }
}

/// Refuses a bound outside the range of a ratio.
fn in_unit(bound: f64, text: &str) -> Result<f64, String> {
    match bound {
        _ if (0.0..=1.0).contains(&bound) => Ok(bound),
        _ if (0.0..=100.0).contains(&bound) && !text.ends_with('%') => {
            Err(format!("a sparsity is between 0 and 1, or 0% and 100%: did you mean {text}%?"))
        }
        _ => Err(format!("a sparsity is between 0 and 1, or 0% and 100%, and {text} is not")),
    }
}

/// A hundredth of a decimal number, rounded once: 12.9 % gives the float nearest to 0.129.
fn percent(digits: &str) -> Result<f64, String> {
    let number = number(digits)?;
    Ok(format!("{digits}e-2").parse().unwrap_or(number / 100.0))
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("{text:?} is not a number"))
}

impl Condition {
    /// Whether it is about a change from the baseline.
    pub fn needs_baseline(&self) -> bool {
        matches!(self.measure, Measure::Change(_))
    }

    /// Why the command fails; `None` if the condition does not hold. A figure without a value also fails, so that a typing
    /// error never passes.
    pub fn failure(&self, run: &impl Judged, baseline: Option<&ComparedRun>) -> Option<Failure> {
        self.standing(run, baseline).failure
    }

    /// How a run stands with the condition, in the words that every output has:
    /// `sparsity 13.42 % < 50 %: fails by 36.58 points`.
    pub fn standing(&self, run: &impl Judged, baseline: Option<&ComparedRun>) -> Standing {
        let (text, short, fails) = match self.measure(run, baseline) {
            Ok((value, from)) => {
                let fails = self.holds(value);
                let verdict = if fails { "fails" } else { "passes" };
                let relation = self.relation(value, &from, fails);
                let near = self.distance(value).map_or(String::new(), |by| format!(" by {by}"));
                (format!("{relation}: {verdict}{near}"), format!("{relation}: {verdict}"), fails)
            }
            Err(why) => (format!("{} cannot be decided: {why}", self.text), self.text.clone(), true),
        };
        let failure = || Failure { new: None, condition: self.text.clone(), reason: text.clone() };
        let failure = fails.then(failure);
        Standing { text, short, failure }
    }

    /// How the value and the bound compare, as in `lif1: sparsity 13.42 % < 50 %`.
    fn relation(&self, value: Number, from: &str, fails: bool) -> String {
        let scope = match &self.scope {
            Scope::Total => String::new(),
            Scope::TotalMeasured => "with measured prices: ".to_owned(),
            Scope::Layer(name) | Scope::Neuron(name) => format!("{name}: "),
        };
        let sign = OPERATORS.iter().find(|operator| operator.1 == self.holds_for);
        let sign = sign.map_or("", |operator| if fails { operator.0 } else { operator.2 });
        let (figure, what) = match self.measure {
            Measure::Value(figure) => (figure, ""),
            Measure::Change(figure) => (figure, "change of "),
        };
        let (value, bound) = (self.written(value), self.bound_written());
        format!("{scope}{what}{} {value}{from} {sign} {bound}", figure.label)
    }

    /// Whether it is compared with a percentage.
    fn is_in_percent(&self) -> bool {
        matches!(self.measure, Measure::Change(_) | Measure::Value(Figure { unit: FigureUnit::Ratio, .. }))
    }

    /// The value, with as many digits as tell it from the bound.
    fn written(&self, value: Number) -> String {
        let (value, bound) = match value {
            Number::Whole(value) => return thousands(value),
            Number::Real(value) if self.is_in_percent() => (hundredfold(value), hundredfold(self.bound)),
            Number::Real(value) => (value, self.bound),
        };
        let tells = |&decimals: &usize| {
            let shown: Option<f64> = format!("{value:.decimals$}").parse().ok();
            shown.is_some_and(|shown| shown.partial_cmp(&bound) == value.partial_cmp(&bound))
        };
        let least = if value.fract() == 0.0 && !self.is_in_percent() { 0 } else { 2 };
        match (least..=MOST_DECIMALS).find(tells).unwrap_or(MOST_DECIMALS) {
            // As everywhere, close to 0 and 1 as well.
            2 if matches!(self.measure, Measure::Value(_)) && self.is_in_percent() => {
                percent_text(value / 100.0)
            }
            decimals => self.with_sign_and_unit(value, decimals),
        }
    }

    /// The bound, with the digits that the user gave.
    fn bound_written(&self) -> String {
        let bound = if self.is_in_percent() { hundredfold(self.bound) } else { self.bound };
        match self.exact {
            Some(Exact { floor, is_more: false }) if !self.is_in_percent() && floor >= 0 => {
                thousands(floor.unsigned_abs())
            }
            _ => {
                let digits = bound.to_string();
                let decimals = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                self.with_sign_and_unit(bound, decimals.min(MOST_DECIMALS))
            }
        }
    }

    fn with_sign_and_unit(&self, value: f64, decimals: usize) -> String {
        let is_change = matches!(self.measure, Measure::Change(_));
        let sign = if is_change && value >= 0.0 { "+" } else { "" };
        let unit = if self.is_in_percent() { " %" } else { "" };
        format!("{sign}{}{unit}", decimal(value, decimals))
    }

    /// How far the value is from the bound, of conditions that say which side of it is right: in points, or as a part of
    /// the bound; `None` where that says nothing.
    fn distance(&self, value: Number) -> Option<String> {
        let value = value.as_f64();
        let has_side = self.holds_for.contains(&LESS) != self.holds_for.contains(&GREATER);
        let far = (value - self.bound).abs();
        let (far, unit) = match self.is_in_percent() {
            true => (far * 100.0, "points"),
            false => (far / self.bound.abs() * 100.0, "%"),
        };
        let far = Some(far).filter(|&far| has_side && far > 0.0 && far.is_finite())?;
        Some(if far < 0.01 {
            format!("less than 0.01 {unit}")
        } else {
            format!("{} {unit}", decimal(far, 2))
        })
    }

    /// The value that is compared with the bound, and what it was made from, in words; an error if there is none.
    fn measure(&self, run: &impl Judged, baseline: Option<&ComparedRun>) -> Result<(Number, String), String> {
        match self.measure {
            Measure::Value(figure) => Ok((self.scope.value(run, figure)?, String::new())),
            Measure::Change(figure) => {
                let baseline = baseline.ok_or("there is no baseline; give one with --baseline")?;
                let in_baseline = |why| format!("in the baseline {}: {why}", baseline.source);
                let base = self.scope.value(baseline, figure).map_err(in_baseline)?;
                let new = self.scope.value(run, figure)?;
                let relative = match (base, new) {
                    (Number::Whole(base), Number::Whole(new)) => relative_of_whole(base, new),
                    _ => {
                        let (base, new) = (Some(base.as_f64()), Some(new.as_f64()));
                        Change { figure, base, new }.relative()
                    }
                };
                let (before, after) = (figure.text(Some(base)), figure.text(Some(new)));
                let from_0 =
                    || format!("it is {after}, and a change from 0 in the baseline has no percentage");
                let value = Number::Real(relative.ok_or_else(from_0)?);
                Ok((value, format!(" (from {before} to {after})")))
            }
        }
    }

    fn holds(&self, value: Number) -> bool {
        let order = match (value, self.exact) {
            (Number::Whole(whole), Some(bound)) => Some(bound.compare(whole)),
            _ => value.as_f64().partial_cmp(&self.bound),
        };
        self.holds_for.contains(&order)
    }
}

/// A hundred times a number, rounded once: 0.129 gives 12.9.
fn hundredfold(number: f64) -> f64 {
    format!("{number}e2").parse().unwrap_or(number * 100.0)
}

/// Digits behind the point beyond which a 64-bit float has none.
const MOST_DECIMALS: usize = 17;

/// How a run stands with a condition, and why the command fails if it ended now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub text: String,
    /// The same without how near it is.
    pub short: String,
    pub failure: Option<Failure>,
}

/// What conditions can be about.
pub trait Judged {
    /// The value of a figure in a row, where it has one; the outer `None` where there is no such row.
    fn value_in(&self, scope: &Scope, figure: &Figure) -> Option<Option<Number>>;

    /// The names of its neuron classes, or of its layers.
    fn names<'a>(&'a self, scope: &Scope) -> Box<dyn Iterator<Item = &'a str> + 'a>;
}

impl Judged for ComparedRun {
    fn value_in(&self, scope: &Scope, figure: &Figure) -> Option<Option<Number>> {
        let row = match scope {
            Scope::Total => Some(&self.rows.total),
            Scope::TotalMeasured => Some(self.rows.total_of_all()),
            Scope::Layer(name) => self.rows.layer(name),
            Scope::Neuron(name) => self.rows.neuron(name),
        };
        Some(row?.number(figure))
    }

    fn names<'a>(&'a self, scope: &Scope) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let rows = if matches!(scope, Scope::Neuron(_)) { &self.rows.neurons } else { &self.rows.layers };
        Box::new(rows.iter().map(|row| row.name.as_str()))
    }
}

impl Judged for Summary {
    fn value_in(&self, scope: &Scope, figure: &Figure) -> Option<Option<Number>> {
        let of_total =
            |total: &TotalFigures| total_sums(total.sums, total.unpriced_layers < self.layers.len());
        let sums = match scope {
            Scope::Total => of_total(&self.total),
            Scope::TotalMeasured => of_total(self.total_of_all()),
            Scope::Layer(name) => self.layers.iter().find(|layer| layer.name == *name)?.sums,
            Scope::Neuron(name) => self.neurons.iter().find(|class| class.neuron == *name)?.sums,
        };
        Some(figure.value(&sums))
    }

    fn names<'a>(&'a self, scope: &Scope) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match scope {
            Scope::Neuron(_) => Box::new(self.neurons.iter().map(|class| class.neuron.as_str())),
            _ => Box::new(self.layers.iter().map(|layer| layer.name.as_str())),
        }
    }
}

/// From so much of a summary as the condition needs, since a list of many runs judges each of them again and again.
impl Judged for Run {
    fn value_in(&self, scope: &Scope, figure: &Figure) -> Option<Option<Number>> {
        let rows = layer_rows(self);
        let of_total = |sums| total_sums(sums, rows.iter().any(|row| row.cost.is_some()));
        let sums = match scope {
            Scope::Total => of_total(sums_of_rows(&rows, self).0),
            Scope::TotalMeasured => {
                let (total, measured) = sums_of_rows(&rows, self);
                of_total(measured.unwrap_or(total))
            }
            Scope::Layer(name) => rows.iter().find(|row| row.name == name)?.sums,
            Scope::Neuron(name) => {
                let of_class = rows.iter().filter(|row| row.neuron == Some(name));
                RowSums::sum_of(of_class.map(|row| row.sums))?
            }
        };
        Some(figure.value(&sums))
    }

    fn names<'a>(&'a self, scope: &Scope) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let rows = layer_rows(self).into_iter();
        match scope {
            Scope::Neuron(_) => Box::new(rows.filter_map(|row| row.neuron)),
            _ => Box::new(rows.map(|row| row.name)),
        }
    }
}

impl Scope {
    /// # Errors
    /// Where there is no such row, or the figure has no value.
    fn value(&self, run: &impl Judged, figure: &Figure) -> Result<Number, String> {
        let value = run.value_in(self, figure).ok_or_else(|| self.absent(run.names(self)))?;
        value.ok_or_else(|| without_value(figure))
    }

    /// That there is no such row, and which of these names may be meant.
    fn absent<'a>(&self, names: impl Iterator<Item = &'a str>) -> String {
        let (what, name) = match self {
            Self::Total | Self::TotalMeasured => return "there is no total".to_owned(),
            Self::Layer(name) => ("layer", name),
            Self::Neuron(name) => ("neuron", name),
        };
        let meant = nearest(name, &names.take(MOST_COMPARED).collect::<Vec<_>>());
        let meant = meant.map_or(String::new(), |name| format!("; did you mean {name}?"));
        format!("there is no {what} {name:?}{meant}")
    }
}

/// The most names that one that there is not is compared with.
const MOST_COMPARED: usize = 1000;

/// The change divided by the base. No digit is lost before the division. `None` from 0 to anything else.
fn relative_of_whole(base: u128, new: u128) -> Option<f64> {
    match base.cmp(&new) {
        Ordering::Equal => Some(0.0),
        _ if base == 0 => None,
        Ordering::Less => Some(quotient(new - base, base)),
        Ordering::Greater => Some(-quotient(base - new, base)),
    }
}

fn without_value(figure: &Figure) -> String {
    match figure.basis {
        Basis::Energy => {
            "it has no value (nothing priced, nothing counted, or no --energy-per-op)".to_owned()
        }
        Basis::Neurons => {
            "it is not known which neurons are updated (nothing counted, or batches were taken out)"
                .to_owned()
        }
        _ => "it has no value (nothing priced, or nothing counted)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::compared_run::{ComparedRow, ComparedRows};
    use crate::run::sums::{Operations, Updates};
    use proptest::prelude::*;

    fn figure(name: &str) -> &'static Figure {
        Figure::named(name).expect("a figure")
    }

    fn parse(text: &str) -> Condition {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn conditions_are_parsed() {
        let condition = parse("sparsity<0.9");
        assert_eq!(
            (condition.scope, condition.holds_for, condition.bound),
            (Scope::Total, &[LESS] as HoldsFor, 0.9)
        );
        let condition = parse("layer:a<b.c.sparsity >= 50 %");
        assert_eq!(condition.scope, Scope::Layer("a<b.c".into()));
        assert_eq!((condition.holds_for, condition.bound), (&[GREATER, EQUAL] as HoldsFor, 0.5));
        let condition = parse("neuron:Leaky.effective_ops_per_sample>3e6");
        assert_eq!((condition.scope, condition.bound), (Scope::Neuron("Leaky".into()), 3e6));
        let condition = parse("total_measured.effective_ops>3");
        assert_eq!((condition.scope, condition.bound), (Scope::TotalMeasured, 3.0));
        assert!("total_measured>3".parse::<Condition>().is_err());
        assert_eq!(parse("updates==4").holds_for, &[EQUAL] as HoldsFor);
        assert_eq!(parse("updates!=4").holds_for, &[LESS, GREATER, None] as HoldsFor);
        assert_eq!(parse("updates<=4").holds_for, &[LESS, EQUAL] as HoldsFor);
    }

    #[test]
    fn changes_are_parsed() {
        for (text, scope, figure, bound) in [
            ("vs-baseline>+2%", Scope::Total, Figure::EFFECTIVE_PER_SAMPLE, 0.02),
            ("total_measured.vs-baseline>+2%", Scope::TotalMeasured, Figure::EFFECTIVE_PER_SAMPLE, 0.02),
            ("vs-baseline.sparsity < -1 %", Scope::Total, Figure::SPARSITY, -0.01),
            ("layer:a.b.vs-baseline>150%", Scope::Layer("a.b".into()), Figure::EFFECTIVE_PER_SAMPLE, 1.5),
            ("layer:a.b.vs-baseline.updates>=0%", Scope::Layer("a.b".into()), figure("updates"), 0.0),
            (
                "neuron:Leaky.vs-baseline.dense_ops!=0%",
                Scope::Neuron("Leaky".into()),
                figure("dense_ops"),
                0.0,
            ),
        ] {
            let condition = parse(text);
            assert!(condition.needs_baseline(), "{text}");
            let parsed = (condition.scope, condition.measure, condition.bound);
            assert_eq!(parsed, (scope, Measure::Change(figure), bound), "{text}");
        }
        assert!(!parse("sparsity<90%").needs_baseline());
        // A layer may be named like the word if a figure follows.
        assert_eq!(parse("layer:vs-baseline.updates>1").scope, Scope::Layer("vs-baseline".into()));
    }

    #[test]
    fn percentages_round_once() {
        assert_eq!(parse("sparsity<12.9%").bound, 0.129);
        assert_eq!(parse("sparsity<5e-1%").bound, 0.005);
        assert_eq!(parse("vs-baseline>.7%").bound, 0.007);
        assert_eq!((parse("sparsity<100%").bound, parse("sparsity>0").bound), (1.0, 0.0));
    }

    #[test]
    fn what_is_wrong_is_refused_with_advice() {
        for (wrong, says) in [
            ("", "not of the form"),
            ("<", "there is no figure \"\""),
            ("sparsity", "not of the form"),
            ("sparsity<", "is not a number"),
            ("sparsity<x", "is not a number"),
            ("sparsity=1", "not of the form"),
            ("colour<1", "there is no figure \"colour\" (there are always_active_neurons, "),
            ("sparsty<0.5", "there is no figure \"sparsty\"; did you mean sparsity? (there are "),
            ("layer:a.vs-baseline.sparsty<5%", "did you mean sparsity?"),
            ("vs-baselin>1%", "did you mean vs-baseline?"),
            ("layer:a<1", "\"layer:a\" lacks a figure behind a dot, as in layer:a.sparsity"),
            ("layer:vs-baseline<1%", "lacks a figure"),
            ("sparsity<NaN", "is not a number"),
            ("sparsity<90", "did you mean 90%?"),
            ("layer:a.sparsity>1.5", "did you mean 1.5%?"),
            ("sparsity<900", "between 0 and 1, or 0% and 100%, and 900 is not"),
            ("sparsity<101%", "between 0 and 1, or 0% and 100%, and 101% is not"),
            ("sparsity<-0.1", "between 0 and 1"),
            ("updates<50%", "updates is no percentage"),
            ("vs-baseline>+2", "every change from the baseline is relative: did you mean +2%?"),
            ("vs-baseline>", "is not a number"),
            ("vs-baseline.colour>1%", "there is no figure \"colour\""),
            ("vs-baselines>1%", "there is no figure \"vs-baselines\""),
            ("layer:a.vs-baseline.colour>1%", "there is no figure \"colour\""),
            ("vs-baseline>inf%", "is not a number"),
        ] {
            let error = wrong.parse::<Condition>().expect_err(wrong);
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    /// A run of one unpriced layer `u` and one layer `a`, which is the total.
    fn run(effective: u64, dense: u64) -> ComparedRun {
        let updates = Updates { effective: effective.into(), dense: dense.into() };
        let row = |name: &str, operations: Option<Operations>| {
            let sums = RowSums { samples: 1, updates: Some(updates), operations, ..RowSums::default() };
            ComparedRow::new(name, None, &sums)
        };
        let priced = |name: &str| row(name, Some(updates.times(1)));
        let layers = vec![priced("a"), row("u", None)];
        let rows = ComparedRows::new(priced("r"), None, vec![priced("Leaky")], layers).into();
        ComparedRun { source: "base.json".into(), rows, ..ComparedRun::default() }
    }

    fn reason(condition: &str, (base, new): (u64, u64)) -> Option<String> {
        let baseline = run(base, 200);
        parse(condition).failure(&run(new, 200), Some(&baseline)).map(|failure| failure.reason)
    }

    #[test]
    fn a_change_is_relative_to_the_baseline() {
        assert_eq!(reason("vs-baseline>+2%", (100, 102)), None);
        let effective = "change of effective ops/sample";
        assert_eq!(
            reason("vs-baseline>=2%", (100, 102)),
            Some(format!("{effective} +2.00 % (from 100.00 to 102.00) >= +2 %: fails"))
        );
        assert_eq!(reason("vs-baseline>+2%", (100, 50)), None);
        assert_eq!(
            reason("layer:a.vs-baseline<-10%", (100, 50)),
            Some(format!("a: {effective} -50.00 % (from 100.00 to 50.00) < -10 %: fails by 40.00 points"))
        );
        // From 50 % to 40 % is a fifth less.
        assert_eq!(reason("vs-baseline.sparsity<-20.1%", (100, 120)), None);
        let fell = reason("neuron:Leaky.vs-baseline.sparsity<-19.9%", (100, 120)).expect("it fell");
        assert!(fell.contains("(from 50.00 % to 40.00 %)"), "{fell}");
        assert_eq!(reason("vs-baseline!=0%", (0, 0)), None);
    }

    #[test]
    fn how_near_a_run_is_to_a_condition_is_said() {
        let near = |condition: &str| parse(condition).standing(&run(180, 200), Some(&run(100, 200)));
        let change = "change of effective ops/sample +80.00 % (from 100.00 to 180.00)";
        for (condition, short, near_by) in [
            ("effective_ops_per_sample>200", "effective ops/sample 180 <= 200: passes", " by 10.00 %"),
            ("effective_ops_per_sample<3e6", "effective ops/sample 180 < 3,000,000: fails", " by 99.99 %"),
            ("updates>=180", "updates 180 >= 180: fails", ""),
            ("updates>180", "updates 180 <= 180: passes", ""),
            ("layer:a.sparsity<50%", "a: sparsity 10.00 % < 50 %: fails", " by 40.00 points"),
            ("sparsity<0.1001", "sparsity 10.00 % < 10.01 %: fails", " by 0.01 points"),
            ("sparsity<10.0000001%", "sparsity 10.00 % < 10.0000001 %: fails", " by less than 0.01 points"),
            ("vs-baseline>+100%", &format!("{change} <= +100 %: passes"), " by 20.00 points"),
            ("vs-baseline<-5%", &format!("{change} >= -5 %: passes"), " by 85.00 points"),
            ("updates>0", "updates 180 > 0: fails", ""),
            ("updates==7", "updates 180 != 7: passes", ""),
            ("updates!=7", "updates 180 != 7: fails", ""),
            ("vs-baseline<-0%", &format!("{change} >= +0 %: passes"), " by 80.00 points"),
            ("sparsity<-0", "sparsity 10.00 % >= 0 %: passes", " by 10.00 points"),
        ] {
            let standing = near(condition);
            assert_eq!(standing.short, short);
            assert_eq!(standing.text, format!("{short}{near_by}"));
            let failure = standing.failure.map(|failure| failure.to_string());
            assert_eq!(failure, short.ends_with("fails").then_some(standing.text), "{condition}");
        }
        let absent = near("layer:b.updates>1");
        let why = "layer:b.updates>1 cannot be decided: there is no layer \"b\"";
        assert!(absent.text == why && absent.failure.is_some(), "{absent:?}");
    }

    /// A sentence whose rounded figure says the opposite of its sign would be wrong.
    #[test]
    fn a_value_has_the_digits_that_tell_it_from_the_bound() {
        let text = |condition: &str, effective: u64| {
            parse(condition).standing(&run(effective, 30_000_000), None).short
        };
        assert_eq!(text("sparsity<50%", 15_000_001), "sparsity 49.999997 % < 50 %: fails");
        assert_eq!(text("sparsity<99.99%", 15), "sparsity 99.99995 % >= 99.99 %: passes");
        assert_eq!(text("sparsity<=0.129", 26_130_000), "sparsity 12.90 % <= 12.9 %: fails");
    }

    #[test]
    fn whole_numbers_are_compared_as_such() {
        const BEYOND: u64 = 1 << 53;
        let reason =
            |condition: &str| parse(condition).failure(&run(BEYOND + 1, u64::MAX), None).map(|f| f.reason);
        let holds = Some("updates 9,007,199,254,740,993");
        for (condition, expected) in [
            ("updates==9007199254740993", holds),
            ("updates==9007199254740992", None),
            (
                "updates>9007199254740992",
                Some("updates 9,007,199,254,740,993 > 9,007,199,254,740,992: fails"),
            ),
            ("updates>9007199254740993", None),
            ("updates>=9007199254740993.5", None),
            ("updates>9007199254740992.5", holds),
            ("updates<90071992547409930e-1", None),
            (
                "layer:a.effective_ops<=9.007199254740993e15",
                Some("9,007,199,254,740,993 <= 9,007,199,254,740,993:"),
            ),
            ("updates<1e400000", None),
            ("updates>-0.5", holds),
            ("updates<1e30", Some("< 1,000,000,000,000,000,000,000,000,000,000: fails")),
        ] {
            if condition == "updates<1e400000" {
                assert!(condition.parse::<Condition>().is_err(), "it is no finite number");
            } else {
                let reason = reason(condition);
                let says = reason.as_deref().zip(expected).map(|(reason, part)| reason.contains(part));
                assert!(
                    reason.is_some() == expected.is_some() && says != Some(false),
                    "{condition}: {reason:?}"
                );
            }
        }
        let baseline = run(BEYOND, u64::MAX);
        let failure = parse("vs-baseline.updates!=0%").failure(&run(BEYOND + 1, u64::MAX), Some(&baseline));
        assert!(failure.is_some_and(|failure| failure.reason.contains("to 9,007,199,254,740,993)")));
    }

    #[test]
    fn decimal_numbers_have_a_floor() {
        for (text, expected) in [
            ("0", (0, false)),
            ("+12", (12, false)),
            ("-12", (-12, false)),
            ("1.0", (1, false)),
            ("1.5", (1, true)),
            ("-1.5", (-2, true)),
            (".5", (0, true)),
            ("5.", (5, false)),
            ("1e3", (1000, false)),
            ("1.25E1", (12, true)),
            ("125e-2", (1, true)),
            ("5e-3", (0, true)),
            ("0e-9", (0, false)),
        ] {
            let Exact { floor, is_more } = Exact::parse(text).expect(text);
            assert_eq!((floor, is_more), expected, "{text}");
        }
        for text in ["1e999", "inf", "NaN", "50%", "é.é", "1e", "99999999999999999999999999999999999999999"]
        {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_decided_fails_and_says_why() {
        let why = |condition, figures| reason(condition, figures).expect("it fails");
        let from_0 = why("vs-baseline>+2%", (0, 7));
        assert!(from_0.contains("it is 7.00") && from_0.contains("from 0"), "{from_0}");
        assert!(reason("vs-baseline<-2%", (0, 7)).is_some(), "also where it could not hold");
        assert!(
            why("layer:b.vs-baseline>1%", (1, 1)).contains(": in the baseline base.json: there is no layer")
        );
        assert!(why("layer:u.vs-baseline>1%", (1, 1)).contains("it has no value"));
        assert!(why("layer:u.sparsity>1%", (1, 1)).contains("it has no value"));
        assert!(why("neuron:Alpha.updates>1", (1, 1)).contains("there is no neuron \"Alpha\""));
        let alone = parse("vs-baseline>1%").failure(&run(1, 1), None).expect("it fails");
        assert!(alone.reason.contains("--baseline"), "{}", alone.reason);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,30}[<>=!]{0,3}\\PC{0,10}") {
            let _ = text.parse::<Condition>();
        }

        /// Any name, any figure, as a value or a change, is what was written.
        #[test]
        fn conditions_are_read_as_they_were_written(
            name in "\\PC{1,20}", layer: bool, change: bool, figure in 0..FIGURES.len(), bound in -500..500_i32,
        ) {
            prop_assume!(!name.ends_with(".vs-baseline"));
            let figure = &FIGURES[figure];
            let word = figure.name;
            let (scope, prefix) = match layer {
                true => (Scope::Layer(name.clone()), format!("layer:{name}.")),
                false => (Scope::Total, String::new()),
            };
            let (measure, subject, unit) = match change {
                true => (Measure::Change(figure), format!("vs-baseline.{word}"), "%"),
                false => (Measure::Value(figure), word.to_owned(), ""),
            };
            let text = format!("{prefix}{subject}>={bound}{unit}");
            if measure == Measure::Value(Figure::SPARSITY) && !(0..=1).contains(&bound) {
                prop_assert!(text.parse::<Condition>().is_err());
            } else {
                let condition = parse(&text);
                let expected = f64::from(bound) / if change { 100.0 } else { 1.0 };
                prop_assert_eq!((condition.scope, condition.measure), (scope, measure));
                prop_assert_eq!((condition.holds_for, condition.bound), (&[GREATER, EQUAL] as HoldsFor, expected));
            }
        }
    }
}
