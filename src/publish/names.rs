//! Short, unique and safe names of runs and layers for other programs.

use std::collections::{HashMap, HashSet};

/// The longest name, in bytes.
const MAX_BYTES: usize = 120;

/// Gives each run or layer, by its number, a name that no other one has.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By number, the name that was wanted and the one that was given.
    given: HashMap<usize, (String, String)>,
    used: HashSet<String>,
    /// By name, the number to try next if the name is taken. All numbers before it were taken once.
    next: HashMap<String, u64>,
}

impl Names {
    /// The name for a number: the wanted one if it is short enough and free. The same wanted name gives the same name
    /// again.
    pub(super) fn name_for(&mut self, number: usize, wanted: &str) -> &str {
        if self.given.get(&number).is_none_or(|(known, _)| known != wanted) {
            if let Some((_, old)) = self.given.remove(&number) {
                self.used.remove(&old);
            }
            let name = self.free(wanted);
            self.used.insert(name.clone());
            self.given.insert(number, (wanted.to_owned(), name));
        }
        self.given.get(&number).map_or("", |(_, name)| name)
    }

    /// A free name. No number is tried twice, since thousands of names may begin in the same way.
    fn free(&mut self, wanted: &str) -> String {
        let short = shortened(wanted);
        if !self.used.contains(short) {
            return short.to_owned();
        }
        let next = self.next.entry(short.to_owned()).or_insert(2);
        loop {
            let name = format!("{short}-{next}");
            *next += 1;
            if !self.used.contains(&name) {
                return name;
            }
        }
    }
}

/// As much of the beginning of a name as fits.
fn shortened(name: &str) -> &str {
    let ends = name.char_indices().map(|(at, character)| at + character.len_utf8());
    &name[..ends.take_while(|&end| end <= MAX_BYTES).last().unwrap_or(0)]
}

/// The name as a directory name. It is never hidden and never leads elsewhere, and no two names share one.
pub(super) fn directory_name(name: &str) -> String {
    let mut text = String::new();
    for (at, character) in name.char_indices() {
        let is_plain = character.is_alphanumeric() || "-_+=, ".contains(character);
        if is_plain || (character == '.' && at > 0) {
            text.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                text += &format!("%{byte:02X}");
            }
        }
    }
    if text.is_empty() { "%00".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn two_of_a_name_are_told_apart_and_keep_their_names() {
        let mut names = Names::default();
        assert_eq!(names.name_for(0, "a"), "a");
        assert_eq!(names.name_for(1, "a"), "a-2");
        assert_eq!(names.name_for(2, "a-2"), "a-2-2");
        assert_eq!((names.name_for(1, "a").to_owned(), names.name_for(0, "a")), ("a-2".to_owned(), "a"));
        assert_eq!(names.name_for(0, "b"), "b");
        assert_eq!(names.name_for(3, "a"), "a", "it is free again");
        let long = "層".repeat(1000);
        assert!(names.name_for(4, &long).len() <= MAX_BYTES);
    }

    /// So many that counting from the first number for each does not come to an end.
    #[test]
    fn very_many_names_may_begin_in_the_same_way() {
        let beginning = "x".repeat(MAX_BYTES);
        let mut names = Names::default();
        for number in 0..200_000 {
            let name = names.name_for(number, &format!("{beginning}{number}")).to_owned();
            let expected =
                if number == 0 { beginning.clone() } else { format!("{beginning}-{}", number + 1) };
            assert_eq!(name, expected);
        }
        assert_eq!((names.used.len(), names.next.len()), (200_000, 1));
    }

    #[test]
    fn directories_stay_where_they_are() {
        assert_eq!(directory_name("exp 1_b.2"), "exp 1_b.2");
        assert_eq!(directory_name("../a"), "%2E.%2Fa");
        assert_eq!(directory_name(""), "%00");
        assert_eq!(directory_name("a\u{1b}[2J"), "a%1B%5B2J");
    }

    proptest! {
        #[test]
        fn any_name_is_one_component(name in ".{0,40}", number in 0_usize..3) {
            let mut names = Names::default();
            let name = names.name_for(number, &directory_name(&name)).to_owned();
            let mut components = Path::new(&name).components();
            prop_assert!(matches!(components.next(), Some(Component::Normal(_))), "{name}");
            prop_assert!(components.next().is_none() && !name.starts_with('.'), "{name}");
            prop_assert!(!name.chars().any(char::is_control));
        }
    }
}
