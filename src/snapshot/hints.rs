//! Guesses what is meant by a name that the format does not know, or that only one of manifest and batch has.

use super::batch::is_known;
use super::bounded::shown;

/// The most names in one hint.
pub(super) const NAMED: usize = 5;

/// The most members that are examined for hints.
const LOOKED_AT: usize = 1000;

/// What people call the members of a batch, and their right names.
const PARTS: [(&str, &str); 11] = [
    ("post", "post"),
    ("mem", "post"),
    ("membrane", "post"),
    ("potential", "post"),
    ("potentials", "post"),
    ("v", "post"),
    ("vmem", "post"),
    ("pre", "pre"),
    ("changed", "changed"),
    ("changes", "changed"),
    ("shape", "shape"),
];

const SAMPLES: [&str; 6] = ["samples", "sample", "n_samples", "num_samples", "nsamples", "batch_size"];

/// What `DataParallel` and `torch.compile` put before the names of modules.
const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];

/// The name that an ignored member was probably meant to have.
pub(super) fn meant(member: &str) -> Option<String> {
    // Such a member is only ignored if it lacks the suffix.
    if is_known(member) {
        return Some(format!("{member}.npy"));
    }
    if let Some(inner) = member.strip_suffix(".npy").filter(|inner| is_known(inner)) {
        return Some(inner.to_owned());
    }
    let word = member.to_lowercase();
    if SAMPLES.contains(&word.as_str()) {
        return Some("samples".to_owned());
    }
    if let Some(part) = part_of(&word) {
        return Some(format!("<layer>.{part}"));
    }
    let (layer, _) = member.rsplit_once(['.', '_', '-', '/', ' ', ':'])?;
    let part = part_of(&word[word.rfind(['.', '_', '-', '/', ' ', ':'])? + 1..])?;
    let name = format!("{layer}.{part}");
    is_known(&name).then_some(name)
}

fn part_of(word: &str) -> Option<&'static str> {
    PARTS.iter().find(|(said, _)| *said == word).map(|(_, part)| *part)
}

/// What the ignored members were probably meant to be, in words.
pub(super) fn all_meant(members: &[String]) -> Option<String> {
    let hint =
        |member: &String| Some(format!("{} may be meant for {}", shown(member), shown(&meant(member)?)));
    let hints: Vec<String> = members.iter().take(LOOKED_AT).filter_map(hint).take(NAMED).collect();
    (!hints.is_empty()).then(|| hints.join(", "))
}

/// Whether two names may mean the same layer: they differ by a wrapper, or one is relative to a part of the network.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    let (one, other) = (bare(one), bare(other));
    let is_within =
        |whole: &str, part: &str| whole.strip_suffix(part).is_some_and(|rest| rest.ends_with('.'));
    one == other || is_within(&one, &other) || is_within(&other, &one)
}

/// A layer's name in lower case and without wrappers.
fn bare(layer: &str) -> String {
    let parts = layer.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_named_in_another_way_are_known() {
        for (member, expected) in [
            ("lif.post", Some("lif.post.npy")),
            ("samples", Some("samples.npy")),
            ("lif.post.npy", Some("lif.post")),
            ("lif_post", Some("lif.post")),
            ("net.lif1-PRE", Some("net.lif1.pre")),
            ("lif.Post", Some("lif.post")),
            ("lif/post", Some("lif.post")),
            ("lif.mem", Some("lif.post")),
            ("lif.changes", Some("lif.changed")),
            ("post", Some("<layer>.post")),
            ("n_samples", Some("samples")),
            ("Samples", Some("samples")),
            ("lif.spikes", None),
            ("weights", None),
            ("", None),
            ("_post", None),
            (".hidden_post", None),
            ("\u{130}_post", Some("\u{130}.post")),
        ] {
            assert_eq!(meant(member).as_deref(), expected, "{member}");
        }
    }

    #[test]
    fn layers_are_alike_without_wrappers_and_within_others() {
        for (one, other, alike) in [
            ("lif", "module.lif", true),
            ("_orig_mod.net.lif", "net.lif", true),
            ("module._orig_mod.lif", "lif", true),
            ("net.module.lif", "net.lif", true),
            ("LIF", "lif", true),
            ("lif1", "net.lif1", true),
            ("lif1", "lif2", false),
            ("lif", "xlif", false),
        ] {
            assert_eq!(are_alike(one, other), alike, "{one} {other}");
            assert_eq!(are_alike(other, one), alike, "{other} {one}");
        }
    }
}
