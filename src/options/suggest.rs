//! Suggests a known name for an unknown one.

pub use crate::text::nearest;

/// Says that there is no such name, and which there are.
pub fn unknown(what: &str, word: &str, names: &[&str]) -> String {
    let guess = nearest(word, names).map_or(String::new(), |name| format!("; did you mean {name}?"));
    let mut names = names.to_vec();
    names.sort_unstable();
    format!("there is no {what} {word:?}{guess} (there are {})", names.join(", "))
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
