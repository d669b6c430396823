//! The conditions of `--fail-if`, such as `sparsity<0.9` and `vs-baseline>+2%`.

use super::compared_run::total_sums;
use super::figure::{Basis, FIGURES, Figure, FigureUnit, Number};
use super::{Change, ComparedRun, Failure, Summary};
use crate::run::tally::quotient;
use crate::text::{decimal, percent as percent_text};
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

/// The operators, the longer ones first so that `<=` is not taken for `<`.
const OPERATORS: [(&str, HoldsFor); 6] = [
    ("<=", &[LESS, EQUAL]),
    (">=", &[GREATER, EQUAL]),
    ("==", &[EQUAL]),
    ("!=", &[LESS, GREATER, None]),
    ("<", &[LESS]),
    (">", &[GREATER]),
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
        let bound = parse_bound(measure, bound)?;
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
    let (sign, holds_for) = OPERATORS.into_iter().find(|(sign, _)| text[..end].ends_with(sign))?;
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
        let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        format!("there is no figure {name:?}; there are {}, and {BASELINE}", names.join(", "))
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
        self.failure_of(&self.measure(run, baseline))
    }

    fn failure_of(&self, measured: &Result<Measured, String>) -> Option<Failure> {
        let reason = match measured {
            Ok(measured) if self.holds(measured.value) => measured.reason.clone(),
            Ok(_) => return None,
            Err(why) => why.clone(),
        };
        Some(Failure { new: None, condition: self.text.clone(), reason })
    }

    /// How near a run is to the condition.
    pub fn standing(&self, run: &impl Judged, baseline: Option<&ComparedRun>) -> Standing {
        let measured = self.measure(run, baseline);
        let (text, short) = match &measured {
            Ok(measured) => self.nearness(measured.value.as_f64()),
            Err(why) => (format!("{}: {why}", self.text), self.text.clone()),
        };
        Standing { text, short, failure: self.failure_of(&measured) }
    }

    /// As in `effective ops/sample 632 of at most 700 (90 %)`, and `effective ops/sample 632 <= 700`.
    fn nearness(&self, value: f64) -> (String, String) {
        let scope = match &self.scope {
            Scope::Total => String::new(),
            Scope::TotalMeasured => "with measured prices: ".to_owned(),
            Scope::Layer(name) | Scope::Neuron(name) => format!("{name}: "),
        };
        let limit = LIMITS.iter().find(|(holds_for, _)| *holds_for == self.holds_for);
        let (words, sign) = limit.map_or(("", ""), |limit| limit.1);
        let (figure, what) = match self.measure {
            Measure::Value(figure) => (figure, ""),
            Measure::Change(figure) => (figure, "change of "),
        };
        let near = match value / self.bound {
            part if part.is_finite() && part >= 0.0 => format!(" ({:.0} %)", part * 100.0),
            _ => String::new(),
        };
        let (value, bound) = (self.written(value), self.written(self.bound));
        let subject = format!("{scope}{what}{} {value}", figure.label);
        (format!("{subject} {words} {bound}{near}"), format!("{subject} {sign} {bound}"))
    }

    /// The figure or the bound, for people.
    fn written(&self, value: f64) -> String {
        match self.measure {
            Measure::Change(_) => format!("{:+.2} %", value * 100.0),
            Measure::Value(Figure { unit: FigureUnit::Ratio, .. }) => percent_text(value),
            Measure::Value(_) if value.fract() == 0.0 => decimal(value, 0),
            Measure::Value(_) => decimal(value, 2),
        }
    }

    /// The value that is compared with the bound; an error if there is none.
    fn measure(&self, run: &impl Judged, baseline: Option<&ComparedRun>) -> Result<Measured, String> {
        match self.measure {
            Measure::Value(figure) => {
                let value = run.value_in(&self.scope, figure)?;
                Ok(Measured { value, reason: format!("it is {value}") })
            }
            Measure::Change(figure) => {
                let baseline = baseline.ok_or("there is no baseline; give one with --baseline")?;
                let in_baseline = |why| format!("in the baseline {}: {why}", baseline.source);
                let base = baseline.value_in(&self.scope, figure).map_err(in_baseline)?;
                let new = run.value_in(&self.scope, figure)?;
                let relative = match (base, new) {
                    (Number::Whole(base), Number::Whole(new)) => relative_of_whole(base, new),
                    _ => {
                        let (base, new) = (Some(base.as_f64()), Some(new.as_f64()));
                        Change { figure, base, new }.relative()
                    }
                };
                let from_0 = || format!("it is {new}, and a change from 0 in the baseline has no percentage");
                let relative = relative.ok_or_else(from_0)?;
                let reason = format!("it is {:+.4} %, from {base} to {new}", relative * 100.0);
                Ok(Measured { value: Number::Real(relative), reason })
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

/// The words and the sign for what a value may be, by the orderings for which a condition holds.
const LIMITS: [(HoldsFor, (&str, &str)); 6] = [
    (&[LESS, EQUAL], ("of more than", ">")),
    (&[GREATER, EQUAL], ("of less than", "<")),
    (&[EQUAL], ("other than", "!=")),
    (&[LESS, GREATER, None], ("of exactly", "==")),
    (&[LESS], ("of at least", ">=")),
    (&[GREATER], ("of at most", "<=")),
];

/// A value that is compared with a bound, and a sentence about it.
struct Measured {
    value: Number,
    reason: String,
}

/// How near a run is to a condition, and why the command fails if it ended now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub text: String,
    /// The same in fewer words.
    pub short: String,
    pub failure: Option<Failure>,
}

/// What conditions can be about.
pub trait Judged {
    /// # Errors
    /// Where there is no such row, or the figure has no value.
    fn value_in(&self, scope: &Scope, figure: &'static Figure) -> Result<Number, String>;
}

impl Judged for ComparedRun {
    fn value_in(&self, scope: &Scope, figure: &'static Figure) -> Result<Number, String> {
        let row = match scope {
            Scope::Total => Some(&self.rows.total),
            Scope::TotalMeasured => Some(self.rows.total_of_all()),
            Scope::Layer(name) => self.rows.layer(name),
            Scope::Neuron(name) => self.rows.neuron(name),
        };
        row.ok_or_else(|| scope.absent())?.values.get(figure).ok_or_else(|| without_value(figure))
    }
}

impl Judged for Summary {
    fn value_in(&self, scope: &Scope, figure: &'static Figure) -> Result<Number, String> {
        let sums = match scope {
            Scope::Total => {
                let is_priced = self.total.unpriced_layers < self.layers.len();
                Some(total_sums(self.total.sums, is_priced))
            }
            Scope::TotalMeasured => {
                let total = self.total_of_all();
                Some(total_sums(total.sums, total.unpriced_layers < self.layers.len()))
            }
            Scope::Layer(name) => {
                self.layers.iter().find(|layer| layer.name == *name).map(|layer| layer.sums)
            }
            Scope::Neuron(name) => {
                self.neurons.iter().find(|class| class.neuron == *name).map(|class| class.sums)
            }
        };
        figure.value(&sums.ok_or_else(|| scope.absent())?).ok_or_else(|| without_value(figure))
    }
}

impl Scope {
    fn absent(&self) -> String {
        match self {
            Self::Total | Self::TotalMeasured => "there is no total".to_owned(),
            Self::Layer(name) => format!("there is no layer {name:?}"),
            Self::Neuron(name) => format!("there is no neuron {name:?}"),
        }
    }
}

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
    use crate::figures::compared_run::{ComparedRow, ComparedRows, Values};
    use crate::figures::row::RowSums;
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
            ("colour<1", "there is no figure \"colour\"; there are updates, "),
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
            ComparedRow { name: name.into(), kind: None, values: Values::from_sums(&sums) }
        };
        let priced = |name: &str| row(name, Some(updates.times(1)));
        ComparedRun {
            source: "base.json".into(),
            name: "r".into(),
            directory: None,
            samples: 1,
            batches: 1,
            complete: true,
            waiting: 0,
            set_aside: Vec::new(),
            disagreements: Vec::new(),
            notices: Vec::new(),
            rows: ComparedRows::new(priced("r"), vec![priced("Leaky")], vec![priced("a"), row("u", None)])
                .into(),
            points: Default::default(),
        }
    }

    fn reason(condition: &str, (base, new): (u64, u64)) -> Option<String> {
        let baseline = run(base, 200);
        parse(condition).failure(&run(new, 200), Some(&baseline)).map(|failure| failure.reason)
    }

    #[test]
    fn a_change_is_relative_to_the_baseline() {
        assert_eq!(reason("vs-baseline>+2%", (100, 102)), None);
        assert_eq!(reason("vs-baseline>=2%", (100, 102)), Some("it is +2.0000 %, from 100 to 102".into()));
        assert_eq!(reason("vs-baseline>+2%", (100, 50)), None);
        assert_eq!(
            reason("layer:a.vs-baseline<-10%", (100, 50)),
            Some("it is -50.0000 %, from 100 to 50".into())
        );
        // From 50 % to 40 % is a fifth less.
        assert_eq!(reason("vs-baseline.sparsity<-20.1%", (100, 120)), None);
        let fell = reason("neuron:Leaky.vs-baseline.sparsity<-19.9%", (100, 120)).expect("it fell");
        assert!(fell.contains("from 0.5 to 0.4"), "{fell}");
        assert_eq!(reason("vs-baseline!=0%", (0, 0)), None);
    }

    #[test]
    fn how_near_a_run_is_to_a_condition_is_said() {
        let near = |condition: &str| parse(condition).standing(&run(180, 200), Some(&run(100, 200)));
        for (condition, text, fails) in [
            ("effective_ops_per_sample>200", "effective ops/sample 180 of at most 200 (90 %)", false),
            ("updates>=180", "updates 180 of less than 180 (100 %)", true),
            ("layer:a.sparsity<50%", "a: sparsity 10.00 % of at least 50.00 % (20 %)", true),
            (
                "vs-baseline>+100%",
                "change of effective ops/sample +80.00 % of at most +100.00 % (80 %)",
                false,
            ),
            ("vs-baseline<-5%", "change of effective ops/sample +80.00 % of at least -5.00 %", false),
            ("updates>0", "updates 180 of at most 0", true),
            ("updates==7", "updates 180 other than 7 (2571 %)", false),
        ] {
            let standing = near(condition);
            assert_eq!((standing.text.as_str(), standing.failure.is_some()), (text, fails), "{condition}");
        }
        assert_eq!(near("effective_ops_per_sample>200").short, "effective ops/sample 180 <= 200");
        let absent = near("layer:b.updates>1");
        assert!(absent.text.contains("there is no layer \"b\"") && absent.failure.is_some(), "{absent:?}");
    }

    #[test]
    fn whole_numbers_are_compared_as_such() {
        const BEYOND: u64 = 1 << 53;
        let reason =
            |condition: &str| parse(condition).failure(&run(BEYOND + 1, u64::MAX), None).map(|f| f.reason);
        let holds = Some(format!("it is {}", BEYOND + 1));
        for (condition, expected) in [
            ("updates==9007199254740993", &holds),
            ("updates==9007199254740992", &None),
            ("updates>9007199254740992", &holds),
            ("updates>9007199254740993", &None),
            ("updates>=9007199254740993.5", &None),
            ("updates>9007199254740992.5", &holds),
            ("updates<90071992547409930e-1", &None),
            ("layer:a.effective_ops<=9.007199254740993e15", &holds),
            ("updates<1e400000", &holds),
            ("updates>-0.5", &holds),
            ("updates<1e30", &holds),
        ] {
            if condition == "updates<1e400000" {
                assert!(condition.parse::<Condition>().is_err(), "it is no finite number");
            } else {
                assert_eq!(&reason(condition), expected, "{condition}");
            }
        }
        let baseline = run(BEYOND, u64::MAX);
        let failure = parse("vs-baseline.updates!=0%").failure(&run(BEYOND + 1, u64::MAX), Some(&baseline));
        assert!(failure.is_some_and(|failure| failure.reason.ends_with("to 9007199254740993")));
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
        assert!(from_0.contains("it is 7") && from_0.contains("from 0"), "{from_0}");
        assert!(reason("vs-baseline<-2%", (0, 7)).is_some(), "also where it could not hold");
        assert!(
            why("layer:b.vs-baseline>1%", (1, 1)).starts_with("in the baseline base.json: there is no layer")
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
