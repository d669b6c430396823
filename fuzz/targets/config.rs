//! A configuration file, and a key as it is written there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::config::Config;
use neurotop::dashboard::Key;

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => drop(config.key_table().expect("a configuration is refused where keys conflict")),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.chars().any(char::is_control), "{said:?}");
        }
    }
    if let Ok(key) = text.parse::<Key>() {
        assert!(!key.label().is_empty());
    }
});
