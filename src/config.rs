//! The configuration file: `config.toml` in the user's configuration directory.

use crate::cost::CostRule;
use crate::dashboard::ThemeName;
use anyhow::{Context, anyhow};
use etcetera::{BaseStrategy, choose_base_strategy};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a configuration file can say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Operations of one update, by `NEURON:RESET`.
    #[serde(default)]
    pub cost: BTreeMap<String, u64>,
    /// The theme of the dashboard.
    pub theme: Option<ThemeName>,
}

impl Config {
    /// Reads the file that the user names, or the default one where there is one.
    ///
    /// # Errors
    /// Where a named file is missing, or a file is not a configuration.
    pub fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => match default_path().filter(|path| path.is_file()) {
                Some(path) => path,
                None => return Ok(Self::default()),
            },
        };
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("the configuration {} is wrong; correct it", path.display()))
    }

    /// Parses the text of a configuration file.
    ///
    /// # Errors
    /// Where it is not TOML, has an unknown field, or a cost that cannot be given.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.cost_rules()?;
        Ok(config)
    }

    /// The costs as rules.
    ///
    /// # Errors
    /// Where a key is not `NEURON:RESET`, or NeuroBench prices it.
    pub fn cost_rules(&self) -> anyhow::Result<Vec<CostRule>> {
        self.cost.iter().map(|(key, &ops)| rule(key, ops)).collect()
    }
}

fn rule(key: &str, ops_per_update: u64) -> anyhow::Result<CostRule> {
    let (neuron, reset) =
        key.split_once(':').ok_or_else(|| anyhow!("[cost] {key:?} is not of the form \"NEURON:RESET\""))?;
    CostRule::new(neuron, reset, ops_per_update).map_err(|error| anyhow!("[cost] {key:?}: {error}"))
}

/// Where the configuration is looked for: `neurotop/config.toml` in the user's configuration directory.
pub fn default_path() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.config_dir().join("neurotop").join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_and_checked() {
        let config = Config::parse("[cost]\n\"RLeaky:subtract\" = 5\n").expect("a configuration");
        assert_eq!(config.cost_rules().expect("rules")[0].to_string(), "RLeaky:subtract=5");
        assert_eq!(Config::parse("").expect("empty"), Config::default());
        for wrong in
            ["[cost]\n\"Leaky:zero\" = 5", "[cost]\nRLeaky = 5", "[cost]\n\"A:b\" = -1", "colour = 1", "["]
        {
            assert!(Config::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_theme_is_one_that_there_is() {
        let config = Config::parse("theme = \"colour-blind\"").expect("a configuration");
        assert_eq!(config.theme, Some(ThemeName::ColourBlind));
        let error = Config::parse("theme = \"solarized\"").unwrap_err().to_string();
        assert!(error.contains("solarized") && error.contains("monochrome"), "{error}");
    }

    #[test]
    fn a_named_file_must_be_there() {
        let error = Config::load(Some(Path::new("nowhere/config.toml"))).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
