//! Names that tell runs and layers apart elsewhere, where they must be short, unique, and safe.

use std::collections::{HashMap, HashSet};

/// The longest name, in bytes.
const MAX_BYTES: usize = 120;

/// Gives each thing, by its number, a name that no other one has.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: HashMap<usize, Given>,
    used: HashSet<String>,
    /// The number to try next for a name that is taken, by the name: all before it were taken once.
    next: HashMap<String, u64>,
}

/// A name as it was wished for and as it was given.
#[derive(Debug)]
struct Given {
    wish: String,
    name: String,
}

impl Names {
    /// The name of a thing: as wished for where it is short enough and free, and the same again for the same wish.
    pub(super) fn of(&mut self, number: usize, wish: &str) -> &str {
        if self.given.get(&number).is_none_or(|given| given.wish != wish) {
            if let Some(old) = self.given.remove(&number) {
                self.used.remove(&old.name);
            }
            let name = self.free(wish);
            self.used.insert(name.clone());
            self.given.insert(number, Given { wish: wish.to_owned(), name });
        }
        self.given.get(&number).map_or("", |given| &given.name)
    }

    /// A name that is free. Numbers that were once tried are not tried again, since thousands of names may begin
    /// in the same way.
    fn free(&mut self, wish: &str) -> String {
        let short = shortened(wish);
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

/// The beginning of a name, as much of it as there is room for.
fn shortened(name: &str) -> &str {
    let ends = name.char_indices().map(|(at, character)| at + character.len_utf8());
    &name[..ends.take_while(|&end| end <= MAX_BYTES).last().unwrap_or(0)]
}

/// A name as that of a directory, which is never hidden, never leads elsewhere, and differs for names that do.
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
        assert_eq!(names.of(0, "a"), "a");
        assert_eq!(names.of(1, "a"), "a-2");
        assert_eq!(names.of(2, "a-2"), "a-2-2");
        assert_eq!((names.of(1, "a").to_owned(), names.of(0, "a")), ("a-2".to_owned(), "a"));
        assert_eq!(names.of(0, "b"), "b");
        assert_eq!(names.of(3, "a"), "a", "it is free again");
        let long = "層".repeat(1000);
        assert!(names.of(4, &long).len() <= MAX_BYTES);
    }

    /// So many that counting from the first number for each does not come to an end.
    #[test]
    fn very_many_names_may_begin_in_the_same_way() {
        let beginning = "x".repeat(MAX_BYTES);
        let mut names = Names::default();
        for number in 0..200_000 {
            let name = names.of(number, &format!("{beginning}{number}")).to_owned();
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
            let name = names.of(number, &directory_name(&name)).to_owned();
            let mut components = Path::new(&name).components();
            prop_assert!(matches!(components.next(), Some(Component::Normal(_))), "{name}");
            prop_assert!(components.next().is_none() && !name.starts_with('.'), "{name}");
            prop_assert!(!name.chars().any(char::is_control));
        }
    }
}
