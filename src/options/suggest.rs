//! What to say of a name that there is not: the one that may be meant, and those that there are.

/// From this likeness on (Jaro's, of 0 to 1) a name may be meant.
const ALIKE: f64 = 0.7;

/// Says that there is no such name.
pub fn unknown(what: &str, word: &str, names: &[&str]) -> String {
    let guess = nearest(word, names).map_or(String::new(), |name| format!("; did you mean {name}?"));
    let mut names = names.to_vec();
    names.sort_unstable();
    format!("there is no {what} {word:?}{guess} (there are {})", names.join(", "))
}

/// The name that may be meant.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &&'a str| (strsim::jaro(word, name), *name);
    let best = names.iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_may_be_meant_is_named() {
        let names = ["theme", "settle", "fail-if"];
        assert_eq!(
            unknown("option", "fail_if", &names),
            "there is no option \"fail_if\"; did you mean fail-if? (there are fail-if, settle, theme)"
        );
        assert_eq!(
            unknown("option", "x", &names),
            "there is no option \"x\" (there are fail-if, settle, theme)"
        );
    }
}
