//! Suggests a known name for an unknown one.

/// The likeness, by Jaro's measure from 0 to 1, from which on a name is suggested.
const ALIKE: f64 = 0.7;

/// Says that there is no such name, and which there are.
pub fn unknown(what: &str, word: &str, names: &[&str]) -> String {
    let guess = nearest(word, names).map_or(String::new(), |name| format!("; did you mean {name}?"));
    let mut names = names.to_vec();
    names.sort_unstable();
    format!("there is no {what} {word:?}{guess} (there are {})", names.join(", "))
}

/// The most similar name, if one is similar enough.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &&'a str| (strsim::jaro(word, name), *name);
    let best = names.iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_name_is_suggested() {
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
