//! A configuration file, and a key as it is written there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::dashboard::Key;
use neurotop::options::cli::CommandLine;
use neurotop::options::config::Config;
use neurotop::options::{OptionValues, Purpose};

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => {
            let options = OptionValues::resolve(&CommandLine::default(), &config, Purpose::Watch);
            options.expect("a wrong value is refused with its line");
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.chars().any(char::is_control), "{said:?}");
        }
    }
    if let Ok(key) = text.parse::<Key>() {
        assert!(!key.label().is_empty());
    }
});
