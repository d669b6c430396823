//! A condition of `--fail-if`, and a price of `--cost`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::figures::condition::Condition;
use neurotop::run::prices::CostRule;

fuzz_target!(|text: &str| {
    if let Ok(condition) = text.parse::<Condition>() {
        assert_eq!(condition.to_string().parse(), Ok(condition));
    }
    if let Ok(rule) = text.parse::<CostRule>() {
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
});
