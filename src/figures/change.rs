//! The change of a figure from one run to another.

use super::ComparedRow;
use super::figure::{Better, Figure, FigureUnit};
use crate::text::decimal;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// A figure in two runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    pub figure: &'static Figure,
    /// `None` if the base has no value.
    pub base: Option<f64>,
    /// `None` if the new run has no value.
    pub new: Option<f64>,
}

/// Whether a change is a gain. The table of figures says which value is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Better,
    Worse,
    Same,
}

impl Change {
    /// The change of a figure between two rows.
    pub fn between(figure: &'static Figure, base: Option<&ComparedRow>, new: Option<&ComparedRow>) -> Self {
        let value = |row: Option<&ComparedRow>| row.and_then(|row| row.value(figure));
        Self { figure, base: value(base), new: value(new) }
    }

    fn both(&self) -> Option<(f64, f64)> {
        self.base.zip(self.new)
    }

    /// New − base, in the figure's unit; `None` if either has no value.
    pub fn absolute(&self) -> Option<f64> {
        self.both().map(|(base, new)| new - base)
    }

    /// (New − base) ÷ base: 0.02 is 2 % more. `None` also from 0 to anything else.
    pub fn relative(&self) -> Option<f64> {
        let (base, new) = self.both()?;
        match base == new {
            true => Some(0.0),
            false => (base != 0.0).then(|| (new - base) / base.abs()),
        }
    }

    /// `None` if either has no value.
    pub fn direction(&self) -> Option<Direction> {
        let (base, new) = self.both()?;
        let (more, fewer) = match self.figure.better {
            Better::Higher => (Direction::Better, Direction::Worse),
            Better::Lower => (Direction::Worse, Direction::Better),
        };
        Some(match base.partial_cmp(&new)? {
            std::cmp::Ordering::Equal => Direction::Same,
            std::cmp::Ordering::Less => more,
            std::cmp::Ordering::Greater => fewer,
        })
    }

    /// The change with its sign: `+1.23 %`, of a ratio `-4.00 pp` (percentage points), `±0` for none, `+∞ %` from 0, `–` where either has no value.
    pub fn text(&self) -> String {
        let Some(absolute) = self.absolute() else { return "–".into() };
        match (self.figure.unit, self.relative()) {
            _ if absolute == 0.0 => "±0".into(),
            (FigureUnit::Ratio, _) => format!("{} pp", signed(absolute * 100.0, 2)),
            (_, Some(relative)) => format!("{} %", signed(relative * 100.0, 2)),
            (_, None) => format!("{}∞ %", if absolute < 0.0 { "-" } else { "+" }),
        }
    }

    /// The distance with its sign, in the unit of the figure: `+1,234.50`, and `-4.00 pp` of a ratio.
    pub fn distance(&self) -> String {
        match self.absolute() {
            Some(absolute) if absolute != 0.0 && self.figure.unit != FigureUnit::Ratio => {
                signed(absolute, self.figure.digits())
            }
            _ => self.text(),
        }
    }
}

/// A number with its sign, even if it rounds to 0.
fn signed(value: f64, digits: usize) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", decimal(value, digits))
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut change = serializer.serialize_struct("Change", 5)?;
        change.serialize_field("base", &self.base)?;
        change.serialize_field("new", &self.new)?;
        change.serialize_field("absolute", &self.absolute())?;
        change.serialize_field("relative", &self.relative())?;
        change.serialize_field("direction", &self.direction())?;
        change.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::FIGURES;
    use proptest::prelude::*;

    fn change(figure: &'static Figure, base: f64, new: f64) -> Change {
        Change { figure, base: Some(base), new: Some(new) }
    }

    #[test]
    fn changes_have_signs() {
        let (effective, sparsity) = (Figure::EFFECTIVE_PER_SAMPLE, Figure::SPARSITY);
        for (change, text, distance) in [
            (change(effective, 100.0, 101.23), "+1.23 %", "+1.23"),
            (change(effective, 1e6, 960_000.0), "-4.00 %", "-40,000.00"),
            (change(effective, 5.0, 5.0), "±0", "±0"),
            (change(effective, 1e9, 1e9 + 1.0), "+0.00 %", "+1.00"),
            (change(effective, 1.0, 1234.5), "+123,350.00 %", "+1,233.50"),
            (change(effective, 0.0, 7.0), "+∞ %", "+7.00"),
            (change(effective, 0.0, 0.0), "±0", "±0"),
            (change(effective, 7.0, 0.0), "-100.00 %", "-7.00"),
            (change(sparsity, 0.5, 0.46), "-4.00 pp", "-4.00 pp"),
            (change(sparsity, 0.0, 0.25), "+25.00 pp", "+25.00 pp"),
            (change(Figure::named("silent_neurons").expect("a figure"), 4.0, 7.0), "+75.00 %", "+3"),
            (Change { figure: sparsity, base: None, new: Some(0.5) }, "–", "–"),
        ] {
            assert_eq!((change.text().as_str(), change.distance().as_str()), (text, distance), "{change:?}");
        }
    }

    #[test]
    fn the_figure_says_which_of_two_values_is_better() {
        let higher = ["sparsity", "saved_ops_per_sample"];
        for figure in FIGURES {
            let (more, fewer) = match higher.contains(&figure.name) {
                true => (Direction::Better, Direction::Worse),
                false => (Direction::Worse, Direction::Better),
            };
            assert_eq!(change(figure, 0.1, 0.2).direction(), Some(more), "{}", figure.name);
            assert_eq!(change(figure, 0.2, 0.1).direction(), Some(fewer), "{}", figure.name);
            assert_eq!(change(figure, 0.2, 0.2).direction(), Some(Direction::Same), "{}", figure.name);
            assert_eq!(Change { figure, base: Some(1.0), new: None }.direction(), None, "{}", figure.name);
        }
    }

    #[test]
    fn from_nothing_there_is_no_relative_change() {
        assert_eq!(change(Figure::EFFECTIVE_PER_SAMPLE, 0.0, 1.0).relative(), None);
        assert_eq!(change(Figure::EFFECTIVE_PER_SAMPLE, 0.0, 0.0).relative(), Some(0.0));
        assert_eq!(change(Figure::EFFECTIVE_PER_SAMPLE, 100.0, 102.0).relative(), Some(0.02));
    }

    proptest! {
        #[test]
        fn the_sign_says_the_direction(base in 0.0..1e12, new in 0.0..1e12) {
            let change = change(Figure::EFFECTIVE_PER_SAMPLE, base, new);
            let sign = change.text().chars().next();
            prop_assert_eq!(change.distance().chars().next(), sign);
            match change.direction() {
                Some(Direction::Worse) => prop_assert_eq!(sign, Some('+')),
                Some(Direction::Better) => prop_assert_eq!(sign, Some('-')),
                _ => prop_assert_eq!(sign, Some('±')),
            }
        }
    }
}
