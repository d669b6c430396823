//! The energy of one neuron operation, as the user gives it.

use std::fmt;
use std::str::FromStr;

/// Accepted units, with the exponent that turns a number of them into picojoules.
const UNITS: [(&str, &str); 2] = [("pJ", "e0"), ("fJ", "e-3")];

/// The energy of one operation. There is no default: it depends on the hardware.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct EnergyPerOp {
    /// Finite and above 0.
    picojoules: f64,
}

/// The value is never NaN.
impl Eq for EnergyPerOp {}

impl EnergyPerOp {
    pub fn picojoules(self) -> f64 {
        self.picojoules
    }
}

impl FromStr for EnergyPerOp {
    type Err = String;

    /// Rounds once: `900fJ` is the same number as `0.9pJ`.
    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || format!("{text:?} is not an energy; write a number with its unit, as in 0.9pJ or 900fJ");
        let (number, exponent) = UNITS
            .into_iter()
            .find_map(|(unit, exponent)| Some((text.trim().strip_suffix(unit)?.trim_end(), exponent)))
            .ok_or_else(form)?;
        number.parse::<f64>().map_err(|_| form())?;
        // A number with an exponent of its own is scaled instead: it cannot have two.
        let picojoules = match format!("{number}{exponent}").parse::<f64>() {
            Ok(exact) => exact,
            Err(_) => {
                format!("1{exponent}").parse::<f64>().map_err(|_| form())? * number.parse().unwrap_or(0.0)
            }
        };
        if !picojoules.is_finite() || picojoules <= 0.0 {
            return Err(format!("the energy of an operation is a number above 0, and {text:?} is not"));
        }
        Ok(Self { picojoules })
    }
}

impl fmt::Display for EnergyPerOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}pJ", self.picojoules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_energy_has_a_unit() {
        for (text, picojoules) in
            [("0.9pJ", 0.9), ("900fJ", 0.9), ("4.6 pJ", 4.6), ("1e3fJ", 1.0), (".5fJ", 0.0005)]
        {
            let energy: EnergyPerOp = text.parse().expect(text);
            assert_eq!(energy.picojoules(), picojoules, "{text}");
            assert_eq!(energy.to_string().parse(), Ok(energy), "{text}");
        }
        for (wrong, says) in [
            ("", "write a number with its unit"),
            ("0.9", "write a number with its unit"),
            ("0.9J", "write a number with its unit"),
            ("pJ", "write a number with its unit"),
            ("0.9PJ", "write a number with its unit"),
            ("0pJ", "above 0"),
            ("-1pJ", "above 0"),
            ("NaNpJ", "above 0"),
            ("inffJ", "above 0"),
            ("1e999pJ", "above 0"),
        ] {
            let error = wrong.parse::<EnergyPerOp>().expect_err(wrong);
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
